"""Where one shot ends and the next begins, found by PySceneDetect."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

WIDTH_PX = 256
"""Frames are reduced to this width: cuts are seen as well, and ten times as fast."""

SHORTEST_SHOT_S = 0.6


def find_cuts(frames: Iterable[NDArray[np.uint8]], rate: Fraction) -> tuple[int, ...]:
    """The indices of the frames that begin a new shot, growing, 0 not among them.

    `frames`: uint8 (h, w, 3) RGB in display order; `rate`: their average number per second. Settings as
    PySceneDetect 0.7 recommends (its best mean F1): a change counts against those around it, so that a fast pan
    is no cut. Frames are counted, not timed, and so an index is exact for a variable rate too.
    """
    shortest = max(2, round(SHORTEST_SHOT_S * rate))
    detector = AdaptiveDetector(adaptive_threshold=3.5, window_width=3, min_scene_len=shortest)
    found: set[int] = set()
    index = -1
    for index, frame in enumerate(frames):
        found |= {cut.frame_num for cut in detector.process_frame(_time(index), _reduced(frame))}
    if index >= 0:
        found |= {cut.frame_num for cut in detector.post_process(_time(index))}
    return tuple(sorted(found - {0}))


def _time(index: int) -> FrameTimecode:
    return FrameTimecode(index, fps=25.0)


def _reduced(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    size = (min(width, WIDTH_PX), max(1, round(height * min(1.0, WIDTH_PX / width))))
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
