"""How much room a plan takes on the disk: the most at any time, and the least that it could do with.

Bounds rather than means, since what they promise is held: a frame is taken to be noise, which no PNG makes smaller.
The exception is how much smaller a pack is, of which only a mean is known.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil, log2

from pipeline.assemble import current_outputs
from pipeline.config import Config, Disk, Transfer
from pipeline.durable import bytes_below
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import Stock
from pipeline.segments import Segment
from pipeline.workspace import Workspace

GIB = 2**30

FRAME_BYTES_PER_PIXEL = 3.01
"""Of a PNG of noise, with zlib's own bytes; painted frames take 2.2 to 2.6."""

PACKED_SHARE = 0.8
"""Of the PNGs' size, in a pack: 1.81 of 2.29 bytes per pixel, see `packs`."""

OUTPUT_BYTES_PER_PIXEL = 1.0
"""Of an encoded frame, at most, at a crf from `COARSE` up; painted frames of bikes.mp4 take 0.2 at 16."""

COARSE = 12

STILL_BYTES_PER_PIXEL = 8.0
"""Of a finished picture in any of the formats, at most: TIFF and BMP without compression take 3 to 4."""

SOUND_BYTES_PER_S = 200_000
"""Of each sound stream, at most: 48,000 Hz of stereo PCM take 192,000."""

RECORD_BYTES, EVALUATION_BYTES, RECORDS = 700, 22, 3
"""Of a frame's record without its trace, of a number in the trace, and how often a record is kept."""


@dataclass(frozen=True)
class Demand:
    """Bytes: `peak`, the most that the run folder and an unfinished output will take; `least`, the smallest budget
    that would do; `more`, what the whole disk will have to take, finished outputs included."""

    peak: int
    least: int
    more: int


def foresee(config: Config, plan: Plan, stock: Stock, space: Workspace) -> tuple[Demand, str | None]:
    """What a job asks of the disk, and why it cannot be held; None: it can."""
    missing = {key: frames for source in plan.sources for key, frames in stock.missing(source).items()}
    written = current_outputs(plan.sources, space)
    present = bytes_below(space.root, besides=space.previews)
    found = demand(plan, missing, written, config.disk, config.transfer, present)
    folder = next(path for path in (space.output, *space.output.parents) if path.exists())
    return found, refusal(found, config.disk, shutil.disk_usage(folder).free) if missing else None


def refusal(found: Demand, disk: Disk, free: int) -> str | None:
    """Why a demand cannot be held within the budget, and on a disk with so many bytes free; None: it can."""
    budget = budget_bytes(disk)
    if budget is not None and found.least > budget:
        return (
            f"disk.budget_gib {disk.budget_gib:g} is too little: the job needs up to {found.least / GIB:.3g} GiB at "
            "once; raise the budget, let disk.pack and disk.keep be auto, or work on a part with video.frames"
        )
    if found.more > free:
        remedy = (
            "a smaller disk.budget_gib" if budget else f"set disk.budget_gib, from {found.least / GIB:.3g} up"
        )
        return (
            f"the job takes up to {found.more / GIB:.3g} GiB, outputs included, and {free / GIB:.3g} GiB are free; "
            f"make room, or {remedy}, so that finished frames are packed and thrown away in time"
        )
    return None


def demand(
    plan: Plan,
    missing: Mapping[str, Collection[int]],
    written: Collection[str],
    disk: Disk,
    transfer: Transfer,
    present: int,
) -> Demand:
    """What a plan asks of the disk; `missing` by segment's key, `present`: the bytes of the run folder now."""
    to_come = sum(
        frames_bytes(source, segment, missing.get(segment.key, ()), transfer)
        for source in plan.sources
        for segment in source.segments
    )
    outputs = [output_bytes(source) for source in plan.sources if source.name not in written]
    packing = 0
    if disk.pack == "always":
        packing = max(
            (all_bytes(source, s, transfer) for source in plan.sources for s in source.segments), default=0
        )
    unlimited = present + to_come + max(outputs, default=0) + packing
    budget = budget_bytes(disk)
    peak = unlimited if budget is None else min(unlimited, budget)
    return Demand(
        peak, min(unlimited, _least(plan, written, disk, transfer)), max(0, peak - present) + sum(outputs)
    )


def budget_bytes(disk: Disk) -> int | None:
    """The budget in bytes; None: there is none."""
    return None if disk.budget_gib is None else int(disk.budget_gib * GIB)


