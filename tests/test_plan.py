"""The plan: every frame in one segment, and a fingerprint for everything that changes a pixel."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import MediaError
from pipeline.media.formats import Coding
from pipeline.media.probe import ColorTags
from pipeline.parts import changes
from pipeline.plan import Plan, frame_range, shots
from tests.plans import JUDGES, config, inspected, planned

OWN_SIZE: dict[str, Any] = {"transfer": {"size": None}}


def fingerprint(found: Any = None, judges: Any = JUDGES, **sections: Any) -> str:
    return planned(found, judges, **sections).segments[0].fingerprint


# --- segments ---


@pytest.mark.parametrize("seed", range(50))
def test_every_frame_lies_in_exactly_one_segment(seed: int) -> None:
    draw = random.Random(seed)
    frames = draw.randint(1, 80)
    first = draw.randrange(frames)
    stop = draw.randint(first + 1, frames + 20)
    cuts = tuple(sorted(draw.sample(range(1, 100), draw.randint(0, 20))))
    plan = planned(inspected(frames, cuts), video={"frames": (first, stop)})
    covered = [index for segment in plan.segments for index in range(segment.first, segment.stop)]
    assert covered == list(range(first, min(stop, frames)))
    assert plan.frames == len(covered)
    assert all(segment.first < segment.stop for segment in plan.segments)
    starts = {segment.first for segment in plan.segments}
    assert starts == {first, *(cut for cut in cuts if first < cut < min(stop, frames))}


def test_a_shot_begins_at_each_cut_within() -> None:
    assert shots(0, 10, []) == [(0, 10)]
    assert shots(0, 10, [3, 7]) == [(0, 3), (3, 7), (7, 10)]
    assert shots(4, 10, [3, 4, 9, 10, 12]) == [(4, 9), (9, 10)]


def test_a_video_without_a_range_is_planned_whole() -> None:
    assert frame_range(config(), inspected(7).probe) == (0, 7)


def test_a_range_beyond_the_end_is_an_error_of_the_source() -> None:
    with pytest.raises(MediaError, match=r"video\.frames starts at 30, but the source has 30 frames"):
        planned(inspected(30), video={"frames": (30, 40)})


def test_a_range_that_ends_beyond_the_end_is_cut_and_noted() -> None:
    plan = planned(inspected(30), video={"frames": (20, 40)}, **OWN_SIZE)
    assert (plan.first, plan.stop, plan.frames) == (20, 30, 10)
    assert plan.notes == ("video.frames asks for frames up to 39, the last is 29",)
    assert planned(inspected(30), video={"frames": (20, 30)}, **OWN_SIZE).notes == ()


@pytest.mark.parametrize(
    ("kind", "warm_start", "is_warm"),
    [("video", "flow", True), ("sequence", "previous", True), ("animation", "flow", True), ("video", "none", False)],
)  # fmt: skip
def test_the_frames_of_films_start_warm_unless_asked_otherwise(
    kind: str, warm_start: str, is_warm: bool
) -> None:
    assert planned(inspected(kind=kind), video={"warm_start": warm_start}).is_warm is is_warm


def test_films_have_even_sides() -> None:
    assert planned(inspected(), transfer={"size": None}).size == (64, 48)


def test_notes_name_the_guess_first_and_then_the_probes() -> None:
    found = inspected(3, kind="sequence", notes=("interlaced",))
    found = replace(found, source=replace(found.source, guess="3 files named %d.png"))
    assert planned(found, **OWN_SIZE).notes == (
        "taken as a numbered sequence: 3 files named %d.png",
        "interlaced",
    )


def test_a_plan_counts_all_its_sources() -> None:
    one, two = planned(inspected(10, (4,))), planned(inspected(5, name="b.mp4"))
    plan = Plan((one, two))
    assert plan.frames == 15
    assert [segment.name for segment in plan.segments] == ["clip.mp4[0-3]", "clip.mp4[4-9]", "b.mp4[0-4]"]
    assert len({segment.key for segment in plan.segments}) == 3


# --- fingerprints ---

OTHER_TRANSFER = {
    "size": 64, "iterations": 299, "warm_iterations": 39, "optimizer": "adam", "learning_rate": 0.5,
    "content_weight": 2.0, "style_weight": 999.0, "content_layers": {"conv3_1": 1.0},
    "style_layers": {"conv1_1": 1.0}, "pooling": "average", "init": "noise", "network": "raw", "scales": 1,
    "style_size": 256, "tolerance": 0.0, "preserve_color": "match", "seed": 1, "coarse_iterations": 30,
    "adam_betas": (0.9, 0.999), "variables": "pixels", "clamp": False, "averaging": 0.9, "tv_weight": 0.1,
    "style_loss": "wasserstein", "gram": "paper", "padding": "replicate", "style_scale": 2.0,
    "style_aspect": "stretch", "tile": 256, "precision": "float32", "warm_tolerance": 0.1,
}  # fmt: skip
BASE = {"seed": {"init": "noise"}}  # what must be so for a setting to count


def test_every_key_of_transfer_is_tried_below() -> None:
    assert OTHER_TRANSFER.keys() == type(config().transfer).model_fields.keys()


@pytest.mark.parametrize(("key", "value"), OTHER_TRANSFER.items())
def test_each_key_of_transfer_is_in_the_fingerprint(key: str, value: Any) -> None:
    base = BASE.get(key, {})
    assert fingerprint(transfer={**base, key: value}) != fingerprint(transfer=base)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"seed": 1}),
        ({"style_loss": "wasserstein"}, {"gram": "paper"}),
        ({"scales": 1}, {"coarse_iterations": 30}),
    ],
)
def test_a_setting_of_which_no_pixel_depends_is_not_in_the_fingerprint(
    base: dict[str, Any], change: dict[str, Any]
) -> None:
    assert fingerprint(transfer={**base, **change}) == fingerprint(transfer=base)


def test_the_warm_iterations_are_not_in_the_fingerprint_where_nothing_starts_warm() -> None:
    cold = {"warm_start": "none"}
    one, two = (fingerprint(video=cold, transfer={"warm_iterations": n}) for n in (40, 39))
    assert one == two


@pytest.mark.parametrize(
    "judges",
    [
        replace(JUDGES, weights="ee" * 32),
        replace(JUDGES, styles=(replace(JUDGES.styles[0], image="ee" * 32), JUDGES.styles[1])),
        replace(JUDGES, styles=(replace(JUDGES.styles[0], weight=1.5), JUDGES.styles[1])),
        replace(JUDGES, styles=(replace(JUDGES.styles[0], mask="ee" * 32), JUDGES.styles[1])),
        replace(JUDGES, styles=(replace(JUDGES.styles[0], part="ee" * 32), JUDGES.styles[1])),
        replace(JUDGES, content_mask="ee" * 32),
        replace(JUDGES, styles=JUDGES.styles[:1]),
        replace(JUDGES, styles=JUDGES.styles[::-1]),
    ],
)
def test_the_styles_and_the_weights_are_in_the_fingerprint(judges: Any) -> None:
    assert fingerprint(judges=judges) != fingerprint()


def test_where_a_mask_is_put_is_in_the_fingerprint() -> None:
    one, two = JUDGES.styles
    given = [{"mask": "ee" * 32}, {"part": "ee" * 32}]
    first = [replace(JUDGES, styles=(replace(one, **masks), two)) for masks in given]
    second = [replace(JUDGES, styles=(one, replace(two, **masks))) for masks in given]
    everywhere = replace(JUDGES, content_mask="ee" * 32)
    assert len({fingerprint(judges=judges) for judges in (*first, *second, everywhere)}) == 5


def test_masks_are_among_the_parts_only_where_one_is_given() -> None:
    assert not [name for name in planned().segments[0].parts if "mask" in name or name.endswith(".part")]


def test_the_flow_is_in_the_fingerprint_where_frames_start_warm_and_it_is_not_dis() -> None:
    raft = {"flow": "raft"}
    one, two = (fingerprint(judges=replace(JUDGES, flow=digest * 32), video=raft) for digest in ("ab", "cd"))
    assert len({one, two, fingerprint()}) == 3
    assert "video.flow" not in planned().segments[0].parts
    cold = {"warm_start": "none"}
    judges = replace(JUDGES, flow="ab" * 32)
    assert fingerprint(judges=judges, video={**raft, **cold}) == fingerprint(video=cold)


def test_the_source_the_range_and_the_chain_are_in_the_fingerprint() -> None:
    found = {
        fingerprint(),
        fingerprint(replace(inspected(), digest="ee" * 32)),
        fingerprint(video={"warm_start": "none"}),
        fingerprint(video={"frames": (1, 30)}),
        fingerprint(video={"frames": (0, 29)}),
        fingerprint(inspected(cuts=(5,))),
    }
    assert len(found) == 6


def test_a_source_of_another_size_is_another() -> None:
    assert fingerprint(inspected(width_px=90), transfer={"size": 64}) != fingerprint(transfer={"size": 64})


@pytest.mark.parametrize(
    "sections",
    [
        {"execution": {"workers": 4, "threads_per_worker": 2, "gpus_per_worker": 0.5, "address": "auto"}},
        {"execution": {"memory_per_worker": 2.0}},
        {"disk": {"budget_gib": 1.0, "pack": "always", "keep": "none"}},
        {"output": Path("/elsewhere")},
        {"input": ("clip.mp4", "other.mp4")},
    ],
)
def test_what_changes_no_pixel_is_not_in_the_fingerprint(sections: dict[str, Any]) -> None:
    assert fingerprint(**sections) == fingerprint()


def test_the_name_of_the_source_is_not_in_the_fingerprint_but_in_the_key() -> None:
    one, two = (planned(inspected(name=name)).segments[0] for name in ("a.mp4", "b.mp4"))
    assert one.fingerprint == two.fingerprint
    assert one.key != two.key


def test_a_recipe_written_out_is_the_recipe() -> None:
    assert fingerprint(transfer=config().transfer) == fingerprint()


# --- how sources are read, and results encoded ---

HDR = ColorTags(9, 16, 9, 1)


def reading(**probe: Any) -> Any:
    parts = planned(inspected(**probe)).segments[0].parts
    return {name: parts[name] for name in ("video.hdr", "video.deinterlace", "source.bits") if name in parts}


def test_how_a_source_is_read_is_in_the_fingerprint_only_where_there_is_more_than_one_way() -> None:
    assert reading() == {}
    assert reading(bits=10) == {}
    assert reading(color=HDR, bits=10) == {"video.hdr": "keep"}
    assert reading(color=HDR, bits=10, is_tonemapped=True) == {"video.hdr": "tonemap"}
    assert reading(interlaced=3) == {"video.deinterlace": "none"}
    assert reading(interlaced=3, is_deinterlaced=True) == {"video.deinterlace": "auto"}
    assert reading(color=ColorTags(1, 1, 1, 2), bits=10) == {"source.bits": 10}


@pytest.mark.parametrize(
    "video", [{"hdr": "keep"}, {"hdr": "fail"}, {"deinterlace": "none"}], ids=["keep", "fail", "none"]
)
def test_how_others_would_be_read_is_not_in_the_fingerprint(video: dict[str, Any]) -> None:
    assert fingerprint(video=video) == fingerprint()


@pytest.mark.parametrize(
    "encoding",
    [
        {"codec": "h265"},
        {"codec": "ffv1"},
        {"quality": 50},
        {"container": "gif"},
        {"container": "png"},
        {"bits": 10},
    ],
)
def test_the_encoding_changes_neither_a_fingerprint_nor_a_key(encoding: dict[str, Any]) -> None:
    one, other = planned(encoding=encoding), planned()
    assert [s.key for s in one.segments] == [s.key for s in other.segments]
    assert one.size == other.size


@pytest.mark.parametrize(
    ("probe", "note"),
    [
        ({"interlaced": 30, "is_deinterlaced": True}, "interlaced: deinterlaced; see video.deinterlace"),
        (
            {"interlaced": 4},
            "interlaced (4 of 30 frames): two fields are painted as one picture; see video.deinterlace",
        ),
        (
            {"color": HDR, "bits": 10, "is_tonemapped": True},
            "high dynamic range (PQ): tone-mapped to BT.709; see video.hdr",
        ),
        (
            {"color": HDR, "bits": 10},
            "high dynamic range (PQ): painted as it is coded, and tagged so; see video.hdr",
        ),
        ({"bits": 10}, "10 bits per channel: painted with 8"),
    ],
)
def test_what_is_done_to_a_source_is_noted(probe: dict[str, Any], note: str) -> None:
    assert planned(inspected(**probe), **OWN_SIZE).notes == (note,)


def test_a_result_with_fewer_bits_than_asked_for_is_noted() -> None:
    gif = inspected(kind="animation", name="a.gif")
    assert planned(gif, encoding={"bits": 10}, **OWN_SIZE).notes == (
        "written with 8 bits per channel, gif has no more",
    )
    kept = planned(inspected(name="a.mkv", color=HDR, bits=10), encoding={"codec": "ffv1"})
    assert kept.notes[-1] == "written with 8 bits per channel, ffv1 has no more"


@pytest.mark.parametrize(("size", "said"), [(65, 0), (64, 0), (66, 1), (None, 0)])
def test_a_film_that_is_enlarged_is_noted_with_what_keeps_its_size(size: int | None, said: int) -> None:
    note = "enlarged from 65×49; transfer.size 65, or null, keeps its size"
    assert planned(transfer={"size": size}).notes == (note,) * said


def test_a_quality_that_counts_for_nothing_is_noted() -> None:
    gif = inspected(kind="animation", name="a.gif")
    assert planned(gif, encoding={"quality": 70}, **OWN_SIZE).notes == (
        "encoding.quality counts for nothing, gif has none",
    )
    assert planned(encoding={"quality": 70}, **OWN_SIZE).notes == ()


def test_high_dynamic_range_that_is_kept_is_coded_with_10_bits() -> None:
    assert planned(inspected(color=HDR, bits=10)).coding == Coding("h265", 18, 10)
    assert planned(inspected(color=HDR, bits=10, is_tonemapped=True)).coding == Coding("h264", 16, 8)


# --- changes ---


def test_changes_name_what_was_and_what_is() -> None:
    one, two = (
        planned(transfer={"style_weight": weight}, video={"frames": frames}).segments[0].parts
        for weight, frames in ((1000.0, (0, 10)), (500.0, (0, 12)))
    )
    assert changes(one, one) == []
    assert changes(one, two) == ["frames: [0, 10] → [0, 12]", "transfer.style_weight: 1000.0 → 500.0"]


def test_changes_shorten_what_is_long_and_say_what_is_new() -> None:
    assert changes({"source": "a" * 64}, {"source": "b" * 64}) == ['source: "aaaaaaaaaaa… → "bbbbbbbbbbb…']
    assert changes({}, {"style.1": ["x", 1.0]}) == ['style.1: null → ["x", 1.0]']
