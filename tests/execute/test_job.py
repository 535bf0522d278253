"""What travels to a worker with a segment."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipeline.execute.contents import Contents
from pipeline.execute.job import AROUND, SegmentJob
from pipeline.media.probe import ColorTags, Probe, probe
from pipeline.media.sources import Source
from pipeline.media.window import Window
from tests.media.clips import write_clip

TWO_HOURS = 172_800


def job_in(frames: int, first: int, kind: str = "video") -> SegmentJob:
    """A segment of 96 frames in a film, or in a sequence of pictures."""
    pts, path = tuple(range(0, 1001 * frames, 1001)), Path("/films/film")
    found = Probe(
        64, 48, 0, Fraction(1), Fraction(1, 24000), pts, Fraction(24), ColorTags(1, 1, 1, 1), 0, 0, ()
    )
    files = tuple(path / f"{n:06}.png" for n in range(frames)) if kind == "sequence" else (path,)
    source = Source("sequence" if kind == "sequence" else "video", path, "film", files)
    return SegmentJob("a segment", source, found, first, first + 96, (64, 48), Path("/out"))


def travelled(job: SegmentJob) -> SegmentJob:
    there = pickle.loads(pickle.dumps(job))
    assert isinstance(there, SegmentJob)
    return there


@pytest.mark.parametrize(("kind", "kilobytes"), [("video", 10), ("sequence", 50)])
def test_what_travels_with_a_segment_does_not_grow_with_its_film(kind: str, kilobytes: int) -> None:
    short, long = (len(pickle.dumps(job_in(n, n // 2, kind))) for n in (4000, TWO_HOURS))
    assert long < 1.2 * short and long < 1000 * kilobytes


def test_what_travels_knows_its_own_frames_and_those_around_it_and_how_many_there_are() -> None:
    here, there = (make(job_in(TWO_HOURS, 90_000)) for make in (lambda job: job, travelled))
    assert there.probe.frames == TWO_HOURS
    for index in (0, 90_000 - AROUND, 90_000, 90_095, 90_095 + AROUND):
        assert there.probe.pts[index] == here.probe.pts[index]
        assert there.probe.time_s(index) == here.probe.time_s(index)
    with pytest.raises(LookupError, match="item 50000 is not among the items 89488 … 90607"):
        there.probe.pts[50_000]


def test_a_segment_travels_twice_as_well_as_once() -> None:
    once = travelled(job_in(TWO_HOURS, 90_000))
    assert pickle.dumps(travelled(once)) == pickle.dumps(once)


def test_what_travels_of_a_short_film_is_all_of_it() -> None:
    job = replace(job_in(100, 0), stop=100)
    assert list(travelled(job).probe.pts) == list(job.probe.pts)


@pytest.mark.parametrize("step", [1, -1])
def test_a_segment_that_travelled_reads_the_same_frames(step: int, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=60)
    source = Source("video", path, "a.mp4", (path,))
    found = probe(source, rate=Fraction(25))
    size = (found.width_px, found.height_px)
    job = SegmentJob("a segment", source, found, 30, 60, size, tmp_path, step=step)
    here, there = Contents(job, 4), Contents(travelled(job), 4)
    assert all(np.array_equal(here[index], there[index]) for index in range(30, 60)[::step])


def test_a_window_takes_nothing_for_the_end() -> None:
    part = Window(range(100), 40, 50)
    assert (len(part), part[0], part[40], part[49], list(part[44:47])) == (100, 0, 40, 49, [44, 45, 46])
    for index in (1, 39, 50, 99):
        with pytest.raises(LookupError, match=f"item {index} is not among the items 40 … 49"):
            part[index]
    with pytest.raises(IndexError, match="100 of 100"):
        part[100]
