"""What workers get next: segments by their critical path, pictures; and what becomes of a batch that kills them."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.config import Execution, Transfer
from pipeline.errors import MediaError, SpaceError
from pipeline.execute.dispatch import SEGMENT_DEATHS
from pipeline.execute.events import BatchTodo, Event, PictureFailed, PictureFinished, Todo, WorkerLost
from pipeline.execute.job import Batch, Painted, SegmentJob, Unpainted, WorkerInfo, WorkerSettings
from pipeline.execute.queue import Queue, chains, waiters_of
from pipeline.execute.scheduler import Farm
from pipeline.media.probe import ColorTags, Probe
from pipeline.media.sources import Source
from pipeline.workspace import Workspace
from tests.archive.makers import batch_of, page, picture_of

PROBE = Probe(8, 8, 0, Fraction(1), Fraction(1, 25), (0,), Fraction(25), ColorTags(2, 2, 2, 1), 0, 0, ())


class Given:
    """Batches that are there from the start."""

    def __init__(self, *todos: BatchTodo) -> None:
        self._todos, self.is_endless = deque(todos), False

    def take(self, workers: int) -> BatchTodo | None:
        return self._todos.popleft() if self._todos else None

    @property
    def is_over(self) -> bool:
        return not self._todos and not self.is_endless


class StandIn:
    """Paints two pictures a call; by their names some kill it: `die`, `die-once`, `fail`, `bug`."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._batch: Batch | None = None

    def set_up(self) -> WorkerInfo:
        return WorkerInfo(f"stand-in-{os.getpid()}", "cpu", 1)

    def progress(self) -> None:
        return None

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None = None) -> Painted:
        self._batch = batch or self._batch
        assert self._batch is not None
        if self._batch.name == "unreadable style":
            raise MediaError("the style of these pictures cannot be read")
        now, failed = missing[:2], []
        for index in now:
            name = self._batch.pictures[index].name
            once = self._batch.output / f"died-{name}"
            if name.startswith("die") and not (name.startswith("die-once") and once.exists()):
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if name.startswith("bug"):
                raise ZeroDivisionError("a bug of ours")
            if name.startswith("fail"):
                failed.append(Unpainted(index, f"{name} is cursed"))
        names = {index: self._batch.pictures[index].name for index in now}
        done = {i: (page(name),) for i, name in names.items() if not name.startswith("fail")}
        for (record,) in done.values():
            (self._batch.output / record.output).touch()
        return Painted(done, tuple(failed))


def batch(space: Workspace, *names: str, title: str = "a batch") -> BatchTodo:
    pictures = [picture_of(Path(name)) for name in names]
    return BatchTodo(batch_of(space, *pictures, name=title), deque(range(len(names))))


def work(workers: int, *todos: BatchTodo) -> list[Event]:
    settings = WorkerSettings("packaged", (), Transfer(), None, "flow")
    with Farm(Execution(workers=workers, threads_per_worker=1), settings, 9, StandIn) as farm:
        return list(farm.stylize(Queue((), batches=Given(*todos)), lambda: False))


def became(events: Sequence[Event]) -> tuple[list[str], dict[str, str]]:
    """The names of the finished pictures, sorted, and the errors of the others."""
    done = [e.batch.pictures[e.index].name for e in events if isinstance(e, PictureFinished)]
    failed = {e.batch.pictures[e.index].name: e.error for e in events if isinstance(e, PictureFailed)}
    return sorted(done), failed


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_what_a_dead_worker_had_comes_first_and_picture_by_picture(space: Workspace) -> None:
    given = Given(batch(space, "a", "b", "c"), batch(space, "d"))
    queue = Queue((), batches=given)
    first = queue.take()
    assert isinstance(first, BatchTodo)
    first.missing.popleft()
    first.deaths = 1
    queue.put_back(first)
    alone = [queue.take(), queue.take()]
    assert [(list(one.missing), one.deaths) for one in alone if isinstance(one, BatchTodo)] == [
        ([1], 0),
        ([2], 0),
    ]
    assert all(one is not None and one.job is first.job for one in alone)
    assert not queue.is_over
    last = queue.take()
    assert last is not None and last.job.name == "a batch" and queue.is_over
    assert queue.take() is None


