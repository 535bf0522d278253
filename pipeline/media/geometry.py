"""How large the output is, and how a picture gets there without being distorted. Pure; knows no files."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

Value = TypeVar("Value", np.uint8, np.uint16)


def output_size(width_px: int, height_px: int, size_px: int | None, *, even: bool) -> tuple[int, int]:
    """(width, height) in px of the output: the longest side becomes `size_px`, or stays if that is None.

    The other side follows by the same factor. Both are rounded to the nearest integer, or to the nearest
    even one if `even` (4:2:0 chroma has half the size); at the middle downward, so that nothing is enlarged
    that need not be. No side falls below 1, or 2 if `even`.

    >>> output_size(640, 272, 512, even=True)
    (512, 218)
    """
    factor = Fraction(1) if size_px is None else Fraction(size_px, max(width_px, height_px))
    step = 2 if even else 1
    return _nearest(width_px * factor, step), _nearest(height_px * factor, step)


def _nearest(length: Fraction, step: int) -> int:
    """The multiple of `step` nearest to `length`, the lower one at the middle, at least `step`."""
    return max(step, step * math.ceil(length / step - Fraction(1, 2)))


def fit(picture: npt.NDArray[Value], size: tuple[int, int]) -> npt.NDArray[Value]:
    """Scales a picture to `size` = (width, height) by one factor for both axes and crops the rest centrally.

    `picture` is (height, width, 3) or (height, width), uint8 or uint16; the result is too, C-contiguous. The
    factor is the larger one of the two axes, so what is cropped is less than a pixel of the output wherever `size`
    comes from `output_size` (except for strips so thin that the short side was raised to its minimum). A picture
    that is one row or one column too large is cropped and not scaled, so its pixels are untouched; one of the right
    size comes back itself. Lanczos, antialiased.
    """
    height, width = picture.shape[:2]
    if size == (width, height):
        return picture
    if width - size[0] in (0, 1) and height - size[1] in (0, 1):
        return np.ascontiguousarray(picture[: size[1], : size[0]])
    factor = max(Fraction(size[0], width), Fraction(size[1], height))
    left_px, top_px = (width - size[0] / factor) / 2, (height - size[1] / factor) / 2
    box = (float(left_px), float(top_px), float(width - left_px), float(height - top_px))
    if picture.dtype == np.uint8:
        return np.array(
            Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, box=box), picture.dtype
        )
    channels = picture.reshape(height, width, -1)
    fitted = np.empty((size[1], size[0], channels.shape[2]), picture.dtype)
    for index in range(channels.shape[2]):  # Pillow scales 16 bits as floats, a channel at a time
        values = Image.fromarray(channels[..., index].astype(np.float32))
        scaled = np.asarray(values.resize(size, Image.Resampling.LANCZOS, box=box))
        fitted[..., index] = np.rint(np.clip(scaled, 0, 65535))
    return fitted.reshape(size[1], size[0], *picture.shape[2:])