def frames_bytes(source: SourcePlan, segment: Segment, indices: Collection[int], transfer: Transfer) -> int:
    """The most that frames of a segment take as files, with their records."""
    cold, warm = (_frame_bytes(source.size, count) for count in _evaluations(source, transfer))
    colds = int(segment.kind == "paint" and segment.first in indices) if source.is_warm else len(indices)
    return colds * cold + (len(indices) - colds) * warm


def all_bytes(source: SourcePlan, segment: Segment, transfer: Transfer) -> int:
    """The same for all frames of a segment."""
    return frames_bytes(source, segment, segment.order, transfer)


def output_bytes(source: SourcePlan) -> int:
    """The most that an output takes."""
    area, probe = source.size[0] * source.size[1], source.inspected.probe
    if source.inspected.source.kind == "still":
        return int(area * STILL_BYTES_PER_PIXEL) + 4096
    duration_s = (probe.pts[source.stop - 1] - probe.pts[source.first]) * probe.time_base + 1
    sound = ceil(probe.audio_streams * SOUND_BYTES_PER_S * duration_s)
    coding = source.coding
    is_small = coding is None or (
        coding.codec in ("h264", "h265", "vp9", "av1") and (coding.strength or 0) >= COARSE
    )
    per_pixel = OUTPUT_BYTES_PER_PIXEL if is_small else FRAME_BYTES_PER_PIXEL
    return int(source.frames * (area * per_pixel + 256)) + sound + 16384


def is_packable(segment: Segment) -> bool:
    """Whether a pack makes sense; of one frame it is not worth its second file."""
    return segment.stop - segment.first > 1


def _least(plan: Plan, written: Collection[str], disk: Disk, transfer: Transfer) -> int:
    """One source after another, everything packed and thrown away that may be; the dearest one comes last."""
    fixed = 4096 + 2048 * len(plan.segments) + 16 * plan.frames
    rests = {source.name: _rest(source, disk, transfer) for source in plan.sources}
    alone = (
        rests[source.name] if source.name in written else _alone(source, disk, transfer)
        for source in plan.sources
    )
    dearest = max((peak - rests[s.name] for peak, s in zip(alone, plan.sources, strict=True)), default=0)
    return fixed + sum(rests.values()) + max(0, dearest)


def _rest(source: SourcePlan, disk: Disk, transfer: Transfer) -> int:
    """What stays of a source once its output is there and room is asked for: its records, or its frames."""
    evaluations = max(_evaluations(source, transfer))
    records = source.frames * RECORDS * _record_bytes(evaluations)
    kept = 0 if disk.keep != "all" else sum(_kept(source, s, disk, transfer) for s in source.segments)
    return records + kept


def _kept(source: SourcePlan, segment: Segment, disk: Disk, transfer: Transfer) -> int:
    """What a finished segment takes once room is asked for."""
    packed = disk.pack != "never" and is_packable(segment)
    return int(all_bytes(source, segment, transfer) * (PACKED_SHARE if packed else 1))


def _alone(source: SourcePlan, disk: Disk, transfer: Transfer) -> int:
    """The most that a source takes if its segments are made one after another, and drafts go when they may."""
    last = {other.key: place for place, segment in enumerate(source.segments) for other in segment.needs}
    drafts: dict[int, list[int]] = defaultdict(
        list
    )  # by place: the sizes that go once that segment is finished
    peak = kept = 0
    for place, segment in enumerate(source.segments):
        raw = all_bytes(source, segment, transfer)
        packing = raw if disk.pack != "never" and is_packable(segment) else 0
        peak = max(peak, kept + raw + packing)
        size = _kept(source, segment, disk, transfer)
        kept += size
        if segment.key not in source.own:
            drafts[last.get(segment.key, place)].append(size)
        kept -= sum(drafts[place])
    return max(peak, kept + output_bytes(source))


def _evaluations(source: SourcePlan, transfer: Transfer) -> tuple[int, int]:
    """About how many numbers the trace of a cold, and of a warm frame has."""
    coarse = transfer.coarse_iterations or ceil(transfer.iterations / 2)
    if transfer.scales == "auto":
        sizes = max(0, ceil(log2(max(source.size) / 64)))
    else:
        sizes = 0 if transfer.scales == 1 else len(transfer.scales) - 1
    return transfer.iterations + sizes * coarse + 2, transfer.warm_iterations + 2


def _frame_bytes(size: tuple[int, int], evaluations: int) -> int:
    width, height = size
    picture = int(width * height * FRAME_BYTES_PER_PIXEL) + height + 512
    return picture + RECORDS * _record_bytes(evaluations)


def _record_bytes(evaluations: int) -> int:
    return RECORD_BYTES + EVALUATION_BYTES * evaluations
