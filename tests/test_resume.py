"""What earlier runs left, and why the rest has to be made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Transfer
from pipeline.plan import Plan, plan_source
from pipeline.resume import THROWN_AWAY, folder_of, plan_to_json, take_stock, todos
from pipeline.shots.shotlist import Script, Shot
from pipeline.workspace import Workspace, commit_frame, drop_frames
from tests.plans import JUDGES, config, inspected, planned, record

TRANSFER = Transfer()


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def plan_of(*sources: Any) -> Plan:
    return Plan(sources)


def finish(plan: Plan, space: Workspace, *frames: int) -> None:
    """Commit frames of the plan's sources, as a run does, and keep the plan."""
    for segment in plan.segments:
        for index in frames:
            if segment.first <= index < segment.stop:
                commit_frame(folder_of(segment, space), record(index, source=segment.source), b"painted")
    space.write(space.plan, plan_to_json(plan))


def test_without_an_earlier_run_everything_is_to_do_and_nothing_is_again(space: Workspace) -> None:
    plan = plan_of(planned(inspected(10, (4,))))
    stock = take_stock(plan, space)
    assert stock.reused == 0
    assert stock.reasons == {}
    assert [list(todo.missing) for todo in todos(plan, stock, space, TRANSFER)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7, 8, 9],
    ]
    assert not space.root.exists()


def test_what_is_finished_is_used_again_and_the_rest_is_to_do(space: Workspace) -> None:
    plan = plan_of(planned(inspected(10, (4,))))
    finish(plan, space, 0, 1, 2, 3, 4, 5)
    stock = take_stock(plan, space)
    assert stock.reused == 6
    assert stock.reasons == {}
    assert [r.frame for r in stock.records] == [0, 1, 2, 3, 4, 5]
    assert len(stock.missing(plan.sources[0])) == 1
    (todo,) = todos(plan, stock, space, TRANSFER)
    assert list(todo.missing) == [6, 7, 8, 9]
    assert (todo.job.name, todo.job.first, todo.job.stop) == ("clip.mp4[4-9]", 4, 10)
    assert todo.job.folder == folder_of(plan.segments[1], space)


def test_without_traces_a_stock_is_the_same_and_half_as_large(space: Workspace) -> None:
    plan = plan_of(planned(inspected(10, (4,))))
    finish(plan, space, 0, 1, 2)
    stock = take_stock(plan, space)
    light = stock.without_traces()
    assert [r.trace for r in light.records] == [()] * 3
    assert [replace(r, trace=()) for r in stock.records] == list(light.records)
    assert (light.reused, light.missing(plan.sources[0])) == (3, stock.missing(plan.sources[0]))


def test_records_that_say_the_same_share_it(space: Workspace) -> None:
    plan = plan_of(planned(inspected(10)))
    finish(plan, space, 0, 1)
    first, second = take_stock(plan, space).records
    for name in ("source", "segment", "worker"):
        assert getattr(first, name) is getattr(second, name)


def test_a_finished_plan_leaves_nothing_to_do(space: Workspace) -> None:
    plan = plan_of(planned(inspected(3)), planned(inspected(2, name="b.mp4")))
    finish(plan, space, 0, 1, 2)
    stock = take_stock(plan, space)
    assert stock.reused == plan.frames == 5
    assert todos(plan, stock, space, TRANSFER) == []
    assert [len(stock.missing(source)) for source in plan.sources] == [0, 0]


def test_the_reasons_say_what_changed(space: Workspace) -> None:
    before = plan_of(planned(inspected(6)), planned(inspected(6, name="b.mp4"), transfer={"iterations": 3}))
    finish(before, space, 0, 1, 2, 3, 4, 5)
    other = replace(JUDGES, weights="ee" * 32)
    after = plan_of(
        planned(inspected(6), other, transfer={"style_weight": 5.0}),
        planned(inspected(6, name="b.mp4"), transfer={"iterations": 3}),
    )
    stock = take_stock(after, space)
    assert stock.reused == 6  # those of b.mp4
    assert stock.reasons == {
        "clip.mp4": ("transfer.style_weight: 1000.0 → 5.0", 'weights: "ccccccccccc… → "eeeeeeeeeee…'),
    }


