"""A run folder that came from a stranger: what it holds may cost work that is done again, and nothing else."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.archive.index import PictureIndex
from pipeline.archive.table import MAX_BYTES
from pipeline.disk.packed import packed_frames, packs_of
from pipeline.durable import append_lines
from pipeline.errors import ResumeError
from pipeline.workspace import Workspace, drop_frames, finished_frames
from tests.archive.makers import leave, page, result

MAGIC = bytes.fromhex("d9d505f920a163d7")  # of a journal of SQLite's, at its start and at its end
PAGE_BYTES = 4096


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A run folder with two photographs in its table."""
    space = Workspace(tmp_path / "out")
    space.root.mkdir(parents=True)
    with PictureIndex(space, writable=True) as index:
        index.add([result(space, name) for name in ("a.jpg", "b.jpg")])
    return space


def names(space: Workspace, *, writable: bool = True) -> list[str]:
    with PictureIndex(space, writable=writable) as index:
        return [row.name for row in index.rows()]


def plant_journal(table: Path, victim: Path) -> None:
    """A journal to be undone beside a table, which says that it is one of several, listed in `victim`."""
    scratch = table.with_name("scratch.sqlite")
    shutil.copy(table, scratch)
    with closing(sqlite3.connect(scratch, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE x (y)")
        for _ in range(200):
            connection.execute("INSERT INTO x VALUES (randomblob(500))")
        journal = Path(f"{scratch}-journal").read_bytes()
        shutil.copy(scratch, table)
    name = str(victim).encode()
    tail = (
        struct.pack(">I", 0x40000000 // PAGE_BYTES + 1)
        + name
        + struct.pack(">II", len(name), sum(name))
        + MAGIC
    )
    Path(f"{table}-journal").write_bytes(journal + tail)
    scratch.unlink()


def test_a_journal_of_sqlite_removes_no_file_that_it_names(space: Workspace, tmp_path: Path) -> None:
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    plant_journal(space.index, victim)
    assert names(space, writable=False) == ["a.jpg", "b.jpg"]
    assert victim.exists()
    assert names(space) == ["a.jpg", "b.jpg"]
    assert victim.read_text() == "precious"


def test_sqlite_itself_would_remove_it(space: Workspace, tmp_path: Path) -> None:
    """Else the test above tests nothing."""
    victim = tmp_path / "precious.txt"
    victim.write_text("precious")
    plant_journal(space.index, victim)
    with closing(sqlite3.connect(space.index)) as connection:
        connection.execute("SELECT count(*) FROM pictures").fetchone()
    assert not victim.exists()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    "commands",
    [
        ["CREATE TRIGGER t AFTER INSERT ON pictures BEGIN DELETE FROM outputs; END"],
        ["CREATE VIEW v AS SELECT 1"],
        ["CREATE TABLE more (x)"],
        ["CREATE INDEX i ON pictures (output)"],
        [
            "DROP TABLE pictures",  # a view that never ends
            "CREATE VIEW pictures AS WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x FROM n) SELECT * FROM n",
        ],
    ],
)
def test_tables_with_triggers_or_views_are_made_anew(
    space: Workspace, commands: list[str], writable: bool
) -> None:
    with closing(sqlite3.connect(space.index)) as connection, connection:
        for command in commands:
            connection.execute(command)
    assert names(space, writable=writable) == ["a.jpg", "b.jpg"]


def test_a_value_of_gigabytes_is_not_read(space: Workspace) -> None:
    with closing(sqlite3.connect(space.index)) as connection, connection:
        connection.execute("UPDATE pictures SET notes = zeroblob(?)", (MAX_BYTES + 1,))
    with PictureIndex(space, writable=True) as index, pytest.raises(ResumeError, match="is damaged"):
        index.get("a.jpg")


@pytest.mark.parametrize("output", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "", "."])
def test_no_journal_and_no_table_names_a_result_elsewhere(space: Workspace, output: str) -> None:
    leave(space, "token-w-1.jsonl", [page("c.jpg", output=output)])
    append_lines(space.records, [{**json.loads(json.dumps(page("d.jpg").__dict__)), "output": output}])
    assert names(space) == ["a.jpg", "b.jpg"]
    with PictureIndex(space, writable=True) as index:
        assert index.owner(output) is None
    with closing(sqlite3.connect(space.index)) as connection, connection:
        connection.execute("UPDATE pictures SET output = ?", (output.encode(),))
    with PictureIndex(space, writable=True) as index, pytest.raises(ResumeError, match="is damaged"):
        index.get("a.jpg")


@pytest.mark.parametrize(
    "name", ["../frames-ab.mkv", "/etc/passwd", "records-a.jsonl", "frames-a/../../../x.mkv", 5]
)
def test_no_journal_of_packs_names_another_file(tmp_path: Path, name: object) -> None:
    segment = tmp_path / "out/.stylize/segments/a/b"
    segment.mkdir(parents=True)
    for place in ("segments/a/frames-ab.mkv", "segments/a/b/records-a.jsonl"):
        (tmp_path / "out/.stylize" / place).write_bytes(b"precious")
    append_lines(packs_of(segment), [{"pack": name, "bytes": 8, "frames": [[0, 8, "ab"]]}])
    assert packed_frames(segment) == {}
    finished_frames(segment, clean=True)
    drop_frames(segment)
    assert (segment.parent / "frames-ab.mkv").exists()
    assert (segment / "records-a.jsonl").exists()
