"""Optical flow: of pictures whose motion is known, and of pictures of any size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.motion import flow
from pipeline.motion.flow import Motion, estimate_motion, is_consistent, sample, warp
from pipeline.motion.warm import unit

from .pictures import moving_square, window

INTERIOR = (slice(16, -16), slice(16, -16))


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="module")
def shifted() -> Motion:
    """The picture moves 3 px to the right and 2 px up."""
    return estimate_motion(window(200, 100), window(197, 102))


def constant(x: float, y: float, size: tuple[int, int] = (20, 30)) -> np.ndarray:
    return np.full((*size, 2), (x, y), np.float32)


def test_a_shift_is_found_to_half_a_pixel(shifted: Motion) -> None:
    found = np.median(shifted.flow[INTERIOR].reshape(-1, 2), axis=0)
    assert found == pytest.approx([-3, 2], abs=0.5)


def test_a_shifted_picture_is_carried_back(shifted: Motion) -> None:
    before, now = unit(window(200, 100)), unit(window(197, 102))
    carried = warp(before, shifted.flow)
    left = np.square(carried - now)[INTERIOR].mean()
    assert left < np.square(before - now)[INTERIOR].mean() / 20


def test_most_of_a_shifted_picture_is_reliable(shifted: Motion) -> None:
    assert shifted.reliable[INTERIOR].mean() > 0.9


def test_what_comes_in_from_outside_is_not_reliable() -> None:
    motion = estimate_motion(window(200, 100), window(190, 100))  # the left 10 columns are new
    assert motion.reliable[:, :8].mean() < 0.2
    assert motion.reliable[INTERIOR].mean() > 0.8


def test_what_a_moving_square_uncovers_is_not_reliable() -> None:
    motion = estimate_motion(moving_square(20), moving_square(32))
    uncovered = motion.reliable[30:50, 21:31]  # of the background, behind it
    assert uncovered.mean() < 0.4
    assert motion.reliable[30:50, 36:56].mean() > 0.9  # the square itself
    assert motion.reliable[:, 75:].mean() > 0.9


def test_equal_frames_do_not_move() -> None:
    motion = estimate_motion(window(200, 100), window(200, 100))
    assert np.abs(motion.flow).max() < 0.05
    assert motion.reliable.all()


def test_a_way_back_and_forth_that_meets_is_consistent_but_outside_the_picture() -> None:
    reliable = is_consistent(constant(-8, 0), constant(8, 0))
    assert not reliable[:, :8].any()
    assert reliable[:, 8:].all()
    reliable = is_consistent(constant(0, 5), constant(0, -5))
    assert reliable[:-5].all()
    assert not reliable[-5:].any()


@pytest.mark.parametrize(("gap", "reliable"), [(0.0, True), (0.6, True), (0.8, False), (-3.0, False)])
def test_a_gap_between_back_and_forth_of_more_than_ruders_threshold_is_not_reliable(
    gap: float, reliable: bool
) -> None:
    # backward 2, forward −2 + gap: uncovered where gap² > 0.01 (4 + (gap − 2)²) + 0.5
    found = is_consistent(constant(2, 0), constant(-2 + gap, 0))
    assert bool(found[:, :28].all()) is reliable
    assert bool(found[:, :28].any()) is reliable


def test_warping_reads_where_the_flow_points_to() -> None:
    image = unit(window(200, 100))
    assert np.array_equal(warp(image, constant(0, 0, (80, 96))), image)
    carried = warp(image, constant(-5, 3, (80, 96)))
    assert np.allclose(carried[:-3, 5:], image[3:, :-5], atol=1e-6)
    assert np.allclose(carried[:77, 0], image[3:, 0], atol=1e-6)  # beyond the border, the border's value


def test_warping_stays_a_picture() -> None:
    stripes = np.zeros((16, 16, 3), np.float32)
    stripes[:, ::3] = 1  # Lanczos swings over at edges
    carried = warp(stripes, constant(0.5, 0.5, (16, 16)))
    assert carried.min() >= 0
    assert carried.max() <= 1


def test_sampling_between_two_values_gives_their_mean() -> None:
    field = np.arange(12, dtype=np.float32).reshape(1, 12, 1).repeat(3, 0).repeat(2, 2)
    assert np.allclose(sample(field, constant(0.5, 0, (3, 12)))[:, :-1], field[:, :-1] + 0.5)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_motion_has_the_same_bits_for_any_number_of_threads(threads: int) -> None:
    frames = window(100, 60, 160, 120), window(95, 64, 160, 120)
    cv2.setNumThreads(1)
    alone = estimate_motion(*frames)
    cv2.setNumThreads(threads)
    motion = estimate_motion(*frames)
    assert np.array_equal(motion.flow, alone.flow)
    assert np.array_equal(motion.reliable, alone.reliable)


def test_the_flow_is_found_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    original = flow.dis

    def noted(*frames: Any) -> Any:
        threads.append(cv2.getNumThreads())
        return original(*frames)

    monkeypatch.setattr(flow, "dis", noted)
    cv2.setNumThreads(4)
    estimate_motion(window(0, 0), window(1, 0))
    assert threads == [1, 1]


SIZES = """
1x1 1x2 2x1 2x3 7x7 8x8 9x8 1x50 50x1 4x200 200x4 5x250 31x33 33x31 32x161 161x32 97x64 13x400 160x64 320x33 640x13
"""

EVERY_SIZE = """
import sys
import numpy as np
from pipeline.motion.flow import estimate_motion
for size in sys.argv[1:]:
    height, width = map(int, size.split("x"))
    noise = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    motion = estimate_motion(*noise)
    assert motion.flow.shape == (height, width, 2), size
    assert motion.reliable.shape == (height, width), size
    assert np.isfinite(motion.flow).all(), size
"""


def test_frames_of_any_size_do_not_crash() -> None:
    """In a process of its own, since DIS crashes it where it reads beyond the picture."""
    done = subprocess.run(
        [sys.executable, "-c", EVERY_SIZE, *SIZES.split()], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_noise_before_a_camera_that_stands_still_moves_nothing() -> None:
    before = window(200, 100)
    grain = np.random.default_rng(0).normal(0, 3, before.shape)
    now = np.clip(before + grain, 0, 255).astype(np.uint8)
    assert np.abs(flow.dis(now, before)).max() > 0.02, "DIS finds nothing, so this shows nothing"
    assert np.abs(estimate_motion(before, now).flow).max() == 0


def test_what_moves_before_a_camera_that_stands_still_goes_on_moving() -> None:
    motion = estimate_motion(moving_square(30), moving_square(33))
    assert np.median(motion.flow[32:48, 40:50, 0]) == pytest.approx(-3, abs=0.5)


def test_the_flow_may_come_from_elsewhere() -> None:
    motion = estimate_motion(
        window(0, 0), window(0, 0), lambda start, end: constant(0.75, 0, start.shape[:2])
    )
    assert np.allclose(motion.flow, [0.75, 0])
    assert not motion.reliable.all()
