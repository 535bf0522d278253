"""Results get their names whole, once, and never in the place of a file that is not ours."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.archive.index import PictureIndex
from pipeline.durable import read_journal
from pipeline.errors import SpaceError
from pipeline.execute import delivery
from pipeline.execute.delivery import Ready, deliver
from pipeline.execute.job import Batch, Painted
from pipeline.records import records_in, state_of
from pipeline.shelf import Shelf
from pipeline.workspace import Workspace
from tests.archive.makers import batch_of, leave, page, picture_of
from tests.conftest import tree

DATA = b"a painting"


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "out")
    found.root.mkdir(parents=True)
    return found


def ready(index: int = 0, data: bytes = DATA, source: str = "a.jpg", pages: int = 1, **changes: Any) -> Ready:
    told = {"bytes": len(data), "digest": hashlib.sha256(data).hexdigest(), "pages": pages, **changes}
    return Ready(index, data, tuple(page(source, frame, **told) for frame in range(pages)))


def batch(space: Workspace, *names: str, **changes: Any) -> Batch:
    return batch_of(
        space, *(picture_of(Path("/in", name), output=name, name=name, **changes) for name in names)
    )


def error_of(painted: Painted) -> str:
    (failed,) = painted.failed
    assert not painted.records
    return failed.error


def left_behind(space: Workspace) -> list[str]:
    return sorted(path.suffix for path in space.pictures.iterdir())


def test_a_result_is_there_with_its_line_and_nothing_else(space: Workspace) -> None:
    job = batch(space, "a.jpg", "sub/b.tif")
    done = deliver(job, [ready(), ready(1, b"two pages", "sub/b.tif", pages=2, output="sub/b.tif")])
    assert (space.output / "a.jpg").read_bytes() == DATA
    assert (space.output / "sub/b.tif").read_bytes() == b"two pages"
    assert done.failed == ()
    for index, name in enumerate(("a.jpg", "sub/b.tif")):
        state = state_of(space.output / name)
        assert [(one.bytes, one.mtime_ns) for one in done.records[index]] == [state] * (index + 1)
    (journal,) = Shelf().journals_of(job.journal)
    assert tuple(records_in(read_journal(journal))) == (*done.records[0], *done.records[1])
    assert left_behind(space) == [".jsonl"]


def test_the_first_wins_and_the_other_tells_of_its_result(space: Workspace) -> None:
    job = batch(space, "a.jpg")
    first = deliver(job, [ready(worker="w-1", loss=1.0)])
    before = state_of(space.output / "a.jpg")
    second = deliver(job, [ready(data=b"painted once more", worker="w-2", loss=2.0)])
    assert second.records == first.records
    assert (space.output / "a.jpg").read_bytes() == DATA
    assert state_of(space.output / "a.jpg") == before
    assert left_behind(space) == [".jsonl", ".jsonl"]
    assert len(list(Shelf().journals_of(job.journal))) == 2


def test_a_strangers_file_stays_and_is_told(space: Workspace) -> None:
    target = space.output / "a.jpg"
    target.write_bytes(b"somebody's own")
    before = tree(space.output)
    job = batch(space, "a.jpg", "b.jpg")
    done = deliver(job, [ready(), ready(1, source="b.jpg", output="b.jpg")])
    assert list(done.records) == [1]
    (failed,) = done.failed
    assert failed.index == 0 and "is there already" in failed.error and "move it away" in failed.error
    assert tree(space.output)["a.jpg"] == before["a.jpg"]


def test_a_result_with_other_settings_of_another_worker_is_no_answer(space: Workspace) -> None:
    deliver(batch(space, "a.jpg"), [ready(look="other")])
    assert "is there already" in error_of(deliver(batch(space, "a.jpg"), [ready(data=b"new")]))


def test_only_the_result_that_is_known_is_replaced(space: Workspace) -> None:
    target = space.output / "a.jpg"
    target.write_bytes(b"of an earlier run")
    known = state_of(target)
    deliver(batch(space, "a.jpg", replaces=known), [ready(mtime_ns=5)])
    assert target.read_bytes() == DATA
    target.write_bytes(b"edited by someone")
    job = batch(space, "a.jpg", replaces=known)
    assert "is there already" in error_of(deliver(job, [ready(data=b"new")]))
    assert target.read_bytes() == b"edited by someone"


def test_a_result_that_was_to_be_replaced_and_is_gone_is_written(space: Workspace) -> None:
    deliver(batch(space, "a.jpg", replaces=(3, 4)), [ready()])
    assert (space.output / "a.jpg").read_bytes() == DATA


@pytest.mark.parametrize("points_at", ["elsewhere.jpg", "missing.jpg"])
def test_nothing_is_written_through_a_link_in_a_results_place(
    points_at: str, space: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.jpg").write_bytes(b"somebody's own")
    (space.output / "a.jpg").symlink_to(tmp_path / points_at)
    state = state_of(tmp_path / points_at)
    assert "is a link" in error_of(deliver(batch(space, "a.jpg", replaces=state), [ready()]))
    assert (tmp_path / "elsewhere.jpg").read_bytes() == b"somebody's own"
    assert not (tmp_path / "missing.jpg").exists()
    assert (space.output / "a.jpg").is_symlink()


@pytest.mark.parametrize("name", ["album/a.jpg", "album/deeper/a.jpg"])
def test_a_folder_that_leads_out_of_the_output_is_refused(
    name: str, space: Workspace, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (space.output / "album").symlink_to(outside)
    done = deliver(batch(space, name), [ready(source=name, output=name)])
    assert "leads out of the output folder" in error_of(done)
    assert list(outside.iterdir()) == []


def test_a_folder_that_a_link_leads_to_within_the_output_is_used(space: Workspace) -> None:
    (space.output / "real").mkdir()
    (space.output / "album").symlink_to("real")
    done = deliver(batch(space, "album/a.jpg"), [ready(source="album/a.jpg", output="album/a.jpg")])
    assert done.failed == ()
    assert (space.output / "real/a.jpg").read_bytes() == DATA


def test_a_file_in_the_place_of_a_folder_costs_only_what_is_to_be_below_it(space: Workspace) -> None:
    (space.output / "album").write_bytes(b"a file")
    job = batch(space, "album/a.jpg", "b.jpg")
    done = deliver(
        job, [ready(source="album/a.jpg", output="album/a.jpg"), ready(1, source="b.jpg", output="b.jpg")]
    )
    assert list(done.records) == [1]
    assert "album" in done.failed[0].error
    assert (space.output / "album").read_bytes() == b"a file"


STEPS = ["write_synced", "append_lines", "link", "sync_folder"]


class Killed(BaseException):
    """What stands for a process that ends just there."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("replacing", [False, True], ids=["new", "in an old one's place"])
