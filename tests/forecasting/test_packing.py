"""How long tasks take workers who share them, against schedules made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.forecasting.packing import Task, enough_workers, makespan


@pytest.mark.parametrize(
    ("lengths", "workers", "expected"),
    [
        ([], 4, 0),
        ([6, 6, 6], 1, 18),
        ([6, 6, 6], 2, 12),  # one of two has nothing to do half of the time
        ([6, 6, 6, 6, 6], 4, 12),
        ([10, 6, 6, 6], 3, 12),
        ([10, 6, 6, 6], 4, 10),
        ([6, 6, 6, 10], 2, 16),  # the longest is begun first
        ([3, 2, 2], 64, 3),
    ],
)
def test_a_task_is_done_by_one_worker(lengths: Sequence[float], workers: int, expected: float) -> None:
    assert makespan([Task(length) for length in lengths], workers, workers) == pytest.approx(expected)


def test_a_task_begins_after_those_that_it_needs() -> None:
    chain = [Task(4), Task(3), Task(2, (0, 1)), Task(1, (2,))]
    assert makespan(chain, 2, 2) == pytest.approx(4 + 2 + 1)
    assert makespan(chain, 1, 1) == pytest.approx(10)


def test_what_has_most_behind_it_is_begun_first() -> None:
    tasks = [Task(5), Task(1), Task(1), Task(8, (1, 2))]
    assert makespan(tasks, 2, 2) == pytest.approx(1 + 8)


def test_photographs_fill_what_segments_leave_and_are_begun_after_them() -> None:
    tasks = [Task(9, is_last=True), Task(4), Task(4), Task(4)]
    assert makespan(tasks, 2, 2) == pytest.approx(4 + 9)


def test_workers_that_share_a_device_are_no_faster_than_it_and_one_of_them_alone_has_it_all() -> None:
    assert makespan([Task(6), Task(6)], 2, 1) == pytest.approx(12)
    assert makespan([Task(6), Task(2)], 2, 1) == pytest.approx(8)
    assert makespan([Task(6)] * 4, 4, 2) == pytest.approx(12)
    assert makespan([Task(6), Task(2)], 2, 1.5) == pytest.approx(2 / 0.75 + 4)


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], 0),
        ([Task(0)], 0),
        ([Task(5)], 1),
        ([Task(10), Task(6), Task(6), Task(6)], 4),  # of three, one would have two of the short ones
        ([Task(10), Task(5), Task(5), Task(5)], 3),
        ([Task(5), Task(5, (0,)), Task(5)], 2),
        ([Task(1)] * 300, 300),
    ],
)
def test_from_so_many_workers_on_more_are_no_faster(tasks: Sequence[Task], expected: int) -> None:
    assert enough_workers(tasks) == expected


def test_a_film_of_many_shots_is_packed_in_no_time() -> None:
    tasks = [Task(1 + place % 7, (place - 1,) if place % 3 else ()) for place in range(20_000)]
    assert makespan(tasks, 64, 64) == pytest.approx(sum(task.length for task in tasks) / 64, rel=0.01)