def test_a_queue_is_not_over_while_more_may_be_listed(space: Workspace) -> None:
    given = Given()
    given.is_endless = True
    queue = Queue((), batches=given)
    assert queue.take() is None and not queue.is_over
    queue.put_back(batch(space, "a"))
    queue.clear()
    assert queue.is_over and queue.take() is None


# --- segments, by their critical path ---


def segment(
    name: str, work: float = 1.0, needs: Sequence[str] = (), source: str = "a.mp4", frames: int = 1
) -> Todo:
    job = SegmentJob(name, Source("video", Path(source), source, ()), PROBE, 0, frames, (8, 8), Path(name))
    return Todo(job, deque(range(frames)), key=name, needs=frozenset(needs), work=work)


def name_of(todo: Todo | BatchTodo | None) -> str | None:
    return None if todo is None else todo.job.name


def names(queue: Queue) -> list[str | None]:
    """What is taken one after the other, each being finished before the next is taken."""
    found = []
    while (todo := queue.take()) is not None:
        found.append(name_of(todo))
        if isinstance(todo, Todo):
            queue.finish(todo)
    return found


def test_the_largest_comes_first_and_of_equals_the_first_in_the_plan() -> None:
    todos = [segment("small", 1), segment("b", 2), segment("a", 2), segment("large", 3)]
    assert names(Queue(todos)) == ["large", "b", "a", "small"]


def test_a_segment_counts_with_the_longest_chain_that_waits_for_it() -> None:
    todos = [
        segment("alone", 5),
        segment("left", 1),
        segment("right", 2),
        segment("seam", 3, ["left", "right"]),
        segment("pass", 4, ["seam"]),
        segment("short", 1, ["left"]),
    ]
    assert chains(todos, waiters_of(todos)) == [5, 8, 9, 7, 4, 1]
    assert names(Queue(todos)) == ["right", "left", "seam", "alone", "pass", "short"]


def test_a_segment_waits_for_all_that_it_needs_and_for_nothing_that_is_not_to_be_made() -> None:
    first, second = segment("first", 2), segment("second", 1)
    queue = Queue([first, second, segment("third", 9, ["first", "second", "made long ago"])])
    assert [name_of(queue.take()) for _ in range(3)] == ["first", "second", None]
    queue.finish(second)
    queue.finish(second)
    assert queue.take() is None and not queue.is_over
    queue.finish(first)
    assert name_of(queue.take()) == "third" and queue.is_over


def test_what_is_not_chosen_keeps_its_place() -> None:
    wanted = ["c", "a", None, "d", "b"]

    def choose(ready: Iterator[Todo]) -> Todo | None:
        name = wanted.pop(0)
        return next((todo for todo in ready if todo.job.name == name), None)

    queue = Queue([segment(name, work) for name, work in (("a", 4), ("b", 3), ("c", 2), ("d", 1))], choose)
    assert [name_of(queue.take()) for _ in range(5)] == ["c", "a", None, "d", "b"] and queue.is_over


def test_a_choice_sees_the_segments_that_are_ready_in_order_and_takes_no_more_than_it_looks_at() -> None:
    seen: list[str] = []

    def choose(ready: Iterator[Todo]) -> Todo | None:
        seen.extend(todo.job.name for todo, _ in zip(ready, range(3), strict=False))
        raise SpaceError("no room")

    queue = Queue([segment(f"{n}", n) for n in range(1000)], choose)
    with pytest.raises(SpaceError):
        queue.take()
    assert seen == ["999", "998", "997"] and not queue.is_over


def test_what_a_dead_worker_had_comes_before_all_others_and_goes_with_its_source() -> None:
    todos = [segment("large", 9), segment("small", 1), segment("other", 5, source="b.mp4")]
    queue = Queue(todos)
    assert [name_of(queue.take()) for _ in range(3)] == ["large", "other", "small"]
    queue.put_back(todos[1])
    queue.put_back(todos[2])
    assert name_of(queue.take()) == "other"
    queue.put_back(todos[2])
    queue.drop_source("a.mp4")
    assert name_of(queue.take()) == "other" and queue.is_over


