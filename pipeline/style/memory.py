"""How much memory the work on a picture takes, and so how large a tile may be.

The figures were measured on a CPU, see `scripts/bench_size.py`. Where they are too low for a machine, `evaluate` makes
the tile smaller.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch

from .lbfgs import history
from .vgg import GRID_PX, margin_px, stride_px
from .weights import CONV_CHANNELS

Result = TypeVar("Result")

SMALLEST_TILE_PX = 64

NETWORK_BYTES = 1e9
"""torch itself, VGG19, and the scratch of its convolutions: 0.7 GB before the first picture, with CUDA's libraries."""

PIXEL_BYTES = 1900
"""Evaluating one pixel, forward and back, in float32: 1650 measured at 512 and 1024 px, and room for the losses."""

REGION_BYTES = 1000
"""The weighted features of a region's five layers, and their gradients."""

PICTURES = 11
"""Pictures held at once (3 float32 a pixel): content, start, best, iterates, gradients, masks and temporaries."""

SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "Insufficient memory")


def tile_for(
    shape: tuple[int, int],
    budget_bytes: float,
    *,
    layers: Iterable[str],
    content_layers: Iterable[str],
    optimizer: str = "lbfgs",
    batch: int = 1,
    regions: int = 0,
) -> int | None:
    """The tile in px, a multiple of 16, with which pictures of (height, width) `shape` fit; None: in one piece.

    `regions`: how many masks weigh the style's layers. Never below 64 px, even where that does not fit.
    """
    pixels = shape[0] * shape[1]
    channels = {layer: CONV_CHANNELS[layer][1] for layer in content_layers}
    targets = sum(4 * pixels / stride_px(layer) ** 2 * count for layer, count in channels.items())
    pictures = PICTURES + (2 * history(pixels) if optimizer == "lbfgs" else 3)
    left = budget_bytes - NETWORK_BYTES - batch * (12 * pixels * pictures + targets)
    pixel_bytes = PIXEL_BYTES + regions * REGION_BYTES
    if batch * pixels * pixel_bytes <= left:
        return None
    side = int(max(0.0, left / batch / pixel_bytes) ** 0.5) - 2 * margin_px(layers)
    return max(SMALLEST_TILE_PX, side // GRID_PX * GRID_PX)


def shrinking(
    attempt: Callable[[int | None], Result], shape: tuple[int, int], tile_px: int | None
) -> tuple[Result, int | None]:
    """What `attempt(tile_px)` gives for pictures of `shape`, with the tile halved until memory is enough, and the tile.

    Every tile is tried twice, with what is not needed freed in between: the memory may have been somebody else's for a
    moment, and with another tile the last bits of the result are others. Raises the attempt's error where a tile of
    64 px is still too large, and every other error at once.
    """
    failed_px: list[int | None] = []
    while True:
        longest = min(tile_px or max(shape), max(shape))
        try:
            return attempt(tile_px), tile_px
        except (RuntimeError, MemoryError) as error:
            is_last = longest <= SMALLEST_TILE_PX and tile_px in failed_px
            if is_last or not is_out_of_memory(error):
                raise
        release_memory()  # out here the exception holds the failed attempt's tensors no longer
        if tile_px in failed_px:
            tile_px = max(SMALLEST_TILE_PX, longest // 2 // GRID_PX * GRID_PX)
        else:
            failed_px.append(tile_px)


def release_memory() -> None:
    """Give back what nothing refers to any more, on the device too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, or another library, says with `error` that memory ran out, on whatever device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        sign in str(error) for sign in SIGNS
    )
