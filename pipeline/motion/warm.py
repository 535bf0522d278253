"""What a frame takes from its neighbors: where it starts, what it is held to, and what it has to paint anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .flow import Floats, Frame, Motion, sample, warp

FRESH_EDGE_PX = 2.0
LEAST_FRESH = 0.005
"""Part of the picture below which nothing is asked for once more."""

TINT_BLUR = 1 / 32
"""Standard deviation of the blur of the tint, as a part of the longer side."""


def warm_start(painted: Frame, before: Frame, content: Frame, motion: Motion) -> Floats:
    """Where to start the frame `content`: its predecessor's painting, carried along by the flow.

    `painted`, `before` (the predecessor, as in the source) and `content` are uint8 (h, w, 3); the result is
    float32 (h, w, 3), 0–1. Pixels that were covered or out of the picture are filled from the content, tinted as
    the painting is around there: bare content is gray among colors, and forty iterations do not make up for it.
    """
    carried = warp(unit(painted), motion.flow)
    filled = unit(content) + _carried_tint(painted, before, motion)
    return np.clip(np.where(motion.reliable[..., None], carried, filled), 0, 1)


def _carried_tint(painted: Frame, before: Frame, motion: Motion) -> Floats:
    """What painting changed in the colors around each pixel of the predecessor, carried along by the flow."""
    sigma = max(1.0, TINT_BLUR * max(painted.shape))
    tint = cv2.GaussianBlur(unit(painted) - unit(before), (0, 0), sigma)
    return sample(np.asarray(tint, dtype=np.float32), motion.flow)


@dataclass(frozen=True)
class Carried:
    """An earlier painting, carried along: float32 (h, w, 3) in 0–1, and its confidence, (h, w) in 0–1."""

    image: Floats
    confidence: Floats


def carry(earlier: Sequence[tuple[Frame, Motion]]) -> list[Carried]:
    """Earlier paintings, uint8 (h, w, 3), nearest first, as what the frame should look like now.

    Where a nearer one says something, the farther ones are silent: c_j = max(c_j − Σ nearer c, 0), the long-term terms
    of Ruder et al. 2016, section 3.3. So what was hidden for a while comes back as it was.
    """
    found: list[Carried] = []
    said: Floats | float = 0.0
    for painted, motion in earlier:
        confidence = np.clip(motion.confidence - said, 0, 1)
        said = said + confidence
        found.append(Carried(warp(unit(painted), motion.flow), confidence))
    return found


def uncovered(motion: Motion) -> Floats | None:
    """Where there is no painting yet, float32 (h, w) in 0–1, soft at its edges; None where that is next to nothing."""
    covered = motion.reliable.astype(np.float32)
    fresh = 1 - np.asarray(cv2.GaussianBlur(covered, (0, 0), FRESH_EDGE_PX), dtype=np.float32)
    return fresh if float(fresh.mean()) > LEAST_FRESH else None


def level(place: float) -> float:
    """How much of a neighbor's look is left at `place` of a blend, from 0 (all of it) to 1 (nothing).

    Half a straight line and half a smooth step: with the first alone the painting jumps at the end, because what the
    iterations repair lags behind; with the second it runs in the middle (scripts/bench_seams.py).
    """
    return 0.5 * (1 - place) + 0.5 * (1 - place * place * (3 - 2 * place))


def mix(draft: Frame, carried: Carried, share: float) -> Floats:
    """A draft, uint8 (h, w, 3), drawn by `share` towards what is carried along, where that is sure; in 0–1."""
    pull = share * carried.confidence[..., None]
    return np.clip((1 - pull) * unit(draft) + pull * carried.image, 0, 1)


def unit(frame: Frame) -> Floats:
    """A frame, uint8 (h, w, 3), as float32 in 0–1."""
    return np.asarray(frame, dtype=np.float32) / np.float32(255)
