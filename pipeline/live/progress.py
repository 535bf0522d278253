"""How far a run is: counted from its events, the same for a terminal, a log, a program and another terminal.

Prints nothing, and knows nothing of terminals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from threading import RLock
from typing import Any

from pydantic import TypeAdapter

from pipeline.archive.tally import Tally
from pipeline.config import Transfer
from pipeline.encoding import Encoding
from pipeline.execute.events import (
    STARTING,
    Event,
    FrameFinished,
    PictureFinished,
    Pulse,
    SegmentFailed,
    WorkerLost,
    WorkerState,
)
from pipeline.forecasting.costs import frame_cost
from pipeline.ledger import Watcher
from pipeline.live.eta import Course, Courses, Eta, Rate
from pipeline.media.items import printable
from pipeline.plan import Failure, Plan, SourcePlan
from pipeline.resume import Stock
from pipeline.shots.segments import Segment
from pipeline.workspace import FrameRecord

NAME = 12
"""Characters that a narrow line keeps of a segment's name, before it keeps the loss and the device."""

TOLD = 20  # failures that are kept, and workers that died


@dataclass(frozen=True)
class Painted:
    """The picture that was finished last, and how its loss fell."""

    source: str
    frame: int
    iterations: int
    first_loss: float
    loss: float


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment. `is_counted`: whether `total` is all there is. `eta_s`, `per_minute`: None as yet unknown.

    `total` counts frames of films, and pages of photographs, of which there are `pictures`; what fails stays in it.
    `per_minute`: frames and photographs a minute. `megapixel_iterations`: of this run so far. `lost`: how often a
    worker was replaced. `losses`: the last of those, and `failures`, likewise. `encoding`: the output that is being
    written, if one is.
    """

    done: int
    total: int
    pictures: int
    is_counted: bool
    eta_s: float | None
    per_minute: float | None
    megapixel_iterations: float
    last: Painted | None
    workers: tuple[WorkerState, ...]
    lost: int
    losses: tuple[WorkerLost, ...]
    failed: int
    failures: tuple[Failure, ...]
    encoding: Encoding | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Snapshot:
        """Back again; ValueError where something is missing or of another kind."""
        return TypeAdapter(cls).validate_python({name: data.get(name) for name in cls.__annotations__})

    @property
    def lines(self) -> list[str]:
        """How far it is, for a person, in lines of less than 60 characters."""
        rate = [] if self.per_minute is None else [f"{self.per_minute:.3g} a minute"]
        if self.encoding is None:
            return self._lines(f" · ETA {self._left}", rate)
        left = "" if self.is_painted else f" · ETA {self._left}"
        return [*self._lines(left, rate), encoding_line(self.encoding)]

    @property
    def is_painted(self) -> bool:
        """Whether all frames are there, so that at most outputs have yet to be written."""
        return self.is_counted and self.done >= self.total

    @property
    def _left(self) -> str:
        return "—" if self.eta_s is None else str(timedelta(seconds=round(self.eta_s)))

    @property
    def lines_at_the_end(self) -> list[str]:
        """The same of a run that works no more: neither how long it takes nor how fast it is."""
        return self._lines("", [])

    @property
    def noun(self) -> str:
        """What is counted, for a person."""
        return noun(self.total - self.pictures, self.pictures)

    def _lines(self, left: str, rate: list[str]) -> list[str]:
        share = f" · {self.done / self.total:.0%}" if self.total and self.is_counted else ""
        found = [f"{self.done}/{self.total}{'' if self.is_counted else '+'} {self.noun}{share}{left}"]
        if self.last is not None:
            fall = f"loss {self.last.first_loss:.3g} → {self.last.loss:.3g}"
            rate.append(f"{fall} in {_plural(self.last.iterations, 'iteration')}")
        if rate:
            found.append(" · ".join(rate))
        troubles = [_plural(self.lost, "worker") + " replaced"] * bool(self.lost)
        troubles += [f"{self.failed} failed"] * bool(self.failed)
        return [*found, " · ".join(troubles)] if troubles else found


def noun(frames: int, pictures: int) -> str:
    """What frames of films and pages of photographs are together.

    >>> noun(3, 0), noun(0, 3), noun(1, 1)
    ('frames', 'pictures', 'frames and pictures')
    """
    return " and ".join(["frames"] * bool(frames or not pictures) + ["pictures"] * bool(pictures))


def worker_line(worker: WorkerState, columns: int = 58) -> str:
    """What a worker is at, in so many columns; of a long name the end is kept, where the frames differ."""
    if not worker.name:
        return "starting"
    if worker.progress is None:
        return _fit(worker.name, f" {worker.device} {'reading' if worker.busy else 'idle'}", columns)
    p = worker.progress
    frame = "" if p.pictures else f" frame {p.frame} ·"
    rest = f"{frame} iteration {p.iteration} of {p.most}"
    for more in (f" · loss {p.loss:.3g}", f" · {worker.device}"):
        if columns - len(rest + more) < min(len(p.segment), NAME):
            break
        rest += more
    return _fit(p.segment, rest, columns)


def encoding_line(encoding: Encoding, columns: int = 58) -> str:
    """How far an output is that is being written, in so many columns."""
    rest = f" · {encoding.step} frame {encoding.done} of {encoding.total}"
    return f"writing {_fit(encoding.source, rest, columns - 8)}"


def lost_line(lost: WorkerLost) -> str:
    """That a worker died, what it was at, and what becomes of that."""
    who = lost.worker if lost.worker == STARTING else f"worker {lost.worker}"
    if lost.segment is None:
        return f"{who} died and is replaced ({lost.reason})"
    where = lost.segment if lost.frame is None else f"{lost.segment}, frame {lost.frame}"
    if lost.attempt is None:
        next_ = f"that was attempt {lost.attempts} of {lost.attempts}"
    else:
        next_ = "what is left of it is tried again" if lost.frame is None else "it goes on from there"
        next_ += f", attempt {lost.attempt} of {lost.attempts}" if lost.attempt > 1 else ""
    return f"{who} died at {where} ({lost.reason}); {next_}"


def _fit(name: str, rest: str, columns: int) -> str:
    name, room = printable(name), max(8, columns - len(rest))
    return (name if len(name) <= room else f"…{name[1 - room :]}") + rest


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Meter(Watcher):
    """Counts a run's events; `snapshot` may be asked at any time, from any thread. `transfer`: what frames cost by."""

    def __init__(self, transfer: Transfer | None = None) -> None:
        self.transfer = transfer or Transfer()
        self._lock = RLock()  # a signal that comes in the middle may ask, too
        self.is_working = False  # the plan is made, and work has begun
        self._total = self._done = 0
        self._lost = self._failed = 0
        self._megapixel_iterations = 0.0
        self.iterations = 0
        self._archive = Tally()
        self._eta, self._courses, self._rate = Eta(), Courses(), Rate()
        self._workers: tuple[WorkerState, ...] = ()
        self._last: Painted | None = None
        self._failures: deque[Failure] = deque(maxlen=TOLD)
        self._losses: deque[WorkerLost] = deque(maxlen=TOLD)
        self._encoding: Encoding | None = None

    def planned(self, plan: Plan, stock: Stock, archive: Tally) -> None:
        """Count what there is to do, and what is there."""
        with self._lock:
            self.is_working = True
            self._archive = archive
            self._total, self._done = plan.frames, stock.reused
            for source in plan.sources:
                missing = stock.missing(source)
                for segment in source.segments:
                    self._expect(source, segment, missing.get(segment.key, ()))
            self._failures.extend(plan.failures)
            self._failed += len(plan.failures)

    def _expect(self, source: SourcePlan, segment: Segment, missing: Sequence[int]) -> None:
        if segment.kind == "skip":
            return  # takes next to no time
        cost = frame_cost(source, segment, self.transfer)
        cold, warm = Course("cold", cost.cold), Course("warm", cost.warm)
        if segment.kind != "paint":
            cold = warm = Course("again", cost.warm)
        elif not source.is_warm:
            warm = cold
        self._courses.add(segment.name, segment.first, cold, warm)
        for index in missing:
            self._eta.expect(cold if index == segment.first else warm)

    def happened(self, event: Event) -> None:
        """Take an event in."""
        with self._lock:
            self._count(event)

    def encoding(self, encoding: Encoding | None) -> None:
        """Take down how far the output is that is being written."""
        with self._lock:
            self._encoding = encoding

    def snapshot(self) -> Snapshot:
        """How far the run is."""
        with self._lock:
            return self._snapshot()

    def _count(self, event: Event) -> None:
        match event:
            case FrameFinished(record, job):
                self._done += not record.draft
                if (course := self._courses.of(job.name, record.frame)) is not None:
                    self._eta.add(course, record)
                self._finish([record])
            case PictureFinished(batch, index, records):
                for record in records:
                    self._eta.add_picture(batch.pictures[index].name, record.seconds)
                self._finish(records)
            case Pulse(workers):
                self._workers = workers
                self._eta.look(workers)
                if any(worker.busy and worker.progress for worker in workers):
                    self._rate.begin()
            case WorkerLost():
                self._lost += 1
                self._losses.append(event)
            case SegmentFailed(job, frame, error):
                self._failed += 1
                self._failures.append(Failure(job.source.name, frame, error))

    def _snapshot(self) -> Snapshot:
        archive = self._archive
        busy = max(1, sum(worker.busy for worker in self._workers))
        return Snapshot(
            done=self._done + archive.reused + archive.painted,
            total=self._total + archive.total,
            pictures=archive.total,
            is_counted=archive.listed is not None or not archive.total,
            eta_s=self._eta.seconds_left(self._courses, busy, archive.left),
            per_minute=self._rate.per_minute(),
            megapixel_iterations=round(self._megapixel_iterations, 3),
            last=self._last,
            workers=self._workers,
            lost=self._lost,
            losses=tuple(self._losses),
            failed=self._failed + len(archive.failures),
            failures=(*archive.failures[-TOLD:], *self._failures),
            encoding=self._encoding,
        )

    def _finish(self, records: Sequence[FrameRecord]) -> None:
        last = records[-1]
        first_loss = last.trace[0] if last.trace else last.loss
        self._last = Painted(last.source, last.frame, last.iterations, first_loss, last.loss)
        self.iterations += sum(record.iterations for record in records)
        self._megapixel_iterations += sum(record.megapixel_iterations for record in records)
        self._rate.add(sum(not record.draft for record in records))
