"""What a plan will cost: work, disk, time, and what bounds the time, at a pace that was tried or is known.

By counting; touches no file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from pipeline.archive.summary import Pictures
from pipeline.config import Transfer
from pipeline.forecasting.costs import FrameCost, Load, averaged, segment_load, warm_cost, warm_effort
from pipeline.forecasting.pace import Known, Pace
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import Stock
from pipeline.shots.segments import Segment

BYTES_PER_PIXEL = 2.6
"""Of a finished frame: painted frames of bikes.mp4 at 320 px take 2.4 to 2.6 bytes per pixel as PNG."""

ENDS_S = 10.0
"""Until Ray and the workers are up, 6 to 10 s, and until Ray is gone, 2 s (scripts/bench_overhead.py)."""

ENCODE_S: Mapping[str, tuple[float, float]] = {
    "h264": (0.05, 0.16), "h265": (0.05, 0.33), "vp9": (0.33, 0.29), "av1": (0.04, 0.10), "ffv1": (0.06, 0.09),
    "gif": (1.4, 0.0), "webp": (0.18, 0.0), "png": (0.20, 0.0),
}  # fmt: skip
"""By codec, at its default quality: CPU seconds to read a megapixel's frames, to write and to verify it, of one thread
and of others that share the cores (scripts/bench_encoder.py --codecs h264 h265 vp9 av1 ffv1 gif webp png)."""

NO_PACE = Pace(0.0)


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
    from so many on, each with a device of its own, more would not be faster; 0 as long as that was not counted.
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
class Writing:
    """How many outputs of films have to be written and verified, and what that takes.

    `own_s`: seconds in which one core works, and `shared_s`: what all of them share.
    """

    outputs: int = 0
    own_s: float = 0.0
    shared_s: float = 0.0

    @classmethod
    def of(cls, sources: Iterable[SourcePlan]) -> Writing:
        """That of the outputs of these sources."""
        found = cls()
        for source in sources:
            megapixels = source.frames * source.size[0] * source.size[1] / 1e6
            own_s, shared_s = (megapixels * seconds for seconds in ENCODE_S[source.coding.codec])
            found = cls(found.outputs + 1, found.own_s + own_s, found.shared_s + shared_s)
        return found

    def seconds(self, cores: int) -> float:
        """What it takes on so many cores."""
        return self.own_s + self.shared_s / cores


@dataclass(frozen=True)
class Estimate:
    """What is still to be done.

    `work` is what it is likely to take in megapixel-iterations, `most` the bound: what is settled sooner stops sooner.
    `worker_s`: what painting takes one worker; None where no pace is known. `writing`: of outputs. `chain`: the longest
    one; None where nothing is left to be painted.
    """

    most: float
    work: float
    disk_bytes: int
    worker_s: float | None
    writing: Writing
    chain: Chain | None
    is_left: bool  # whether anything is to be painted

    def seconds(self, lanes: float, cores: int) -> float | None:
        """What the run takes where `lanes` workers paint side by side at the full pace, start and encoding included."""
        if self.worker_s is None:
            return None
        chain_s = (self.chain and self.chain.seconds) or 0.0
        ends_s = ENDS_S if self.is_left else 0.0
        return max(self.worker_s / lanes, chain_s) + ends_s + self.writing.seconds(cores)


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


def unwritten(plan: Plan, parts: Sequence[Part], written: Collection[str]) -> list[SourcePlan]:
    """The films whose outputs a run has to write; `written`: the names of those whose outputs are as they should be.

    One of which frames are missing is written again in any case.
    """
    begun = {part.source.name for part in parts}
    return [source for source in plan.sources if source.name in begun or source.name not in written]


def estimate(
    parts: Sequence[Part], pictures: Pictures, paces: Paces, to_write: Iterable[SourcePlan]
) -> Estimate:
    """The work that is left, and what it takes at these paces."""
    films, photographs = sum((part.load for part in parts), Load()), _photographs(pictures)
    pace, own = paces.films or NO_PACE, paces.pictures or NO_PACE
    is_known = bool((paces.films or not films.most) and (paces.pictures or not photographs.most))
    return Estimate(
        films.most + photographs.most,
        pace.work(films) + own.work(photographs),
        int(films.megapixels * 1e6 * BYTES_PER_PIXEL) + pictures.bytes,
        pace.seconds(films) + own.seconds(photographs) if is_known else None,
        Writing.of(to_write),
        _longest(parts, paces.films, pace.work(films)),
        is_left=bool(parts) or pictures.left > 0,
    )


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


def _photographs(pictures: Pictures) -> Load:
    found = Load()
    for (size, look), pages in pictures.work.items():
        cold = pages * cold_work(size, pictures.looks[look].transfer)
        found += Load(cold, frames=pages, megapixels=pages * size[0] * size[1] / 1e6)
    return found


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


def _longest(parts: Sequence[Part], pace: Pace | None, work: float) -> Chain | None:
    """The chain of segments, each needing the one before, that takes longest; `work`: of all of them together."""
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
    return replace(longest, workers=min(len(painted), ceil(work / longest.work - 1e-6)))


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
