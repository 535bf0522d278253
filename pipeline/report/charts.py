"""Numbers → where they are on a chart. Plain geometry: the template draws it, as SVG without a script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.report.figures import FrameFigures
from pipeline.report.words import number

WIDTH, HEIGHT = 540, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 20, 30
MOST_POINTS, LEAST_POINTS, POINTS_OF_PAGE = 5000, 500, 20_000
"""Of one chart; of a longer film, or of many films, frames are sampled."""

MOST_MARKS = 60
"""Of cuts, and of segment boundaries; of more, every second one is drawn, or third …"""

_SPARSE, _DENSE = 200, 1500  # points up to which they are dots of 3 and of 2 px


@dataclass(frozen=True)
class Point:
    """A dot in px, what it says, and its kind: cold, warm or skipped."""

    x: float
    y: float
    title: str
    kind: str


@dataclass(frozen=True)
class Tick:
    """A number at an axis; `at` in px."""

    at: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A line from top to bottom: `kind` is cut or seam."""

    x: float
    kind: str
    title: str


@dataclass(frozen=True)
class Chart:
    """A chart as the template draws it. `spans`: SVG path data of vertical lines; `description`: in words."""

    key: str
    title: str
    description: str
    caption: str
    points: tuple[Point, ...]
    radius: float
    spans: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    first: int  # frame at the left edge of the plot
    last: int  # and at the right one


@dataclass(frozen=True)
class Axes:
    """The frames that charts of one film have in common, and what is marked in them."""

    first: int
    stop: int
    cuts: tuple[int, ...]
    seams: tuple[int, ...]
    most_points: int = MOST_POINTS

    def x(self, frame: float) -> float:
        """Where a frame is, in px."""
        whole = max(1, self.stop - 1 - self.first)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (frame - self.first) / whole, 1)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Cuts and segment boundaries, half a frame before the frame that they begin with."""
        cuts = [Mark(self.x(frame - 0.5), "cut", f"cut before frame {frame}") for frame in self.cuts]
        seams = [Mark(self.x(frame - 0.5), "seam", f"segment from frame {frame}") for frame in self.seams]
        return (*_thinned(seams), *_thinned(cuts))

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Numbers of frames, about five."""
        return tuple(
            Tick(self.x(value), f"{value:,.0f}")
            for value in _round_numbers(self.first, max(self.first + 1, self.stop - 1), 5)
            if value == int(value)
        )


Value = Callable[[FrameFigures], float | None]


def points_of(films: int) -> int:
    """How many points a chart may have on a page of so many films.

    >>> points_of(1), points_of(10), points_of(1000)
    (5000, 2000, 500)
    """
    return min(MOST_POINTS, max(LEAST_POINTS, POINTS_OF_PAGE // max(1, films)))


def chart(
    key: str, title: str, caption: str, frames: Sequence[FrameFigures], value: Value, axes: Axes, **kind: bool
) -> Chart | None:
    """A chart of one value of every frame that has it; None where none has.

    `log`: a logarithmic scale, where all are above 0; `spans`: with lines for the ways of the losses.
    """
    known = [(one, v) for one in frames if (v := value(one)) is not None and math.isfinite(v)]
    if not known:
        return None
    shown = known[:: math.ceil(len(known) / axes.most_points)]
    values = [v for _, v in known]
    with_spans = kind.get("spans", False)
    ends = [end for one, _ in known for end in (one.low, one.high)] if with_spans else values
    scale = Scale.around([*values, *ends], is_log=kind.get("log", False) and min(*values, *ends) > 0)
    if len(shown) < len(known):
        caption = f"{caption} {len(shown):,} of {len(known):,} frames are drawn."
    points = tuple(
        Point(axes.x(one.frame), scale.y(v), f"frame {one.frame}: {number(v)} ({one.start})", one.start)
        for one, v in shown
    )
    return Chart(
        key=key,
        title=title,
        description=_described(title, known),
        caption=caption,
        points=points,
        radius=3 if len(points) <= _SPARSE else 2 if len(points) <= _DENSE else 1.2,
        spans=_spans([one for one, _ in shown], scale, axes) if with_spans else "",
        across=axes.ticks,
        up=scale.ticks,
        marks=axes.marks,
        first=axes.first,
        last=max(axes.first + 1, axes.stop - 1),
    )


LEAST_SPAN = 0.2
"""Of the largest value: what an upright axis covers at least."""


@dataclass(frozen=True)
class Scale:
    """The upright axis, from `low` at the bottom to `high` at the top; logarithms of both where `is_log`."""

    low: float
    high: float
    is_log: bool

    @classmethod
    def around(cls, values: Sequence[float], *, is_log: bool) -> Scale:
        """A scale with a little room around all values, and enough for one percent not to look like a fall."""
        low, high = min(values), max(values)
        if is_log:
            low, high = math.log10(low), math.log10(high)
        least = 0.0 if is_log else (LEAST_SPAN * max(abs(low), abs(high)) - (high - low)) / 2
        room = max((high - low) * 0.06, least) or abs(high) * 0.1 or 1.0
        at_least = low if is_log or low < 0 else max(0.0, low - room)
        return cls(low - room if is_log or low < 0 else at_least, high + room, is_log)

    def y(self, value: float) -> float:
        """Where a value is, in px from the top."""
        place = math.log10(value) if self.is_log else value
        share = (place - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share, 1)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Round numbers, about four."""
        if not self.is_log:
            values = _round_numbers(self.low, self.high, 4)
        else:
            low, high = 10**self.low, 10**self.high
            decades = range(math.floor(self.low), math.ceil(self.high) + 1)
            values = [m * 10.0**d for d in decades for m in (1, 2, 5) if low <= m * 10.0**d <= high]
            values = values[:: math.ceil(len(values) / 5)] if len(values) > 1 else [low, high]
        return tuple(Tick(self.y(value), number(value)) for value in values)


def _described(title: str, known: Sequence[tuple[FrameFigures, float]]) -> str:
    """What a chart shows, for who does not see it."""
    values = [value for _, value in known]
    least, most = min(known, key=lambda one: one[1]), max(known, key=lambda one: one[1])
    return (
        f"{title} of {len(known):,} frames: median {number(median(values))}, lowest {number(least[1])} at frame "
        f"{least[0].frame}, highest {number(most[1])} at frame {most[0].frame}."
    )


def _spans(frames: Sequence[FrameFigures], scale: Scale, axes: Axes) -> str:
    return "".join(f"M{axes.x(one.frame)} {scale.y(one.high)}V{scale.y(one.low)}" for one in frames)


def _thinned(marks: Sequence[Mark]) -> Sequence[Mark]:
    """No more marks than can be told apart."""
    return marks[:: math.ceil(len(marks) / MOST_MARKS)] if marks else marks


def _round_numbers(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers within low … high, ascending.

    >>> _round_numbers(0.0, 10.5, 4)
    [0.0, 5.0, 10.0]
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.99)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]
