"""Values over time: checked by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pipeline.shots.timeline import Track

TRACK = Track((Fraction(2), Fraction(4), Fraction(8)), ((0.0,), (10.0,), (0.0,)))


@pytest.mark.parametrize(
    ("time_s", "value"), [(0, 0), (2, 0), (3, 5), (4, 10), (5, 7.5), (7, 2.5), (8, 0), (99, 0)]
)
def test_a_track_is_straight_between_its_keys_and_constant_around_them(time_s: int, value: float) -> None:
    assert TRACK.at(Fraction(time_s)) == (value,)


def test_a_single_key_holds_for_ever() -> None:
    assert Track((Fraction(5),), ((3.0, 4.0),)).at(Fraction(0)) == (3.0, 4.0)


@pytest.mark.parametrize(
    ("span", "times"),
    [((0, 1), [2]), ((0, 2), [2]), ((2, 3), [2, 4]), ((3, 3), [2, 4]), ((5, 6), [4, 8]), ((3, 5), [2, 4, 8]),
     ((4, 4), [4]), ((9, 12), [8]), ((0, 12), [2, 4, 8])],
)  # fmt: skip
def test_of_a_track_only_the_keys_around_a_span_are_needed(span: tuple[int, int], times: list[int]) -> None:
    first_s, last_s = map(Fraction, span)
    found = TRACK.around(first_s, last_s)
    assert list(found.times_s) == times
    for step in range(9):
        time_s = first_s + (last_s - first_s) * step / 8
        assert found.at(time_s) == TRACK.at(time_s)


def test_within_a_span_nothing_beyond_it_is_told() -> None:
    moved = Track((*TRACK.times_s[:2], Fraction(100)), TRACK.values)
    assert TRACK.within(Fraction(0), Fraction(3)) == [(0, (0.0,)), (2, (0.0,)), (3, (5.0,))]
    assert moved.within(Fraction(0), Fraction(4)) == TRACK.within(Fraction(0), Fraction(4))
    assert moved.within(Fraction(0), Fraction(5)) != TRACK.within(Fraction(0), Fraction(5))


def test_columns_are_selected_in_the_order_asked_for() -> None:
    assert Track((Fraction(0),), ((1.0, 2.0, 3.0),)).select([2, 0]).values == ((3.0, 1.0),)
