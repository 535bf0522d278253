"""What a frame is painted with: a function of its time alone, and told as short as it can be."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Keyframe, StyleImage, Transfer
from pipeline.direction import Direction, Moment, direct

A, B = (StyleImage(image=Path(f"/{name}.png")) for name in "ab")
OWN = (StyleImage(image=Path("/own.png")),)


def key(at: float, **changes: Any) -> Keyframe:
    return Keyframe(at=at, **changes)


def led(*keyframes: Keyframe) -> Direction:
    return direct(OWN, Transfer(), keyframes)


def test_without_keyframes_a_direction_is_the_jobs_own() -> None:
    assert led() == Direction(OWN, Transfer())
    assert led().at(Fraction(3)) == Moment((1.0,), 1000.0)


def test_between_two_keyframes_the_styles_are_blended_by_time() -> None:
    found = led(key(0, style=(A,)), key(4, style=(B,)))
    assert found.styles == (A, B)
    assert [found.at(Fraction(t)).shares for t in (0, 1, 4, 9)] == [(1, 0), (0.75, 0.25), (0, 1), (0, 1)]


def test_looks_count_alike_whatever_their_weights_add_up_to() -> None:
    heavy = tuple(one.model_copy(update={"weight": weight}) for one, weight in ((A, 30.0), (B, 10.0)))
    found = led(key(0, style=heavy), key(2, style=(A,)))
    assert [found.at(Fraction(t)).shares for t in (0, 1, 2)] == [(0.75, 0.25), (0.875, 0.125), (1, 0)]


def test_a_keyframe_says_nothing_of_what_it_leaves_out() -> None:
    found = led(
        key(0, style=(A,)), key(2, style_weight=100.0), key(4, style=(B,)), key(6, style_weight=300.0)
    )
    assert found.at(Fraction(2)) == Moment((0.5, 0.5), 100.0)
    assert found.at(Fraction(5)) == Moment((0.0, 1.0), 250.0)


def test_what_does_not_change_in_a_span_is_told_as_constant() -> None:
    found = led(key(1, style=(A,)), key(2, style=(B,)), key(3, style_weight=7.0))
    before, after = found.between(Fraction(0), Fraction(1)), found.between(Fraction(2), Fraction(9))
    assert before == Direction((A,), Transfer(style_weight=7.0))
    assert after == Direction((B,), Transfer(style_weight=7.0))
    assert found.between(Fraction(1), Fraction(2)).shares is not None


def test_a_style_that_is_not_seen_in_a_span_is_left_out_of_it() -> None:
    c = StyleImage(image=Path("/c.png"))
    found = led(key(0, style=(A,)), key(2, style=(B,)), key(4, style=(c,)))
    assert found.between(Fraction(0), Fraction(1)).styles == (A, B)
    assert found.between(Fraction(3), Fraction(9)).styles == (B, c)


@pytest.mark.parametrize("span", [(0, 1), (1, 3), (3, 8), (0, 8), (5, 5)])
def test_a_part_of_a_direction_says_the_same_to_the_bit(span: tuple[int, int]) -> None:
    whole = led(key(1, style=(A,), style_weight=100.0), key(3.7, style=(B,)), key(7, style_weight=3.3))
    part = whole.between(*map(Fraction, span))
    for step in range(8):
        time_s = span[0] + Fraction(span[1] - span[0]) * step / 7
        seen = dict(zip(whole.styles, whole.at(time_s).shares, strict=True))
        assert part.at(time_s).style_weight == whole.at(time_s).style_weight
        shares = zip(part.styles, part.at(time_s).shares, strict=True)
        assert all(share == seen[style.model_copy(update={"weight": 1.0})] for style, share in shares)


def test_a_direction_pickles() -> None:
    found = led(key(0, style=(A,)), key(4, style=(B,)))
    assert pickle.loads(pickle.dumps(found)) == found
