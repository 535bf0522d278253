"""Cuts: where they are, and where something only looks like one."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from pipeline.motion import cuts as cuts_module
from pipeline.motion.cuts import find_cuts

from .films import (
    BIKES_CUTS,
    Film,
    clip,
    cross_fade,
    darkened,
    flashed,
    footage,
    pan,
    passed_by,
    shaken,
    through_black,
)
from .pictures import Frame, window

RATE = Fraction(25)


def moving(name: str, frames: int, step: int = 1, width: int = 96) -> Iterator[Frame]:
    for index in range(frames):
        yield window(10 + step * index, 80, width, 64, name)


def three_shots(first: int, second: int, third: int) -> Iterator[Frame]:
    yield from moving("astronaut", first)
    yield from moving("coffee", second)
    yield from moving("chelsea", third)


@pytest.mark.parametrize("lengths", [(20, 20, 20), (17, 31, 22)])
def test_hard_cuts_are_found_at_the_first_frame_of_each_shot(lengths: tuple[int, int, int]) -> None:
    first, second, _ = lengths
    assert find_cuts(three_shots(*lengths), RATE) == (first, first + second)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(10), Fraction(1, 2)])
def test_cuts_are_counted_in_frames_whatever_the_rate(rate: Fraction) -> None:
    assert find_cuts(three_shots(20, 20, 20), rate) == (20, 40)


def test_a_fast_pan_is_no_cut() -> None:
    assert find_cuts(moving("astronaut", 40, step=10), RATE) == ()


def test_a_still_a_standing_shot_and_nothing_have_no_cuts() -> None:
    assert find_cuts(moving("astronaut", 1), RATE) == ()
    assert find_cuts(moving("astronaut", 30, step=0), RATE) == ()
    assert find_cuts([], RATE) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2)])
def test_frames_of_any_size_are_looked_at(size: tuple[int, int]) -> None:
    assert find_cuts(np.zeros((25, *size, 3), np.uint8), RATE) == ()


# --- real footage ---

NIGHT = 0.12


def joined(*films: Film) -> tuple[Film, tuple[int, ...]]:
    """Films one after the other, and where each but the first begins."""
    lengths = np.cumsum([len(film) for film in films])
    return [frame for film in films for frame in film], tuple(int(length) for length in lengths[:-1])


MATERIALS = {
    "footage": (clip("bikes", 31, 60), clip("bunny", 0, 25), clip("phone", 10, 40), clip("bikes", 140, 170)),
    "photographs": (pan("astronaut", 20), pan("coffee", 20, zoom=1.02), pan("chelsea", 20), pan("rocket", 15)),
    "mixed": (clip("bunny", 40, 60), pan("coffee", 15), clip("phone", 0, 20), pan("astronaut", 25, 6)),
    "night": tuple(darkened(f, NIGHT) for f in (clip("bikes", 31, 55), clip("bunny", 0, 20), clip("phone", 0, 20))),
    "day and night": (clip("bunny", 0, 20), darkened(clip("phone", 0, 20), NIGHT), clip("bikes", 190, 210)),
    "shaken": tuple(shaken(f, 5) for f in (clip("bikes", 31, 55), clip("bunny", 0, 20), pan("coffee", 20))),
    "black between": (clip("bunny", 0, 20), [np.zeros_like(footage("bunny")[0])] * 12, clip("phone", 0, 20)),
    "into and out of a fast pan": (clip("bunny", 0, 20), pan("coffee", 16, 22), clip("phone", 0, 20)),
}  # fmt: skip


@pytest.mark.parametrize("name", MATERIALS)
def test_every_hard_cut_is_found_at_its_frame_and_nothing_else(name: str) -> None:
    film, cuts = joined(*MATERIALS[name])
    assert find_cuts(film, RATE) == cuts


@pytest.mark.parametrize(("name", "cuts"), [("bikes", BIKES_CUTS), ("bunny", ()), ("phone", ())])
def test_the_cuts_of_real_clips_are_those_that_are_seen(name: str, cuts: tuple[int, ...]) -> None:
    assert find_cuts(footage(name), RATE) == cuts


NO_CUTS = {
    "a cross-fade": joined(clip("bunny", 0, 20), cross_fade(clip("bunny", 20, 36), clip("phone", 0, 16)),
                           clip("phone", 16, 40))[0],
    "a short cross-fade": joined(clip("bunny", 0, 20), cross_fade(clip("bunny", 20, 28), clip("phone", 0, 8)),
                                 clip("phone", 8, 40))[0],
    "a fade to black and back": through_black(clip("bunny", 0, 60), 12, 12),
    "a quick fade to black and back": through_black(clip("bikes", 138, 186), 6, 6),
    "a fade from black": through_black(clip("phone", 0, 60), 1000, 15)[30:],
    "a flash": flashed(clip("bunny", 0, 50), 25),
    "a long flash": flashed(clip("phone", 0, 50), 25, 3),
    "two flashes": flashed(flashed(clip("bunny", 0, 50), 20, 2), 30),
    "a fast pan": pan("coffee", 18, 20),
    "a whip pan": joined(pan("astronaut", 12, 1), pan("astronaut", 8, 30, 12), pan("astronaut", 12, 1, 252))[0],
    "a zoom": pan("chelsea", 20, 0, zoom=1.04),
    "a shaken camera": shaken(clip("bunny", 0, 60), 8),
    "a hand-held night": shaken(darkened(clip("phone", 0, 50), NIGHT), 4),
    "a noisy night": darkened(clip("bunny", 0, 60), 0.03),
    "something passing close by": passed_by(clip("bunny", 0, 40), 40),
    "something rushing by": passed_by(clip("bunny", 0, 40), 6),
    "a light switched on": joined(darkened(clip("bunny", 0, 25), 0.4), clip("bunny", 25, 50))[0],
    "a taxi passing close by": clip("bikes", 76, 137),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_CUTS)
def test_what_only_looks_like_a_cut_is_none(name: str) -> None:
    assert find_cuts(NO_CUTS[name], RATE) == ()


def test_on_a_film_with_cuts_and_fades_the_cuts_are_found_and_nothing_else() -> None:
    film, cuts = joined(
        clip("bikes", 31, 60),
        [
            *clip("bunny", 0, 20),
            *cross_fade(clip("bunny", 20, 32), clip("phone", 0, 12)),
            *clip("phone", 12, 40),
        ],
        through_black(clip("bikes", 138, 184), 10, 10),
        flashed(clip("bunny", 60, 100), 20),
        pan("coffee", 18, 20),
    )
    assert find_cuts(film, RATE) == cuts
    assert find_cuts(film, Fraction(50)) == cuts


@pytest.mark.parametrize(("length", "is_shot"), [(8, True), (5, True), (3, False), (1, False)])
def test_a_shot_has_at_least_a_fifth_of_a_second(length: int, is_shot: bool) -> None:
    film, (start, end) = joined(clip("bunny", 0, 25), clip("phone", 0, length), clip("bikes", 31, 55))
    assert find_cuts(film, RATE) == ((start, end) if is_shot else (end,))


def test_a_few_frames_of_something_else_are_no_shots() -> None:
    film, _ = joined(clip("bunny", 0, 25), clip("phone", 0, 3), clip("bunny", 25, 50))
    assert find_cuts(film, RATE) == ()


def test_frames_are_forgotten_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    reduce, seen, most = cuts_module._reduced, [], 0

    def noted(frame: Frame) -> Frame:
        nonlocal most
        reduced = reduce(frame).copy()
        seen.append(weakref.ref(reduced))
        most = max(most, sum(one() is not None for one in seen))
        return reduced

    monkeypatch.setattr(cuts_module, "_reduced", noted)
    film, cuts = joined(clip("bunny", 0, 40), clip("phone", 0, 40), clip("bikes", 140, 180))
    assert find_cuts(film, RATE) == cuts
    assert most < 40
