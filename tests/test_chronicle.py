"""What a run tells of itself in events.jsonl, and that it never stops for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import chronicle as module
from pipeline.chronicle import Chronicle
from pipeline.config import Transfer
from pipeline.errors import ClusterError
from pipeline.execute.events import FrameFinished, SegmentFailed, WorkerLost
from pipeline.ledger import Outputs, Summary
from pipeline.plan import Plan
from pipeline.resume import take_stock, todos
from pipeline.run import run
from pipeline.workspace import Workspace, read_journal
from tests.conftest import Job, tree
from tests.farms import TextureFarm
from tests.media.clips import write_clip
from tests.plans import planned, record
from tests.report.jobs import FailingFarm, FiguredFarm

VIDEO = {"cuts": [4]}


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray, and nothing waits for the disk."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "out")
    found.root.mkdir(parents=True)
    return found


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", frames=8, size=(96, 72))


def told(space: Workspace, what: str | None = None) -> list[dict[str, Any]]:
    return [entry for entry in read_journal(space.events) if what in (None, entry["what"])]


def a_job(space: Workspace) -> Any:
    plan = Plan((planned(),))
    return todos(plan, take_stock(plan, space), space, Transfer())[0].job


def finished(space: Workspace, worker: str, segment: str, frame: int = 0) -> FrameFinished:
    return FrameFinished(record(frame, worker=worker), replace(a_job(space), name=segment))


def test_a_run_tells_how_it_began_who_worked_and_how_it_ended(job: Job, clip: Path) -> None:
    config = job(clip, video=VIDEO)
    summary = run(config, command=("job.yaml", "--set", "transfer.size=48"))
    entries = told(Workspace(config.output))
    begun, *work, ended = entries
    assert {one["what"] for one in work} == {"worked"}
    assert begun["command"] == ["job.yaml", "--set", "transfer.size=48"]
    assert begun["settings"]["transfer"]["size"] == 48
    assert {"stylize", "torch", "ray", "python", "VGG19's weights"} <= begun["versions"].keys()
    assert {one["segment"] for one in work} == {"clip.mp4[0-3]", "clip.mp4[4-7]"}
    assert sum(one["frames"] for one in work) == 8
    assert ended["status"] == "done"
    assert ended["iterations"] == summary.iterations
    assert all(begun["at"] <= one["began"] <= one["at"] <= ended["at"] for one in work)


def test_a_run_that_finds_nothing_to_do_leaves_everything_as_it_is(job: Job, clip: Path) -> None:
    config = job(clip, video=VIDEO)
    run(config)
    before = tree(config.output)
    assert run(config).status == "done"
    assert tree(config.output) == before


def test_the_same_failure_is_not_told_again_by_a_run_without_work(job: Job, clip: Path) -> None:
    (clip.parent / "broken.mp4").write_bytes(b"nothing")
    config = job([str(clip), str(clip.parent / "broken.mp4")], video=VIDEO)
    run(config)
    space, before = Workspace(config.output), tree(config.output)
    assert [entry["source"] for entry in told(space, "failed")] == ["broken.mp4"]
    run(config)
    assert tree(config.output) == before


def test_a_failure_is_told_with_its_file_and_its_segment(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", FailingFarm)
    config = job(clip, video=VIDEO)
    assert run(config).status == "incomplete"
    (failed,) = told(Workspace(config.output), "failed")
    assert failed["path"] == str(clip)
    assert failed["frames"] == [4, 8]
    assert failed["frame"] == 5
    assert (failed["source"], failed["error"]) == ("clip.mp4", FailingFarm.ERROR)


def test_a_failure_that_comes_again_before_anything_is_done_changes_nothing(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", FailingFarm)
    config = job(clip, video=VIDEO)
    run(config)
    before = tree(config.output)
    run(config)
    assert tree(config.output) == before
    monkeypatch.setattr(FailingFarm, "ERROR", "another reason")
    run(config)
    assert [one["error"] for one in told(Workspace(config.output), "failed")][1:] == ["another reason"]


def test_a_death_is_told_and_ends_the_workers_stint(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", FiguredFarm)
    config = job(clip, video=VIDEO)
    run(config)
    (lost,) = told(Workspace(config.output), "lost")
    work = told(Workspace(config.output), "worked")
    (again,) = [one["segment"] for one in work if one["worker"] == "host-3"]
    assert lost | {"at": 0, "worker": "", "frame": 0} == {
        "what": "lost", "at": 0, "worker": "", "reason": "killed by the kernel", "segment": again, "frame": 0,
        "attempt": 2, "attempts": 3,
    }  # fmt: skip
    assert type(lost["frame"]) is int
    assert sum(one["frames"] for one in work) == 8
    assert {one["worker"] for one in work} == {"host-1", "host-2", "host-3"}


def test_a_run_that_ends_in_an_error_says_which(space: Workspace) -> None:
    with pytest.raises(ClusterError), Chronicle(space, {}) as one:
        one.happened(finished(space, "host-1", "a"))
        raise ClusterError("no machine is left")
    assert [entry["what"] for entry in told(space)] == ["started", "worked", "ended"]
    assert told(space, "ended")[0] | {"at": 0, "wall_s": 0} == {
        "what": "ended", "at": 0, "status": "error", "error": "no machine is left", "wall_s": 0,
    }  # fmt: skip


def test_a_run_that_fails_before_any_work_tells_nothing(space: Workspace) -> None:
    with pytest.raises(ClusterError), Chronicle(space, {}):
        raise ClusterError("no cluster")
    assert not space.events.exists()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, which stands still unless a test moves it."""
    now = [1e9]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    yield now


