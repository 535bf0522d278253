"""The index of photographs, where its table or its journal is damaged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive.index import PictureIndex
from pipeline.errors import ResumeError
from pipeline.records import PictureRecord
from pipeline.workspace import Workspace

NAMES = ("a.jpg", "b.jpg")


def record(name: str, **changes: Any) -> PictureRecord:
    fields: dict[str, Any] = {
        "source": name, "frame": 0, "segment": "", "start": "cold", "iterations": 3, "loss": 1.5, "trace": (2.0, 1.5),
        "megapixel_iterations": 0.01, "warp_error": None, "seconds": 0.25, "worker": "host-1", "bytes": 7,
        "output": name, "look": "ab", "digest": "cd",
    }  # fmt: skip
    return PictureRecord(**{**fields, **changes})


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A run folder with two photographs in its table."""
    space = Workspace(tmp_path)
    space.root.mkdir()
    with PictureIndex(space, writable=True) as index:
        index.add([[record(name)] for name in NAMES])
    return space


def change(space: Workspace, *commands: str) -> None:
    with closing(sqlite3.connect(space.index)) as connection, connection:
        for command in commands:
            connection.execute(command)


def names(space: Workspace, *, writable: bool) -> tuple[str, ...]:
    with PictureIndex(space, writable=writable) as index:
        return tuple(row.name for row in index.rows())


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    "command",
    [
        "DELETE FROM journal", "DROP TABLE journal", "UPDATE journal SET read = -1", "UPDATE journal SET read = 'x'",
        "UPDATE journal SET stale = NULL", "DROP TABLE pictures",
    ],
)  # fmt: skip
def test_a_damaged_table_is_made_anew_or_told(space: Workspace, command: str, writable: bool) -> None:
    change(space, command)
    try:
        assert names(space, writable=writable) == NAMES
    except ResumeError as error:
        assert "is damaged" in str(error)
        space.index.unlink()
        assert names(space, writable=writable) == NAMES


@pytest.mark.parametrize("writable", [True, False])
def test_a_file_that_is_no_table_is_made_anew(space: Workspace, writable: bool) -> None:
    space.index.write_bytes(b"no table at all" * 100)
    assert names(space, writable=writable) == NAMES


@pytest.mark.parametrize("writable", [True, False])
def test_every_row_is_found_by_its_name_where_the_names_are_damaged(space: Workspace, writable: bool) -> None:
    with closing(sqlite3.connect(space.index)) as connection:
        root = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_pictures_1'"
        (page,) = connection.execute(root).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data, begin, end = space.index.read_bytes(), (page - 1) * size, page * size
    damaged = data[begin:end].replace(b"a.jpg", b"\xff\x7f\0\0g")
    space.index.write_bytes(data[:begin] + damaged + data[end:])
    with PictureIndex(space, writable=writable) as index:
        assert [index.get(row.name) for row in index.rows()] == list(index.rows())
        assert index.get("a.jpg") is not None


@pytest.mark.parametrize(
    "column", ["name = 1.5", "output = NULL", "notes = 'x'", "notes = NULL", "look = x'ff'"]
)
def test_odd_values_in_the_table_are_told_with_what_to_do(space: Workspace, column: str) -> None:
    change(space, f"UPDATE pictures SET {column} WHERE name = CAST('a.jpg' AS BLOB)")
    with PictureIndex(space, writable=False) as index:
        try:
            assert all(isinstance(row.name, str) for row in index.rows())
        except ResumeError as error:
            assert "remove it, and run again" in str(error)


@pytest.mark.parametrize(
    "damage", [{"source": 1}, {"bytes": 10**30}, {"look": "\ud800"}, {"output": "\ud800"}, {"notes": [[]]}]
)
def test_a_damaged_line_of_the_journal_is_passed_over(space: Workspace, damage: dict[str, Any]) -> None:
    space.index.unlink()
    lines = [{**asdict(record("c.jpg")), **damage}, asdict(record("d.jpg", output="\udcff.jpg"))]
    with space.records.open("a") as journal:
        journal.writelines(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines)
    assert names(space, writable=True) == (*NAMES, "d.jpg")
