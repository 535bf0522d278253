"""What frames and segments cost, in megapixel-iterations, by counting. Pure, and free of torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

from pipeline.config import Transfer
from pipeline.plan import SourcePlan
from pipeline.shots.segments import Segment

SKIPPED_ITERATIONS = 1.0
"""Of a frame that is left as it is: decoded and encoded, which is about as much on a GPU, and nothing on a CPU."""

FRESH_ITERATIONS = 1
"""Of a frame in which the flow finds something uncovered: at its end, how much of the loss is that part's."""


@dataclass(frozen=True)
class FrameCost:
    """The most megapixel-iterations of a frame that starts from nothing, and of one that starts from another."""

    cold: float
    warm: float


@dataclass(frozen=True)
class Load:
    """What some frames take at most, in megapixel-iterations; how many there are, and how many megapixels in all.

    `cold` ones, `warm` ones, which may settle sooner or be left as they are, and those `again` of blends and passes,
    which never are.
    """

    cold: float = 0.0
    warm: float = 0.0
    again: float = 0.0
    frames: int = 0
    megapixels: float = 0.0

    @property
    def most(self) -> float:
        """All of it, if no frame stops before it has to, and no loss diverges."""
        return self.cold + self.warm + self.again

    def __add__(self, other: Load) -> Load:
        return Load(
            self.cold + other.cold,
            self.warm + other.warm,
            self.again + other.again,
            self.frames + other.frames,
            self.megapixels + other.megapixels,
        )


def segment_load(source: SourcePlan, segment: Segment, frames: Collection[int], cost: FrameCost) -> Load:
    """What some frames of a segment take; `cost`: of its first frame where that is cold, and of the others."""
    count, megapixels = len(frames), len(frames) * source.size[0] * source.size[1] / 1e6
    if segment.kind == "skip":
        return Load(frames=count, megapixels=megapixels)
    if segment.kind != "paint":
        return Load(again=count * cost.warm, frames=count, megapixels=megapixels)
    colds = count if not source.is_warm else int(segment.first in frames)
    return Load(colds * cost.cold, (count - colds) * cost.warm, frames=count, megapixels=megapixels)


def warm_cost(area: float, transfer: Transfer, effort: float = 1.0) -> float:
    """The most of a warm frame of `area` megapixels, with `effort` times its iterations."""
    iterations = max(1, ceil(transfer.warm_iterations * effort))
    return (iterations + averaged(transfer) + FRESH_ITERATIONS) * area


def warm_effort(segment: Segment) -> float:
    """What part of a warm frame's iterations those of a segment take."""
    return 1.0 if segment.kind == "paint" else segment.effort


def averaged(transfer: Transfer) -> int:
    """Evaluations of the average of the iterates, at the end of a size."""
    return 1 if transfer.averaging else 0


def todo_cost(source: SourcePlan, segment: Segment, frames: Collection[int], transfer: Transfer) -> float:
    """What some frames of a segment take, to tell the larger from the smaller.

    Coarser sizes of cold frames are left out: at most a sixth more, and the engine that knows of them wants torch.
    """
    direction = source.direction(segment)
    own = direction.transfer if direction else transfer
    area = source.size[0] * source.size[1] / 1e6
    if segment.kind == "skip":
        return SKIPPED_ITERATIONS * area * len(frames)
    cold = (own.iterations * segment.effort + averaged(own)) * area
    cost = FrameCost(cold, warm_cost(area, own, warm_effort(segment)))
    return segment_load(source, segment, frames, cost).most
