"""Sizes from coarse to fine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.style.scales import COARSEST_PX, resize, schedule, shape_at, shape_of
from tests.photos import photo


@pytest.mark.parametrize(
    ("longest_px", "scales", "expected"),
    [
        (512, "auto", (256, 512)),
        (1024, "auto", (256, 512, 1024)),
        (2 * COARSEST_PX, "auto", (COARSEST_PX, 2 * COARSEST_PX)),
        (2 * COARSEST_PX - 1, "auto", (2 * COARSEST_PX - 1,)),
        (64, "auto", (64,)),
        (1, "auto", (1,)),
        (512, 1, (512,)),
        (512, [128, 300, 512], (128, 300, 512)),
        (200, (128, 300, 512), (128, 200)),  # a source smaller than transfer.size
        (100, [128], (100,)),
        (512, [], (512,)),
    ],
)
def test_the_sizes_grow_to_the_final_one(longest_px: int, scales: Any, expected: tuple[int, ...]) -> None:
    assert schedule(longest_px, scales) == expected


def test_auto_halves_no_further_than_vgg_sees_structure() -> None:
    for longest_px in range(1, 3000, 7):
        sizes = schedule(longest_px, "auto")
        assert sizes[-1] == longest_px
        assert sizes[0] < 2 * COARSEST_PX
        assert all(size >= COARSEST_PX for size in sizes[:-1])


@pytest.mark.parametrize(
    ("shape", "longest_px", "expected"),
    [
        ((480, 640), 320, (240, 320)),
        ((640, 480), 320, (320, 240)),
        ((3, 900), 30, (1, 30)),  # never below 1
        ((10, 10), 25, (25, 25)),
    ],
)
def test_the_longest_side_becomes_the_size(
    shape: tuple[int, int], longest_px: int, expected: tuple[int, int]
) -> None:
    assert shape_at(torch.zeros(1, 3, *shape), longest_px) == expected


def test_resizing_stays_a_picture() -> None:
    stripes = torch.zeros(1, 3, 16, 16)
    stripes[..., ::4] = 1  # bicubic swings over at edges
    for shape in ((7, 9), (33, 40)):
        resized = resize(stripes, shape)
        assert shape_of(resized) == shape
        assert resized.min() >= 0
        assert resized.max() <= 1


def test_resizing_keeps_the_mean_and_a_picture_of_the_right_size() -> None:
    picture = photo("coffee", 64)
    assert resize(picture, shape_of(picture)) is picture
    assert torch.allclose(resize(picture, (21, 32)).mean((2, 3)), picture.mean((2, 3)), atol=0.01)
