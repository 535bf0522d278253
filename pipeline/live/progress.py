"""How far a run is: counted from its events, the same for a terminal, a log, a program and another terminal.

Prints nothing, and knows nothing of terminals.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from statistics import mean
from threading import RLock
from typing import Any

from pydantic import TypeAdapter

from pipeline.archive.tally import Tally
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
from pipeline.ledger import Watcher
from pipeline.media.items import printable
from pipeline.plan import Failure, Plan
from pipeline.resume import Stock
from pipeline.workspace import FrameRecord

RECENT = 20
"""Frames of each kind that the time left is estimated from."""

NAME = 12
"""Characters that a narrow line keeps of a segment's name, before it keeps the loss and the device."""

WINDOW_S = 120.0
"""The rate is that of the last two minutes."""

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

    `per_minute`: frames and photographs a minute. `megapixel_iterations`: of this run so far. `lost`: how often a
    worker was replaced. `losses`: the last of those, and `failures`, likewise. `encoding`: the output that is being
    written, if one is.
    """

    done: int
    total: int
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

    def _lines(self, left: str, rate: list[str]) -> list[str]:
        share = f" · {self.done / self.total:.0%}" if self.total and self.is_counted else ""
        found = [f"{self.done}/{self.total}{'' if self.is_counted else '+'} frames{share}{left}"]
        if self.last is not None:
            fall = f"loss {self.last.first_loss:.3g} → {self.last.loss:.3g}"
            rate.append(f"{fall} in {_plural(self.last.iterations, 'iteration')}")
        if rate:
            found.append(" · ".join(rate))
        troubles = [_plural(self.lost, "worker") + " replaced"] * bool(self.lost)
        troubles += [f"{self.failed} failed"] * bool(self.failed)
        return [*found, " · ".join(troubles)] if troubles else found


def worker_line(worker: WorkerState, columns: int = 58) -> str:
    """What a worker is at, in so many columns; of a long name the end is kept, where the frames differ."""
    if not worker.name:
        return "starting"
    if worker.progress is None:
        return _fit(worker.name, f" {worker.device} {'reading' if worker.busy else 'idle'}", columns)
    p = worker.progress
    rest = f" frame {p.frame} · iteration {p.iteration} of {p.most}"
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
    """Counts a run's events; `snapshot` may be asked at any time, from any thread."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal that comes in the middle may ask, too
        self.is_working = False  # the plan is made, and work has begun
        self._total = self._done = self._to_make = self._cold_left = 0
        self._lost = self._failed = 0
        self._megapixel_iterations = 0.0
        self._archive = Tally()
        self._eta, self._rate = Eta(), Rate()
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
            self._cold_left = sum(
                (s.stop - s.first if not source.is_warm else 1)
                for source in plan.sources
                for s in source.segments
                if s.kind == "paint" and s.first not in stock.finished[s.key]
            )
            missing = {
                key: frames for source in plan.sources for key, frames in stock.missing(source).items()
            }
            self._to_make = sum(len(missing.get(s.key, ())) for s in plan.segments if s.kind != "skip")
            self._failures.extend(plan.failures)
            self._failed += len(plan.failures)

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
            case FrameFinished(record, _):
                self._done += not record.draft
                self._to_make -= record.start != "skipped"
                self._cold_left -= record.start == "cold"
                self._eta.add(record)
                self._finish([record])
            case PictureFinished(_, _, records):
                self._eta.add_picture(sum(record.seconds for record in records))
                self._finish(records)
            case Pulse(workers):
                self._workers = workers
            case WorkerLost():
                self._lost += 1
                self._losses.append(event)
            case SegmentFailed(job, frame, error):
                self._failed += 1
                self._failures.append(Failure(job.source.name, frame, error))

    def _snapshot(self) -> Snapshot:
        total, done = self._in_all()
        pictures_left = total - self._total - (done - self._done)
        busy = max(1, sum(worker.busy for worker in self._workers))
        return Snapshot(
            done=done,
            total=total,
            is_counted=self._archive.listed is not None or not self._archive.total,
            eta_s=self._eta.seconds_left(self._to_make, self._cold_left, busy, pictures_left),
            per_minute=self._rate.per_minute(),
            megapixel_iterations=round(self._megapixel_iterations, 3),
            last=self._last,
            workers=self._workers,
            lost=self._lost,
            losses=tuple(self._losses),
            failed=self._failed + len(self._archive.failures),
            failures=(*self._archive.failures[-TOLD:], *self._failures),
            encoding=self._encoding,
        )

    def _finish(self, records: Sequence[FrameRecord]) -> None:
        last = records[-1]
        first_loss = last.trace[0] if last.trace else last.loss
        self._last = Painted(last.source, last.frame, last.iterations, first_loss, last.loss)
        self._megapixel_iterations += sum(record.megapixel_iterations for record in records)
        self._rate.add(sum(not record.draft for record in records))

    def _in_all(self) -> tuple[int, int]:
        """Frames and photographs: how many are known of, and how many are finished."""
        archive = self._archive
        known = (
            archive.total if archive.listed is None else max(archive.total, archive.listed - archive.refused)
        )
        return self._total + known, self._done + archive.reused + archive.painted


class Rate:
    """Frames and photographs a minute, of the last `WINDOW_S`."""

    def __init__(self, now_s: float | None = None) -> None:
        self._began_s = time.monotonic() if now_s is None else now_s
        self._finished: deque[tuple[float, int]] = deque()

    def add(self, count: int, now_s: float | None = None) -> None:
        """So many have just been finished."""
        now_s = time.monotonic() if now_s is None else now_s
        if not self._finished:
            self._began_s = now_s  # Ray's start is not part of the rate
        self._finished.append((now_s, count))
        while now_s - self._finished[0][0] > WINDOW_S:
            self._finished.popleft()

    def per_minute(self, now_s: float | None = None) -> float | None:
        """None until a second one has been finished."""
        now_s = time.monotonic() if now_s is None else now_s
        since_s = max(self._began_s, now_s - WINDOW_S)
        count = sum(count for at_s, count in self._finished if at_s > since_s)
        return 60 * count / (now_s - since_s) if count and now_s > since_s else None


class Eta:
    """Seconds left, from the frames finished last; cold and warm ones apart, since they differ tenfold."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {
            kind: deque(maxlen=RECENT) for kind in ("cold", "warm", "picture")
        }

    def add(self, record: FrameRecord) -> None:
        """Take in a finished frame."""
        if record.start in self._seconds:  # a skipped frame takes next to no time
            self._seconds[record.start].append(record.seconds)

    def add_picture(self, seconds: float) -> None:
        """Take in a finished photograph; of those that were painted together, the share of one."""
        self._seconds["picture"].append(seconds)

    def seconds_left(self, frames: int, cold: int, workers: int, pictures: int = 0) -> float | None:
        """For `frames` frames, `cold` of them cold, and photographs.

        None as long as a kind of which some are left was never seen.
        """
        total = 0.0
        for kind, count in (("cold", cold), ("warm", frames - cold), ("picture", pictures)):
            if count > 0:
                if not self._seconds[kind]:
                    return None
                total += count * mean(self._seconds[kind])
        return total / workers
