"""What a plan will cost: work, disk, time, and what bounds the time, from a pace that was tried or is known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pipeline.archive.summary import Pictures
from pipeline.config import Transfer
from pipeline.costs import FrameCost, Load, averaged, segment_load, warm_cost
from pipeline.pace import Known, Pace
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import Stock
from pipeline.segments import Segment

BYTES_PER_PIXEL = 2.6
"""Of a finished frame: painted frames of bikes.mp4 at 320 px take 2.4 to 2.6 bytes per pixel as PNG."""

ENDS_S = 10.0
"""Until Ray and the workers are up, 6 to 10 s, and until Ray is gone, 2 s (scripts/bench_overhead.py)."""

ENCODE_S, ENCODE_SHARED_S = 0.06, 0.15
"""To write and verify a megapixel of a video, on one core and shared by all (scripts/bench_encoder.py)."""

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

    `work`: what they are likely to take in megapixel-iterations. `seconds`: None where no pace is known.
    """

    source: str
    first: int
    stop: int
    work: float
    seconds: float | None


@dataclass(frozen=True)
class Paces:
    """How fast films and photographs are painted; None: not known."""

    films: Pace | None = None
    pictures: Pace | None = None


@dataclass(frozen=True)
class Estimate:
    """What is still to be done.

    `work` is what it is likely to take in megapixel-iterations, `most` the bound: what is settled sooner stops sooner.
    `worker_s`: what painting takes one worker; None where no pace is known. `chain`: the longest one; None where
    nothing is left to be painted.
    """

    most: float
    work: float
    disk_bytes: int
    worker_s: float | None
    encode_s: float  # on one core
    chain: Chain | None

    def seconds(self, lanes: float, cores: int) -> float | None:
        """What the run takes where `lanes` workers paint side by side at the full pace, start and encoding included."""
        if self.worker_s is None:
            return None
        chain_s = (self.chain and self.chain.seconds) or 0.0
        encode_s = self.encode_s * (ENCODE_S + ENCODE_SHARED_S / cores) / (ENCODE_S + ENCODE_SHARED_S)
        return max(self.worker_s / lanes, chain_s) + (ENDS_S if self.most else 0.0) + encode_s


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


def estimate(parts: list[Part], pictures: Pictures, paces: Paces) -> Estimate:
    """The work that is left, and what it takes at these paces."""
    painted = [load for part in parts if (load := part.load).most]
    films, photographs = sum(painted, Load()), _photographs(pictures)
    pace, own = paces.films or NO_PACE, paces.pictures or NO_PACE
    is_known = bool((paces.films or not films.most) and (paces.pictures or not photographs.most))
    megapixels = sum(part.load.megapixels for part in parts if part.segment.kind in ("paint", "skip"))
    return Estimate(
        films.most + photographs.most,
        pace.work(films) + own.work(photographs),
        int(megapixels * 1e6 * BYTES_PER_PIXEL) + pictures.bytes,
        pace.seconds(films) + own.seconds(photographs) if is_known else None,
        megapixels * (ENCODE_S + ENCODE_SHARED_S),
        _longest(parts, pace, is_known=paces.films is not None),
    )


def cold_work(size: tuple[int, int], transfer: Transfer) -> float:
    """The megapixel-iterations of a cold frame of `size`, (width, height) in px, over all scales."""
    from pipeline.execute.worker import style_settings
    from pipeline.style.scales import schedule

    longest = max(size)
    area = size[0] * size[1] / 1e6
    *coarser, _ = schedule(longest, transfer.scales)
    coarse = style_settings(transfer).coarse
    coarse_work = sum((coarse + averaged(transfer)) * (px / longest) ** 2 for px in coarser)
    return area * (transfer.iterations + averaged(transfer) + coarse_work)


def _load(source: SourcePlan, segment: Segment, frames: Collection[int], transfer: Transfer) -> Load:
    direction = source.direction(segment)
    own = direction.transfer if direction else transfer
    area = source.size[0] * source.size[1] / 1e6
    return segment_load(source, segment, frames, FrameCost(cold_work(source.size, own), warm_cost(area, own)))


def _photographs(pictures: Pictures) -> Load:
    found = Load()
    for (size, look), pages in pictures.work.items():
        cold = pages * cold_work(size, pictures.looks[look].transfer)
        found += Load(cold, 0.0, pages, pages * size[0] * size[1] / 1e6)
    return found


def _known(source: SourcePlan, segment: Segment, stock: Stock, transfer: Transfer) -> Known:
    records = stock.finished[segment.key]
    warm = [record for record in records.values() if record.start == "warm"]
    painted = [record for record in records.values() if record.start != "skipped"]
    return Known(
        _load(source, segment, records, transfer),
        len(warm),
        sum(record.megapixel_iterations for record in warm),
        sum(record.megapixel_iterations for record in painted),
        sum(record.seconds for record in painted),
    )


def _longest(parts: Sequence[Part], pace: Pace, *, is_known: bool) -> Chain | None:
    """The chain of segments, each needing the one before, that takes longest."""
    chains: dict[str, Chain] = {}
    for part in (part for part in parts if part.load.most):  # what is skipped is made by nobody in turn
        before = max((chains[s.key] for s in part.segment.needs if s.key in chains), key=_work, default=None)
        first, stop, work, seconds = (
            min(part.frames),
            max(part.frames) + 1,
            pace.work(part.load),
            pace.seconds(part.load),
        )
        if before is not None:
            first, stop = min(first, before.first), max(stop, before.stop)
            work, seconds = work + before.work, seconds + (before.seconds or 0.0)
        chains[part.segment.key] = Chain(part.source.name, first, stop, work, seconds)
    longest = max(chains.values(), key=_work, default=None)
    return longest if longest is None or is_known else replace(longest, seconds=None)


def _work(chain: Chain) -> float:
    return chain.work
