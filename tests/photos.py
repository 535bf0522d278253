"""Photographs for tests, out of scikit-image, small enough to compute with."""

from __future__ import annotations

from functools import cache

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.style.scales import resize, shape_at


@cache
def photo(name: str, longest_px: int) -> Tensor:
    """`skimage.data.<name>`, (1, 3, h, w), float32, 0–1, its longest side `longest_px`. Shared: not to be changed."""
    picture = torch.from_numpy(full_photo(name)).permute(2, 0, 1)[None].float() / 255
    return resize(picture, shape_at(picture, longest_px))


def square_photo(name: str, side_px: int) -> Tensor:
    """The same, squeezed to (1, 3, side, side)."""
    return resize(photo(name, 4 * side_px), (side_px, side_px))


def full_photo(name: str) -> NDArray[np.uint8]:
    """`skimage.data.<name>` as it is, uint8 (h, w, 3)."""
    return np.ascontiguousarray(getattr(skimage.data, name)()[..., :3])
