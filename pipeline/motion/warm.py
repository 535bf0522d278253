"""The start of a frame that has a predecessor: the predecessor's painting, carried along."""

from __future__ import annotations

import cv2
import numpy as np

from .flow import Floats, Frame, Motion, sample, warp

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


def warping_error(painted: Frame, previous: Frame, motion: Motion) -> float | None:
    """The mean squared difference between a painting and its predecessor's, carried along by the source's flow.

    Values in 0–1, over the pixels whose motion is reliable (None where there are none). After the short-term
    consistency of Ruder et al. 2016, section 5, with linear units instead of the root.
    """
    if not motion.reliable.any():
        return None
    carried = warp(unit(previous), motion.flow)
    difference = np.square(unit(painted) - carried)[motion.reliable]
    return float(difference.mean(dtype=np.float64))


def unit(frame: Frame) -> Floats:
    """A frame, uint8 (h, w, 3), as float32 in 0–1."""
    return np.asarray(frame, dtype=np.float32) / np.float32(255)
