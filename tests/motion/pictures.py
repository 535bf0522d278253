"""Frames whose motion is known exactly: windows that move over a photograph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.photos import full_photo

Frame = NDArray[np.uint8]


def window(x: int, y: int, width: int = 96, height: int = 80, name: str = "astronaut") -> Frame:
    """The part of a photograph at (x, y); two of them are a picture shifted by a whole number of px."""
    return np.ascontiguousarray(full_photo(name)[y : y + height, x : x + width])


def moving_square(left: int, side: int = 28) -> Frame:
    """A textured square, its left side at `left`, before a background that stays."""
    frame = window(20, 300)
    frame[26 : 26 + side, left : left + side] = window(180, 30, side, side, "coffee")
    return frame
