"""The start of a frame that has a predecessor: the predecessor's painting, carried along."""

from __future__ import annotations

import numpy as np

from .flow import Floats, Frame, Motion, warp


def warm_start(painted: Frame, content: Frame, motion: Motion | None) -> Floats:
    """Where to start the frame `content` from its predecessor's painting; float32 (h, w, 3), 0–1.

    `painted` and `content` are uint8 (h, w, 3). With `motion`, the painting moves with the flow, and pixels
    that were covered or out of the picture are filled from the content; without, it stays as it stands.
    """
    start = _unit(painted)
    if motion is None:
        return start
    warped = warp(start, motion.flow)
    return np.where(motion.reliable[..., None], warped, _unit(content))


def warping_error(painted: Frame, previous: Frame, motion: Motion) -> float | None:
    """The mean squared difference between a painting and its predecessor's, carried along by the source's flow.

    Values in 0–1, over the pixels whose motion is reliable (None where there are none). After the short-term
    consistency of Ruder et al. 2016, section 5, with linear units instead of the root.
    """
    if not motion.reliable.any():
        return None
    carried = warp(_unit(previous), motion.flow)
    difference = np.square(_unit(painted) - carried)[motion.reliable]
    return float(difference.mean(dtype=np.float64))


def _unit(frame: Frame) -> Floats:
    return np.asarray(frame, dtype=np.float32) / np.float32(255)
