"""How steady a painted film is: warping error between neighbors, drift along a shot, and seams between segments.

All are numbers per frame or plain functions of them, so that a report can be made from a run's records alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

import cv2
import numpy as np

from .flow import Floats, Frame, Motion, warp
from .warm import unit

LUMA = (0.299, 0.587, 0.114)  # of Rec. 601, for R'G'B'


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


@dataclass(frozen=True)
class Look:
    """What must not drift, of one frame.

    `brightness`: the mean luma, 0–1. `saturation`: the mean of the distance between the largest and the smallest of
    R'G'B', 0–1. `sharpness`: the root mean square of the luma's Laplacian (4-neighbors), in luma per pixel².
    """

    brightness: float
    saturation: float
    sharpness: float


def look_of(frame: Frame) -> Look:
    """The look of a frame, uint8 (h, w, 3); rounded to 6 digits, which is what a record keeps."""
    image = unit(frame)
    luma: Floats = np.asarray(image @ np.asarray(LUMA, dtype=np.float32), dtype=np.float32)
    laplacian = cv2.Laplacian(luma, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE)
    spread = image.max(2) - image.min(2)
    return Look(
        round(float(luma.mean(dtype=np.float64)), 6),
        round(float(spread.mean(dtype=np.float64)), 6),
        round(float(np.sqrt(np.square(laplacian).mean(dtype=np.float64))), 6),
    )


def drift(values: Iterable[float], reference: float) -> float:
    """The largest relative departure of `values` from `reference`, which is not 0; 0 without values.

    >>> drift([1.0, 1.02, 0.99], 1.0)
    0.02
    """
    return round(max((abs(value - reference) / abs(reference) for value in values), default=0.0), 6)


def seam_score(errors: Mapping[int, float | None], seams: Iterable[int]) -> float | None:
    """The mean warping error of the frames at `seams`, over that of all other frames.

    `errors`: by frame, to its predecessor; `seams`: the first frames of segments within a shot. None where there is
    nothing to compare. 1 is a seam that nothing shows.

    >>> seam_score({0: None, 1: 0.001, 2: 0.002, 3: 0.001}, [2])
    2.0
    """
    across = set(seams)
    at = [error for frame, error in errors.items() if frame in across and error is not None]
    inside = [error for frame, error in errors.items() if frame not in across and error is not None]
    if not at or not inside or not any(inside):
        return None
    return fmean(at) / fmean(inside)
