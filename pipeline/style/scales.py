"""Coarse to fine: at which sizes a picture is worked on, and how it gets from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, int]
"""(height, width) in px."""

COARSEST_PX = 192
"""`auto` halves the size no further than to this longest side: from below, losses are lower and objects are lost."""


def schedule(longest_px: int, scales: str | int | Sequence[int]) -> tuple[int, ...]:
    """The longest sides in px to work at, growing, the last being `longest_px` itself.

    `scales`: "auto" halves while at least 192 px remain; 1 is the final size only; a list names the sizes, of
    which those not below the final one are left out.

    >>> schedule(1024, "auto"), schedule(128, "auto"), schedule(512, [128, 300, 512])
    ((256, 512, 1024), (128,), (128, 300, 512))
    """
    if scales == "auto":
        sizes = [longest_px]
        while sizes[0] // 2 >= COARSEST_PX:
            sizes.insert(0, sizes[0] // 2)
        return tuple(sizes)
    listed = [] if isinstance(scales, int | str) else [size for size in scales if size < longest_px]
    return (*listed, longest_px)


def shape_at(image: Tensor, longest_px: int) -> Shape:
    """(height, width) of an image whose longest side is brought to `longest_px`, neither below 1."""
    height, width = shape_of(image)
    factor = longest_px / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))


def shape_of(image: Tensor) -> Shape:
    """(height, width) of an image, (1, 3, h, w)."""
    return image.shape[-2], image.shape[-1]


def resize(image: Tensor, shape: Shape) -> Tensor:
    """`image`, (1, 3, h, w) in 0–1, at (height, width) `shape`: bicubic, antialiased, back within 0–1."""
    if shape_of(image) == shape:
        return image
    return F.interpolate(image, size=shape, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
