"""How fast a run goes, and how long the rest of it takes: by the work that is left, and by how fast it is done.

Work is counted in megapixel-iterations, as in `forecasting.costs`. By frames nothing could be said before the first is
finished, which may take minutes, and too little after some that were left nearly as they are. Pure, but for the clock.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.execute.events import WorkerState
from pipeline.execute.job import Progress
from pipeline.records import FrameRecord

Kind = Literal["cold", "warm", "again"]
"""Of a frame to paint: from nothing, from its neighbor, or over its own draft, as in blends and passes."""

RECENT = 20
"""Frames of a kind, and photographs, that are told from; of warm ones, which differ more, `RECENT_WARM`."""

RECENT_WARM = 100

WARM_SHARE, ENOUGH_WARM = 0.5, 12
"""What warm frames take of the most that they may, until so many are finished: 17.7 of 40 iterations on the mean, 1 to
40 (docs/scale.md). So six in which nothing moves do not promise that nothing will."""

LOOK_S = 2.0
"""A frame in work tells its pace after so long: where its worker is, is known about twice a second."""

WINDOW_S = 120.0
"""The rate is that of the last two minutes."""

Place = tuple[str, int]
"""A frame in work: the segment's name, or the photograph's, and the frame's index."""


@dataclass(frozen=True)
class Course:
    """A frame to paint: its kind, and the most that it takes in megapixel-iterations."""

    kind: Kind
    most: float


@dataclass
class _Sight:
    """A frame in work: where its worker was when first seen at it, and where it is."""

    since_s: float
    first: Progress
    now_s: float
    now: Progress

    @property
    def unit_s(self) -> float | None:
        """Seconds for a megapixel-iteration; None: that cannot be said yet."""
        seconds, work = self.now_s - self.since_s, self.now.work - self.first.work
        return seconds / work if seconds >= LOOK_S and work > 0 else None


class Eta:
    """Seconds left of films and photographs, each kind of frame by what the last ones took of the most they may."""

    def __init__(self) -> None:
        self._left: dict[Kind, float] = {"cold": 0.0, "warm": 0.0, "again": 0.0}
        self._took: dict[Kind, deque[tuple[float, float]]] = {
            "cold": deque(maxlen=RECENT), "warm": deque(maxlen=RECENT_WARM), "again": deque(maxlen=RECENT),
        }  # fmt: skip
        self._units: deque[tuple[float, float]] = deque(maxlen=RECENT)  # megapixel-iterations, seconds
        self._pictures: deque[float] = deque(maxlen=RECENT)
        self._sights: dict[str, _Sight] = {}
        # by worker, what was finished last: it may be seen at that once more
        self._over: dict[str, Place] = {}

    def expect(self, course: Course, frames: int = 1) -> None:
        """So many frames are still to be painted."""
        self._left[course.kind] += frames * course.most

    def add(self, course: Course, record: FrameRecord) -> None:
        """Take in a finished frame."""
        self._left[course.kind] = max(0.0, self._left[course.kind] - course.most)
        self._took[course.kind].append((course.most, record.seconds))
        if record.megapixel_iterations and record.iterations > 1:
            self._units.append((record.megapixel_iterations, record.seconds))
        self._leave(record.segment, record.frame)

    def add_picture(self, name: str, seconds: float) -> None:
        """Take in a finished photograph; of those that were painted together, the share of one."""
        self._pictures.append(seconds)
        self._leave(name, 0)

    def look(self, workers: Iterable[WorkerState], now_s: float | None = None) -> None:
        """Take in where the workers are."""
        now_s = time.monotonic() if now_s is None else now_s
        before, self._sights = self._sights, {}
        for worker in workers:
            at = worker.progress
            if at is None or not worker.busy or self._over.get(worker.name) == _place(at):
                continue
            seen = before.get(worker.name)
            is_new = seen is None or _place(seen.now) != _place(at) or at.work < seen.now.work
            if seen is None or is_new:
                seen = _Sight(now_s, at, now_s, at)
            self._sights[worker.name] = _Sight(seen.since_s, seen.first, now_s, at)

    def seconds_left(self, courses: Courses, workers: int, pictures: int = 0) -> float | None:
        """For what was expected and is not finished, and photographs; `courses`: of the frames in work.

        None as long as nothing tells how long something of it takes.
        """
        unit_s, total = self._unit_s(), 0.0
        left = self._left.copy()
        for sight in self._sights.values():  # of what is in work, only the rest
            course = courses.of(*_place(sight.now))
            if course is not None:
                done = course.most - min(sight.now.left, course.most)
                left[course.kind] = max(0.0, left[course.kind] - done)
        for kind, work in left.items():
            if work > 0:
                rate_s = self._rate_s(kind, unit_s)
                if rate_s is None:
                    return None
                total += work * rate_s
        if pictures > 0:
            seconds = self._seconds_of_picture()
            if seconds is None:
                return None
            total += max(0.0, pictures - self._pictures_done(courses)) * seconds
        return total / workers

    def _leave(self, name: str, frame: int) -> None:
        for worker, sight in list(self._sights.items()):
            if _place(sight.now) == (name, frame):
                self._over[worker] = (name, frame)
                del self._sights[worker]

    def _unit_s(self) -> float | None:
        """Seconds for a megapixel-iteration, of the frames finished last, or else of those in work."""
        if self._units:
            return _ratio(self._units)
        seen = [sight.unit_s for sight in self._sights.values() if sight.unit_s is not None]
        return sum(seen) / len(seen) if seen else None

    def _rate_s(self, kind: Kind, unit_s: float | None) -> float | None:
        """Seconds for a megapixel-iteration of the most that frames of a kind may take."""
        took, share = self._took[kind], WARM_SHARE if kind == "warm" else 1.0
        wanting = max(0, (ENOUGH_WARM if kind == "warm" else 1) - len(took))
        if not took:
            return None if unit_s is None else share * unit_s
        if not wanting or unit_s is None:
            return _ratio(took)
        usual = sum(most for most, _ in took) / len(took)
        return _ratio([*took, *[(usual, share * unit_s * usual)] * wanting])

    def _seconds_of_picture(self) -> float | None:
        if self._pictures:
            return sum(self._pictures) / len(self._pictures)
        seen = [
            sight.unit_s * (sight.now.work + sight.now.left) / sight.now.pictures
            for sight in self._sights.values()
            if sight.unit_s is not None and sight.now.pictures
        ]
        return sum(seen) / len(seen) if seen else None

    def _pictures_done(self, courses: Courses) -> float:
        """How many photographs, in parts, are done of those in work."""
        return sum(
            at.pictures * at.work / (at.work + at.left)
            for at in (sight.now for sight in self._sights.values())
            if at.work and courses.of(*_place(at)) is None
        )


