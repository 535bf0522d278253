"""Optical flow between neighboring frames and what is carried along by it.

Frames are uint8 (h, w, 3) RGB. A flow is float32 (h, w, 2), in px, (x, y): the pixel at p of the current frame
was at p + flow[p] in the previous one. Everything runs on one thread: OpenCV's DIS cuts the picture into as
many stripes as it has threads, and nothing promises that its result does not depend on that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SHORTEST_PX = 32
NARROWEST = 0.4
"""DIS halves the picture by its longer side until that is about 32 px; a side of less than 8 px there, its patch,
makes it read beyond the picture (OpenCV 5.0 crashed among random sizes, at 25 × 161 padded to 32). Hence the least
shorter side: 32 px and this part of the longer."""


@dataclass(frozen=True)
class Motion:
    """How the current frame came from the previous one: a `flow`, and where it can be relied on, (h, w)."""

    flow: Floats
    reliable: Mask


def estimate_motion(previous: Frame, current: Frame) -> Motion:
    """The backward flow of two frames of equal size, by DIS (Kroeger et al., ECCV 2016), and its reliability."""
    cv2.setNumThreads(1)
    backward = _dis(_gray(current), _gray(previous))
    forward = _dis(_gray(previous), _gray(current))
    return Motion(backward, is_consistent(backward, forward))


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


def _dis(start: Frame, end: Frame) -> Floats:
    """The flow from `start` to `end`, both (h, w) gray, of any size."""
    height, width = start.shape
    shortest = max(SHORTEST_PX, math.ceil(NARROWEST * max(height, width)))
    margins = (0, max(0, shortest - height), 0, max(0, shortest - width))
    start, end = (cv2.copyMakeBorder(f, *margins, cv2.BORDER_REPLICATE) for f in (start, end))
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    flow = dis.calc(start, end, None)
    return np.asarray(flow[:height, :width], dtype=np.float32)
