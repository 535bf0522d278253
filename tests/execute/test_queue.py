"""What workers get next, and what becomes of a batch that kills them."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.config import Execution, Transfer
from pipeline.errors import MediaError
from pipeline.execute.dispatch import SEGMENT_DEATHS
from pipeline.execute.events import BatchTodo, Event, PictureFailed, PictureFinished, WorkerLost
from pipeline.execute.job import Batch, Painted, Unpainted, WorkerInfo, WorkerSettings
from pipeline.execute.queue import Queue
from pipeline.execute.scheduler import Farm
from pipeline.workspace import Workspace
from tests.archive.makers import batch_of, page, picture_of


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


@pytest.mark.usefixtures("ray_session")
def test_of_a_batch_that_kills_workers_only_the_culprit_fails(space: Workspace) -> None:
    bad = batch(space, "a", "b", "c", "die", "d", "die-once", "fail", "e")
    events = work(1, bad, batch(space, "f", "g"))
    done, failed = became(events)
    assert done == ["a", "b", "c", "d", "die-once", "e", "f", "g"]
    assert failed.keys() == {"die", "fail"}
    assert f"killed {SEGMENT_DEATHS} workers in a row" in failed["die"]
    assert failed["fail"] == "fail is cursed"
    assert (
        sum(isinstance(event, WorkerLost) for event in events) == SEGMENT_DEATHS + 2
    )  # in company, then alone


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