class Courses:
    """What each frame to paint takes, by the name of its segment and its index."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Course, Course]] = {}

    def add(self, segment: str, first: int, of_first: Course, of_others: Course) -> None:
        """A segment that begins with the frame `first`."""
        self._known[segment] = first, of_first, of_others

    def of(self, segment: str, frame: int) -> Course | None:
        """None: it is no frame of a film."""
        if segment not in self._known:
            return None
        first, of_first, of_others = self._known[segment]
        return of_first if frame == first else of_others


def _place(progress: Progress) -> Place:
    return progress.segment, progress.frame


def _ratio(pairs: Sequence[tuple[float, float]] | deque[tuple[float, float]]) -> float:
    """Seconds for work."""
    work = sum(work for work, _ in pairs)
    return sum(seconds for _, seconds in pairs) / work if work else 0.0


class Rate:
    """Frames and photographs a minute, of the last `WINDOW_S`."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._finished: deque[tuple[float, int]] = deque()

    def begin(self, now_s: float | None = None) -> None:
        """Work has begun, if it has not long ago: Ray's start is not part of the rate, and the first frame is."""
        if self._began_s is None:
            self._began_s = time.monotonic() if now_s is None else now_s

    def add(self, count: int, now_s: float | None = None) -> None:
        """So many have just been finished."""
        now_s = time.monotonic() if now_s is None else now_s
        self.begin(now_s)
        self._finished.append((now_s, count))
        while now_s - self._finished[0][0] > WINDOW_S:
            self._finished.popleft()

    def per_minute(self, now_s: float | None = None) -> float | None:
        """None until one has been finished after work was seen to begin."""
        if self._began_s is None:
            return None
        now_s = time.monotonic() if now_s is None else now_s
        since_s = max(self._began_s, now_s - WINDOW_S)
        count = sum(count for at_s, count in self._finished if at_s > since_s)
        return 60 * count / (now_s - since_s) if count and now_s > since_s else None
