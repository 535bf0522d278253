"""What is measured of a film: numbers that can be checked in the head."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.motion.measures import drift, look_of, seam_score

RED = np.full((8, 10, 3), (255, 0, 0), np.uint8)


def test_an_even_red_has_its_luma_full_saturation_and_no_sharpness() -> None:
    look = look_of(RED)
    assert look.brightness == pytest.approx(0.299, abs=1e-6)
    assert look.saturation == 1
    assert look.sharpness == 0


def test_gray_has_no_saturation() -> None:
    assert look_of(np.full((4, 4, 3), 51, np.uint8)).saturation == 0


def test_stripes_of_one_pixel_are_as_sharp_as_can_be_across_them() -> None:
    stripes = np.zeros((6, 8, 3), np.uint8)
    stripes[:, ::2] = 255
    assert look_of(np.tile(stripes, (1, 50, 1))).sharpness == pytest.approx(2, abs=0.02)  # 1 + 1 − 2·0, or −2


def test_drift_is_the_farthest_departure() -> None:
    assert drift([2.0, 2.1, 1.6], 2.0) == 0.2
    assert drift([], 2.0) == 0


def test_a_seam_that_jumps_is_told_by_its_ratio() -> None:
    errors = {0: None, 1: 1.0, 2: 1.0, 3: 4.0, 4: 1.0}
    assert seam_score(errors, [3]) == 4
    assert seam_score(errors, []) is None
    assert seam_score({0: None, 1: 0.0, 2: 0.0}, [1]) is None
