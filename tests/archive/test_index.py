"""The table of photographs: an index of the journal, which any accident leaves as true as that."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.archive.index import PictureIndex
from pipeline.durable import append_lines, line_of, rewrite
from pipeline.workspace import Workspace, rebuild_journal
from tests.archive.makers import leave, lines, page, result
from tests.conftest import tree
from tests.plans import record


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "out")
    found.root.mkdir(parents=True)
    return found


def names(space: Workspace, *, writable: bool = False) -> list[str]:
    with PictureIndex(space, writable=writable) as index:
        return [row.name for row in index.rows()]


def fill(space: Workspace, *sources: str) -> None:
    with PictureIndex(space, writable=True) as index:
        index.add([result(space, source) for source in sources])


def test_what_was_added_is_known_by_name_and_by_output(space: Workspace) -> None:
    with PictureIndex(space, writable=True) as index:
        (one,) = result(space, "a.jpg", notes=("a note",), pages=1, source_digest="d")
        index.add([(one,)])
        row = index.get("a.jpg")
        assert row is not None and index.owner("a.jpg") == "a.jpg"
        assert all(
            getattr(row, name) == getattr(one, name) for name in asdict(one).keys() & asdict(row).keys()
        )
        assert row.name == one.source
        assert index.get("b.jpg") is None is index.owner("b.jpg")
    with PictureIndex(space, writable=True) as index:
        assert index.get("a.jpg") == row


def test_a_table_of_nothing_leaves_no_file(space: Workspace) -> None:
    with PictureIndex(space, writable=True) as index:
        index.add([])
        assert list(index.rows()) == []
    assert list(space.root.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"no table at all" * 1000),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(len(path.read_bytes()) - 4096)),
    ],
    ids=["deleted", "garbage", "empty", "cut off", "zeros"],
)
@pytest.mark.parametrize("writable", [True, False], ids=["by a run", "by a look"])
def test_a_table_that_is_lost_or_damaged_is_made_anew_out_of_the_journal(
    damage: Callable[[Path], object], writable: bool, space: Workspace
) -> None:
    fill(space, "a.jpg", "b.jpg", "c.jpg")
    damage(space.index)
    before = tree(space.output)
    with PictureIndex(space, writable=writable) as index:
        assert [row.name for row in index.rows()] == ["a.jpg", "b.jpg", "c.jpg"]
        assert index.owner("b.jpg") == "b.jpg"
    if not writable:
        assert tree(space.output) == before
    fill(space, "d.jpg")
    assert names(space) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert [line["source"] for line in lines(space)] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def test_what_the_journal_has_beyond_the_table_is_read(space: Workspace) -> None:
    fill(space, "a.jpg")
    append_lines(space.records, [asdict(page("b.jpg")), asdict(record(0, source="film.mp4"))])
    before = tree(space.output)
    assert names(space) == ["a.jpg", "b.jpg"]
    assert tree(space.output) == before
    assert names(space, writable=True) == ["a.jpg", "b.jpg"]


def test_a_torn_line_costs_only_itself(space: Workspace) -> None:
    fill(space, "a.jpg")
    with space.records.open("ab") as file:
        file.write(json.dumps(asdict(page("torn.jpg")), separators=(",", ":")).encode()[:-40])
    assert names(space) == ["a.jpg"]
    fill(space, "b.jpg")
    space.index.unlink()
    assert names(space) == ["a.jpg", "b.jpg"]


def test_a_picture_whose_pages_are_not_all_there_is_none(space: Workspace) -> None:
    whole = [page("whole.tif", frame, pages=2) for frame in range(2)]
    append_lines(space.records, [asdict(one) for one in (page("cut.tif", 0, pages=2), *whole)])
    assert names(space) == ["whole.tif"]


def test_what_a_killed_worker_finished_is_taken_in_if_its_result_is_there(space: Workspace) -> None:
    there = result(space, "there.jpg")
    gone, other = result(space, "gone.jpg"), result(space, "other.jpg")
    (space.output / "gone.jpg").unlink()
    (space.output / "other.jpg").write_bytes(b"somebody's own")
    journal = leave(space, "token-w.jsonl", [*gone, *there, *other])
    partial = space.pictures / "token-0-aa.partial"
    partial.write_bytes(b"half")
    before = tree(space.output)
    assert names(space) == ["there.jpg"]
    assert tree(space.output) == before
    assert names(space, writable=True) == ["there.jpg"]
    assert not journal.exists() and not partial.exists()
    assert [line["source"] for line in lines(space)] == ["there.jpg"]


def test_what_is_taken_in_is_not_taken_in_twice(space: Workspace) -> None:
    done = result(space, "a.jpg")
    with PictureIndex(space, writable=True) as index:
        index.add([done])
    leave(space, "token-w.jsonl", done)
    assert names(space, writable=True) == ["a.jpg"]
    assert len(lines(space)) == 1


def test_a_worker_that_came_too_late_changes_nothing(space: Workspace) -> None:
    fill(space, "a.jpg")
    known = PictureIndex(space, writable=False)
    row = known.get("a.jpg")
    known.close()
    leave(space, "token-late.jsonl", [page("a.jpg", mtime_ns=99, digest="1" * 64)])
    with PictureIndex(space, writable=True) as index:
        assert index.get("a.jpg") == row
    (kept,) = space.pictures.iterdir()  # its writer may yet finish
    os.utime(kept, (0, 0))
    assert names(space, writable=True) == ["a.jpg"]
    assert list(space.pictures.iterdir()) == []
    assert len(lines(space)) == 1


def test_the_journal_holds_one_line_for_each_page_after_pictures_were_painted_again(space: Workspace) -> None:
    frame = asdict(record(0, source="film.mp4"))
    append_lines(space.records, [frame])
    two = [page("two.tif", number, pages=2) for number in range(2)]
    with PictureIndex(space, writable=True) as index:
        index.add([result(space, "a.jpg"), two])
        index.add([[page("two.tif", number, pages=2, look="new", digest="1" * 64) for number in range(2)]])
        row = index.get("two.tif")
    found = lines(space)
    assert [(line["source"], line["frame"]) for line in found] == [
        ("film.mp4", 0), ("a.jpg", 0), ("two.tif", 0), ("two.tif", 1),
    ]  # fmt: skip
    assert [line["look"] for line in found[2:]] == ["new", "new"]
    before = tree(space.output)
    with PictureIndex(space, writable=True) as index:
        assert index.get("two.tif") == row
    assert tree(space.output) == before


def test_the_same_picture_painted_alike_leaves_one_line(space: Workspace) -> None:
    with PictureIndex(space, writable=True) as index:
        (one,) = result(space, "a.jpg")
        index.add([[one], [page("b.jpg")]])
        index.add([[replace(one, mtime_ns=one.mtime_ns + 1)]])
        row = index.get("a.jpg")
        assert row is not None
        index.touch(row, mtime_ns=5)  # it was copied since
    assert [(line["source"], line["mtime_ns"]) for line in lines(space)] == [
        ("b.jpg", 30), ("a.jpg", one.mtime_ns + 1),
    ]  # fmt: skip


def test_a_journal_that_was_written_anew_for_films_is_read_again(space: Workspace) -> None:
    fill(space, "a.jpg", "b.jpg")
    rebuild_journal(space.records, [record(0, source="film.mp4")])
    assert names(space) == ["a.jpg", "b.jpg"]
    assert names(space, writable=True) == ["a.jpg", "b.jpg"]
    assert sorted(line["source"] for line in lines(space)) == ["a.jpg", "b.jpg", "film.mp4"]


def test_another_journal_in_the_place_of_the_one_that_was_read_is_read_from_its_beginning(
    space: Workspace,
) -> None:
    fill(space, "a.jpg", "b.jpg")
    mine = space.records.read_bytes()
    rewrite(space.records, [line_of(asdict(page("c.jpg"))), mine])
    assert names(space) == ["a.jpg", "b.jpg", "c.jpg"]
    assert names(space, writable=True) == ["a.jpg", "b.jpg", "c.jpg"]


def test_names_need_not_be_unicode(space: Workspace) -> None:
    odd = [os.fsdecode(name) for name in (b"\xff\xfe.jpg", "ü\n'\".jpg".encode(), b"a\x80/b.jpg")]
    fill(space, *odd)
    assert sorted(names(space)) == sorted(odd)
    space.index.unlink()
    assert names(space) == sorted(odd, key=os.fsencode)
    leave(space, "token-w.jsonl", result(space, os.fsdecode(b"late\xff.jpg")))
    assert os.fsdecode(b"late\xff.jpg") in names(space, writable=True)


def test_more_pictures_than_a_page_of_the_table_come_once_each(space: Workspace) -> None:
    with PictureIndex(space, writable=True) as index:
        index.add([[page(f"{number:04d}.jpg")] for number in range(2500)])
        assert [row.name for row in index.rows()] == [f"{number:04d}.jpg" for number in range(2500)]


def test_those_that_were_seen_are_walked_through_while_more_is_written(space: Workspace) -> None:
    with PictureIndex(space, writable=True) as index:
        index.add([[page(f"{number}.jpg")] for number in range(20)])
    with PictureIndex(space, writable=True) as index:
        for name in ("3.jpg", "17.jpg"):
            row = index.get(name)
            assert row is not None
            index.see(row.id)
        seen = index.all_seen()
        index.add([[page("new.jpg")]])
        assert [row.name for row in seen] == ["17.jpg", "3.jpg"]
        assert [row.name for row in index.all_seen()] == ["17.jpg", "3.jpg", "new.jpg"]


def test_a_touched_picture_has_its_new_time_in_the_table_alone(space: Workspace) -> None:
    fill(space, "a.jpg")
    journal = space.records.read_bytes()
    with PictureIndex(space, writable=True) as index:
        row = index.get("a.jpg")
        assert row is not None
        index.touch(row, mtime_ns=5)
    with PictureIndex(space, writable=False) as index:
        again = index.get("a.jpg")
        assert again is not None and again.mtime_ns == 5
        index.touch(again, mtime_ns=6)  # a look touches nothing
    with PictureIndex(space, writable=False) as index:
        assert index.get("a.jpg") == again
    assert space.records.read_bytes() == journal


def test_several_threads_may_ask_at_once(space: Workspace) -> None:
    wrong: list[object] = []

    def ask(index: PictureIndex, name: str) -> None:
        for _ in range(200):
            row = index.get(name)
            if row is None or row.name != name:
                wrong.append(row)

    with PictureIndex(space, writable=True) as index:
        index.add([[page(f"{number}.jpg")] for number in range(4)])
        threads = [threading.Thread(target=ask, args=(index, f"{number}.jpg")) for number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            index.add([[page(f"more-{number}.jpg")]])
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_run_folder_that_was_copied_is_understood(space: Workspace, tmp_path: Path) -> None:
    fill(space, "a.jpg", "b.jpg")
    shutil.copytree(space.output, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    assert names(copy) == ["a.jpg", "b.jpg"]
    assert names(copy, writable=True) == ["a.jpg", "b.jpg"]
    assert len(lines(copy)) == 2


def test_a_table_of_another_version_is_made_anew(space: Workspace) -> None:
    fill(space, "a.jpg")
    with closing(sqlite3.connect(space.index)) as connection:
        connection.executescript(
            "PRAGMA user_version = 0; DELETE FROM pictures; ALTER TABLE pictures DROP notes"
        )
    assert names(space) == ["a.jpg"]
    assert names(space, writable=True) == ["a.jpg"]
    fill(space, "b.jpg")
    assert names(space) == ["a.jpg", "b.jpg"]
