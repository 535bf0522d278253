"""What a plan will cost, by counting, and what bounds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil
from typing import Any

import pytest

from pipeline.archive.looks import Look
from pipeline.archive.summary import Pictures
from pipeline.config import Transfer
from pipeline.forecasting.estimate import (
    ENDS_S,
    Chain,
    Estimate,
    Paces,
    cold_work,
    estimate,
    known_of,
    parts_of,
)
from pipeline.forecasting.pace import ENOUGH_WARM, Pace
from pipeline.forecasting.writing import ENCODE_S, Writing, unwritten
from pipeline.media.formats import CODECS
from pipeline.plan import Plan, SourcePlan, plan_source
from pipeline.resume import Stock
from pipeline.shots.shotlist import Script, Shot
from pipeline.workspace import FrameRecord
from tests.plans import JUDGES, config, inspected, planned, record

SIZE = (800, 400)
AREA = 0.32  # megapixels
SMALL = {"size": 65, "iterations": 10, "warm_iterations": 3, "scales": 1}
FRAME = 64 * 48 / 1e6  # megapixels of a frame of `planned` at that size, whose sides are even
COLD, WARM = 10 * FRAME, (3 + 1) * FRAME  # one more where something was uncovered


def stock_of(plan: Plan, finished: Mapping[int, FrameRecord]) -> Stock:
    """A stock in which these frames of every segment are finished."""
    return Stock(
        {s.key: {i: r for i, r in finished.items() if s.first <= i < s.stop} for s in plan.segments}, {}
    )


def estimated(
    source: SourcePlan, pace: Pace | None = None, finished: Mapping[int, FrameRecord] | None = None
) -> Estimate:
    plan = Plan((source,))
    parts = parts_of(plan, stock_of(plan, finished or {}), Transfer(**SMALL))
    return estimate(parts, Pictures(), Paces(pace), unwritten(plan, (), ()))


@pytest.mark.parametrize(
    ("settings", "work"),
    [
        ({"scales": 1, "iterations": 100}, 100 * AREA),
        ({"scales": "auto", "iterations": 100}, (100 + 50 / 4 + 50 / 16) * AREA),
        ({"scales": (400, 800), "iterations": 7}, (7 + 4 / 4) * AREA),
        ({"scales": "auto", "iterations": 100, "coarse_iterations": 40}, (100 + 40 / 4 + 40 / 16) * AREA),
        ({"scales": (400, 800), "iterations": 10, "coarse_iterations": 40}, (10 + 40 / 4) * AREA),
        ({"scales": (400, 800), "iterations": 10, "averaging": 0.9}, (11 + 6 / 4) * AREA),
    ],
)
def test_a_cold_frame_costs_its_iterations_at_every_size(settings: dict[str, Any], work: float) -> None:
    assert cold_work(SIZE, Transfer(size=800, **settings)) == pytest.approx(work)


def test_warm_frames_are_expected_to_take_their_share_and_cold_ones_all_of_it() -> None:
    found = estimated(planned(inspected(9), transfer=SMALL), Pace(2.0, warm_share=0.25))
    assert found.most == pytest.approx(COLD + 8 * WARM)
    assert found.work == pytest.approx(COLD + 8 * WARM / 4)
    assert found.worker_s == pytest.approx(2 * found.work)


def test_what_is_finished_is_not_counted() -> None:
    found = estimated(planned(inspected(9), transfer=SMALL), finished={i: record(i) for i in range(4)})
    assert found.most == pytest.approx(5 * WARM)


def test_beside_its_iterations_a_frame_takes_time_of_its_own_and_by_its_size() -> None:
    source = planned(inspected(9), transfer=SMALL)
    found = estimated(source, Pace(0.0, frame_s=0.5, megapixel_s=100.0))
    assert found.worker_s == pytest.approx(9 * 0.5 + 9 * FRAME * 100)


def test_no_time_is_told_without_a_pace_but_the_chain_is() -> None:
    found = estimated(planned(inspected(9), transfer=SMALL))
    assert found.worker_s is None
    assert found.seconds(1, 1, 1) is None
    assert found.chain == Chain("clip.mp4", 0, 9, pytest.approx(COLD + 8 * WARM), None, workers=1)


def test_the_longest_shot_bounds_the_time_whatever_the_number_of_workers() -> None:
    source = planned(inspected(30, cuts=(4, 24)), transfer=SMALL)
    found = estimated(source, Pace(100.0))
    assert found.chain is not None
    assert (found.chain.first, found.chain.stop) == (4, 24)
    chain_s = 100 * (COLD + 19 * WARM)
    assert found.chain.seconds == pytest.approx(chain_s)
    own_s, shared_s = ENCODE_S["h264"]
    encode_s = 30 * FRAME * (own_s + shared_s / 4)
    assert found.seconds(64, 64, 4) == pytest.approx(chain_s + ENDS_S + encode_s)
    assert found.seconds(1, 1, 4) == pytest.approx(100 * (3 * COLD + 27 * WARM) + ENDS_S + encode_s)


def test_a_blend_goes_on_where_the_segments_that_it_needs_end() -> None:
    video = {"segment_frames": 12, "blend_frames": 4}
    source = planned(inspected(24), transfer=SMALL, video=video)
    kinds = [(s.kind, s.first, s.stop) for s in source.segments]
    assert [kind for kind, *_ in kinds] == ["paint", "paint", "blend"]
    found = estimated(source).chain
    assert found is not None
    openings = [ceil(10 * s.effort) + (3 + 1) * (s.stop - s.first - 1) for s in source.segments[:2]]
    blend = 4 * (ceil(3 / 4) + 1)
    assert found.work == pytest.approx((max(openings) + blend) * FRAME)
    longest = source.segments[openings.index(max(openings))]
    assert (found.first, found.stop) == (min(longest.first, kinds[2][1]), max(longest.stop, kinds[2][2]))
    assert found.workers == 2


def test_every_codec_has_a_time_of_its_own() -> None:
    assert ENCODE_S.keys() == CODECS.keys()
    assert all(own_s > 0 and shared_s >= 0 for own_s, shared_s in ENCODE_S.values())
    sources = [planned(inspected(9), transfer=SMALL, encoding={"codec": name}) for name in ("vp9", "h264")]
    found = Writing.of(sources)
    seconds = (9 * FRAME * sum(ENCODE_S[name]) for name in ("vp9", "h264"))
    assert found.outputs == 2
    assert found.seconds(1) == pytest.approx(sum(seconds))
    assert found.seconds(4) == pytest.approx(found.own_s + found.shared_s / 4)


def test_what_is_written_is_what_is_not_as_it_should_be_or_has_frames_missing() -> None:
    plan = Plan(tuple(planned(inspected(3, name=f"{name}.mp4"), transfer=SMALL) for name in "abc"))
    found = unwritten(plan, {"a.mp4"}, {"a.mp4", "c.mp4"})
    assert [source.name for source in found] == ["a.mp4", "b.mp4"]


def test_where_only_outputs_are_left_they_are_all_that_takes_time() -> None:
    finished = {i: record(i) for i in range(9)}
    found = estimated(planned(inspected(9), transfer=SMALL), finished=finished)
    assert (found.is_left, found.chain, found.worker_s) == (False, None, 0.0)
    assert found.seconds(1, 1, 2) == pytest.approx(found.writing.seconds(2))
    assert found.writing.seconds(2) > 0


@pytest.mark.parametrize("shots", [1, 2, 3, 7])
def test_as_many_workers_are_of_use_as_there_are_equal_shots(shots: int) -> None:
    source = planned(inspected(5 * shots, cuts=tuple(range(5, 5 * shots, 5))), transfer=SMALL)
    chain = estimated(source).chain
    assert chain is not None
    assert chain.workers == shots


def test_shots_that_workers_cannot_share_evenly_leave_one_of_them_with_more() -> None:
    source = planned(inspected(15, cuts=(5, 10)), transfer=SMALL)
    found = estimated(source, Pace(100.0))
    one_shot = 100 * (COLD + 4 * WARM)
    encode_s = found.writing.seconds(1)
    assert found.seconds(2, 2, 1) == pytest.approx(2 * one_shot + ENDS_S + encode_s)
    assert found.seconds(3, 3, 1) == pytest.approx(one_shot + ENDS_S + encode_s)


def test_photographs_are_shared_one_by_one_and_many_of_them_evenly() -> None:
    def seconds(count: int) -> float:
        look = Look({}, "look", Transfer(**SMALL))
        pictures = Pictures(left=count, work=Counter({((64, 48), "look"): count}), looks={"look": look})
        found = estimate([], pictures, Paces(pictures=Pace(0.0, frame_s=1.0)), [])
        return (found.seconds(4, 4, 1) or 0.0) - ENDS_S

    assert seconds(5) == pytest.approx(2)
    assert seconds(400_000) == pytest.approx(100_000)


def test_passes_and_blends_never_settle_sooner() -> None:
    source = planned(inspected(9), transfer=SMALL, video={"passes": 2})
    assert [s.kind for s in source.segments] == ["paint", "pass"]
    found = estimated(source, Pace(1.0, warm_share=0.25))
    again = 9 * (ceil(3 / 2) + 1) * FRAME
    assert found.most == pytest.approx(COLD + 8 * WARM + again)
    assert found.work == pytest.approx(COLD + 2 * WARM + again)


def test_a_film_is_encoded_as_a_whole_however_little_of_it_is_missing() -> None:
    source = planned(inspected(9), transfer=SMALL)
    almost = estimated(source, finished={i: record(i) for i in range(8)})
    assert almost.writing == estimated(source).writing
    assert almost.writing.seconds(1) > 0
    assert almost.disk_bytes == pytest.approx(estimated(source).disk_bytes / 9, abs=1)


def test_photographs_are_cold_each() -> None:
    look = Look({}, "look", Transfer(**SMALL))
    pictures = Pictures(left=5, work=Counter({((64, 48), "look"): 5}), looks={"look": look})
    found = estimate([], pictures, Paces(pictures=Pace(10.0, frame_s=1.0)), [])
    assert found.most == found.work == pytest.approx(5 * COLD)
    assert found.worker_s == pytest.approx(50 * COLD + 5)
    assert found.chain is None
    assert found.disk_bytes == pictures.bytes > 0


def test_what_earlier_runs_took_is_known_from_their_records() -> None:
    plan = Plan((planned(inspected(40), transfer=SMALL),))
    done = {i: record(i, megapixel_iterations=WARM / 2, seconds=3.0) for i in range(1, 1 + ENOUGH_WARM)}
    known = known_of(plan, stock_of(plan, done), Transfer(**SMALL))
    assert known.warm_share == pytest.approx(0.5)
    assert known.pace is not None
    assert known.pace.unit_s == pytest.approx(3.0 / (WARM / 2))
    few = known_of(plan, stock_of(plan, dict(list(done.items())[:-1])), Transfer(**SMALL))
    assert few.warm_share is few.pace is None


def test_frames_that_are_left_as_they_are_bound_nothing() -> None:
    def estimated_with(*shots: Shot) -> Estimate:
        script = Script(shots, None, ("shots.yaml:1",) * len(shots))
        return estimated(plan_source(config(transfer=SMALL), inspected(8), JUDGES, script))

    chain = estimated_with(Shot(frames=(0, 5), skip=True), Shot(frames=(5, 8))).chain
    assert chain is not None
    assert (chain.first, chain.stop) == (5, 8)
    assert estimated_with(Shot(frames=(0, 8), skip=True)).chain is None
