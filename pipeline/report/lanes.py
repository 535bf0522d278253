"""Runs → a drawing of who worked when: a lane per worker, one run after the other. Plain geometry."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.media.sources import natural
from pipeline.report.charts import Tick
from pipeline.report.history import Loss, Run, Stint, joined
from pipeline.report.words import count, duration

WIDTH, LEFT, LANE, TOP, BOTTOM = 1080, 150, 26, 8, 28
MOST_LANES, MOST_BARS = 64, 1500

_DAY_S = 86_400
STEPS_S = (
    *(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600 * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY_S * days for days in (1, 2, 5, 10, 20, 50, 100)),
)
"""What lies between two numbers of the axis."""


@dataclass(frozen=True)
class Bar:
    """A stint in px. `kind`: even or odd, so that neighbors can be told apart, or retry."""

    x: float
    y: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True)
class Cross:
    """Where a worker died, in px, and why."""

    x: float
    y: float
    title: str


@dataclass(frozen=True)
class Lane:
    """A worker's name and the middle of its lane in px."""

    y: float
    worker: str


@dataclass(frozen=True)
class Timeline:
    """The drawing. `runs`: where each run but the first begins."""

    height: float
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    crosses: tuple[Cross, ...]
    runs: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    description: str
    caption: str

    @property
    def has_retries(self) -> bool:
        """Whether a segment goes on anywhere after its worker died."""
        return any(bar.kind == "retry" for bar in self.bars)


