"""The time that is left."""

from __future__ import annotations

import pytest

from pipeline.display import RECENT, Eta
from tests.plans import record


def eta(cold: list[float], warm: list[float]) -> Eta:
    found = Eta()
    for start, times in (("cold", cold), ("warm", warm)):
        for seconds in times:
            found.add(record(start=start, seconds=seconds))
    return found


def test_cold_and_warm_frames_are_counted_apart() -> None:
    assert eta([10.0, 20.0], [1.0, 3.0]).seconds_left(frames=7, cold=2, workers=1) == 2 * 15 + 5 * 2


def test_workers_share_what_is_left() -> None:
    assert eta([12.0], []).seconds_left(frames=8, cold=8, workers=4) == 24


def test_a_kind_that_was_never_seen_is_not_guessed() -> None:
    assert eta([], []).seconds_left(frames=3, cold=1, workers=1) is None
    assert eta([10.0], []).seconds_left(frames=3, cold=1, workers=1) is None
    assert eta([], [1.0]).seconds_left(frames=3, cold=1, workers=1) is None


def test_a_kind_of_which_none_is_left_is_not_needed() -> None:
    assert eta([], [2.0]).seconds_left(frames=3, cold=0, workers=1) == 6
    assert eta([10.0], []).seconds_left(frames=3, cold=3, workers=1) == 30
    assert eta([], []).seconds_left(frames=0, cold=0, workers=1) == 0


def test_only_the_frames_finished_last_count() -> None:
    found = eta([], [100.0] * 7 + [2.0] * RECENT)
    assert found.seconds_left(frames=5, cold=0, workers=1) == pytest.approx(10)


def test_a_frame_that_is_left_as_it_is_takes_no_time() -> None:
    found = eta([], [2.0])
    found.add(record(start="skipped", seconds=0.01))
    assert found.seconds_left(frames=3, cold=0, workers=1) == 6
