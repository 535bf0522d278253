"""Shot lists: what is written is what is read, and the whole sentence for each thing that is wrong."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.config import Keyframe
from pipeline.errors import ConfigError
from pipeline.parts import changes
from pipeline.plan import Plan, SourcePlan, plan_source
from pipeline.shots.segments import Segment
from pipeline.shots.shotlist import Script, check_frames, check_names, read_shots
from pipeline.shots.writing import check_free, write_shots
from tests.plans import JUDGES, config, inspected, planned


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two styles and a mask."""
    monkeypatch.chdir(tmp_path)
    for name in "abm":
        Image.new("RGB", (4, 4), "teal").save(tmp_path / f"{name}.png")
    return tmp_path


def read(text: str, **sections: Any) -> dict[str, Script]:
    Path("shots.yaml").write_text(text)
    return read_shots(Path("shots.yaml").absolute(), config(**sections))


def complaint(text: str, **sections: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, **sections)
    return str(caught.value).replace(f"{Path.cwd()}/", "")


def shots(*lines: str) -> str:
    """A list of shots of clip.mp4, which begin at line 3, one a line."""
    return "clip.mp4:\n  shots:\n" + "".join(f"    - {line}\n" for line in lines)


# --- what a shot list becomes ---


def test_a_shot_has_what_it_sets_and_the_rest_of_the_job(folder: Path) -> None:
    text = shots("{frames: [0, 9], transfer: {iterations: 7}}", "{frames: [9, 12], skip: true}")
    first, second = read(text, transfer={"pooling": "average", "size": 64})["clip.mp4"].shots
    assert first.transfer is not None
    assert (first.transfer.iterations, first.transfer.pooling, first.transfer.size) == (7, "average", 64)
    assert (first.style, first.style_weight, first.skip) == (None, None, False)
    assert (second.frames, second.transfer, second.skip) == ((9, 12), None, True)


@pytest.mark.parametrize("line", ["style_weight: 5", "transfer: {style_weight: 5}"])
def test_the_strength_may_be_set_in_short_or_in_full(folder: Path, line: str) -> None:
    (shot,) = read(shots(f"{{frames: [0, 9], {line}}}"))["clip.mp4"].shots
    assert shot.transfer is not None
    assert shot.style_weight == shot.transfer.style_weight == 5


def test_paths_are_counted_from_the_shot_lists_folder(folder: Path) -> None:
    (folder / "lists").mkdir()
    path = folder / "lists/shots.yaml"
    text = shots(
        "{frames: [0, 9], style: ../a.png}", "{frames: [9, 12], style: [{image: ../b.png, mask: ../m.png}]}"
    )
    path.write_text(text + "  timeline: [{at: '0:01', style: ../a.png}]\n")
    script = read_shots(path, config())["clip.mp4"]
    paths = [path for style in script.styles() for path in (style.image, style.mask) if path]
    assert paths == [folder / name for name in ("a.png", "b.png", "m.png", "a.png")]
    assert script.timeline is not None and script.timeline[0].at == 1


