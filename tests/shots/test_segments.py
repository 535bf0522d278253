"""How shots are cut, and in which stages their parts are made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import pytest

from pipeline.shots.segments import Cutting, Segment, homes_of, segments_of, stretches

PARTS = {"source": "aa", "size": [64, 48]}


def parts(first: int, stop: int) -> dict[str, object]:
    return PARTS


LONG = Cutting(segment_frames=12, blend_frames=5, passes=1, head_start=4)


def cut(first: int = 0, stop: int = 96, cutting: Cutting = LONG) -> tuple[Segment, ...]:
    return segments_of("clip.mp4", (first, stop), lambda first, stop: PARTS, cutting)


def of_kind(segments: tuple[Segment, ...], kind: str) -> list[tuple[int, int]]:
    return [(segment.first, segment.stop) for segment in segments if segment.kind == kind]


@pytest.mark.parametrize("length", [1, 2, 11, 12, 13, 25, 96, 1000])
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_every_frame_is_in_exactly_one_segment_of_the_result(length: int, passes: int) -> None:
    segments = cut(7, 7 + length, Cutting(12, 5, passes, 4))
    homes = homes_of(segments)
    assert [index for home in homes for index in range(home.first, home.stop)] == list(range(7, 7 + length))
    paints = of_kind(segments, "paint")
    assert [index for frames in paints for index in range(*frames)] == list(range(7, 7 + length))


def test_a_shot_that_is_not_too_long_is_one_segment() -> None:
    (only,) = cut(0, 12)
    assert (only.kind, only.first, only.stop, only.effort) == ("paint", 0, 12, 1.0)
    assert len(cut(0, 500, Cutting(None, 5, 1, 4))) == 1


def test_each_seam_has_a_blend_that_begins_at_it_and_takes_the_frame_before_it() -> None:
    segments = cut()
    paints = [segment for segment in segments if segment.kind == "paint"]
    blends = [segment for segment in segments if segment.kind == "blend"]
    assert len(paints) == 8
    assert len(blends) == 7
    for (before, after), blend in zip(pairwise(paints), blends, strict=True):
        assert (blend.first, blend.stop) == (after.first, after.first + 5)
        assert [(home.first, home.stop) for home in blend.drafts] == [
            (before.stop - 1, before.stop), (after.first, after.first + 5)
        ]  # fmt: skip
        assert [home.segment for home in blend.drafts] == [before, after]


def test_all_segments_can_be_painted_at_once_and_then_all_blends() -> None:
    segments = cut()
    assert all(not segment.needs for segment in segments if segment.kind == "paint")
    painted = {segment.key for segment in segments if segment.kind == "paint"}
    assert all({need.key for need in s.needs} <= painted for s in segments if s.kind == "blend")


def test_the_first_segment_is_shorter_since_its_first_frame_costs_more() -> None:
    lengths = [stop - first for first, stop in stretches(0, 96, 12, 4)]
    assert lengths[0] < min(lengths[1:])
    assert max(lengths[1:]) - min(lengths[1:]) <= 1


def test_passes_go_back_and_forth_and_take_the_neighbors_frames_of_the_pass_before() -> None:
    segments = cut(0, 36, Cutting(12, 5, 3, 0))
    again = [segment for segment in segments if segment.kind == "pass"]
    assert [segment.step for segment in again] == [-1] * 3 + [1] * 3
    assert list(again[0].order) == list(range(11, -1, -1))
    middle = again[4]  # of the last pass
    assert [home.segment for home in middle.drafts] == list(again[:3])
    assert (middle.drafts[0].first, middle.drafts[-1].stop) == (11, 25)


def test_a_later_stage_is_another_one_where_what_it_takes_is_another() -> None:
    before = {s.name: s.fingerprint for s in cut()}
    after = {
        s.name: s.fingerprint
        for s in segments_of("clip.mp4", (0, 96), lambda first, stop: {**PARTS, "style": 1}, LONG)
    }
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_a_blend_is_no_longer_than_its_segment() -> None:
    segments = cut(0, 14, Cutting(12, 16, 1, 0))  # 7 and 7 frames, the blend longer than either
    assert of_kind(segments, "blend") == [(7, 14)]
    assert [(home.first, home.stop) for home in homes_of(segments)] == [(0, 7), (7, 14)]


def simple_homes(segments: Sequence[Segment]) -> list[tuple[int, int, Segment]]:
    """What `homes_of` finds, frame by frame."""
    last = {index: segment for segment in segments for index in range(segment.first, segment.stop)}
    groups = groupby(sorted(last.items()), key=lambda item: id(item[1]))
    runs = [list(group) for _, group in groups]
    return [(run[0][0], run[-1][0] + 1, run[0][1]) for run in runs]


@pytest.mark.parametrize("cutting", [LONG, Cutting(4, 2, 3, 0), Cutting(5, 16, 2, 3), Cutting(None, 2, 2, 0)])
def test_the_homes_are_those_that_going_frame_by_frame_finds(cutting: Cutting) -> None:
    segments = [*cut(3, 50, cutting), *cut(50, 51, cutting), *cut(51, 96, cutting)]
    assert list(homes_of(segments)) == simple_homes(segments)


def test_thousands_of_segments_in_one_shot_have_their_homes_and_their_neighbors() -> None:
    segments = cut(0, 20_000, Cutting(4, 2, 2, 0))
    homes = homes_of(segments)
    assert len(homes) == 5000
    assert list(homes) == simple_homes(segments)
    again = segments[-5000:]
    assert [(s.drafts[0].first, s.drafts[-1].stop) for s in again[1:-1]] == [
        (s.first - 1, s.stop + 1) for s in again[1:-1]
    ]


def test_the_first_frame_of_a_long_segment_is_painted_in_full_so_that_its_look_is_the_shots() -> None:
    short = [s for s in cut(0, 48, Cutting(12, 5, 1, 4)) if s.kind == "paint"]
    long = [s for s in cut(0, 480, Cutting(96, 5, 1, 0)) if s.kind == "paint"]
    assert [s.effort for s in short] == [1.0, *[pytest.approx(1 / 3)] * (len(short) - 1)]
    assert [s.effort for s in long] == [1.0] * 5
    assert [s.begins_shot for s in long] == [True, *[False] * 4]
