"""How large a tile may be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.style.lbfgs import history
from pipeline.style.memory import (
    NETWORK_BYTES,
    PICTURES,
    PIXEL_BYTES,
    SMALLEST_TILE_PX,
    is_out_of_memory,
    tile_for,
)
from pipeline.style.vgg import GRID_PX

LAYERS: dict[str, Any] = {"layers": ["conv4_2", "conv5_1"], "content_layers": ["conv4_2"]}


def test_a_picture_that_fits_is_one_piece() -> None:
    assert tile_for((512, 512), 4e9, **LAYERS) is None
    assert tile_for((4096, 4096), 1e12, **LAYERS) is None


@pytest.mark.parametrize("gigabytes", [3.0, 4.0, 8.0, 12.0, 16.0])
def test_a_tile_is_a_multiple_of_the_grid_and_fits_with_its_margins(gigabytes: float) -> None:
    pixels = 2160 * 3840
    tile = tile_for((2160, 3840), gigabytes * 1e9, **LAYERS)
    assert tile is not None
    assert tile % GRID_PX == 0
    assert tile >= SMALLEST_TILE_PX
    if tile > SMALLEST_TILE_PX:
        pictures = 12 * pixels * (PICTURES + 2 * history(pixels))
        needed = NETWORK_BYTES + pictures + (tile + 2 * 80) ** 2 * PIXEL_BYTES
        assert 0.8 * gigabytes * 1e9 < needed <= gigabytes * 1e9


def test_more_memory_never_makes_a_tile_smaller_and_a_batch_never_larger() -> None:
    budgets = [gigabytes * 1e9 for gigabytes in (1, 3, 5, 8, 12, 20, 60)]
    found = [tile_for((2000, 3000), budget, **LAYERS) or 3000 for budget in budgets]
    assert found == sorted(found)
    assert found[0] < found[-1]
    batched = [tile_for((2000, 3000), budget, batch=3, **LAYERS) or 3000 for budget in budgets]
    assert all(several <= one for several, one in zip(batched, found, strict=True))
    assert batched != found


def test_adam_leaves_more_room_than_lbfgs() -> None:
    lbfgs, adam = (tile_for((1500, 1500), 4e9, optimizer=o, **LAYERS) for o in ("lbfgs", "adam"))
    assert lbfgs is not None
    assert adam is not None
    assert adam > lbfgs


def test_where_nothing_fits_the_smallest_tile_is_tried() -> None:
    assert tile_for((8000, 8000), 0.0, **LAYERS) == SMALLEST_TILE_PX


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("anything"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 3 bytes."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("expected scalar type Float but found Half"), False),
        (ValueError("anything"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