def test_a_mask_that_is_given_changed_or_taken_away_is_a_reason(space: Workspace) -> None:
    one, two = (replace(JUDGES, content_mask=digest * 64) for digest in "ab")
    finish(plan_of(planned(inspected(3), one)), space, 0, 1, 2)
    assert take_stock(plan_of(planned(inspected(3), one)), space).reasons == {}
    changed = take_stock(plan_of(planned(inspected(3), two)), space)
    assert changed.reasons == {"clip.mp4": ('content_mask: "aaaaaaaaaaa… → "bbbbbbbbbbb…',)}
    gone = take_stock(plan_of(planned(inspected(3))), space)
    assert gone.reasons == {"clip.mp4": ('content_mask: "aaaaaaaaaaa… → null',)}
    assert (changed.reused, gone.reused) == (0, 0)


def test_a_reason_that_holds_for_every_segment_is_said_once(space: Workspace) -> None:
    finish(plan_of(planned(inspected(9, (3, 6)))), space, *range(9))
    stock = take_stock(plan_of(planned(inspected(9, (3, 6)), transfer={"pooling": "average"})), space)
    assert stock.reasons == {"clip.mp4": ('transfer.pooling: "max" → "average"',)}


def test_a_reason_that_holds_for_a_shot_alone_says_for_which(space: Workspace) -> None:
    def plan(weight: float) -> Plan:
        own = Transfer(style_weight=weight)
        shots = (Shot(frames=(0, 3)), Shot(frames=(3, 6), transfer=own), Shot(frames=(6, 9)))
        return plan_of(plan_source(config(), inspected(9), JUDGES, Script(shots, None, ())))

    finish(plan(1000.0), space, *range(9))
    stock = take_stock(plan(100.0), space)
    assert stock.reasons == {"clip.mp4": ("transfer.style_weight: 1000.0 → 100.0, in frames 3 to 5",)}


def test_another_size_is_told_by_its_key_but_where_the_source_is_another_one(space: Workspace) -> None:
    finish(plan_of(planned(inspected(3), transfer={"size": 48})), space, 0, 1, 2)
    stock = take_stock(plan_of(planned(inspected(3), transfer={"size": 56})), space)
    assert stock.reasons == {"clip.mp4": ("transfer.size: [48, 36] → [56, 42]",)}
    other = replace(inspected(3), digest="ee" * 32)
    (reason, *_) = take_stock(plan_of(planned(other, transfer={"size": 56})), space).reasons["clip.mp4"]
    assert reason == "size: [48, 36] → [56, 42]"


def test_another_range_is_a_reason(space: Workspace) -> None:
    finish(plan_of(planned(inspected(9), video={"frames": (0, 4)})), space, *range(4))
    stock = take_stock(plan_of(planned(inspected(9), video={"frames": (0, 6)})), space)
    assert stock.reasons == {"clip.mp4": ("frames: [0, 4] → [0, 6]",)}


def test_an_interrupted_run_is_no_reason(space: Workspace) -> None:
    plan = plan_of(planned(inspected(9)))
    finish(plan, space, 0, 1)
    assert take_stock(plan, space).reasons == {}


def test_going_back_to_earlier_settings_finds_their_frames(space: Workspace) -> None:
    one, two = (plan_of(planned(inspected(4), transfer={"seed": seed})) for seed in (1, 2))
    finish(one, space, 0, 1, 2, 3)
    finish(two, space, 0, 1)
    stock = take_stock(one, space)
    assert stock.reused == 4
    assert stock.reasons == {}


def test_looking_removes_nothing_unless_it_is_to_clean(space: Workspace) -> None:
    plan = plan_of(planned(inspected(4)))
    finish(plan, space, 0)
    orphan = folder_of(plan.segments[0], space) / ".00000001-abc.tmp"
    orphan.write_bytes(b"")
    take_stock(plan, space, clean=False)
    assert orphan.exists()
    take_stock(plan, space)
    assert not orphan.exists()


def test_frames_that_were_thrown_away_are_finished_as_long_as_their_output_is_there(space: Workspace) -> None:
    plan = plan_of(planned(inspected(5)), planned(inspected(3, name="b.mp4")))
    finish(plan, space, 0, 1, 2, 3, 4)
    before = take_stock(plan, space)
    drop_frames(folder_of(plan.segments[0], space))
    stock = take_stock(plan, space, written=["clip.mp4"])
    assert stock == before
    assert todos(plan, stock, space, TRANSFER) == []
    gone = take_stock(plan, space, written=["b.mp4"])
    assert gone.reused == 3
    assert gone.reasons == {"clip.mp4": (THROWN_AWAY,)}
    assert [list(todo.missing) for todo in todos(plan, gone, space, TRANSFER)] == [[0, 1, 2, 3, 4]]


