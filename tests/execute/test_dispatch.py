"""The dispatcher with a crew of events and a clock of its own: nothing waits, and every fault comes when it is told."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ClusterError, SpaceError, StorageError
from pipeline.execute.crew import WorkerLostError, WorkerRaisedError
from pipeline.execute.dispatch import GROWTH_S, PLACEMENT_TIMEOUT_S, SLOT_DEATHS, STAY, Dispatcher
from pipeline.execute.events import STARTING, Event, FrameFinished, SegmentFailed, Todo, WorkerLost
from pipeline.execute.job import Batch, Progress, SegmentJob, WorkerInfo
from pipeline.execute.queue import Queue
from pipeline.media.probe import ColorTags, Probe
from pipeline.media.sources import Source
from pipeline.workspace import FrameRecord

PROBE = Probe(8, 8, 0, Fraction(1), Fraction(1, 25), (0,), Fraction(25), ColorTags(2, 2, 2, 1), 0, 0, ())
SET_UP_S = 3.0
NEVER = float("inf")


@dataclass(eq=False)
class _Call:
    answer: Any
    at_s: float


@dataclass(eq=False)
class _Hand:
    """A worker that takes `frame_s` for a frame and hangs over a frame as often as `hangs` says."""

    crew: FakeCrew
    number: int
    frame_s: float
    calls: list[tuple[float, int]] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)  # the frames with which a segment was opened
    working: tuple[str, int] | None = None
    job: SegmentJob | None = None
    is_dead: bool = False

    def set_up(self) -> _Call:
        return self.crew.promise(
            WorkerInfo(f"w{self.number}", "cpu", 1, self.crew.machine_of(self.number)),
            self.crew.set_up_s(self.number),
        )

    def stylize_frame(self, index: int, job: SegmentJob | None) -> _Call:
        self.job = job or self.job
        assert self.job is not None
        now_s, name = self.crew.now_s(), self.job.name
        self.working = (name, index)
        self.calls.append((now_s, index))
        self.opened += [index] * (job is not None)
        self.frame_s = self.crew.slows.get((self.number, index), self.frame_s)
        record = FrameRecord(
            "s", index, name, "cold", 9, 1.0, (1.0,), 1.0, None, self.frame_s, f"w{self.number}", 1
        )
        takes_s = NEVER if self.crew.hangs[name, index] else self.frame_s
        self.crew.hangs[name, index] -= takes_s == NEVER
        return self.crew.promise(record, takes_s)

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> _Call:
        raise NotImplementedError

    def progress(self) -> _Call:
        if self.working is None:
            return self.crew.promise(None, 0 if self.crew.set_up_s(self.number) < NEVER else NEVER)
        name, index = self.working
        return self.crew.promise(Progress(name, index, self.crew.iteration(self.working), 99, 1.0), 0)

    def kill(self) -> None:
        self.is_dead = True


class FakeCrew:
    def __init__(self, *speeds_s: float, joining: Sequence[tuple[float, int]] = ()) -> None:
        """`speeds_s`: seconds a frame of each worker in the order they are hired, the last one's for all after.

        `joining`: (time, places): how many places there are from then on; at first one for each speed.
        """
        self.speeds_s, self.joining = speeds_s, ((0.0, len(speeds_s)), *joining)
        self.clock_s, self.hangs, self.hired = 0.0, Counter[tuple[str, int]](), list[_Hand]()
        self.lacking: str | None = None
        self.slows: dict[
            tuple[int, int], float
        ] = {}  # by worker and frame: what it takes for one from then on
        self.troubles: dict[str, Exception] = {}  # by worker: what it raises instead of a record
        self.set_up_of: Callable[[int], float] = lambda number: SET_UP_S
        self.machine_of: Callable[[int], str] = lambda number: f"m{number}"
        self.steps = lambda working: 0

    def set_up_s(self, number: int) -> float:
        return self.set_up_of(number)

    def iteration(self, working: tuple[str, int]) -> int:
        return self.steps(working)

    def promise(self, answer: Any, takes_s: float) -> _Call:
        return _Call(answer, self.clock_s + takes_s)

    def places(self) -> int:
        return [places for at_s, places in self.joining if at_s <= self.clock_s][-1]

    def hire(self) -> _Hand:
        number = len(self.hired)
        hand = _Hand(self, number, self.speeds_s[min(number, len(self.speeds_s) - 1)])
        self.hired.append(hand)
        return hand

    def wait(self, calls: Sequence[_Call], timeout_s: float) -> Sequence[_Call]:
        first_s = min((call.at_s for call in calls), default=NEVER)
        self.clock_s = max(self.clock_s, min(first_s, self.clock_s + timeout_s))
        return [call for call in calls if call.at_s <= self.clock_s]

    def result(self, call: _Call) -> Any:
        if isinstance(call.answer, FrameRecord) and call.answer.worker in self.troubles:
            raise WorkerRaisedError(self.troubles[call.answer.worker])
        return call.answer

    def now_s(self) -> float:
        return self.clock_s

    def shortage(self) -> str | None:
        return self.lacking


def todo(name: str, frames: int) -> Todo:
    source = Source("video", Path(name), name, (Path(name),))
    job = SegmentJob(name, source, PROBE, 0, frames, (8, 8), Path("/nowhere") / name)
    return Todo(job, deque(range(frames)), key=name)


def work(crew: FakeCrew, *todos: Todo, hang_timeout_s: float | None = None) -> list[Event]:
    found: list[Event] = []
    dispatcher = Dispatcher(crew, hang_timeout_s, arrived=lambda path: True)
    for event in dispatcher.stylize(Queue(todos), lambda: False):
        found.append(event)
        assert crew.clock_s < 1e6, "this hangs"
    dispatcher.close()
    return found


def painters(found: list[Event]) -> dict[tuple[str, int], str]:
    """Who made each frame, each exactly once."""
    makers = defaultdict(list)
    for event in found:
        if isinstance(event, FrameFinished):
            makers[event.record.segment, event.record.frame].append(event.record.worker)
    assert all(len(names) == 1 for names in makers.values())
    return {frame: names[0] for frame, names in makers.items()}


def test_a_worker_that_does_not_come_forward_is_replaced_and_its_frame_made_by_another() -> None:
    crew = FakeCrew(1.0)
    crew.hangs = Counter({("a", 2): 1})
    found = work(crew, todo("a", 4), hang_timeout_s=60)
    (lost,) = [event for event in found if isinstance(event, WorkerLost)]
    assert lost.worker == "w0"
    assert "no sign of progress in 60 s (execution.hang_timeout_s)" in lost.reason
    assert painters(found) == {("a", 0): "w0", ("a", 1): "w0", ("a", 2): "w1", ("a", 3): "w1"}
    assert crew.hired[0].is_dead
    assert 60 < crew.clock_s < 75


def test_a_frame_that_takes_longer_but_comes_forward_is_waited_for() -> None:
    crew = FakeCrew(500.0)
    crew.steps = lambda working: int(crew.clock_s / 50)  # an iteration every 50 s
    found = work(crew, todo("a", 2), hang_timeout_s=60)
    assert not [event for event in found if isinstance(event, WorkerLost)]
    assert len(painters(found)) == 2


def test_a_frame_over_which_three_workers_hang_is_set_aside_with_its_segment() -> None:
    crew = FakeCrew(1.0)
    crew.hangs = Counter({("a", 1): 3})
    found = work(crew, todo("a", 3), todo("b", 2), hang_timeout_s=60)
    (failed,) = [event for event in found if isinstance(event, SegmentFailed)]
    assert "frame 1 killed 3 workers in a row" in failed.error
    assert set(painters(found)) == {("a", 0), ("b", 0), ("b", 1)}


def test_a_death_says_where_it_came_and_which_attempt_is_next() -> None:
    crew = FakeCrew(1.0)
    crew.hangs = Counter({("a", 1): 3})
    found = work(crew, todo("a", 3), hang_timeout_s=60)
    losses = [event for event in found if isinstance(event, WorkerLost)]
    assert [(one.segment, one.frame, one.attempt, one.attempts) for one in losses] == [
        ("a", 1, 2, 3), ("a", 1, 3, 3), ("a", 1, None, 3),
    ]  # fmt: skip


def test_a_death_while_a_worker_starts_is_at_nothing() -> None:
    crew = FakeCrew(1.0)
    crew.set_up_of = lambda number: NEVER if number == 0 else SET_UP_S
    found = work(crew, todo("a", 1), hang_timeout_s=100)
    (lost,) = [event for event in found if isinstance(event, WorkerLost)]
    assert (lost.worker, lost.segment, lost.frame, lost.attempt) == (STARTING, None, None, None)


def test_a_death_of_which_the_place_is_to_blame_is_no_attempt() -> None:
    crew = FakeCrew(1.0, 1.0)
    crew.troubles = {"w0": StorageError("the share is not mounted")}
    found = work(crew, todo("a", 2), todo("b", 2))
    (lost,) = [event for event in found if isinstance(event, WorkerLost)]
    assert (lost.worker, lost.segment, lost.attempt) == ("w0", "a", 1)


def test_without_a_limit_a_worker_may_take_for_ever() -> None:
    crew = FakeCrew(9_000.0)
    assert len(painters(work(crew, todo("a", 1)))) == 1


def test_a_worker_that_never_gets_through_its_start_is_replaced_where_there_was_room_for_it() -> None:
    crew = FakeCrew(1.0)
    crew.set_up_of = lambda number: NEVER if number == 0 else SET_UP_S
    found = work(crew, todo("a", 1), hang_timeout_s=100)
    assert painters(found) == {("a", 0): "w1"}


def test_a_machine_that_joins_is_used_within_seconds() -> None:
    crew = FakeCrew(10.0, joining=[(42, 3)])
    found = work(crew, todo("a", 20), todo("b", 20), todo("c", 20))
    assert len(crew.hired) == 3
    assert {worker for (name, _), worker in painters(found).items() if name != "a"} == {"w1", "w2"}
    assert crew.clock_s < 20 * 10 + 42 + 2 * GROWTH_S + 10


def test_places_that_kill_every_worker_are_not_filled_again_and_again() -> None:
    crew = FakeCrew(1.0, 1.0)

    def result(call: _Call) -> Any:
        if isinstance(call.answer, WorkerInfo) and call.answer.name != "w0":
            raise WorkerLostError("it was killed")
        return call.answer

    crew.result = result  # type: ignore[method-assign]
    found = work(crew, todo("a", 100))
    assert len(painters(found)) == 100
    assert len(crew.hired) == 1 + SLOT_DEATHS


def test_a_segment_goes_on_with_a_faster_worker_that_has_nothing_to_do() -> None:
    crew = FakeCrew(1.0, 4.0)
    found = work(crew, todo("a", 20), todo("b", 19))
    makers = painters(found)
    assert {makers["a", index] for index in range(20)} == {"w0"}
    late = [makers["b", index] for index in range(19)]
    assert late == ["w1"] * late.count("w1") + ["w0"] * late.count("w0")  # in order, handed over once
    assert late.count("w0") > 10
    assert crew.clock_s < 45  # the slow one alone would take 79 s for it


def test_a_segment_that_comes_back_to_a_worker_is_opened_anew() -> None:
    crew = FakeCrew(1.0, 4.0)
    crew.slows = {(0, 6): 40.0, (1, 8): 1.0}  # the fast one becomes slow, and the other fast
    found = work(crew, todo("a", 5), todo("b", 60))
    makers = [painters(found)["b", index] for index in range(60)]
    stays = [index for index in range(60) if index == 0 or makers[index] != makers[index - 1]]
    assert len(stays) >= 3, makers
    for index in stays:
        hand = crew.hired[int(makers[index][1:])]
        assert index in hand.opened
    assert all(b - a >= STAY for a, b in pairwise(stays))


def test_once_asked_to_stop_no_segment_is_handed_over_and_no_frame_begun() -> None:
    crew = FakeCrew(1.0, 4.0)
    dispatcher = Dispatcher(crew, None, arrived=lambda path: True)
    asked_s = 30.0
    for _ in dispatcher.stylize(Queue([todo("a", 10), todo("b", 40)]), lambda: crew.clock_s >= asked_s):
        assert crew.clock_s < 1e6, "this hangs"
    assert max(at_s for hand in crew.hired for at_s, _ in hand.calls) <= asked_s
    assert len(crew.hired[0].calls) > 10  # it was handed the rest of the other's segment before


@pytest.mark.parametrize("error", [StorageError("no route to the bucket"), SpaceError("no room in /tmp")])
def test_a_machine_that_alone_cannot_read_or_write_loses_its_work_to_the_others(error: Exception) -> None:
    crew = FakeCrew(1.0, 1.0)
    crew.troubles = {f"w{number}": error for number in range(1, 9)}  # every one of the second place
    crew.machine_of = lambda number: "m0" if number == 0 else "m1"
    found = work(crew, todo("a", 9), todo("b", 9))
    assert set(painters(found).values()) == {"w0"}
    assert not [event for event in found if isinstance(event, SegmentFailed)]
    assert len(crew.hired) == 1 + SLOT_DEATHS


def test_what_two_machines_cannot_read_or_write_ends_the_run() -> None:
    crew = FakeCrew(1.0, 1.0)
    crew.troubles = {f"w{number}": StorageError("no route to the bucket") for number in range(9)}
    with pytest.raises(StorageError, match="no route to the bucket"):
        work(crew, todo("a", 9), todo("b", 9))


def test_workers_of_one_speed_keep_their_segments() -> None:
    crew = FakeCrew(1.0, 1.1)
    makers = painters(work(crew, todo("a", 4), todo("b", 20)))
    assert len({makers["b", index] for index in range(20)}) == 1


def test_a_frame_that_is_not_to_be_seen_here_means_the_folder_is_not_shared() -> None:
    dispatcher = Dispatcher(FakeCrew(1.0), None, arrived=lambda path: False)
    with pytest.raises(
        ClusterError, match=r"w0 has written /nowhere/a/00000000\.png, .* shared by all machines"
    ):
        list(dispatcher.stylize(Queue([todo("a", 2)]), lambda: False))


def test_an_error_in_set_up_ends_the_run() -> None:
    crew = FakeCrew(1.0)

    def result(call: _Call) -> Any:
        if isinstance(call.answer, WorkerInfo):
            raise WorkerRaisedError(ValueError("no such device"))
        return call.answer

    crew.result = result  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match="cannot be set up: no such device"):
        work(crew, todo("a", 1))


def test_workers_that_find_no_place_are_given_up_in_the_clusters_own_words() -> None:
    crew = FakeCrew(1.0)
    crew.set_up_of = lambda number: NEVER
    crew.lacking = "no place for 4 GPUs"
    with pytest.raises(ClusterError, match="no place for 4 GPUs"):
        work(crew, todo("a", 1))
    assert PLACEMENT_TIMEOUT_S <= crew.clock_s < PLACEMENT_TIMEOUT_S + 2
