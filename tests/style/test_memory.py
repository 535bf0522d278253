"""How large a tile may be, and how it shrinks where that was too large."""

from __future__ import annotations

import weakref
from collections.abc import Callable
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
    shrinking,
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


def fitting(largest_px: int, tried: list[int | None], whole_px: int = 512) -> Callable[[int | None], str]:
    """An attempt for which memory runs out on tiles, or a whole, of more than `largest_px`; notes what it is given."""

    def attempt(tile_px: int | None) -> str:
        tried.append(tile_px)
        if (tile_px or whole_px) > largest_px:
            raise RuntimeError("CUDA out of memory")
        return "done"

    return attempt


@pytest.mark.parametrize(
    ("largest_px", "tile_px", "expected"),
    [
        (512, None, [None]),
        (100, None, [None, None, 256, 256, 128, 128, 64]),  # each is tried once more
        (511, None, [None, None, 256]),
        (100, 200, [200, 200, 96]),  # a multiple of 16
        (64, 200, [200, 200, 96, 96, 64]),  # the smallest is not left out
        (400, 2000, [2000, 2000, 256]),  # a tile larger than the picture is no larger than the picture
    ],
)
def test_a_tile_is_halved_until_memory_is_enough(
    largest_px: int, tile_px: int | None, expected: list[int | None]
) -> None:
    tried: list[int | None] = []
    assert shrinking(fitting(largest_px, tried), (512, 300), tile_px) == ("done", expected[-1])
    assert tried == expected


def test_a_tile_is_not_halved_below_the_smallest() -> None:
    tried: list[int | None] = []
    with pytest.raises(RuntimeError, match="out of memory"):
        shrinking(fitting(SMALLEST_TILE_PX - 1, tried), (300, 512), None)
    assert tried == [px for tile in (None, 256, 128, SMALLEST_TILE_PX) for px in (tile, tile)]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()], ids=type)
def test_memory_that_runs_out_once_costs_no_smaller_tile(error: BaseException) -> None:
    errors = [error]

    def attempt(tile_px: int | None) -> int | None:
        if errors:
            raise errors.pop()
        return tile_px

    assert shrinking(attempt, (512, 300), 256) == (256, 256)


def test_an_error_of_another_kind_is_no_reason_to_try_again() -> None:
    tried: list[int | None] = []

    def attempt(tile_px: int | None) -> None:
        tried.append(tile_px)
        raise RuntimeError("expected scalar type Float")

    with pytest.raises(RuntimeError, match="expected scalar type"):
        shrinking(attempt, (512, 512), None)
    assert tried == [None]


def test_a_failed_attempt_holds_no_memory_while_the_next_is_made() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def attempt(tile_px: int | None) -> bool:
        large = torch.zeros(8)
        held.append(weakref.ref(large))
        if tile_px is None:
            raise RuntimeError("out of memory")
        return held[0]() is None

    assert shrinking(attempt, (512, 512), None) == (True, 256)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("anything"), True),
        (MemoryError(), True),
        (RuntimeError("OpenCV: error: (-4:Insufficient memory) Failed to allocate 3 bytes"), True),
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
