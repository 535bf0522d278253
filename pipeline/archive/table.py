"""The table of photographs in SQLite: its columns, how it is opened, and what its errors mean."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

VERSION = 3
"""Counts up where the table is to be made anew."""

_UNABLE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)

TABLE = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, name BLOB UNIQUE, output BLOB, look TEXT, source_bytes INTEGER, source_mtime_ns INTEGER,
    source_digest TEXT, bytes INTEGER, mtime_ns INTEGER, digest TEXT, width_px INTEGER, height_px INTEGER,
    pages INTEGER, written_ns INTEGER, notes TEXT);
CREATE TABLE outputs (output BLOB PRIMARY KEY, name BLOB) WITHOUT ROWID;
CREATE TABLE journal (inode INTEGER, read INTEGER, stale INTEGER);
INSERT INTO journal VALUES (0, 0, 0);
"""


@dataclass(frozen=True)
class Row:
    """What is known of one photograph; the fields are those of `PictureRecord`, `name` is its source's."""

    id: int
    name: str
    output: str
    look: str
    source_bytes: int
    source_mtime_ns: int
    source_digest: str | None
    bytes: int
    mtime_ns: int
    digest: str
    width_px: int
    height_px: int
    pages: int
    written_ns: int  # `mtime_ns` as the journal has it, see `touch`
    notes: tuple[str, ...]


DAMAGED = (sqlite3.DatabaseError, TypeError, ValueError, OverflowError)
"""What comes of a table whose bytes are not as they were written: no table, none of these columns, odd values."""

COLUMNS = tuple(field.name for field in fields(Row))[1:]
UPSERT = (
    f"INSERT INTO pictures ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    f"ON CONFLICT (name) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS[1:])} RETURNING id"
)


def is_unable(error: Exception) -> bool:
    """Whether the table is whole, and only cannot be written."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) in _UNABLE


def connect(name: str) -> sqlite3.Connection:
    """Open a table by the name of its file, or by a URI; "" is one that vanishes."""
    connection = sqlite3.connect(name, check_same_thread=False, timeout=60.0, uri=name.startswith("file:"))
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Of the table; 0 where there is none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def row_of(values: Sequence[Any]) -> Row:
    """A row as it is selected; names are kept as bytes, since they need not be Unicode."""
    row_id, name, output, *others, notes = values
    given: list[Any] = [row_id, os.fsdecode(name), os.fsdecode(output), *others, tuple(json.loads(notes))]
    return Row(*given)
