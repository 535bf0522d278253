"""A cluster that is not there: films of a given rhythm, and workers as events on a clock of their own.

The plan, the todos, the queue, the dispatcher, the ledger and the keeper are the real ones; only who paints is not.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import ray.cloudpickle

from pipeline.config import Config
from pipeline.execute.crew import WorkerLostError
from pipeline.execute.events import Todo
from pipeline.execute.job import Progress, SegmentJob, WorkerInfo
from pipeline.media.probe import ColorTags, Probe
from pipeline.media.sources import Source
from pipeline.parts import Inspected, Judges, StyleDigests
from pipeline.plan import Plan, plan_source
from pipeline.records import FrameRecord
from pipeline.resume import Stock
from pipeline.workspace import read_journal

FRAMES_PER_S = 24
SET_UP_S = 15.0
"""From a worker's being asked for to its first frame, see scripts/bench_overhead.py."""

CALL_S = 0.002
"""What a call by way of Ray takes."""

NEVER, LOST = float("inf"), object()
Capacity = Sequence[tuple[float, int]]
"""From which second on how many workers there is room for."""


@dataclass(frozen=True)
class Rhythm:
    """Lengths of shots: log-normal of a mean in seconds; `sigma` None: all the same."""

    name: str
    mean_s: float
    sigma: float | None

    def shots(self, frames: int, seed: int = 0) -> list[int]:
        """The lengths in frames of the shots of a film."""
        draw, found, left = random.Random(f"{self.name} {seed}"), list[int](), frames
        while left > 0:
            found.append(min(left, max(3, round(FRAMES_PER_S * self._length_s(draw)))))
            left -= found[-1]
        return found

    def _length_s(self, draw: random.Random) -> float:
        if self.sigma is None:
            return self.mean_s
        return draw.lognormvariate(np.log(self.mean_s) - self.sigma**2 / 2, self.sigma)


@dataclass(frozen=True)
class Measured:
    """What frames of a real run took, shot by shot: evaluations of the cold frame and of the warm ones."""

    shots: tuple[tuple[int, tuple[int, ...]], ...]

    @classmethod
    def of(cls, records: Path) -> Measured:
        """Of the journal of a run."""
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for entry in read_journal(records):
            found[entry["segment"]].append((entry["frame"], entry["iterations"]))
        shots = (tuple(count for _, count in sorted(one)) for one in found.values())
        return cls(tuple((shot[0], shot[1:]) for shot in shots if len(shot) > 1))

    @cached_property
    def mean_warm(self) -> float:
        """Evaluations of a warm frame."""
        return float(np.mean([count for _, warm in self.shots for count in warm]))


def film(frames: int, shots: Sequence[int], config: Config) -> Plan:
    """The plan of a film of so many frames, of 1920 × 1080 px."""
    probe = Probe(1920, 1080, 0, Fraction(1), Fraction(1, FRAMES_PER_S), tuple(range(frames)),
                  Fraction(FRAMES_PER_S), ColorTags(1, 1, 1, 1), 1, 0, ())  # fmt: skip
    source = Source("video", Path("/films/film.mp4"), "film.mp4", (Path("/films/film.mp4"),))
    judges = Judges((StyleDigests("aa" * 32, 1.0),), "bb" * 32)
    cuts = tuple(accumulate(shots))[:-1]
    return Plan((plan_source(config, Inspected(source, probe, "cc" * 32, cuts), judges),))


def nothing_yet(plan: Plan) -> Stock:
    """What is there before the first run."""
    return Stock({segment.key: {} for segment in plan.segments}, {})


