"""Whole jobs with photographs and a narrow network, on Ray or by real workers in this process.

`python -m tests.archive.halls CONFIG` does a job on Ray, to be killed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

from pipeline.config import Execution, load_config
from pipeline.execute import scheduler, worker
from pipeline.execute.events import (
    BatchTodo,
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    SegmentFinished,
    Todo,
)
from pipeline.execute.job import WorkerSettings
from pipeline.execute.queue import Queue
from pipeline.execute.scheduler import Farm
from pipeline.execute.worker import Worker
from pipeline.run import run
from tests.execute.narrow import narrow_weights


class Hall:
    """Stands in for `Farm`: `workers` workers in turn, a call each."""

    workers = 1

    def __init__(self, execution: Execution, settings: WorkerSettings, most: int) -> None:
        self._staff = [Worker(settings) for _ in range(min(self.workers, most))]

    def __enter__(self) -> Self:
        for one in self._staff:
            one.set_up()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._staff:
            if one._gallery is not None:
                one._gallery.close()

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        at: dict[int, Todo | BatchTodo] = {}
        while at or not queue.is_over:
            if stop():
                queue.clear()
                return
            for place, one in enumerate(self._staff):
                if place not in at and (todo := queue.take(len(self._staff))):
                    at[place] = todo
                if place in at:
                    yield from _work(one, at[place], queue)
                    if not at[place].missing:
                        del at[place]


def _work(one: Worker, todo: Todo | BatchTodo, queue: Queue) -> Iterator[Event]:
    if isinstance(todo, Todo):
        yield FrameFinished(one.stylize_frame(todo.missing.popleft(), todo.job), todo.job)
        if not todo.missing:
            queue.finish(todo)
            yield SegmentFinished(todo.job)
        return
    is_open = one._gallery is not None and one._gallery.batch is todo.job
    painted = one.paint_pictures(tuple(todo.missing), None if is_open else todo.job)
    for index, records in painted.records.items():
        todo.missing.remove(index)
        yield PictureFinished(todo.job, index, records)
    for failed in painted.failed:
        todo.missing.remove(failed.index)
        yield PictureFailed(todo.job, failed.index, failed.error)


def narrow_worker(settings: WorkerSettings) -> Worker:
    """A worker with the narrow network, in a process of its own."""
    worker.load_weights = lambda choice: narrow_weights()
    return Worker(settings)


NARROW_FARM = partial(Farm, make=narrow_worker)
"""The real one, on Ray."""


def open_hall(monkeypatch: pytest.MonkeyPatch, *, workers: int = 1, narrow: bool = True) -> None:
    """From now on jobs are done here; `narrow`: with the narrow network, which wants `transfer.network: raw`."""

    def make(*args: Any, **_: Any) -> Hall:
        return Hall(*args)

    monkeypatch.setattr(Hall, "workers", workers)
    monkeypatch.setattr(scheduler, "Farm", make)
    if narrow:
        monkeypatch.setattr(worker, "load_weights", lambda choice: narrow_weights())


NARROW = {"network": "raw", "size": 32, "iterations": 6, "scales": 1, "style_weight": 1.0}


def results(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of an output folder but the run folder's, by its path there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink()]
    found = {path.relative_to(folder): path for path in files}
    return {str(name): path.read_bytes() for name, path in found.items() if name.parts[0] != ".stylize"}


if __name__ == "__main__":
    scheduler.Farm = NARROW_FARM  # type: ignore[assignment, misc]
    run(load_config(Path(sys.argv[1])))
