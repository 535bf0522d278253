"""What the scheduler is given to do, and what it says while it does it. Plain data; knows nothing of Ray."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipeline.execute.job import Batch, Progress, SegmentJob
from pipeline.workspace import FrameRecord, PictureRecord

STARTING = "a worker that was starting"
"""Stands for the name of a worker that died before it had said it."""


@dataclass(frozen=True)
class FrameFinished:
    """A frame of a segment is committed."""

    record: FrameRecord
    job: SegmentJob


@dataclass(frozen=True)
class SegmentFinished:
    """Every frame of a segment is committed."""

    job: SegmentJob


@dataclass(frozen=True)
class SegmentFailed:
    """A segment cannot be finished; the rest of its source is not tried."""

    job: SegmentJob
    frame: int | None
    error: str


@dataclass(frozen=True)
class PictureFinished:
    """A picture of a batch has its result; `records` are those of its pages."""

    batch: Batch
    index: int
    records: tuple[PictureRecord, ...]


@dataclass(frozen=True)
class PictureFailed:
    """A picture of a batch cannot be painted; `is_unreadable`: as of `job.Unpainted`."""

    batch: Batch
    index: int
    error: str
    is_unreadable: bool = False


@dataclass(frozen=True)
class WorkerLost:
    """A worker died; what it was at goes back to the queue, or is set aside.

    `segment`: the name of the segment, the photograph or the batch that it was at; None: of none, as while it starts.
    `frame`: of a segment, the one that it was at. `attempt`: which attempt at that frame or photograph comes next, of
    `attempts`; None: none does.
    """

    worker: str
    reason: str
    segment: str | None = None
    frame: int | None = None
    attempt: int | None = None
    attempts: int | None = None


@dataclass(frozen=True)
class WorkerState:
    """A worker at this moment: `progress` is None between frames and while it is starting."""

    name: str
    device: str
    busy: bool
    progress: Progress | None


@dataclass(frozen=True)
class Pulse:
    """All workers at this moment, about twice a second."""

    workers: tuple[WorkerState, ...]


Event = FrameFinished | SegmentFinished | SegmentFailed | PictureFinished | PictureFailed | WorkerLost | Pulse


@dataclass
class Todo:
    """A segment with the frames that are still missing, in order, and how often its next frame killed a worker.

    `needs`: the keys of the segments that have to be finished before this one can begin. `work`: what the missing
    frames take at most, in megapixel-iterations.
    """

    job: SegmentJob
    missing: deque[int]
    deaths: int = 0
    key: str = ""
    needs: frozenset[str] = frozenset()
    work: float = 0.0

    def lost(self, worker: str, reason: str, attempts: int) -> WorkerLost:
        """Say that a worker died at its next frame, which is tried so many times at most."""
        attempt = _next(self.deaths, attempts)
        return WorkerLost(worker, reason, self.job.name, self.missing[0], attempt, attempts)


@dataclass
class BatchTodo:
    """A batch with the places of its pictures that are still missing, and how often they killed a worker."""

    job: Batch
    missing: deque[int]
    deaths: int = 0

    def alone(self) -> list[BatchTodo]:
        """Its missing pictures, each on its own: one of them killed a worker, and the others did not."""
        return [BatchTodo(self.job, deque([index]), self._deaths_alone) for index in self.missing]

    def lost(self, worker: str, reason: str, attempts: int) -> WorkerLost:
        """Say that a worker died at it; each of its pictures is tried so many times at most."""
        name = self.job.pictures[self.missing[0]].name if len(self.missing) == 1 else self.job.name
        return WorkerLost(worker, reason, name, None, _next(self._deaths_alone, attempts), attempts)

    @property
    def _deaths_alone(self) -> int:
        """How many workers each of its missing pictures has killed on its own."""
        return self.deaths if len(self.missing) == 1 else 0


def _next(deaths: int, attempts: int) -> int | None:
    """The attempt that comes after so many deaths; None: none."""
    return deaths + 1 if deaths < attempts else None
