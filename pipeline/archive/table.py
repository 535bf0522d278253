"""The table of photographs in SQLite: its columns, all that is written into it by itself, and what its errors mean."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.places import leads_out
from pipeline.records import PictureRecord

VERSION = 3
"""Counts up where the table is to be made anew."""

SMALL = 20_000
"""Photographs up to which a journal is written anew for a single line that is out of date."""

MAX_BYTES = 1 << 22
"""Of one value; ours are names, and notes of some sentences."""

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
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
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Of the table; 0 where there is none.

    Raises DatabaseError where there is more than our tables, or other ones, and where a row would not be found by its
    name, which SQLite itself does not notice; of a million photographs that takes two seconds.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == VERSION:
        if _schema(connection) != _our_schema():
            raise sqlite3.DatabaseError("its tables are not as they were made")
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
    return version


def _schema(connection: sqlite3.Connection) -> list[Any]:
    """Everything that is defined: tables, and what a stranger may have added, views and triggers."""
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


@cache
def _our_schema() -> list[Any]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLE)
        return _schema(connection)


def beside(index: Path) -> tuple[Path, ...]:
    """Where SQLite keeps what it has not yet written into a table, or wants to undo in it."""
    return tuple(index.with_name(index.name + end) for end in ("-journal", "-wal", "-shm"))


def names_a_file(index: Path) -> bool:
    """Whether there is something to undo in a table that says at its end that it is a part of more.

    SQLite undoes it as the table is opened, and then removes the file that is named there. Nothing of ours has such an
    end, but a stranger's may (sqlite.org/fileformat2.html, 3).
    """
    journal, *_ = beside(index)
    try:
        with journal.open("rb") as file:
            file.seek(max(0, journal.stat().st_size - len(_JOURNAL_MAGIC)))
            return file.read() == _JOURNAL_MAGIC
    except FileNotFoundError:
        return False


def insert(connection: sqlite3.Connection, pages: Sequence[PictureRecord]) -> int:
    """Take down a picture by its pages; the row's number. Counts lines of the journal that this one replaces."""
    page = pages[0]
    name, output = os.fsencode(page.source), os.fsencode(page.output)  # a name need not be Unicode
    values = {**asdict(page), "name": name, "output": output, "notes": json.dumps(page.notes)}
    values["written_ns"] = page.mtime_ns
    known = "SELECT written_ns, digest FROM pictures WHERE name = ?"
    before = connection.execute(known, (name,)).fetchone()
    if before not in (None, (page.mtime_ns, page.digest)):  # the same line may be read again
        connection.execute("UPDATE journal SET stale = stale + 1")
    connection.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?)", (output, name))
    row = connection.execute(UPSERT, [values[name] for name in COLUMNS]).fetchone()
    return int(row[0])


def read_so_far(connection: sqlite3.Connection) -> tuple[Any, Any]:
    """Which journal the table was made of, by its inode, and how many bytes of it."""
    inode, read, _ = connection.execute("SELECT * FROM journal").fetchone()
    return inode, read


def note_read(connection: sqlite3.Connection, journal: os.stat_result) -> None:
    """Take down that the table has all of the journal."""
    connection.execute("UPDATE journal SET inode = ?, read = ?", (journal.st_ino, journal.st_size))


def is_worth_compacting(connection: sqlite3.Connection) -> bool:
    """Whether lines of the journal are out of date: any of a small one, a good part of a large one."""
    (stale,) = connection.execute("SELECT stale FROM journal").fetchone()
    (rows,) = connection.execute("SELECT count(*) FROM pictures").fetchone()
    return bool(stale and (rows < SMALL or stale > rows / 4))


def row_of(values: Sequence[Any]) -> Row:
    """A row as it is selected; names are kept as bytes, since they need not be Unicode."""
    row_id, name, output, *others, notes = values
    if leads_out(os.fsdecode(output)):
        raise ValueError("a result would lie elsewhere")
    given: list[Any] = [row_id, os.fsdecode(name), os.fsdecode(output), *others, tuple(json.loads(notes))]
    return Row(*given)