def test_a_changed_setting_is_the_reason_where_the_frames_were_thrown_away_too(space: Workspace) -> None:
    plan = plan_of(planned(inspected(3)))
    finish(plan, space, 0, 1, 2)
    drop_frames(folder_of(plan.segments[0], space))
    after = plan_of(planned(inspected(3), transfer={"style_weight": 5.0}))
    assert take_stock(after, space).reasons == {"clip.mp4": ("transfer.style_weight: 1000.0 → 5.0",)}


def passing(passes: int) -> Plan:
    return plan_of(planned(inspected(8), video={"passes": passes}))


def make(plan: Plan, space: Workspace, kind: str) -> None:
    """Commit what a run with this plan makes in one stage."""
    for source in plan.sources:
        for segment in source.segments:
            if segment.kind == kind:
                for index in segment.order:
                    made = record(index, source=source.name, draft=source.is_draft(segment, index))
                    commit_frame(folder_of(segment, space), made, b"painted")
    space.write(space.plan, plan_to_json(plan))


def test_what_was_the_result_is_a_draft_with_one_pass_more_and_the_result_again_without_it(
    space: Workspace,
) -> None:
    once, twice = passing(1), passing(2)
    make(once, space, "paint")
    more = take_stock(twice, space)
    assert (more.reused, list(more.records)) == (0, [])
    assert [list(todo.missing) for todo in todos(twice, more, space, TRANSFER)] == [list(range(8))[::-1]]
    make(twice, space, "pass")
    done = take_stock(twice, space)
    assert (done.reused, done.reused_of(twice.sources[0]), todos(twice, done, space, TRANSFER)) == (8, 8, [])
    assert [r.frame for r in done.records] == list(range(8))
    back = take_stock(once, space)
    assert (back.reused, back.reused_of(once.sources[0]), todos(once, back, space, TRANSFER)) == (8, 8, [])
    assert [r.frame for r in back.records] == list(range(8))


def test_drafts_of_two_passes_are_the_result_of_one(space: Workspace) -> None:
    make(passing(2), space, "paint")
    once = take_stock(passing(1), space)
    assert once.reused == 8
    assert not any(r.draft for r in once.records)


def test_frames_of_a_result_that_were_thrown_away_as_drafts_are_a_reason(space: Workspace) -> None:
    make(passing(2), space, "paint")
    make(passing(2), space, "pass")
    drop_frames(folder_of(passing(2).segments[0], space))
    space.write(space.plan, plan_to_json(passing(1)))
    once = take_stock(passing(1), space)
    assert (once.reused, once.reasons) == (0, {"clip.mp4": (THROWN_AWAY,)})


def test_another_number_of_passes_is_a_reason_where_frames_are_missing(space: Workspace) -> None:
    make(passing(1), space, "paint")
    assert take_stock(passing(2), space).reasons == {"clip.mp4": ("video.passes: 1 → 2",)}
    make(passing(2), space, "pass")
    assert take_stock(passing(2), space).reasons == {}
    assert take_stock(passing(1), space).reasons == {}  # all of it is there


def cut_up(blend_frames: int, passes: int = 1, **transfer: Any) -> Plan:
    video = {"segment_frames": 8, "blend_frames": blend_frames, "passes": passes}
    return plan_of(planned(inspected(40), video=video, transfer={"iterations": 3, **transfer}))


@pytest.mark.parametrize("passes", [1, 2])
def test_another_length_of_the_blends_is_a_reason_that_is_said_once(space: Workspace, passes: int) -> None:
    for kind in ("paint", "blend", "pass"):
        make(cut_up(4, passes), space, kind)
    stock = take_stock(cut_up(3, passes), space)
    assert stock.reused == (28 if passes == 1 else 0)  # 4 seams
    assert stock.reasons == {"clip.mp4": ("frames of a blend: 4 → 3",)}


def test_what_changes_a_painting_is_all_that_is_said_of_the_stages_after_it(space: Workspace) -> None:
    for kind in ("paint", "blend", "pass"):
        make(cut_up(4, 2), space, kind)
    stock = take_stock(cut_up(4, 2, style_weight=5.0), space)
    assert stock.reasons == {"clip.mp4": ("transfer.style_weight: 1000.0 → 5.0",)}
