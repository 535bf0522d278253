"""The settings of shots, timelines and flow: what they become, and the whole sentence for what is wrong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config import Config, load_config
from pipeline.errors import ConfigError

JOB = "input: clips\noutput: out\nstyle: swirl.png\n"  # what follows it begins at line 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with style images and a folder of clips."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for name in ("swirl", "a"):
        Image.new("RGB", (8, 6), "teal").save(tmp_path / f"{name}.png")
    return tmp_path


def load(text: str, *overrides: str) -> Config:
    Path("video.yaml").write_text(JOB + text)
    return load_config(Path("video.yaml"), overrides)


@pytest.mark.parametrize(
    ("written", "time_s"),
    [("0", 0), ("12.5", Fraction(25, 2)), ("'0:12.5'", Fraction(25, 2)), ("'1:02:03.25'", Fraction(14893, 4)),
     ("'90:00'", 5400), ("0.1", Fraction(1, 10))],
)  # fmt: skip
def test_a_time_is_seconds_or_what_a_player_shows(written: str, time_s: Fraction) -> None:
    config = load(f"video: {{timeline: [{{at: {written}, style_weight: 1}}]}}")
    assert config.video.timeline[0].at == time_s


def test_paths_of_keyframes_are_counted_from_the_yaml(folder: Path) -> None:
    (folder / "jobs").mkdir()
    (folder / "jobs/video.yaml").write_text(
        "input: ../clips\noutput: out\nstyle: ../swirl.png\nvideo:\n  timeline:\n"
        "    - {at: 0, style: ../a.png}\n    - {at: 1, style: [{image: ../swirl.png, part: ../a.png}]}\n"
    )
    first, second = load_config(Path("jobs/video.yaml")).video.timeline
    assert first.style is not None and second.style is not None
    assert first.style[0].image == second.style[0].part == folder / "a.png"


WRONG = {
    "video: {timeline: [{at: -1, style: a.png}]}":
        "video.timeline.0.at must be seconds from 0 up, or a time such as \"1:02:03.5\", got -1 (video.yaml:4)",
    "video: {timeline: [{at: '1:75', style: a.png}]}":
        "video.timeline.0.at must be seconds from 0 up, or a time such as \"1:02:03.5\", got '1:75' (video.yaml:4)",
    "video:\n  timeline:\n  - at: 0":
        "video.timeline.0 must have a style or a style_weight (video.yaml:6)",
    "video:\n  timeline:\n  - {at: 2, style_weight: 1}\n  - {at: 1, style_weight: 2}":
        "video.timeline.1.at must be above 2, got 1 (video.yaml:7)",
    "video: {timeline: [{at: 0, style: [{image: a.png, mask: a.png}]}]}":
        "video.timeline.0.style.0.mask cannot be: a style that comes and goes is everywhere; remove it (video.yaml:4)",
    "video: {timeline: [{at: 0, style: no.png}]}":
        "video.timeline.0.style must be an image; no.png does not exist (video.yaml:4)",
    "video: {timeline: [{at: 0, stile: no.png}]}":
        "video.timeline.0.stile is not a setting (video.yaml:4); did you mean video.timeline.0.style?",
    "video: {timeline: [{at: 0, style: [{image: a.png, wight: 2}]}]}":
        "video.timeline.0.style.0.wight is not a setting (video.yaml:4); "
        "did you mean video.timeline.0.style.0.weight?",
    "video: {timeline: [{at: 0, style_weight: 0}]}\ntransfer: {content_weight: 0}":
        "video.timeline.0.style_weight must be above 0 because transfer.content_weight is 0 (video.yaml:4)",
    "video: {timeline: [{at: 0, style_weight: 1}]}\ntransfer: {style_weight: 0, style_layers: {conv1_1: 0}}":
        "video.timeline.0.style_weight must be 0 because no weight of transfer.style_layers is above it (video.yaml:4)",
    "video: {shots: nowhere.yaml}":
        "video.shots must be a file; nowhere.yaml is not there (video.yaml:4); "
        "write one: stylize plan video.yaml --shots nowhere.yaml",
    "video: {flow: raff}": "video.flow must be one of dis, raft, got 'raff' (video.yaml:4); did you mean raft?",
    "video: {warm_start: none, passes: 3}":
        "video.passes must be 1 because video.warm_start is none, got 3 (video.yaml:4)",
    "video: {warm_start: previous, long_term: [4]}":
        "video.long_term must be [] because video.warm_start is previous, got [4] (video.yaml:4)",
    "video: {flow_weights: raft.pth}":
        "video.flow_weights must be null because video.flow is dis (video.yaml:4)",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_line(text: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value).replace(f"{folder}/", "") == WRONG[text]


def test_an_override_may_be_a_whole_timeline() -> None:
    config = load("", "video.timeline=[{at: 0, style: a.png}, {at: 2, style_weight: 5}]")
    assert [one.at for one in config.video.timeline] == [0, 2]
