"""How much room a plan takes on the disk: the most at any time, and the least that it could do with.

Bounds rather than means, since what they promise is held: a frame is taken to be noise, which no PNG makes smaller.
The exception is how much smaller a pack is, of which only a mean is known. Where nothing is promised, without a budget,
a bound that is over what is free is only a warning; what is refused is a job that would not fit by the means either.
"""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import NamedTuple

from pipeline.config import Config, Disk, Transfer
from pipeline.disk.sizes import GIB, as_budget, plain, sized
from pipeline.durable import bytes_below
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import Stock
from pipeline.shots.segments import Segment
from pipeline.workspace import Workspace

FRAME_BYTES_PER_PIXEL = 3.01
"""Of a PNG of noise, with zlib's own bytes; painted frames take 2.2 to 2.6."""

PACKED_SHARE = 0.8
"""Of the PNGs' size, in a pack: 1.81 of 2.29 bytes per pixel, see `packs`."""

OUTPUT_BYTES_PER_PIXEL = 1.0
"""Of an encoded frame, at most, at a crf from `COARSE` up; painted frames of bikes.mp4 take 0.2 at 16."""

COARSE = 12

LIKELY_FRAME, LIKELY_OUTPUT = 2.4, 0.2
"""Means: bytes per pixel of a painted frame and of its place in a video at crf 16 (bikes.mp4)."""

CLEARLY = 1.5
"""By how much the means have to be over what is free, so that a job is refused for them."""

SOUND_BYTES_PER_S = 200_000
"""Of each sound stream, at most: 48,000 Hz of stereo PCM take 192,000."""

RECORD_BYTES, EVALUATION_BYTES, RECORDS = 700, 22, 3
"""Of a frame's record without its trace, of a number in the trace, and how often a record is kept."""


@dataclass(frozen=True)
class Demand:
    """Bytes: `peak`, the most that the run folder and an unfinished output will take; `least`, the smallest budget
    that would do; `more`, what the whole disk will have to take, finished outputs included.

    `least_freely`: `least`, were disk.pack and disk.keep auto; `more_at_least`: `more`, were the budget `least`;
    `likely`: `more` by means, of a job without a budget.
    """

    peak: int
    least: int
    more: int
    least_freely: int
    more_at_least: int
    likely: int


class Outlook(NamedTuple):
    """What a job asks of the disk; why it cannot be done, and why it may fail; None: it can, and will not."""

    demand: Demand
    refusal: str | None
    warning: str | None


def foresee(config: Config, plan: Plan, stock: Stock, space: Workspace, written: Collection[str]) -> Outlook:
    """What a job asks of the disk, and whether that is there; `written`: the sources whose outputs are."""
    missing = {key: frames for source in plan.sources for key, frames in stock.missing(source).items()}
    present = bytes_below(space.root, besides=space.previews)
    found = demand(plan, missing, written, config.disk, config.transfer, present)
    if not missing:
        return Outlook(found, None, None)
    folder = next(path for path in (space.output, *space.output.parents) if path.exists())
    free = shutil.disk_usage(folder).free if space.shelf.can_pack else sys.maxsize
    return Outlook(found, refusal(found, config.disk, free), warning(found, config.disk, free))


def refusal(found: Demand, disk: Disk, free: int) -> str | None:
    """Why a demand cannot be held within the budget, or on a disk with so many bytes free; None: it can."""
    budget = budget_bytes(disk)
    if budget is not None and found.least > budget:
        return (
            f"disk.budget_gib {plain(disk.budget_gib or 0)} is too little: the job needs up to {sized(found.least)} at "
            f"once; {ways_out(disk, found.least, auto_helps=found.least_freely <= budget)}"
        )
    if budget is not None and found.more > free:
        return _shortage(f"takes up to {sized(found.more)}", found, free, "a smaller disk.budget_gib")
    if found.likely > CLEARLY * free:
        takes = f"will take about {sized(found.likely)}, and up to {sized(found.more)}"
        return _shortage(takes, found, free, "set disk.budget_gib")
    return None


def warning(found: Demand, disk: Disk, free: int) -> str | None:
    """Why a job without a budget may run out of a disk with so many bytes free; None: it does not, or is refused."""
    if disk.budget_gib is not None or found.more <= free or refusal(found, disk, free):
        return None
    takes = f"will take about {sized(found.likely)}, but may take up to {sized(found.more)}"
    return _shortage(takes, found, free, "set disk.budget_gib")


