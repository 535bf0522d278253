"""What the scheduler is given to do, and what it says while it does it. Plain data; knows nothing of Ray."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pipeline.execute.job import Batch, Progress, SegmentJob
from pipeline.workspace import FrameRecord, PictureRecord


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
    """A picture of a batch cannot be painted."""

    batch: Batch
    index: int
    error: str


@dataclass(frozen=True)
class WorkerLost:
    """A worker died; what it was working on goes back to the queue."""

    worker: str
    reason: str


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


@dataclass
class BatchTodo:
    """A batch with the places of its pictures that are still missing, and how often they killed a worker."""

    job: Batch
    missing: deque[int]
    deaths: int = 0

    def alone(self) -> list[BatchTodo]:
        """Its missing pictures, each on its own: one of them killed a worker, and the others did not."""
        deaths = self.deaths if len(self.missing) == 1 else 0
        return [BatchTodo(self.job, deque([index]), deaths) for index in self.missing]
