"""What frames and segments cost, in megapixel-iterations, by counting. Pure, and free of torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.config import Transfer
from pipeline.plan import SourcePlan
from pipeline.segments import Segment

SKIPPED_ITERATIONS = 1.0
"""Of a frame that is left as it is: decoded and encoded, which is about as much on a GPU, and nothing on a CPU."""


@dataclass(frozen=True)
class FrameCost:
    """Megapixel-iterations of a frame that starts from nothing, and of one that starts from another."""

    cold: float
    warm: float


def segment_cost(source: SourcePlan, segment: Segment, frames: Collection[int], cost: FrameCost) -> float:
    """The most that some frames of a segment take: one whose start is good enough stops earlier."""
    if segment.kind == "skip":
        return 0.0
    if segment.kind != "paint":
        return len(frames) * cost.warm * segment.effort
    colds = len(frames) if not source.is_warm else int(segment.first in frames)
    return colds * cost.cold * segment.effort + (len(frames) - colds) * cost.warm


def warm_cost(area: float, transfer: Transfer) -> float:
    """Of a warm frame of `area` megapixels."""
    return (max(1, transfer.warm_iterations) + averaged(transfer)) * area


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
    cold = (own.iterations + averaged(own)) * area
    return segment_cost(source, segment, frames, FrameCost(cold, warm_cost(area, own)))
