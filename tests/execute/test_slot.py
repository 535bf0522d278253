"""What is known of one worker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.execute.slot import MEASURED, Slot
from tests.execute.test_dispatch import FakeCrew, todo
from tests.plans import record


def slot_of(crew: FakeCrew) -> Slot:
    hand = crew.hire()
    return Slot(hand, None, 0.0, 0.0)


def test_a_segment_is_opened_once_and_counts_its_frames_from_there() -> None:
    crew = FakeCrew(1.0)
    slot, first, other = slot_of(crew), todo("a 0", 3), todo("b 0", 3)
    slot.assign(first, 7.0)
    slot.frames = 1
    slot.assign(first, 9.0)
    assert (slot.todo, slot.frames, slot.heard_s) == (first, 1, 9.0)
    assert crew.hired[0].opened == [0]
    slot.assign(other, 9.0)
    assert (slot.frames, crew.hired[0].opened) == (0, [0, 0])


def test_the_speed_is_a_moving_mean_of_frames_with_iterations_enough() -> None:
    slot = slot_of(FakeCrew(1.0))
    frame = replace(record(0), iterations=MEASURED, megapixel_iterations=6.0, seconds=2.0)
    slot.measure(replace(frame, iterations=MEASURED - 1))
    assert slot.speed is None
    slot.measure(frame)
    assert slot.speed == 3.0
    slot.measure(replace(frame, seconds=0.75))
    assert slot.speed == pytest.approx(0.8 * 3 + 0.2 * 8)


def test_a_worker_without_pictures_in_work_is_not_waited_for() -> None:
    slot = slot_of(FakeCrew(1.0))
    slot.assign(todo("a 0", 3), 0.0)
    assert not slot.waits_for_writing()


def test_a_worker_comes_forward_when_its_answer_differs() -> None:
    crew = FakeCrew(1.0)
    slot = slot_of(crew)
    slot.assign(todo("a 0", 3), 0.0)
    for at_s, iteration, heard_s in ((1.0, 0, 1.0), (2.0, 0, 1.0), (3.0, 5, 3.0)):
        crew.clock_s, crew.steps = at_s, lambda _, step=iteration: step
        slot.asked = None
        slot.state(crew)  # asks
        state = slot.state(crew)
        assert slot.heard_s == heard_s
    assert state.progress is not None and state.progress.iteration == 5