def ways_out(disk: Disk, least: int | None = None, *, auto_helps: bool = True) -> str:
    """What helps against a budget that is too small, only as far as it does; `least`: bytes that would do."""
    ways = ["raise the budget" if least is None else f"raise the budget to {as_budget(least)}"]
    held = [
        f"disk.{name}"
        for name, is_held in (("pack", disk.pack == "never"), ("keep", disk.keep == "all"))
        if is_held
    ]
    if held and auto_helps:
        ways.append(f"let {' and '.join(held)} be auto")
    ways.append("work on a part with video.frames")
    return ", or ".join(ways)


def _shortage(takes: str, found: Demand, free: int, budget: str) -> str:
    ways = ["make room"]
    if found.more_at_least <= free:
        done = "so that finished frames are packed and thrown away in time"
        ways.append(f"{budget}, from {as_budget(found.least)} up, {done}")
    ways.append("work on a part with video.frames")
    return f"the job {takes}, outputs included, and {sized(free)} are free; {', or '.join(ways)}"


def demand(
    plan: Plan,
    missing: Mapping[str, Collection[int]],
    written: Collection[str],
    disk: Disk,
    transfer: Transfer,
    present: int,
) -> Demand:
    """What a plan asks of the disk; `missing` by segment's key, `present`: the bytes of the run folder now."""
    places = [(source, segment) for source in plan.sources for segment in source.segments]
    to_come = sum(frames_bytes(source, s, missing.get(s.key, ()), transfer) for source, s in places)
    unwritten = [source for source in plan.sources if source.name not in written]
    outputs = [output_bytes(source) for source in unwritten]
    packing = 0
    if disk.pack == "always":
        packing = max((all_bytes(source, s, transfer) for source, s in places), default=0)
    unlimited = present + to_come + max(outputs, default=0) + packing
    budget = budget_bytes(disk)
    free = disk.model_copy(update={"pack": "auto", "keep": "auto"})
    least, least_freely = (min(unlimited, _least(plan, written, d, transfer)) for d in (disk, free))

    def more(budget: int | None) -> int:
        """An unfinished output becomes the finished one, so no output counts twice."""
        everything = to_come + packing + sum(outputs)
        if budget is None:
            return everything
        return min(everything, max(0, budget - present) + sum(outputs) - min(outputs, default=0))

    return Demand(
        peak=unlimited if budget is None else min(unlimited, budget),
        least=least,
        more=more(budget),
        least_freely=least_freely,
        more_at_least=more(least),
        likely=_likely(places, missing, unwritten),
    )


def _likely(
    places: Collection[tuple[SourcePlan, Segment]],
    missing: Mapping[str, Collection[int]],
    unwritten: Collection[SourcePlan],
) -> int:
    """What frames and outputs will take by the means; frames that are left as they are may take next to nothing."""
    pixels = sum(
        len(missing.get(s.key, ())) * source.size[0] * source.size[1]
        for source, s in places
        if s.kind != "skip"
    )
    return int(pixels * LIKELY_FRAME) + sum(_likely_output(source) for source in unwritten)


def _likely_output(source: SourcePlan) -> int:
    area = source.size[0] * source.size[1]
    return int(source.frames * area * LIKELY_OUTPUT)


def budget_bytes(disk: Disk) -> int | None:
    """The budget in bytes; None: there is none."""
    return None if disk.budget_gib is None else int(disk.budget_gib * GIB)


def frames_bytes(source: SourcePlan, segment: Segment, indices: Collection[int], transfer: Transfer) -> int:
    """The most that frames of a segment take as files, with their records; `transfer`: the job's."""
    direction = source.direction(segment)
    own = transfer if direction is None else direction.transfer
    cold, warm = (_frame_bytes(source.size, count) for count in _evaluations(source, own))
    colds = int(segment.kind == "paint" and segment.first in indices) if source.is_warm else len(indices)
    return colds * cold + (len(indices) - colds) * warm


def all_bytes(source: SourcePlan, segment: Segment, transfer: Transfer) -> int:
    """The same for all frames of a segment."""
    return frames_bytes(source, segment, segment.order, transfer)


def output_bytes(source: SourcePlan) -> int:
    """The most that an output takes."""
    area, probe = source.size[0] * source.size[1], source.inspected.probe
    duration_s = (probe.pts[source.stop - 1] - probe.pts[source.first]) * probe.time_base + 1
    sound = ceil(probe.audio_streams * SOUND_BYTES_PER_S * duration_s)
    coding = source.coding
    is_small = coding.codec in ("h264", "h265", "vp9", "av1") and (coding.strength or 0) >= COARSE
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
