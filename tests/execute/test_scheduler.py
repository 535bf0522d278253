"""The real scheduler with stand-in workers that die, fail and report as they are told."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.config import Execution, Transfer
from pipeline.errors import ClusterError, FrameError, SpaceError, WeightsError
from pipeline.execute import dispatch, roster, scheduler
from pipeline.execute.dispatch import SEGMENT_DEATHS
from pipeline.execute.events import (
    Event,
    FrameFinished,
    Pulse,
    SegmentFailed,
    SegmentFinished,
    Todo,
    WorkerLost,
)
from pipeline.execute.job import SegmentJob, WorkerInfo, WorkerSettings
from pipeline.execute.queue import Queue
from pipeline.execute.scheduler import Farm
from pipeline.media.probe import ColorTags, Probe
from pipeline.media.sources import Source
from pipeline.workspace import FrameRecord, frame_path

pytestmark = pytest.mark.usefixtures("ray_session")


class StandIn:
    """Finishes every frame at once, but what the job's name asks for: `die:3` or `fail:3` at frame 3."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.job: SegmentJob | None = None
        self.settings = settings

    def set_up(self) -> WorkerInfo:
        return WorkerInfo(f"stand-in-{os.getpid()}", "cpu", self.settings.threads or 0)

    def stylize_frame(self, index: int, job: SegmentJob | None = None) -> FrameRecord:
        self.job = job or self.job
        assert self.job is not None
        order, _, frame = self.job.name.rpartition(" ")[2].partition(":")
        if order == "die" and index == int(frame):
            os.kill(os.getpid(), signal.SIGKILL)
        if order == "die-once" and index == int(frame) and not (self.job.folder / "died").exists():
            (self.job.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if order == "bug" and index == int(frame):
            raise ZeroDivisionError("a bug of ours")
        self.job.folder.mkdir(exist_ok=True, parents=True)
        frame_path(self.job.folder, index).touch()
        if order == "fail" and index == int(frame):
            raise FrameError(f"frame {index} is cursed", index)
        return FrameRecord("s", index, self.job.name, "cold", 1, 1.0, (1.0,), 0.1, None, 0.0, "w", 1)

    def progress(self) -> None:
        return None


class Weightless(StandIn):
    def set_up(self) -> WorkerInfo:
        raise WeightsError("weights: no such file")


class DyingInSetUp(StandIn):
    def set_up(self) -> WorkerInfo:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


SETTINGS = WorkerSettings("packaged", (), Transfer(), None, "flow")
PROBE = Probe(8, 8, 0, Fraction(1), Fraction(1, 25), (0,), Fraction(25), ColorTags(2, 2, 2, 1), 0, 0, ())


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.execute.test_scheduler.KEPT", tmp_path / "kept")


KEPT = Path("/nonexistent")


def todo(name: str, frames: int, folder: Path | None = None) -> Todo:
    source = Source("video", Path(name), name.partition(" ")[0], (Path(name),))
    return Todo(
        SegmentJob(name, source, PROBE, 0, frames, (8, 8), folder or KEPT / name), deque(range(frames))
    )


def events(todos: list[Todo], worker: type = StandIn, execution: Execution | None = None) -> list[Event]:
    with Farm(execution or Execution(workers=2, threads_per_worker=1), SETTINGS, len(todos), worker) as farm:
        return [event for event in farm.stylize(Queue(todos), lambda: False) if not isinstance(event, Pulse)]


def frames(found: list[Event], segment: str) -> list[int]:
    return [e.record.frame for e in found if isinstance(e, FrameFinished) and e.record.segment == segment]


def test_every_frame_of_every_segment_is_made_once_and_in_order() -> None:
    found = events([todo("a 0", 5), todo("b 0", 3), todo("c 0", 4)])
    assert [frames(found, name) for name in ("a 0", "b 0", "c 0")] == [[*range(5)], [*range(3)], [*range(4)]]
    assert {e.job.name for e in found if isinstance(e, SegmentFinished)} == {"a 0", "b 0", "c 0"}


def test_a_segment_goes_on_from_its_next_frame_when_its_worker_dies(tmp_path: Path) -> None:
    found = events([todo("a die-once:2", 5, tmp_path / "died")])
    assert frames(found, "a die-once:2") == [0, 1, 2, 3, 4]
    assert sum(isinstance(event, WorkerLost) for event in found) == 1


def test_a_segment_that_kills_three_workers_is_set_aside_and_the_others_finish() -> None:
    found = events([todo("bad die:2", 5), todo("bad 1", 3), todo("good 0", 4)])
    (failure,) = [event for event in found if isinstance(event, SegmentFailed)]
    assert (failure.job.name, failure.frame) == ("bad die:2", 2)
    assert "killed 3 workers in a row" in failure.error
    assert sum(isinstance(event, WorkerLost) for event in found) == SEGMENT_DEATHS
    assert frames(found, "good 0") == [0, 1, 2, 3]


def test_several_bad_segments_in_a_row_cost_no_place_for_a_worker() -> None:
    todos = [todo("bad die:0", 9), todo("worse die:0", 8), todo("good 0", 2)]
    found = events(todos, execution=Execution(workers=1, threads_per_worker=1))
    assert [e.job.name for e in found if isinstance(e, SegmentFailed)] == ["bad die:0", "worse die:0"]
    assert frames(found, "good 0") == [0, 1]


def test_an_unknown_error_costs_the_worker_and_then_the_segment_alone() -> None:
    found = events([todo("bad bug:1", 4), todo("good 0", 2)], execution=Execution(workers=1))
    (failure,) = [event for event in found if isinstance(event, SegmentFailed)]
    assert (failure.frame, sum(isinstance(event, WorkerLost) for event in found)) == (1, SEGMENT_DEATHS)
    assert "ZeroDivisionError: a bug of ours" in failure.error
    assert frames(found, "good 0") == [0, 1]


def test_a_failing_frame_fails_its_source_with_the_workers_own_words() -> None:
    found = events([todo("bad fail:1", 4), todo("good 0", 2)])
    (failure,) = [event for event in found if isinstance(event, SegmentFailed)]
    assert (failure.frame, failure.error) == (1, "frame 1 is cursed")
    assert frames(found, "good 0") == [0, 1]


def test_what_the_environment_lacks_ends_the_run_in_its_own_words() -> None:
    with pytest.raises(WeightsError, match="no such file"):
        events([todo("a 0", 2)], Weightless)


def test_workers_that_all_die_in_set_up_end_the_run() -> None:
    with pytest.raises(ClusterError, match="4 workers in a row died"):
        events([todo("a 0", 2)], DyingInSetUp)


def test_once_asked_to_stop_the_frames_in_work_are_finished_and_no_other_begun() -> None:
    made = []
    with Farm(Execution(workers=1), SETTINGS, 1, StandIn) as farm:
        for event in farm.stylize(Queue([todo("a 0", 50)]), lambda: len(made) >= 3):
            if isinstance(event, FrameFinished):
                made.append(event.record.frame)
    assert made == [0, 1, 2]


def test_a_segment_begins_when_it_is_chosen_and_not_before() -> None:
    asked: list[list[str]] = []

    def choose(ready: Iterator[Todo]) -> Todo | None:
        names = {todo.job.name: todo for todo in ready}
        asked.append(sorted(names))
        return names.get("b 0", names.get("a 0")) if len(asked) > 3 else None

    with Farm(Execution(workers=1), SETTINGS, 2, StandIn) as farm:
        todos = [todo("a 0", 3), todo("b 0", 2)]
        found = list(farm.stylize(Queue(todos, choose), lambda: False))
    assert [e.job.name for e in found if isinstance(e, SegmentFinished)] == ["b 0", "a 0"]
    assert asked[:4] == [["a 0", "b 0"]] * 4
    assert asked[-1] == ["a 0"]


def test_what_the_choice_raises_ends_the_run() -> None:
    def choose(ready: Iterator[Todo]) -> Todo | None:
        raise SpaceError("no room")

    with Farm(Execution(workers=1), SETTINGS, 1, StandIn) as farm, pytest.raises(SpaceError, match="no room"):
        list(farm.stylize(Queue([todo("a 0", 3)], choose), lambda: False))


def test_more_gpus_than_there_are_is_refused_with_what_there_is() -> None:
    with pytest.raises(ClusterError, match=r"4 × 1 = 4 GPUs .* has 1 machine with 4 CPUs and 0 GPUs"):
        events([todo("a 0", 1)] * 4, execution=Execution(workers=4, gpus_per_worker=1))


def test_a_worker_that_the_cluster_has_no_place_for_is_no_silent_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Farm(Execution(workers=1, threads_per_worker=4), SETTINGS, 1, StandIn) as first:
        stream = first.stylize(Queue([todo("a 0", 10**6)]), lambda: False)
        next(event for event in stream if isinstance(event, FrameFinished))
        monkeypatch.setattr(dispatch, "PLACEMENT_TIMEOUT_S", 1)
        with pytest.raises(ClusterError, match="no place for a worker with 4 CPUs"):
            events([todo("b 0", 1)], execution=Execution(workers=1, threads_per_worker=4))


def test_the_first_machine_of_a_cluster_is_waited_for_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, looks = scheduler._nodes, iter((True, True))
    monkeypatch.setattr(scheduler, "_nodes", lambda: [] if next(looks, False) else there())
    assert frames(events([todo("a 0", 2)]), "a 0") == [0, 1]
    monkeypatch.setattr(scheduler, "_nodes", list)
    monkeypatch.setattr(roster, "FIRST_MACHINE_S", 0)
    with pytest.raises(ClusterError, match="no machine of the cluster gave any CPU or GPU away in 0 s"):
        events([todo("a 0", 2)])