def timeline(runs: Sequence[Run]) -> Timeline | None:
    """The drawing of all runs in which anyone worked; None where there are none."""
    worked = [run for run in runs if run.stints or run.losses]
    if not worked:
        return None
    names = sorted({name for run in worked for name in _workers(run)}, key=natural)
    places = {name: TOP + LANE * (place + 0.5) for place, name in enumerate(names[:MOST_LANES])}
    clock = _Clock.of(worked)
    stints = sum(len(joined(run.stints)) for run in worked)
    bars = tuple(bar for run in worked for bar in _bars(run, clock, places, across=stints > MOST_BARS))
    crosses = tuple(
        Cross(clock.x(run, one.at_s), places[one.worker], _epitaph(one))
        for run in worked
        for one in run.losses
        if one.worker in places
    )
    return Timeline(
        height=TOP + LANE * len(places) + BOTTOM,
        lanes=tuple(Lane(y, name) for name, y in places.items()),
        bars=bars[:: len(bars) // (4 * MOST_BARS) + 1],
        crosses=crosses[:MOST_BARS],
        runs=tuple(Tick(clock.x(run, run.began_s), "run") for run in worked[1:]),
        ticks=clock.ticks,
        description=_described(worked, names, stints),
        caption=_caption(worked, names),
    )


@dataclass(frozen=True)
class _Clock:
    """Working time: each run begins where the one before ended; in seconds by a run's begin."""

    offsets: dict[float, float]
    whole_s: float

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Clock:
        offsets, so_far = {}, 0.0
        for run in runs:
            offsets[run.began_s] = so_far
            so_far += max(_last_s(run) - run.began_s, 0.1)
        return cls(offsets, so_far)

    def x(self, run: Run, at_s: float) -> float:
        """Where a moment of a run is, in px."""
        share = (self.offsets[run.began_s] + max(0.0, at_s - run.began_s)) / self.whole_s
        return round(LEFT + (WIDTH - LEFT - 10) * min(1.0, share), 1)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Round spans of time, about five."""
        step_s = next((step for step in STEPS_S if self.whole_s <= 6 * step), self.whole_s / 4)
        times_s = [place * step_s for place in range(int(self.whole_s / step_s + 1e-9) + 1)]
        return tuple(
            Tick(round(LEFT + (WIDTH - LEFT - 10) * time_s / self.whole_s, 1), _span(time_s))
            for time_s in times_s
        )


def _span(seconds: float) -> str:
    """A round span of time.

    >>> _span(0), _span(0.2), _span(30), _span(90)
    ('0', '0.2 s', '30 s', '1 min 30 s')
    """
    return duration(seconds) if seconds >= 60 else f"{seconds:.2g} s" if seconds else "0"


def _last_s(run: Run) -> float:
    return max([run.last_s, *(one.ended_s for one in run.stints)])


def _workers(run: Run) -> Iterator[str]:
    yield from (one.worker for one in run.stints)
    yield from (one.worker for one in run.losses)


def _bars(run: Run, clock: _Clock, places: dict[str, float], *, across: bool) -> Iterator[Bar]:
    parity: dict[str, int] = {}
    stints = sorted(joined(run.stints, across=across), key=lambda stint: stint.began_s)
    for one, again in zip(stints, _went_on(stints, run.losses), strict=True):
        if one.worker not in places:
            continue
        parity[one.worker] = 1 - parity.get(one.worker, 1)
        kind = "retry" if again else ("even", "odd")[parity[one.worker]]
        x = clock.x(run, one.began_s)
        width = max(1.5, round(clock.x(run, one.ended_s) - x, 1))
        yield Bar(x, places[one.worker] - LANE * 0.35, width, kind, f"{_title(one)}{again}")


def _went_on(stints: Sequence[Stint], losses: Sequence[Loss]) -> list[str]:
    """Of each stint, in words, after which death it goes on; empty: after none. `stints`: in the order they began."""
    if any(not one.knows_segment for one in losses):
        return _taken_over(stints)
    open_: dict[tuple[bool, str], deque[Loss]] = {}  # those after which nobody has gone on yet
    for loss in sorted(losses, key=lambda one: one.at_s):
        if loss.segment and (loss.frame is not None or loss.attempt is not None):
            open_.setdefault(_place_of(loss), deque()).append(loss)
    found = []
    for one in stints:
        before, again = open_.get((bool(one.source), one.segment), deque()), ""
        while before and before[0].at_s < (one.ended_s if one.source else one.began_s):
            again = _after(before.popleft())
        found.append(again)
    return found


def _place_of(loss: Loss) -> tuple[bool, str]:
    """Whether it was in a film, and the stints among which someone goes on: those of photographs are all alike."""
    return (False, "") if loss.frame is None else (True, str(loss.segment))


def _taken_over(stints: Sequence[Stint]) -> list[str]:
    """The same of a run that did not write down what its dead workers were at: all that another one had begun."""
    begun: dict[str, str] = {}
    others = (bool(one.segment) and begun.setdefault(one.segment, one.worker) != one.worker for one in stints)
    return [", begun by another worker" if is_others else "" for is_others in others]


def _after(loss: Loss) -> str:
    if loss.frame is None or loss.attempt is None or loss.attempt == 1:
        # it is not known who went on with that very photograph, or the worker's place was to blame
        return f", after {loss.worker} died"
    return f", after {loss.worker} died: attempt {loss.attempt} of {loss.attempts}"


def _epitaph(loss: Loss) -> str:
    """Who died, at what, of what."""
    frame = "" if loss.frame is None else f", frame {loss.frame}"
    where = "" if loss.segment is None else f" at {loss.segment}{frame}"
    aside = "; it was set aside" if loss.segment is not None and loss.attempt is None else ""
    return f"{loss.worker} died{where}: {loss.reason}{aside}"


def _title(one: Stint) -> str:
    what = one.segment or one.source or "photographs"
    amount = count(one.frames, "frame" if one.source else "photograph")
    return f"{one.worker}: {what}, {amount} in {duration(max(0.0, one.ended_s - one.began_s))}"


def _described(runs: Sequence[Run], names: Sequence[str], stints: int) -> str:
    deaths = sum(len(run.losses) for run in runs)
    died = f"{count(deaths, 'worker')} died and {'was' if deaths == 1 else 'were'} replaced."
    bars = f"{count(len(names), 'worker')} in {count(len(runs), 'run')}, {count(stints, 'bar')}."
    return f"{bars} {died if deaths else 'None died.'}"


def _caption(runs: Sequence[Run], names: Sequence[str]) -> str:
    more = f" {len(names) - MOST_LANES} more workers are not drawn." if len(names) > MOST_LANES else ""
    gaps = " Runs follow each other without the time between them." if len(runs) > 1 else ""
    kinds = {bool(stint.source) for run in runs for stint in run.stints}
    what = " or ".join(["one segment"] * (kinds != {False}) + ["photographs"] * (False in kinds))
    start = " Before the first one Ray and the workers start."
    return f"A bar is the time that a worker spent on {what}.{start}{gaps}{more}"
