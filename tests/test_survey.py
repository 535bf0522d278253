"""Looking at the sources, and not looking twice."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import survey as survey_module
from pipeline.config import Config
from pipeline.errors import ConfigError, MediaError
from pipeline.media.listing import list_sources
from pipeline.plan import Plan
from pipeline.survey import Notebook, brief_of, survey
from tests.media.clips import picture, write_clip
from tests.photos import full_photo
from tests.plans import config, surveyed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip of 12 frames, two of one frame, and a style."""
    media = tmp_path / "media"
    media.mkdir()
    write_clip(media / "clip.mp4", frames=12)
    for name, number in (("x.mp4", 1), ("y.mp4", 2)):
        write_clip(media / name, rgb=[picture(number, 32, 20)], frames=1, size=(32, 20))
    Image.new("RGB", (8, 8), "red").save(tmp_path / "style.png")
    return tmp_path


def job(folder: Path, **sections: Any) -> Config:
    style = ({"image": folder / "style.png"},)
    return config(**{"input": (str(folder / "media"),), "output": folder / "out", "style": style, **sections})


def again(notebook: Notebook) -> Notebook:
    """The notebook as the next run finds it."""
    return Notebook(notebook.data)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the sources that are probed, or decoded for their cuts."""
    names: list[str] = []

    def noted(function: Any) -> Any:
        def call(source: Any, *args: Any, **kwargs: Any) -> Any:
            names.append(source.name)
            return function(source, *args, **kwargs)

        return call

    for name in ("probe", "decode_frames"):
        monkeypatch.setattr(survey_module, name, noted(getattr(survey_module, name)))
    return names


def seen(plan: Plan) -> list[tuple[str, int]]:
    return [(source.name, source.frames) for source in plan.sources]


def test_every_film_is_planned_in_its_turn(folder: Path) -> None:
    turns: list[str] = []
    plan = surveyed(job(folder), Notebook(), turns.append)
    assert seen(plan) == [("clip.mp4", 12), ("x.mp4", 1), ("y.mp4", 1)]
    assert turns == ["clip.mp4", "x.mp4", "y.mp4"]
    assert plan.failures == ()
    assert not (folder / "out").exists()


def test_a_source_that_cannot_be_read_fails_alone(folder: Path) -> None:
    (folder / "media/broken.mp4").write_bytes(b"no video")
    plan = surveyed(job(folder), Notebook())
    assert [failure.source for failure in plan.failures] == ["broken.mp4"]
    assert plan.failures[0].frame is None
    assert len(plan.sources) == 3


def test_frames_beyond_the_end_are_a_failure_of_that_source(folder: Path) -> None:
    plan = surveyed(job(folder, video={"frames": (1, 20)}), Notebook())
    assert [failure.source for failure in plan.failures] == ["x.mp4", "y.mp4"]
    assert "the source has 1 frames" in plan.failures[0].error
    assert seen(plan) == [("clip.mp4", 11)]


def test_a_second_look_decodes_nothing(folder: Path, probed: list[str]) -> None:
    notebook = Notebook()
    first = surveyed(job(folder), notebook)
    assert sorted(set(probed)) == ["clip.mp4", "x.mp4", "y.mp4"]
    assert notebook.changed
    probed.clear()
    second = again(notebook)
    assert surveyed(job(folder), second) == first
    assert probed == []
    assert not second.changed


def test_a_file_that_changed_is_looked_at_again_and_no_other(folder: Path, probed: list[str]) -> None:
    notebook = Notebook()
    first = surveyed(job(folder), notebook)
    probed.clear()
    path = folder / "media/x.mp4"
    state = path.stat()
    write_clip(path, rgb=[picture(1, 20, 32)], frames=1, size=(20, 32))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    second = surveyed(job(folder), again(notebook))
    assert set(probed) == {"x.mp4"}
    assert (first.sources[1].size, second.sources[1].size) == ((512, 320), (320, 512))
    assert second.sources[0] == first.sources[0]
    assert second.sources[2] == first.sources[2]


def test_a_file_that_was_only_touched_is_not_decoded_again(folder: Path, probed: list[str]) -> None:
    notebook = Notebook()
    first = surveyed(job(folder), notebook)
    probed.clear()
    os.utime(folder / "media/clip.mp4", ns=(0, 0))
    assert surveyed(job(folder), again(notebook)) == first
    assert probed == []


def test_a_renamed_file_is_not_decoded_again(folder: Path, probed: list[str]) -> None:
    notebook = Notebook()
    surveyed(job(folder), notebook)
    probed.clear()
    (folder / "media/clip.mp4").rename(folder / "media/film.mp4")
    assert seen(surveyed(job(folder), again(notebook)))[0] == ("film.mp4", 12)
    assert probed == []


def test_the_notebook_forgets_what_is_no_longer_needed(folder: Path) -> None:
    notebook = Notebook()
    surveyed(job(folder), notebook)
    (folder / "media/y.mp4").unlink()
    second = again(notebook)
    surveyed(job(folder), second)
    assert second.changed
    assert len(second.data) == len(notebook.data) - 3  # the file's digest, its probe and its cuts


def test_another_style_is_another_fingerprint(folder: Path) -> None:
    first = surveyed(job(folder), Notebook())
    Image.new("RGB", (8, 8), "blue").save(folder / "style.png")
    second = surveyed(job(folder), Notebook())
    assert not {s.fingerprint for s in first.segments} & {s.fingerprint for s in second.segments}


def masked(folder: Path) -> Config:
    """A job with all three kinds of masks."""
    for index, name in enumerate(("mask", "part", "content")):
        Image.new("L", (8, 8), 90 + index).save(folder / f"{name}.png")
    style = {"image": folder / "style.png", "mask": folder / "mask.png", "part": folder / "part.png"}
    return job(folder, style=(style,), content_mask=folder / "content.png")


@pytest.mark.parametrize(
    ("name", "part"), [("mask", "style.0.mask"), ("part", "style.0.part"), ("content", "content_mask")]
)
def test_another_mask_is_another_fingerprint(folder: Path, name: str, part: str) -> None:
    config = masked(folder)
    before = surveyed(config, Notebook()).segments[0]
    Image.new("L", (8, 8), "white").save(folder / f"{name}.png")
    after = surveyed(config, Notebook()).segments[0]
    assert before.fingerprint != after.fingerprint
    assert [key for key in after.parts if after.parts[key] != before.parts[key]] == [part]


def test_a_mask_that_vanishes_is_an_error_of_the_config(folder: Path) -> None:
    config = masked(folder)
    (folder / "part.png").unlink()
    with pytest.raises(ConfigError, match=r"^style\.0\.part .*part\.png cannot be read: No such file"):
        surveyed(config, Notebook())


def test_a_style_that_is_not_there_is_an_error_of_the_config(folder: Path) -> None:
    (folder / "style.png").unlink()
    with pytest.raises(ConfigError, match=r"style .*style\.png cannot be read: No such file or directory"):
        surveyed(job(folder), Notebook())


def test_a_file_that_vanishes_is_an_error_of_its_source(folder: Path) -> None:
    settings = job(folder)
    brief = brief_of(settings, Notebook())
    films = list_sources(settings.input, folders="auto", exclude=folder / "out").sources
    (folder / "media/y.mp4").unlink()
    plan = survey(settings, brief, films)
    assert [failure.source for failure in plan.failures] == ["y.mp4"]
    assert len(plan.sources) == 2


# --- how sources are read, and what results are called ---


@pytest.fixture
def odd(folder: Path) -> Path:
    """A clip of high dynamic range, and an interlaced one."""
    tags = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}
    write_clip(folder / "media/hdr.mp4", frames=4, tags=tags)
    fields = {"x264-params": "interlaced=1:weightp=0", "flags": "+ildct"}
    write_clip(folder / "media/fields.mp4", frames=4, options=fields, fields="tff")
    return folder


def read(folder: Path, **video: Any) -> dict[str, tuple[bool, bool]]:
    plan = surveyed(job(folder, video=video), Notebook())
    probes = {source.name: source.inspected.probe for source in plan.sources}
    return {name: (found.is_tonemapped, found.is_deinterlaced) for name, found in probes.items()}


def test_sources_are_read_as_the_config_says(odd: Path) -> None:
    assert read(odd) == {
        "clip.mp4": (False, False),
        "fields.mp4": (False, True),
        "hdr.mp4": (True, False),
        "x.mp4": (False, False),
        "y.mp4": (False, False),
    }
    assert read(odd, hdr="keep")["hdr.mp4"] == (False, False)
    assert read(odd, deinterlace="none")["fields.mp4"] == (False, False)


def test_high_dynamic_range_may_be_a_failure_of_its_source(odd: Path) -> None:
    plan = surveyed(job(odd, video={"hdr": "fail"}), Notebook())
    assert [failure.source for failure in plan.failures] == ["hdr.mp4"]
    assert plan.failures[0].error.startswith(
        "its dynamic range is high (PQ), and video.hdr is fail; set video.hdr to"
    )
    assert len(plan.sources) == 4


def test_another_way_of_reading_looks_for_cuts_again_but_does_not_probe(odd: Path, probed: list[str]) -> None:
    notebook = Notebook()
    surveyed(job(odd), notebook)
    probed.clear()
    surveyed(job(odd, video={"hdr": "keep"}), again(notebook))
    assert probed == ["hdr.mp4"]  # for its cuts


def test_another_container_is_another_name_of_the_result_and_no_second_look(
    folder: Path, probed: list[str]
) -> None:
    notebook = Notebook()
    surveyed(job(folder), notebook)
    probed.clear()
    plan = surveyed(job(folder, encoding={"container": "webm"}), again(notebook))
    assert [source.output for source in plan.sources] == ["clip.webm", "x.webm", "y.webm"]
    assert [source.name for source in plan.sources] == ["clip.mp4", "x.mp4", "y.mp4"]
    assert probed == []


# --- cuts ---


@pytest.fixture
def film(folder: Path) -> Path:
    """18 frames of one photograph and 18 of another, 64 × 48."""
    shots = [full_photo(name)[100:148, x : x + 64] for name in ("astronaut", "coffee") for x in range(18)]
    write_clip(folder / "film.mp4", rgb=shots, frames=36)
    return folder


def ranges(folder: Path, **video: Any) -> list[tuple[int, int]]:
    plan = surveyed(job(folder, input=(str(folder / "film.mp4"),), video=video), Notebook())
    return [(segment.first, segment.stop) for segment in plan.segments]


def test_cuts_are_found_listed_or_left_alone(film: Path) -> None:
    assert ranges(film) == [(0, 18), (18, 36)]
    assert ranges(film, cuts="none") == [(0, 36)]
    assert ranges(film, cuts=(5, 30, 99)) == [(0, 5), (5, 30), (30, 36)]


def test_cuts_are_indices_in_the_source_also_for_a_range(film: Path) -> None:
    assert ranges(film, frames=(2, 36)) == [(2, 18), (18, 36)]
    assert ranges(film, frames=(20, 30)) == [(20, 30)]


@pytest.mark.parametrize("frames", [(16, 20), (17, 19), (0, 19), (17, 36), (18, 36), (0, 18)])
def test_a_part_has_the_cuts_of_the_whole_however_short_it_is(film: Path, frames: tuple[int, int]) -> None:
    first, stop = frames
    edges = sorted({first, stop, *(cut for cut in [18] if first < cut < stop)})
    assert ranges(film, frames=frames) == list(pairwise(edges))


def test_a_cut_beyond_the_end_is_noted(film: Path) -> None:
    video = {"cuts": (5, 36, 99, 100)}
    plan = surveyed(job(film, input=(str(film / "film.mp4"),), video=video), Notebook())
    assert "video.cuts names 36, 99 and 1 more, the last frame is 35" in plan.sources[0].notes


def test_only_the_frames_in_question_and_some_around_are_decoded_for_cuts(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Any, probe: Any, first: int, stop: int) -> Any:
        raise MediaError(f"{first} to {stop}")

    monkeypatch.setattr(survey_module, "decode_frames", refuse)
    plan = surveyed(job(film, input=(str(film / "film.mp4"),), video={"frames": (30, 99)}), Notebook())
    assert plan.failures[0].error == "14 to 36"