class Clock:
    """Seconds of the cluster: those that its workers take, and those that the driver's own thread does."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._since = time.thread_time()
        self.driver_s = 0.0

    def now_s(self) -> float:
        """Now, with what the driver has taken since it last waited."""
        spent = time.thread_time() - self._since
        self._since += spent
        self.driver_s += spent
        self._now_s += spent
        return self._now_s

    def forward(self, to_s: float) -> None:
        """Wait until then, in no time."""
        self._now_s = max(self.now_s(), to_s)
        self._since = time.thread_time()


@dataclass(eq=False)
class Call:
    """An answer that is there from `at_s` on; `LOST`: the worker is gone."""

    answer: Any
    at_s: float


@dataclass(frozen=True)
class Pace:
    """How long frames take: a warm one `warm_s` on the mean, of a worker of speed 1."""

    measured: Measured
    warm_s: float

    def evaluations(self, job: SegmentJob, index: int) -> float:
        """Of a frame: those of a frame at about that place in one of the measured shots, the same for a segment."""
        cold, warm = self.measured.shots[_drawn(job.name, len(self.measured.shots))]
        if job.kind != "paint":
            return job.effort * warm[index % len(warm)]
        return cold * job.effort if index == job.first else warm[index % len(warm)]

    def seconds(self, job: SegmentJob, index: int) -> float:
        """Of a frame."""
        return self.evaluations(job, index) * self.evaluation_s

    @cached_property
    def evaluation_s(self) -> float:
        """Of one evaluation."""
        return self.warm_s / self.measured.mean_warm


@lru_cache(maxsize=1024)
def _drawn(name: str, count: int) -> int:
    """A number below `count`, the same for a name."""
    return random.Random(name).randrange(count)


@dataclass(eq=False)
class Hand:
    """A worker at a place of the cluster, until `ends_s`."""

    crew: Crew
    place: int
    speed: float
    begins_s: float
    ends_s: float
    job: SegmentJob | None = None
    busy_s: float = 0.0
    name: str = ""
    done_s: float = 0.0

    def set_up(self) -> Call:
        return self._call(WorkerInfo(self.name, "simulated", 1), self.begins_s + SET_UP_S)

    def stylize_frame(self, index: int, job: SegmentJob | None) -> Call:
        if job is not None:
            self.crew.send(job)
        self.job = job or self.job
        assert self.job is not None
        evaluations = self.crew.pace.evaluations(self.job, index)
        seconds = evaluations * self.crew.pace.evaluation_s / self.speed
        self.busy_s += seconds
        done_s = self.crew.clock.now_s() + CALL_S + seconds
        self.done_s = done_s
        return self._call(self._record(self.job, index, max(1, round(evaluations)), seconds), done_s)

    def _record(self, job: SegmentJob, index: int, evaluations: int, seconds: float) -> FrameRecord:
        start = "cold" if job.kind == "paint" and index == job.first else "warm"
        area = job.size[0] * job.size[1] / 1e6
        return FrameRecord(
            job.source.name, index, job.name, start, evaluations, 1.0, (1.0,) * evaluations, evaluations * area,
            0.001, round(seconds, 3), self.name, 300_000, draft=job.is_draft(index),
        )  # fmt: skip

    def _call(self, answer: Any, at_s: float) -> Call:
        return Call(answer, at_s) if at_s < self.ends_s else Call(LOST, self.ends_s)

    def paint_pictures(self, missing: Sequence[int], batch: Any) -> Call:
        raise NotImplementedError("films only")

    def progress(self) -> Call:
        answer = None if self.job is None else Progress(self.job.name, 0, 0, 1, 1.0)
        return Call(answer, max(self.begins_s, self.crew.clock.now_s()))

    def kill(self) -> None:
        self.crew.leave(self)


class Crew:
    """Places for workers, of which the nth has the speed `speeds[n % len(speeds)]`.

    `lifetime_s`: how long a worker lives on the mean.
    """

    def __init__(
        self, pace: Pace, capacity: Capacity, speeds: Sequence[float] = (1.0,), lifetime_s: float = NEVER
    ) -> None:
        self.pace, self.clock = pace, Clock()
        self._capacity, self._speeds, self._lifetime_s = capacity, speeds, lifetime_s
        self._hands: dict[int, Hand] = {}
        self._draw = random.Random(0)
        self._hired = 0
        self._painted_s = 0.0
        self.lost = 0
        self.sent: list[tuple[float, int]] = []  # of each segment, the seconds of pickling and the bytes

    def send(self, job: SegmentJob) -> None:
        """What sending a segment to a worker takes: pickling it as Ray does."""
        began = time.perf_counter()
        size = len(ray.cloudpickle.dumps(job))
        self.sent.append((time.perf_counter() - began, size))

    def tail_s(self) -> float:
        """The seconds from the first worker's last frame to the end."""
        return self.clock.now_s() - min(hand.done_s for hand in self._hands.values() if hand.done_s)

    def places(self) -> int:
        return self._room(self.clock.now_s())

    def hire(self) -> Hand:
        now_s = self.clock.now_s()
        place = next(place for place in range(len(self._hands) + 1) if place not in self._hands)
        begins_s = max(now_s, self._next(now_s, lambda room: room > place, now_s))
        ends_s = self._next(begins_s, lambda room: room <= place, NEVER)
        life_s = self._draw.expovariate(1 / self._lifetime_s) if self._lifetime_s < NEVER else NEVER
        speed = self._speeds[place % len(self._speeds)]
        self._hired += 1
        hand = Hand(self, place, speed, begins_s, min(ends_s, begins_s + life_s), name=f"w{self._hired}-0")
        self._hands[place] = hand
        return hand

    def leave(self, hand: Hand) -> None:
        self._painted_s += hand.busy_s * hand.speed
        self.lost += 1
        del self._hands[hand.place]

    def painted_s(self) -> float:
        """The seconds that a worker of speed 1 would have taken for all that was begun."""
        return self._painted_s + sum(hand.busy_s * hand.speed for hand in self._hands.values())

    def wait(self, calls: Sequence[Call], timeout_s: float) -> Sequence[Call]:
        now_s = self.clock.now_s()
        self.clock.forward(min(min((call.at_s for call in calls), default=NEVER), now_s + timeout_s))
        now_s = self.clock.now_s()
        return [call for call in calls if call.at_s <= now_s]

    def result(self, call: Call) -> Any:
        if call.answer is LOST:
            raise WorkerLostError("it is gone")
        return call.answer

    def now_s(self) -> float:
        return self.clock.now_s()

    def shortage(self) -> str | None:
        return None

    def _room(self, now_s: float) -> int:
        return [room for since_s, room in self._capacity if since_s <= now_s][-1]

    def _next(self, after_s: float, is_so: Callable[[int], bool], otherwise: float) -> float:
        """When the room for workers is so, from then on."""
        if is_so(self._room(after_s)):
            return after_s
        return next((at_s for at_s, room in self._capacity if at_s > after_s and is_so(room)), otherwise)


def chain_s(todos: Sequence[Todo], pace: Pace) -> tuple[float, float]:
    """The seconds of all frames, and of the longest chain of segments that wait for one another."""
    ends: dict[str, float] = {}
    total = 0.0
    for todo in todos:  # in the order of the plan, in which every segment comes after those that it needs
        own = sum(pace.seconds(todo.job, index) for index in todo.missing)
        total += own
        ends[todo.key] = own + max((ends[key] for key in todo.needs), default=0.0)
    return total, max(ends.values())
