"""Warm starts, and how steady the result is."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.motion.flow import Motion, estimate_motion
from pipeline.motion.measures import warping_error
from pipeline.motion.warm import carry, level, mix, uncovered, unit, warm_start

from .pictures import Frame, window

SHAPE = (80, 96)


def still(reliable: bool = True) -> Motion:
    return Motion(np.zeros((*SHAPE, 2), np.float32), np.full(SHAPE, reliable))


def painted(frame: Frame) -> Frame:
    """A painting of a frame that is easy to tell: everything a bit red."""
    return (frame * 0.7 + np.array([70, 0, 10])).astype(np.uint8)


def noise(seed: int) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


def test_without_motion_a_frame_starts_from_the_painting_before_it() -> None:
    before = window(200, 100)
    start = warm_start(painted(before), before, before, still())
    assert np.array_equal(start, unit(painted(before)))


def test_the_painting_is_carried_along() -> None:
    before, now = window(200, 100), window(197, 102)
    start = warm_start(painted(before), before, now, estimate_motion(before, now))
    expected = unit(painted(now))
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(start - expected)[inner].mean() < 0.02
    assert np.abs(unit(painted(before)) - expected)[inner].mean() > 0.04


def test_what_is_not_reliable_is_filled_with_the_content_in_the_paintings_tint() -> None:
    before = np.full((*SHAPE, 3), 100, np.uint8)
    redder = before + np.array([50, 0, 0], np.uint8)
    content = np.full((*SHAPE, 3), 120, np.uint8)
    motion = still()
    motion.reliable[:, :10] = False
    start = warm_start(redder, before, content, motion)
    assert np.allclose(start[:, :10] * 255, [170, 120, 120], atol=0.01)
    assert np.allclose(start[:, 10:] * 255, [150, 100, 100], atol=0.01)


def test_a_warm_start_is_a_picture() -> None:
    start = warm_start(noise(1), noise(2), noise(3), Motion(still().flow + 0.5, noise(4)[..., 0] > 127))
    assert start.shape == (*SHAPE, 3)
    assert start.dtype == np.float32
    assert start.min() >= 0
    assert start.max() <= 1


def test_a_painting_that_is_carried_along_perfectly_has_hardly_any_warping_error() -> None:
    before, now = window(200, 100), window(197, 102)
    motion = estimate_motion(before, now)
    carried = warping_error(painted(now), painted(before), motion)
    unrelated = warping_error(noise(1), noise(2), motion)
    assert carried is not None and unrelated is not None
    assert carried < 0.002
    assert unrelated > 0.1
    assert warping_error(noise(1), noise(1), still()) == 0


def test_the_warping_error_is_the_mean_square_over_what_is_reliable() -> None:
    black, gray = np.zeros((*SHAPE, 3), np.uint8), np.full((*SHAPE, 3), 51, np.uint8)
    gray[:, :40] = 255
    motion = still()
    motion.reliable[:, :40] = False
    assert warping_error(gray, black, motion) == pytest.approx(0.2**2)


def test_there_is_no_warping_error_where_nothing_is_reliable() -> None:
    assert warping_error(noise(1), noise(2), still(reliable=False)) is None


def test_a_frame_in_units_is_between_0_and_1() -> None:
    assert unit(np.array([[[0, 51, 255]]], np.uint8)).tolist() == pytest.approx(
        np.array([[[0, 0.2, 1]]]), abs=1e-6
    )


def half_hidden(left: bool) -> Motion:
    """No motion, and one half that cannot be relied on."""
    motion = still()
    motion.reliable[:, slice(0, 48) if left else slice(48, None)] = False
    return motion


def test_where_a_nearer_painting_speaks_a_farther_one_is_silent() -> None:
    near, far = carry([(noise(1), half_hidden(left=True)), (noise(2), still())])
    assert far.confidence[:, :44].min() > 0.99
    assert far.confidence[:, 52:].max() < 0.01
    assert np.allclose(near.confidence + far.confidence, 1, atol=1e-6)


def test_a_third_painting_says_what_the_two_before_it_do_not() -> None:
    paintings = [(noise(i), half_hidden(left)) for i, left in enumerate((True, False, True))]
    assert carry(paintings)[2].confidence.max() < 0.01


def test_the_edge_of_a_motion_is_not_sure() -> None:
    motion = still()
    motion.flow[:, 48:] = 5
    assert motion.confidence[:, 47:49].max() < 0.3
    assert motion.confidence[:, :40].min() > 0.99


def test_what_is_uncovered_is_asked_for_anew_and_a_few_pixels_are_not() -> None:
    fresh = uncovered(half_hidden(left=True))
    assert fresh is not None
    assert fresh[:, :40].min() > 0.99
    assert fresh[:, 56:].max() < 0.01
    speck = still()
    speck.reliable[3, 3] = False
    assert uncovered(speck) is None


def test_a_blend_goes_from_all_to_nothing_without_a_step() -> None:
    places = np.linspace(0, 1, 101)
    levels = [level(float(place)) for place in places]
    assert (levels[0], levels[-1]) == (1, 0)
    assert max(np.abs(np.diff(levels))) < 0.015
    assert all(np.diff(levels) < 0)


def test_a_draft_is_drawn_to_its_neighbor_where_that_is_sure() -> None:
    black, white = np.zeros((*SHAPE, 3), np.uint8), np.full((*SHAPE, 3), 255, np.uint8)
    (carried,) = carry([(white, half_hidden(left=True))])
    mixed = mix(black, carried, 0.25)
    assert np.allclose(mixed[:, 56:], 0.25, atol=0.01)
    assert np.allclose(mixed[:, :40], 0, atol=0.01)
