"""Cuts: where they are, and where something only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from pipeline.motion.cuts import find_cuts

from .pictures import Frame, window

RATE = Fraction(25)


def pan(name: str, frames: int, step: int = 1, width: int = 96) -> Iterator[Frame]:
    for index in range(frames):
        yield window(10 + step * index, 80, width, 64, name)


def three_shots(first: int, second: int, third: int) -> Iterator[Frame]:
    yield from pan("astronaut", first)
    yield from pan("coffee", second)
    yield from pan("chelsea", third)


@pytest.mark.parametrize("lengths", [(20, 20, 20), (17, 31, 22)])
def test_hard_cuts_are_found_at_the_first_frame_of_each_shot(lengths: tuple[int, int, int]) -> None:
    first, second, _ = lengths
    assert find_cuts(three_shots(*lengths), RATE) == (first, first + second)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(10), Fraction(1, 2)])
def test_cuts_are_counted_in_frames_whatever_the_rate(rate: Fraction) -> None:
    assert find_cuts(three_shots(20, 20, 20), rate) == (20, 40)


def test_a_fast_pan_is_no_cut() -> None:
    assert find_cuts(pan("astronaut", 40, step=10), RATE) == ()


def test_a_still_a_standing_shot_and_nothing_have_no_cuts() -> None:
    assert find_cuts(pan("astronaut", 1), RATE) == ()
    assert find_cuts(pan("astronaut", 30, step=0), RATE) == ()
    assert find_cuts([], RATE) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_frames_of_any_size_are_looked_at(size: tuple[int, int]) -> None:
    assert find_cuts(np.zeros((25, *size, 3), np.uint8), RATE) == ()