def test_a_long_stint_is_written_in_pieces_that_grow_with_the_run(
    space: Workspace, clock: list[float]
) -> None:
    event = finished(space, "host-1", "a")
    one = Chronicle(space, {})
    for _ in range(10 * 24 * 60):  # ten days, a frame a minute
        clock[0] += 60
        one.happened(event)
    pieces = told(space, "worked")
    assert len(pieces) < 300
    assert pieces[0]["at"] - pieces[0]["began"] < 200  # what a killed run would lose
    assert sum(piece["frames"] for piece in pieces) > 0.9 * 14400


def test_the_lines_of_a_run_are_limited_and_its_end_is_told_all_the_same(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 20)
    with pytest.raises(ClusterError), Chronicle(space, {}) as one:
        for index in range(100):
            one.happened(WorkerLost("host-1", str(index)))
        raise ClusterError("at last")
    assert len(told(space, "lost")) == 20
    assert told(space)[-1]["what"] == "ended"


def test_failures_are_limited(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FAILURES", 3)
    one, work = Chronicle(space, {}), a_job(space)
    one.happened(WorkerLost("host-1", "so that something has happened"))
    for index in range(10):
        one.happened(SegmentFailed(work, index, "no"))
    assert [entry["frame"] for entry in told(space, "failed")] == [0, 1, 2]


def test_a_long_file_loses_its_older_half_when_a_run_begins(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    space.events.write_text("".join(json.dumps({"what": "lost", "at": n}) + "\n" for n in range(100)))
    Chronicle(space, {}).happened(WorkerLost("host-1", "new"))
    kept = told(space)
    assert 40 < len(kept) < 60
    assert kept[-3]["at"] == 99
    assert kept[-1]["reason"] == "new"


def test_no_run_stops_because_its_chronicle_cannot_be_written(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    space.events.mkdir()
    one = Chronicle(space, {})
    one.happened(WorkerLost("host-1", "no matter"))
    one.conclude(Summary("done", Outputs((), (), space.output), (), {}, {}, 0, 0.0, 0.0, {}))  # type: ignore[arg-type]
    assert list(space.events.iterdir()) == []
