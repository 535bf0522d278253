"""Films on workers that are not there, see scripts/simulate.py: whether work follows them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from simulate import Job, capacity_s, job_of, simulate
from simulation import NEVER, SET_UP_S, Capacity, Crew, Measured, Pace, Rhythm, chain_s

from pipeline.execute.dispatch import Dispatcher
from pipeline.execute.events import FrameFinished
from pipeline.execute.queue import Queue

PACE = Pace(Measured(((300, (20, 30, 40)), (250, (10, 12)))), 2.0)
SHOTS = Rhythm("of today", 4.0, 0.944)


def efficiency(
    job: Job, capacity: Capacity, speeds: Sequence[float] = (1.0,), lifetime_s: float = NEVER
) -> float:
    total_s, _ = chain_s(job.todos(), PACE)
    took_s = simulate(job, Crew(PACE, capacity, speeds, lifetime_s)) - SET_UP_S
    return total_s / capacity_s(capacity, speeds, took_s)


def test_a_film_has_exactly_its_frames_whatever_its_rhythm() -> None:
    for rhythm in (SHOTS, Rhythm("one shot", 100.0, None)):
        assert sum(rhythm.shots(1000)) == 1000


def test_sixteen_workers_are_sixteen_times_as_fast() -> None:
    job = job_of(SHOTS.shots(5000), 5000)
    assert efficiency(job, ((0, 16),)) > 0.93
    assert efficiency(job, ((0, 16),), (1.0, 0.5)) > 0.91
    assert efficiency(job, ((0, 8), (400, 16))) > 0.91


def test_whoever_dies_and_leaves_every_frame_is_finished_once() -> None:
    job = job_of(SHOTS.shots(2000), 2000)
    done: list[tuple[str, int]] = []
    crew = Crew(PACE, ((0, 8), (200, 4), (400, 8)), lifetime_s=400.0)
    for event in Dispatcher(crew, arrived=lambda _: True).stylize(Queue(job.todos()), lambda: False):
        if isinstance(event, FrameFinished):
            done.append((event.job.name, event.record.frame))
    assert sorted(done) == sorted((t.job.name, index) for t in job.todos() for index in t.missing)
    assert crew.lost > 4


def test_the_longest_chain_comes_first_wherever_it_is_in_the_film() -> None:
    job = job_of([100] * 20 + [1200], 3200, segment_frames=None)
    total_s, longest_s = chain_s(job.todos(), PACE)
    crew = Crew(PACE, ((0, 4),))
    assert simulate(job, crew) < 1.1 * max(longest_s, total_s / 4) + SET_UP_S
    in_order = [replace(todo, work=0.0) for todo in job.todos()]
    blind = Crew(PACE, ((0, 4),))
    list(Dispatcher(blind, arrived=lambda _: True).stylize(Queue(in_order), lambda: False))
    assert blind.now_s() > 1.2 * crew.now_s()


@pytest.mark.parametrize("passes", [1, 3])
def test_nothing_grows_with_the_film_that_travels_with_a_segment(passes: int) -> None:
    sizes = []
    for frames in (2000, 8000):
        crew = Crew(PACE, ((0, 64),))
        simulate(job_of([200] * (frames // 200), frames, passes=passes), crew)
        sizes.append(max(size for _, size in crew.sent))
    assert sizes[1] < 1.2 * sizes[0] and sizes[1] < 20_000