def test_a_source_is_dropped_with_those_of_its_segments_that_wait() -> None:
    first = segment("first")
    queue = Queue([first, segment("seam", 1, ["first"]), segment("other", 3, source="b.mp4")])
    assert [name_of(queue.take()), name_of(queue.take())] == ["other", "first"]
    queue.drop_source("a.mp4")
    queue.finish(first)
    assert queue.is_over and queue.take() is None


def test_pictures_fill_what_segments_leave_and_stand_aside_for_what_becomes_ready(space: Workspace) -> None:
    first = segment("first", 2)
    given = Given(batch(space, "a", title="1st batch"), batch(space, "b", title="2nd batch"))
    queue = Queue([first, segment("seam", 1, ["first"])], batches=given)
    assert [name_of(queue.take()) for _ in range(2)] == ["first", "1st batch"]
    queue.finish(first)
    assert [name_of(queue.take()) for _ in range(2)] == ["seam", "2nd batch"] and queue.is_over


def test_at_the_end_of_one_source_workers_take_the_work_of_another() -> None:
    chain = [segment(f"a{n}", 10, [f"a{n - 1}"] if n else ()) for n in range(3)]
    queue = Queue([*chain, *(segment(f"b{n}", 1, source="b.mp4") for n in range(4))])
    assert [name_of(queue.take()) for _ in range(3)] == ["a0", "b0", "b1"]
    queue.finish(chain[0])
    assert [name_of(queue.take()) for _ in range(4)] == ["a1", "b2", "b3", None]


def test_taking_a_segment_does_not_take_longer_with_more_of_them() -> None:
    looks = 0

    class Counted(float):
        def __lt__(self, other: float) -> bool:
            nonlocal looks
            looks += 1
            return float(self) < float(other)

    counts = []
    for size in (1_000, 16_000):
        todos = [segment(f"{n}", (n * 7919) % size) for n in range(size)]
        queue = Queue(todos)
        queue._ready = [(Counted(chain), place, todo) for chain, place, todo in queue._ready]
        looks = 0
        for _ in range(100):
            queue.take()
        counts.append(looks)
    assert counts[1] < 2 * counts[0]


# --- batches that kill workers ---


@pytest.mark.usefixtures("ray_session")
def test_of_a_batch_that_kills_workers_only_the_culprit_fails(space: Workspace) -> None:
    bad = batch(space, "a", "b", "c", "die", "d", "die-once", "fail", "e")
    events = work(1, bad, batch(space, "f", "g"))
    done, failed = became(events)
    assert done == ["a", "b", "c", "d", "die-once", "e", "f", "g"]
    assert failed.keys() == {"die", "fail"}
    assert f"killed {SEGMENT_DEATHS} workers in a row" in failed["die"]
    assert failed["fail"] == "fail is cursed"
    losses = [event for event in events if isinstance(event, WorkerLost)]
    assert len(losses) == SEGMENT_DEATHS + 2  # in company, then alone
    assert (losses[0].segment, losses[0].attempt) == (bad.job.name, 1)
    assert [one.attempt for one in losses if one.segment == "die"] == [2, 3, None]


@pytest.mark.usefixtures("ray_session")
def test_a_bug_over_one_picture_costs_only_that_and_an_unreadable_style_only_its_batch(
    space: Workspace,
) -> None:
    todos = [
        batch(space, "a", "bug", "b"),
        batch(space, "c", "d", title="unreadable style"),
        batch(space, "e"),
    ]
    done, failed = became(work(2, *todos))
    assert done == ["a", "b", "e"]
    assert failed.keys() == {"bug", "c", "d"}
    assert "ZeroDivisionError: a bug of ours" in failed["bug"]
    assert failed["c"] == failed["d"] == "the style of these pictures cannot be read"