WRONG = {
    shots("{frames: [0, 9], styel: a.png}"):
        "clip.mp4, shots.0: styel is not a setting (shots.yaml:3); did you mean style?",
    shots("{frames: [0, 9], transfer: {iteration: 5}}"):
        "clip.mp4, shots.0: transfer.iteration is not a setting (shots.yaml:3); did you mean transfer.iterations?",
    shots("{frames: [0, 9]}", "{frames: [9, 12], transfer: {iterations: 0}}"):
        "clip.mp4, shots.1: transfer.iterations must be at least 1, got 0 (shots.yaml:4)",
    shots("{frames: [0, 9], transfer: {size: 64}}"):
        "clip.mp4, shots.0: transfer.size is that of the whole source, for a film has one size; "
        "set it in the job's YAML (shots.yaml:3)",
    shots("{frames: [0, 9], transfer: {scales: [32, 40]}}"):
        "clip.mp4, shots.0: transfer.scales must end with transfer.size, 512, got [32, 40] (shots.yaml:3)",
    shots("{frames: [0, 9], transfer: 5}"):
        "clip.mp4, shots.0: transfer must be a mapping, lines of `key: value`, got 5 (shots.yaml:3)",
    shots("{frames: [0, 9], style_weight: 1, transfer: {style_weight: 2}}"):
        "clip.mp4, shots.0: style_weight and transfer.style_weight are the same; keep one of them "
        "(shots.yaml:3 and shots.yaml:3)",
    shots("{frames: [9, 3]}"):
        "clip.mp4, shots.0: frames must be null, or [first, stop] with 0 <= first < stop, got [9, 3] (shots.yaml:3)",
    shots("{skip: true}"):
        "clip.mp4, shots.0: frames is missing (shots.yaml:3); it is where the shot is, for example frames: [0, 48]",
    shots("{frames: [0, 9], skip: maybe}"):
        "clip.mp4, shots.0: skip must be true or false, got 'maybe' (shots.yaml:3)",
    shots("{frames: [0, 9], style: nowhere.png}"):
        "clip.mp4, shots.0: style must be an image; nowhere.png does not exist (shots.yaml:3)",
    shots("{frames: [0, 9], style: [{image: a.png, mask: no.png}]}"):
        "clip.mp4, shots.0: style.0.mask must be an image; no.png does not exist (shots.yaml:3)",
    shots("[0, 9]"): "clip.mp4, shots.0 must be a mapping with the key frames, got [0, 9] (shots.yaml:3)",
    "clip.mp4: {}\n":
        "clip.mp4 must have a list of shots, for example shots: [{frames: [0, 48]}], got {} (shots.yaml:1)",
    "clip.mp4:\n  shot: 5\n  shots: []\n":
        "clip.mp4.shot is not a setting (shots.yaml:2); did you mean shots?\n"
        "clip.mp4 must have a list of shots, for example shots: [{frames: [0, 48]}], got [] (shots.yaml:3)",
    shots("{frames: [0, 9]}") + "  timeline: [{at: 0, style: no.png}]\n":
        "clip.mp4: timeline.0.style must be an image; no.png does not exist (shots.yaml:4)",
    shots("{frames: [0, 9]}") + "  timeline:\n    - {at: 5, style: a.png}\n    - {at: 5, style_weight: 1}\n":
        "clip.mp4: timeline.1.at must be above 5, got 5 (shots.yaml:6)",
    shots("{frames: [0, 9], transfer: {content_weight: 0}}") + "  timeline: [{at: 5, style_weight: 0}]\n":
        "clip.mp4, shots.0: the timeline's.0.style_weight must be above 0 "
        "because transfer.content_weight is 0 (shots.yaml:3)",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_shot_and_its_line(folder: Path, text: str) -> None:
    assert complaint(text) == WRONG[text]


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    text = shots("{frames: [0, 9], style: no.png}", "{frames: [9, 12], style_weight: -1}")
    assert len(complaint(text).splitlines()) == 2


def test_a_source_that_is_not_there_is_named_with_the_nearest(folder: Path) -> None:
    scripts = read(shots("{frames: [0, 9]}"))
    check_names(scripts, ["clip.mp4", "other.mp4"])
    with pytest.raises(
        ConfigError, match=r"^clip\.mp4 is no source .*shots\.yaml:1\); did you mean clips/clip\.mp4\?$"
    ):
        check_names(scripts, ["clips/clip.mp4"])
    with pytest.raises(ConfigError, match=r"shots\.yaml:1\); it has \['z'\]$"):
        check_names(scripts, ["z"])


@pytest.mark.parametrize(
    ("frames", "wanted", "words"),
    [
        ("[0, 9] [9, 30]", (0, 30), ""),
        ("[0, 9] [9, 20] [20, 30]", (5, 12), ""),
        ("[5, 9] [9, 12]", (5, 12), ""),
        ("[0, 9] [8, 30]", (0, 30), "shots.1: frames [8, 30] overlap with the shot before, [0, 9]; begin it at 9"),
        ("[0, 9] [11, 30]", (0, 30),
         "shots.1: frames [11, 30] leave a gap after the shot before, [0, 9]; begin it at 9"),
        ("[0, 9] [9, 31]", (0, 30),
         "shots.1: frames [9, 31] go beyond the end of the source, which has 30 frames; end it at 30"),
        ("[0, 30] [30, 40]", (0, 30),
         "shots.1: frames [30, 40] go beyond the end of the source, which has 30 frames; remove the shot"),
        ("[2, 30]", (0, 30),
         "shots.0: frames [2, 30] are the first shot, but frame 0 is wanted too; begin it at 0"),
        ("[0, 9] [9, 28]", (0, 30),
         "shots.1: frames [9, 28] are the last shot, but frame 29 is wanted too; end it at 30"),
    ],
)  # fmt: skip
def test_shots_are_the_sources_frames_one_after_the_other(
    folder: Path, frames: str, wanted: tuple[int, int], words: str
) -> None:
    lines = [f"frames: {one}]" for one in frames.rstrip("]").split("] ")]
    script = read(shots(*lines))["clip.mp4"]
    if not words:
        check_frames("clip.mp4", script, 30, wanted)
        return
    with pytest.raises(ConfigError) as caught:
        check_frames("clip.mp4", script, 30, wanted)
    assert str(caught.value) == f"clip.mp4, {words} ({script.places[int(words[6])]})"


# --- the plan of a shot list ---


def directed(text: str, frames: int = 30, **sections: Any) -> SourcePlan:
    """The plan of clip.mp4 under a shot list, every style's digest being its path."""
    scripts = read(text, **sections)
    paths = [
        path
        for script in scripts.values()
        for style in script.styles()
        for path in (style.image, style.mask)
        if path
    ]
    timeline = config(**sections).video.timeline
    paths += [style.image for one in timeline for style in one.style or ()]
    judges = replace(JUDGES, files={str(path): path.name for path in paths})
    return plan_source(config(**sections), inspected(frames), judges, scripts["clip.mp4"])


def prints(plan: SourcePlan) -> list[str]:
    return [segment.fingerprint for segment in plan.segments]


def test_shots_are_where_the_list_says_whatever_the_cuts_are(folder: Path) -> None:
    plan = directed(shots("frames: [0, 7]", "frames: [7, 30]"))
    assert plan.shots == ((0, 7), (7, 30))
    assert [(s.first, s.stop, s.effort) for s in plan.segments] == [(0, 7, 1.0), (7, 30, 1.0)]
    assert plan.directions == {}


def test_a_range_takes_its_part_of_the_shots(folder: Path) -> None:
    text = shots("frames: [0, 7]", "{frames: [7, 20], style_weight: 5}", "frames: [20, 30]")
    plan = directed(text, video={"frames": (3, 12)})
    assert plan.shots == ((3, 7), (7, 12))
    assert list(plan.directions) == [7]


def test_a_shot_that_sets_nothing_has_the_fingerprint_it_has_without_a_list(folder: Path) -> None:
    plain = planned(inspected(30, (7,)))
    assert prints(directed(shots("frames: [0, 7]", "frames: [7, 30]"))) == prints(plain)


@pytest.mark.parametrize(
    "change", ["style: a.png", "style_weight: 5", "transfer: {iterations: 5}", "skip: true",
               "style: [{image: a.png, weight: 2}, {image: b.png}]"]
)  # fmt: skip
def test_what_a_shot_sets_is_in_its_own_fingerprint_alone(folder: Path, change: str) -> None:
    plain = planned(inspected(30, (7, 20)))
    plan = directed(shots("frames: [0, 7]", f"{{frames: [7, 20], {change}}}", "frames: [20, 30]"))
    same = [one == other for one, other in zip(prints(plan), prints(plain), strict=True)]
    assert same == [True, False, True]


def test_a_shots_style_is_a_reason_by_its_digest(folder: Path) -> None:
    before = directed(shots("{frames: [0, 30], style: a.png}")).segments[0]
    after = directed(shots("{frames: [0, 30], style: b.png}")).segments[0]
    assert changes(before.parts, after.parts) == ['style.0: ["a.png", 1.0] → ["b.png", 1.0]']
    plan = directed(shots("{frames: [0, 30], style: a.png}"))
    direction = plan.direction(plan.segments[0])
    assert direction is not None and direction.styles[0].image == folder / "a.png"


def test_skipped_frames_depend_on_no_style_and_say_that_they_are(folder: Path) -> None:
    text = shots("frames: [0, 7]", "{frames: [7, 30], skip: true}")
    one, two = directed(text), directed(text, transfer={"style_weight": 3})
    assert one.segments[1].kind == "skip"
    assert one.segments[1].fingerprint == two.segments[1].fingerprint
    assert one.shots == ((0, 7), (7, 30))
    assert one.seams == ()
    painted = directed(shots("frames: [0, 7]", "frames: [7, 30]")).segments[1]
    assert changes(painted.parts, one.segments[1].parts) == ["skip: null → true"]


# --- timelines ---

FADE = (Keyframe(at=0, style="a.png"), Keyframe(at=0.4, style="b.png"), Keyframe(at=0.8, style="a.png"))


def timed(*keyframes: Keyframe, frames: int = 40, **video: Any) -> SourcePlan:
    """The plan of a clip of 25 frames per second under a timeline, every style's digest being its name."""
    sections = config(video={"timeline": keyframes, **video})
    files = {style.image.name: style.image.name for one in keyframes for style in one.style or ()}
    return plan_source(sections, inspected(frames), replace(JUDGES, files=files))


def painted(plan: SourcePlan) -> dict[int, Segment]:
    return {segment.first: segment for segment in plan.segments if segment.kind == "paint"}


def test_a_keyframe_that_is_moved_changes_only_what_is_near_it(folder: Path) -> None:
    moved = (*FADE[:2], FADE[2].model_copy(update={"at": Fraction(1)}))
    one, two = (painted(timed(*keyframes, segment_frames=6)) for keyframes in (FADE, moved))
    same = {first: one[first].fingerprint == two[first].fingerprint for first in one}
    assert same == {first: one[first].stop - 1 <= 10 or first >= 25 for first in one}
    assert set(same.values()) == {True, False}


def test_where_a_timeline_stands_still_it_is_as_if_it_were_none(folder: Path) -> None:
    plan = timed(
        Keyframe(at=0.4, style_weight=1000), Keyframe(at=0.8, style_weight=10), segment_frames=5, frames=40
    )
    segments, plain = painted(plan), painted(planned(inspected(40), video={"segment_frames": 5}))
    assert segments[0].fingerprint == plain[0].fingerprint
    assert segments[0].parts["transfer.style_weight"] == 1000
    last = max(segments)
    assert segments[last].parts["transfer.style_weight"] == 10
    middle = next(s for s in segments.values() if s.first <= 14 < s.stop)
    assert "transfer.style_weight" not in middle.parts
    assert middle.parts["timeline.style_weight"][0][0] == str(Fraction(middle.first, 25))


def test_every_frame_is_led_by_its_time_however_its_shot_is_cut(folder: Path) -> None:
    def moments(plan: SourcePlan) -> dict[int, Any]:
        found = {}
        for segment in (s for s in plan.segments if s.kind == "paint"):
            direction = plan.direction(segment)
            assert direction is not None
            for index in range(segment.first, segment.stop):
                moment = direction.at(plan.inspected.probe.time_s(index))
                shares = {s.image: x for s, x in zip(direction.styles, moment.shares, strict=True) if x}
                found[index] = shares, moment.style_weight
        return found

    whole, cut = timed(*FADE, segment_frames=None), timed(*FADE, segment_frames=5)
    assert len(cut.segments) > len(whole.segments) == 1
    assert moments(whole) == moments(cut)


def test_what_a_shot_sets_goes_before_the_timeline(folder: Path) -> None:
    text = shots("{frames: [0, 20], style: b.png}", "{frames: [20, 40], style_weight: 3}")
    keyframes = (Keyframe(at=0, style=str(folder / "a.png"), style_weight=7.0),)
    plan = directed(text, frames=40, video={"timeline": keyframes})
    first, second = (plan.direction(segment) for segment in plan.segments)
    assert first is not None and second is not None
    assert (first.styles[0].image.name, first.transfer.style_weight) == ("b.png", 7)
    assert (second.styles[0].image.name, second.transfer.style_weight) == ("a.png", 3)


def test_a_source_may_have_a_timeline_of_its_own(folder: Path) -> None:
    text = shots("frames: [0, 40]") + "  timeline: [{at: 0, style_weight: 5}]\n"
    keyframes = (Keyframe(at=0, style_weight=7.0),)
    plan = directed(text, frames=40, video={"timeline": keyframes})
    direction = plan.direction(plan.segments[0])
    assert direction is not None and direction.transfer.style_weight == 5


# --- writing ---


def test_what_is_written_is_read_as_the_same_plan(folder: Path) -> None:
    one = planned(inspected(30, (4, 9), name="a/first.mp4"))
    two = planned(inspected(20, (), name='no: "yes" # 2.mp4'))
    assert write_shots(folder / "shots.yaml", Plan((one, two))) == 4
    scripts = read_shots(folder / "shots.yaml", config())
    assert list(scripts) == [one.name, two.name]
    for plan in (one, two):
        again = plan_source(config(), plan.inspected, JUDGES, scripts[plan.name])
        assert again == plan
    assert "[9, 30]" in (folder / "shots.yaml").read_text()
    assert "# from 0:00.360, 21 frames" in (folder / "shots.yaml").read_text()


def test_a_shot_list_is_never_written_over_a_file_unless_by_force(folder: Path) -> None:
    path = folder / "shots.yaml"
    check_free(path, force=False)
    path.touch()
    with pytest.raises(ConfigError, match=r"exists already; choose another name, or --force"):
        check_free(path, force=False)
    check_free(path, force=True)
    with pytest.raises(ConfigError, match="is a folder"):
        check_free(folder, force=True)


def test_without_films_there_is_no_shot_list(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no video"):
        write_shots(folder / "shots.yaml", Plan())
    assert not (folder / "shots.yaml").exists()
