"""Sizes by hand, and pictures that are never distorted."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.media.geometry import fit, output_size

from .clips import picture


@pytest.mark.parametrize(
    ("source", "size_px", "even", "expected"),
    [
        ((640, 272), 512, True, (512, 218)),
        ((640, 272), 512, False, (512, 218)),
        ((640, 271), 512, False, (512, 217)),  # 216.8
        ((640, 271), 512, True, (512, 216)),
        ((272, 640), 512, True, (218, 512)),
        ((177, 145), None, True, (176, 144)),  # downward at the middle: nothing is enlarged
        ((177, 145), None, False, (177, 145)),
        ((100, 50), 333, True, (332, 166)),
        ((2000, 3), 512, True, (512, 2)),
        ((2000, 1), 512, False, (512, 1)),
        ((1, 1), None, True, (2, 2)),
    ],
)
def test_the_longest_side_becomes_the_size(
    source: tuple[int, int], size_px: int | None, even: bool, expected: tuple[int, int]
) -> None:
    assert output_size(*source, size_px, even=even) == expected


def test_a_picture_of_the_right_size_comes_back_itself() -> None:
    rgb = picture(3)
    assert fit(rgb, (64, 48)) is rgb


def test_an_odd_size_is_cropped_without_touching_a_pixel() -> None:
    rgb = picture(3, 65, 49)
    np.testing.assert_array_equal(fit(rgb, (64, 48)), rgb[:48, :64])


def test_a_picture_is_scaled_by_one_factor_and_cropped_in_the_middle() -> None:
    wide = np.zeros((50, 120, 3), np.uint8)
    wide[:, 60:] = 200
    small = fit(wide, (40, 20))  # by 0.4; 48 px wide, 4 of them fall off at either side
    assert small.shape == (20, 40, 3) and small.flags.c_contiguous
    assert small[:, :17].max() <= 1 and small[:, 23:].min() >= 199


def test_a_circle_stays_round() -> None:
    y, x = np.mgrid[:150, :201]
    disk = np.repeat(
        (((x - 100) ** 2 + (y - 74.5) ** 2 < 60**2) * 255).astype(np.uint8)[..., None], 3, axis=-1
    )
    small = fit(disk, output_size(201, 150, 100, even=True))
    mask = small[..., 0] > 127
    assert abs(int(mask.any(axis=0).sum()) - int(mask.any(axis=1).sum())) <= 1


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, (16, 16))[:, 2:-2].astype(int) - 127).max() <= 3
