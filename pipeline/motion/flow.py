"""Optical flow between neighboring frames and what is carried along by it.

Frames are uint8 (h, w, 3) RGB. A flow is float32 (h, w, 2), in px, (x, y): the pixel at p of the current frame
was at p + flow[p] in the previous one. Everything runs on one thread: OpenCV's DIS cuts the picture into as
many stripes as it has threads, and nothing promises that its result does not depend on that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SOFTENING_PX = 0.8

SHORTEST_PX = 32
NARROWEST = 0.4
"""DIS halves the picture by its longer side until that is about 32 px; a side of less than 8 px there, its patch,
makes it read beyond the picture (OpenCV 5.0 crashed among random sizes, at 25 × 161 padded to 32). Hence the least
shorter side: 32 px and this part of the longer."""


STILL_CAMERA_PX = 0.1
STILL_PX = 0.25
"""Where half of the picture moves less than the first, motions below the second that explain nothing are noise:
carried along by them, a painting would be resampled, blurred and sharpened anew in every frame, and crawl."""

Estimate = Callable[[Frame, Frame], Floats]
"""(start, end), uint8 (h, w, 3) → the flow from `start` to `end`."""


@dataclass(frozen=True)
class Motion:
    """How the current frame came from another one: a `flow`, and where it can be relied on, (h, w)."""

    flow: Floats
    reliable: Mask

    @property
    def confidence(self) -> Floats:
        """How sure a painting that is carried along is, (h, w) in 0–1: nothing where uncovered or on a motion's edge.

        Softened by a Gaussian of 0.8 px, as in Ruder et al.'s implementation.
        """
        sure = (self.reliable & ~is_motion_edge(self.flow)).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(sure, (0, 0), SOFTENING_PX), dtype=np.float32)


def estimate_motion(previous: Frame, current: Frame, estimate: Estimate | None = None) -> Motion:
    """The backward flow of two frames of equal size, and its reliability.

    `estimate` is DIS (Kroeger et al., ECCV 2016) where nothing else is given.
    """
    cv2.setNumThreads(1)
    estimate = estimate or dis
    backward, forward = estimate(current, previous), estimate(previous, current)
    if np.median(np.square(backward).sum(2)) < STILL_CAMERA_PX**2:
        backward = stilled(backward, previous, current)
        forward = stilled(forward, current, previous)
    return Motion(backward, is_consistent(backward, forward))


def stilled(flow: Floats, previous: Frame, current: Frame) -> Floats:
    """`flow` without the motions of a fraction of a pixel that explain the frame no better than none does."""
    before, now = (np.asarray(_gray(frame), dtype=np.float32) for frame in (previous, current))
    unmoved, moved = (
        cv2.GaussianBlur(np.abs(now - other), (0, 0), 2.0)
        for other in (before, sample(before, flow, cv2.INTER_CUBIC))
    )
    is_noise = (np.square(flow).sum(2) < STILL_PX**2) & (unmoved <= 1.1 * moved + 1.0)
    return np.where(is_noise[..., None], np.float32(0), flow)


def is_motion_edge(flow: Floats) -> Mask:
    """Where the motion changes abruptly, (h, w), by Ruder et al. 2016: |∇u|² + |∇v|² > 0.01 |w|² + 0.002."""
    slopes = sum(np.square(np.gradient(flow[..., axis])).sum(0) for axis in (0, 1))
    return np.asarray(slopes > 0.01 * np.square(flow).sum(2) + 0.002, dtype=np.bool_)


def is_consistent(backward: Floats, forward: Floats) -> Mask:
    """Where a pixel's way back and forth ends near its start, inside the picture: (h, w), True where it does.

    Both flows are (h, w, 2) in px. The thresholds are those of Ruder et al. 2016, section 3.2 (after Sundaram
    et al., ECCV 2010): uncovered where |w + ŵ|² > 0.01 (|w|² + |ŵ|²) + 0.5.
    """
    returned = sample(forward, backward)
    gap = np.square(backward + returned).sum(2)
    size = np.square(backward).sum(2) + np.square(returned).sum(2)
    height, width = backward.shape[:2]
    x, y = _positions(backward)
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return np.asarray((gap <= 0.01 * size + 0.5) & inside, dtype=np.bool_)


def warp(image: Floats, flow: Floats) -> Floats:
    """`image`, float32 (h, w, 3) in 0–1, carried along: the value at p comes from p + flow[p].

    Sampled with Lanczos over 8 × 8 px, since bilinear sampling blurs and VGG's first layers notice.
    """
    return np.clip(sample(image, flow, cv2.INTER_LANCZOS4), 0, 1)


def sample(field: Floats, flow: Floats, interpolation: int = cv2.INTER_LINEAR) -> Floats:
    """`field`, float32 (h, w, c), read at p + flow[p] for every p; beyond the border, the border's value."""
    x, y = _positions(flow)
    sampled = cv2.remap(field, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, dtype=np.float32)


def _positions(flow: Floats) -> tuple[Floats, Floats]:
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]


def _gray(frame: Frame) -> Frame:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def dis(start: Frame, end: Frame) -> Floats:
    """The flow from `start` to `end`, both uint8 (h, w, 3) and of any size: the pixel at p goes to p + flow[p]."""
    start, end = _gray(start), _gray(end)
    height, width = start.shape
    shortest = max(SHORTEST_PX, math.ceil(NARROWEST * max(height, width)))
    margins = (0, max(0, shortest - height), 0, max(0, shortest - width))
    start, end = (cv2.copyMakeBorder(f, *margins, cv2.BORDER_REPLICATE) for f in (start, end))
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    flow = dis.calc(start, end, None)
    return np.asarray(flow[:height, :width], dtype=np.float32)
