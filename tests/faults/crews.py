"""The real dispatcher with workers in this process, which die, fail or are late where a test says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pytest

from pipeline.config import Execution
from pipeline.execute import scheduler
from pipeline.execute.crew import WorkerLostError, WorkerRaisedError
from pipeline.execute.dispatch import Dispatcher
from pipeline.execute.events import Event
from pipeline.execute.job import Batch, SegmentJob, WorkerInfo, WorkerSettings
from pipeline.execute.queue import Queue
from pipeline.execute.worker import Worker
from tests.archive.halls import open_hall
from tests.farms import paint


class Killed(BaseException):
    """What stands for a worker's process that ends just there."""


class Texture:
    """Stands in for a worker; paints a texture at once."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.job: SegmentJob | None = None

    def set_up(self) -> WorkerInfo:
        return WorkerInfo("texture", "cpu", 1)

    def stylize_frame(self, index: int, job: SegmentJob | None = None) -> Any:
        self.job = job or self.job
        assert self.job is not None
        return paint(self.job, index)

    def progress(self) -> None:
        return None


Make = Callable[[WorkerSettings], Any]


@dataclass(eq=False)
class _Call:
    answer: Any
    error: Exception | None


class _Hand:
    """A worker whose every call is answered when it is asked."""

    def __init__(self, make: Make, settings: WorkerSettings) -> None:
        self._make, self._settings = make, settings
        self._worker: Any = None

    def set_up(self) -> _Call:
        self._worker = self._make(self._settings)
        return self._ask(self._worker.set_up)

    def stylize_frame(self, index: int, job: SegmentJob | None) -> _Call:
        return self._ask(self._worker.stylize_frame, index, job)

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> _Call:
        return self._ask(self._worker.paint_pictures, missing, batch)

    def progress(self) -> _Call:
        return _Call(None, None)

    def kill(self) -> None:
        gallery = getattr(self._worker, "_gallery", None)
        if gallery is not None:
            gallery.close()

    def _ask(self, function: Callable[..., Any], *args: Any) -> _Call:
        try:
            return _Call(function(*args), None)
        except Killed as death:
            return _Call(None, WorkerLostError(str(death) or "killed"))
        except Exception as error:
            return _Call(None, WorkerRaisedError(error))


class LocalFarm:
    """Stands in for `Farm`: `workers` workers in this process under the real dispatcher."""

    workers = 1
    make: Make = Worker

    def __init__(self, execution: Execution, settings: WorkerSettings, most: int, **_: object) -> None:
        self._settings = settings
        self._dispatcher = Dispatcher(self, execution.hang_timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dispatcher.close()

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        return self._dispatcher.stylize(queue, stop)

    def places(self) -> int:
        return self.workers

    def hire(self) -> _Hand:
        return _Hand(type(self).make, self._settings)

    def wait(self, calls: Sequence[_Call], timeout_s: float) -> Sequence[_Call]:
        if not calls:
            time.sleep(min(timeout_s, 0.01))
        return list(calls)

    def result(self, call: _Call) -> Any:
        if call.error is not None:
            raise call.error
        return call.answer

    def now_s(self) -> float:
        return time.monotonic()

    def shortage(self) -> str | None:
        return None


def open_workshop(
    monkeypatch: pytest.MonkeyPatch, make: Make = Texture, *, workers: int = 1, narrow: bool = False
) -> None:
    """From now on jobs are done by workers in this process; `narrow`: real ones, with the narrow network."""
    if narrow:
        open_hall(monkeypatch)
        make = Worker
    monkeypatch.setattr(LocalFarm, "workers", workers)
    monkeypatch.setattr(LocalFarm, "make", staticmethod(make))
    monkeypatch.setattr(scheduler, "Farm", LocalFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)