def test_a_crash_at_any_step_leaves_nothing_or_a_result_that_is_known(
    step: str, after: bool, replacing: bool, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = space.output / "a.jpg"
    if replacing:
        target.write_bytes(b"of an earlier run")
    job = batch(space, "a.jpg", replaces=state_of(target))
    home = Path if replacing and step == "link" else delivery
    done = getattr(home, "replace" if home is Path else step)

    def crash(*args: Any) -> Any:
        if after:
            done(*args)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(home, done.__name__, crash)
        deliver(job, [ready()])
    with PictureIndex(space, writable=True) as index:
        row = index.get("a.jpg")
    is_new = target.exists() and target.read_bytes() == DATA
    assert is_new == (row is not None)
    assert is_new or target.exists() == replacing
    if row is not None:
        assert (row.bytes, row.mtime_ns) == state_of(target)
    left = [path.name for path in space.pictures.iterdir()]  # who wrote it may yet give the result its name
    assert left == ([] if is_new or step == "write_synced" or not left else ["left-token-w-1.jsonl"])
    after_all = deliver(batch(space, "a.jpg", replaces=state_of(target)), [ready()])
    assert after_all.failed == () and target.read_bytes() == DATA


def test_without_hard_links_results_are_there_all_the_same(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    job = batch(space, "a.jpg")
    first = deliver(job, [ready()])
    assert (space.output / "a.jpg").read_bytes() == DATA
    assert deliver(job, [ready(data=b"later")]).records == first.records
    assert left_behind(space) == [".jsonl"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("step", ["write_synced", "append_lines"])
def test_a_full_disk_or_a_missing_right_ends_the_job_and_leaves_nothing(
    code: int, step: str, space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(delivery, step, refuse)
    with pytest.raises(SpaceError, match=os.strerror(code)):
        deliver(batch(space, "a.jpg"), [ready()])
    assert not (space.output / "a.jpg").exists()
    assert left_behind(space) == []


def test_a_folder_without_the_right_to_write_costs_what_is_in_it(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(delivery, "link", refuse)
    (failed,) = deliver(batch(space, "a.jpg"), [ready()]).failed
    assert failed.error.startswith("no permission to write ") and "a.jpg" in failed.error
    assert [path.suffix for path in space.pictures.iterdir()] == [".jsonl"]


def test_a_name_that_the_disk_refuses_fails_alone(space: Workspace) -> None:
    name = "a" * 300 + ".jpg"
    job = batch(space, name, "b.jpg")
    done = deliver(job, [ready(source=name, output=name), ready(1, source="b.jpg", output="b.jpg")])
    assert list(done.records) == [1]
    assert "cannot be written" in done.failed[0].error


def test_a_late_result_of_a_batch_that_is_over_changes_nothing(space: Workspace) -> None:
    job = batch(space, "a.jpg")
    first = deliver(job, [ready()])
    with PictureIndex(space, writable=True) as index:
        assert index.get("a.jpg") is not None  # the batch's journal is taken in, and gone
    before = tree(space.output)
    late = deliver(job, [ready(data=b"late", worker="w-2")])
    assert late.records == {}
    with PictureIndex(space, writable=True) as index:
        row = index.get("a.jpg")
        assert row is not None and row.digest == first.records[0][0].digest
    left = [name for name in tree(space.output) if "left-" in name]
    assert {name: seen for name, seen in tree(space.output).items() if name not in left} == before


def test_what_another_batch_left_answers_for_a_picture_too(space: Workspace) -> None:
    target = space.output / "a.jpg"
    target.write_bytes(DATA)
    size, mtime_ns = state_of(target) or (0, 0)
    leave(space, "other-w.jsonl", [page("a.jpg", bytes=size, mtime_ns=mtime_ns, worker="w-9")])
    done = deliver(batch(space, "a.jpg"), [ready()])
    assert done.records[0][0].worker == "w-9"
