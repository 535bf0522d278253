"""What a plan will cost: work, disk, time, and what bounds the time, at a pace that was tried or is known.

By counting; touches no file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from pipeline.archive.summary import Pictures
from pipeline.config import Transfer
from pipeline.forecasting.costs import FrameCost, Load, averaged, segment_load, warm_cost, warm_effort
from pipeline.forecasting.pace import Known, Pace
from pipeline.forecasting.packing import Task, enough_workers, makespan
from pipeline.forecasting.writing import Writing
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import Stock
from pipeline.shots.segments import Segment

BYTES_PER_PIXEL = 2.6
"""Of a finished frame: painted frames of bikes.mp4 at 320 px take 2.4 to 2.6 bytes per pixel as PNG."""

ENDS_S = 10.0
"""Until Ray and the workers are up, 6 to 10 s, and until Ray is gone, 2 s (scripts/bench_overhead.py)."""

NO_PACE = Pace(0.0)

MOST_PICTURES = 1000
"""Photographs that workers share one by one, all as long as they are on the mean; of more, some are taken together."""


@dataclass(frozen=True)
class Part:
    """The frames of a segment that are missing, and what they take."""

    source: SourcePlan
    segment: Segment
    frames: tuple[int, ...]
    load: Load


@dataclass(frozen=True)
class Chain:
    """Frames first … stop−1 of a source that have to be made one after the other, by however many workers.

    `work`: what they are likely to take in megapixel-iterations. `seconds`: None where no pace is known. `workers`:
    from so many on, each with a device of its own, the whole job would not be faster; 0: that was not counted.
    """

    source: str
    first: int
    stop: int
    work: float
    seconds: float | None
    workers: int = 0


@dataclass(frozen=True)
class Paces:
    """How fast films and photographs are painted; None: not known."""

    films: Pace | None = None
    pictures: Pace | None = None


@dataclass(frozen=True)
class Estimate:
    """What is still to be done.

    `work` is what it is likely to take in megapixel-iterations, `most` the bound: what is settled sooner stops sooner.
    `worker_s`: what painting takes one worker; None where no pace is known. `tasks`: the same as workers share it.
    `writing`: of outputs. `chain`: the longest one; None where nothing is left to be painted.
    """

    most: float
    work: float
    disk_bytes: int
    worker_s: float | None
    writing: Writing
    chain: Chain | None
    tasks: tuple[Task, ...]

    def seconds(self, workers: int, lanes: float, cores: int) -> float | None:
        """What the run takes so many workers, together as fast as `lanes` of them, start and encoding included."""
        if self.worker_s is None:
            return None
        ends_s = ENDS_S if self.is_left else 0.0
        return makespan(self.tasks, workers, lanes) + ends_s + self.writing.seconds(cores)

    @property
    def is_left(self) -> bool:
        """Whether anything is to be painted."""
        return bool(self.tasks)


def parts_of(plan: Plan, stock: Stock, transfer: Transfer) -> list[Part]:
    """What is missing of films, segment by segment, each after those that it needs."""
    return [
        Part(source, segment, frames, _load(source, segment, frames, transfer))
        for source in plan.sources
        for missing in [stock.missing(source)]
        for segment in source.segments
        if (frames := missing.get(segment.key))
    ]


def known_of(plan: Plan, stock: Stock, transfer: Transfer) -> Known:
    """What earlier runs took for the frames of this plan that are finished."""
    return Known.of(_known(source, s, stock, transfer) for source in plan.sources for s in source.segments)


def estimate(
    parts: Sequence[Part], pictures: Pictures, paces: Paces, to_write: Iterable[SourcePlan]
) -> Estimate:
    """The work that is left, and what it takes at these paces."""
    films = sum((part.load for part in parts), Load())
    photographs = sum(_loads(pictures), Load())
    pace, own = paces.films or NO_PACE, paces.pictures or NO_PACE
    is_known = bool((paces.films or not films.most) and (paces.pictures or not photographs.most))
    tasks = _tasks(parts, pictures, paces if is_known else Paces())
    return Estimate(
        films.most + photographs.most,
        pace.work(films) + own.work(photographs),
        int(films.megapixels * 1e6 * BYTES_PER_PIXEL) + pictures.bytes,
        pace.seconds(films) + own.seconds(photographs) if is_known else None,
        Writing.of(to_write),
        _longest(parts, paces.films, tasks),
        tasks,
    )


def _tasks(parts: Sequence[Part], pictures: Pictures, paces: Paces) -> tuple[Task, ...]:
    """What workers share: by the seconds that it takes, or by its work where a pace is not known."""
    places = {part.segment.key: place for place, part in enumerate(parts)}
    films = [
        Task(
            _length(part.load, paces.films),
            tuple(places[s.key] for s in part.segment.needs if s.key in places),
        )
        for part in parts
    ]
    count = min(sum(pictures.work.values()), MOST_PICTURES)
    length = sum(_length(load, paces.pictures) for load in _loads(pictures)) / max(1, count)
    return (*films, *[Task(length, is_last=True)] * count)


def _length(load: Load, pace: Pace | None) -> float:
    return NO_PACE.work(load) if pace is None else pace.seconds(load)


def cold_work(size: tuple[int, int], transfer: Transfer, effort: float = 1.0) -> float:
    """The megapixel-iterations of a cold frame of `size`, (width, height) in px, over all scales.

    `effort` multiplies the iterations.
    """
    from pipeline.execute.worker import style_settings
    from pipeline.style.scales import schedule

    def evaluations(iterations: int) -> int:
        return ceil(iterations * effort) + averaged(transfer)

    longest = max(size)
    *coarser, _ = schedule(longest, transfer.scales)
    coarse = evaluations(style_settings(transfer).coarse)
    coarse_work = sum(coarse * (px / longest) ** 2 for px in coarser)
    return size[0] * size[1] / 1e6 * (evaluations(transfer.iterations) + coarse_work)


def _load(source: SourcePlan, segment: Segment, frames: Collection[int], transfer: Transfer) -> Load:
    direction = source.direction(segment)
    own = direction.transfer if direction else transfer
    area = source.size[0] * source.size[1] / 1e6
    cold = cold_work(source.size, own, segment.effort)
    return segment_load(source, segment, frames, FrameCost(cold, warm_cost(area, own, warm_effort(segment))))


def _loads(pictures: Pictures) -> list[Load]:
    """What photographs take, by their size and look."""
    return [
        Load(
            pages * cold_work(size, pictures.looks[look].transfer),
            frames=pages,
            megapixels=pages * size[0] * size[1] / 1e6,
        )
        for (size, look), pages in pictures.work.items()
    ]


def _known(source: SourcePlan, segment: Segment, stock: Stock, transfer: Transfer) -> Known:
    records = stock.finished[segment.key]
    is_paint = segment.kind == "paint"
    warm = [record for record in records.values() if record.start == "warm" and is_paint]
    painted = [record for record in records.values() if record.start != "skipped"]
    return Known(
        _load(source, segment, records, transfer),
        len(warm),
        sum(record.megapixel_iterations for record in warm),
        sum(record.megapixel_iterations for record in painted),
        sum(record.seconds for record in painted),
    )


def _longest(parts: Sequence[Part], pace: Pace | None, tasks: Sequence[Task]) -> Chain | None:
    """The chain of segments, each needing the one before, that takes longest; `tasks`: all that there is to do."""
    chains: dict[str, Chain] = {}
    painted = [part for part in parts if part.load.most]  # what is skipped is made by nobody in turn
    for part in painted:
        before = max(
            (chains[s.key] for s in part.segment.needs if s.key in chains), key=_weight, default=None
        )
        chains[part.segment.key] = _linked(part, before, pace)
    longest = max(chains.values(), key=_weight, default=None)
    if longest is None or not longest.work:
        return longest
    return replace(longest, workers=enough_workers(tasks))


def _linked(part: Part, before: Chain | None, pace: Pace | None) -> Chain:
    """A segment behind the longest chain that it needs."""
    first, stop = min(part.frames), max(part.frames) + 1
    work, seconds = (pace or NO_PACE).work(part.load), None if pace is None else pace.seconds(part.load)
    if before is not None:
        first, stop, work = min(first, before.first), max(stop, before.stop), work + before.work
        seconds = None if seconds is None else seconds + (before.seconds or 0.0)
    return Chain(part.source.name, first, stop, work, seconds)


def _weight(chain: Chain) -> float:
    return chain.work if chain.seconds is None else chain.seconds
