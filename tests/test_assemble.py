"""Finished frames become outputs in the encoding that was asked for; nothing of that paints a frame again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.assemble import assemble, current_outputs, without_blocked, written
from pipeline.config import Config
from pipeline.errors import MediaError
from pipeline.frames import encode_frame
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit
from pipeline.media.stills import read_still
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import folder_of, take_stock
from pipeline.workspace import Workspace, commit_frame
from tests.media.clips import write_clip
from tests.media.test_animation import write_animation
from tests.plans import config, record, surveyed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip with sound, an animation, a sequence from 1001."""
    media = tmp_path / "media"
    (media / "shot").mkdir(parents=True)
    write_clip(media / "clip.mp4", frames=6, sound_s=0.3)
    write_animation(media / "moves.gif", [50, 40, 300])
    for number in range(1001, 1005):
        Image.new("RGB", (64, 48), (number % 256, 30, 90)).save(media / "shot" / f"f.{number}.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "style.png")
    return tmp_path


def job(folder: Path, **sections: Any) -> Config:
    style = ({"image": folder / "style.png"},)
    transfer = {"size": None}
    return config(
        **{
            "input": (str(folder / "media"),),
            "output": folder / "out",
            "style": style,
            "transfer": transfer,
            **sections,
        }
    )


def painted(folder: Path, **sections: Any) -> tuple[Plan, Workspace]:
    """A plan all of whose frames are finished: they are the source's, so that results can be recognized."""
    settings = job(folder, **sections)
    space = Workspace(settings.output)
    plan = without_blocked(surveyed(settings), space)
    for source in plan.sources:
        for first, stop, segment in source.homes:
            frames = decode_frames(source.inspected.source, source.inspected.probe, first, stop)
            for index, rgb in enumerate(frames, start=first):
                data = encode_frame(fit(rgb, source.size))
                commit_frame(
                    folder_of(segment, space), record(index, source=source.name, bytes=len(data)), data
                )
    return plan, space


def named(plan: Plan, name: str) -> SourcePlan:
    return next(source for source in plan.sources if source.name == name)


@pytest.mark.parametrize(
    ("encoding", "outputs"),
    [
        ({}, ["clip.mp4", "moves.gif", "shot.mp4"]),
        ({"container": "webm"}, ["clip.webm", "moves.webm", "shot.webm"]),
        ({"container": "gif"}, ["clip.gif", "moves.gif", "shot.gif"]),
        ({"container": "webp"}, ["clip.webp", "moves.webp", "shot.webp"]),
        ({"container": "png"}, ["clip", "moves", "shot"]),
        ({"codec": "ffv1"}, ["clip.mp4.mkv", "moves.gif.mkv", "shot.mkv"]),
        ({"codec": "h265", "bits": 10}, ["clip.mp4", "moves.gif.mkv", "shot.mp4"]),
    ],
)
def test_every_source_is_written_in_every_encoding_and_is_current_then(
    folder: Path, encoding: dict[str, Any], outputs: list[str]
) -> None:
    plan, space = painted(folder, encoding=encoding)
    made = [assemble(source, space) for source in plan.sources]
    assert [str(one.output.relative_to(folder / "out")) for one in made] == outputs
    assert [one.source for one in made] == ["clip.mp4", "moves.gif", "shot.mp4"]
    assert current_outputs(plan.sources, space) == {one.source: one for one in made}
    assert without_blocked(plan, space) == plan
    left = [path.name for path in (folder / "out").iterdir() if path.name != ".stylize"]
    assert sorted(left) == sorted(outputs)


@pytest.mark.parametrize(
    "encoding",
    [
        {"codec": "h265"},
        {"quality": 90},
        {"container": "mkv"},
        {"bits": 10},
        {"container": "png"},
        {"codec": "ffv1"},
    ],
)
def test_another_encoding_paints_nothing_and_encodes_again(folder: Path, encoding: dict[str, Any]) -> None:
    before, space = painted(folder)
    for source in before.sources:
        assemble(source, space)
    after = surveyed(job(folder, encoding=encoding))
    assert [s.key for s in after.segments] == [s.key for s in before.segments]
    assert take_stock(after, space).reused == after.frames
    assert "clip.mp4" not in current_outputs(after.sources, space)
    assemble(named(after, "clip.mp4"), space)
    assert "clip.mp4" in current_outputs(after.sources, space)
    assert "clip.mp4" not in current_outputs(before.sources, space)


def test_a_folder_of_pictures_has_every_frame_as_painted_under_the_names_of_its_source(folder: Path) -> None:
    plan, space = painted(folder, encoding={"container": "png"}, video={"frames": (1, 4)})
    notes = {source.name: assemble(source, space).notes for source in plan.sources}
    assert sorted(p.name for p in (folder / "out/clip").iterdir()) == [
        "000001.png",
        "000002.png",
        "000003.png",
    ]
    assert sorted(p.name for p in (folder / "out/shot").iterdir()) == [
        f"f.{n}.png" for n in (1002, 1003, 1004)
    ]
    source = named(plan, "clip.mp4").inspected
    for index, rgb in enumerate(decode_frames(source.source, source.probe, 1, 4), start=1):
        np.testing.assert_array_equal(read_still(folder / f"out/clip/{index:06d}.png"), rgb)
    assert notes["clip.mp4"] == (
        "timestamps are left out: the source runs at 25 frames per second",
        "1 sound streams are left out: pictures cannot hold them",
    )
    assert notes["moves.gif"] == ("timestamps are left out: the source runs at a variable rate",)
    assert notes["shot.mp4"] == ()


def test_frames_of_an_earlier_result_leave_the_folder_and_what_is_not_ours_stays(folder: Path) -> None:
    png = {"container": "png"}
    plan, space = painted(folder, encoding=png)
    assemble(named(plan, "clip.mp4"), space)
    (folder / "out/clip/readme.txt").write_text("mine")
    plan, space = painted(folder, encoding=png, video={"frames": (2, 4)})
    assemble(named(plan, "clip.mp4"), space)
    assert sorted(p.name for p in (folder / "out/clip").iterdir()) == [
        "000002.png",
        "000003.png",
        "readme.txt",
    ]
    (folder / "out/clip/mine.png").write_bytes(b"mine")
    with pytest.raises(MediaError, match=r"mine\.png is no frame of the result.*move it away"):
        assemble(named(plan, "clip.mp4"), space)
    assert (folder / "out/clip/mine.png").read_bytes() == b"mine"


def test_what_a_killed_run_left_of_a_folder_gets_into_no_result(folder: Path) -> None:
    plan, space = painted(folder, encoding={"container": "png"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.shelf.append_journal", lambda *_: pytest.fail("killed"))
        patch.setattr("pipeline.places.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(pytest.fail.Exception):
            assemble(named(plan, "clip.mp4"), space)
    assert list((folder / "out").glob(".*.partial/000005.png"))
    plan, space = painted(folder, encoding={"container": "png"}, video={"frames": (0, 3)})
    assert assemble(named(plan, "clip.mp4"), space).frames == 3
    assert len(list((folder / "out/clip").iterdir())) == 3


def test_a_picture_that_was_changed_makes_the_folder_not_current(folder: Path) -> None:
    plan, space = painted(folder, encoding={"container": "png"})
    assemble(named(plan, "clip.mp4"), space)
    (folder / "out/clip/000003.png").unlink()
    assert current_outputs(plan.sources, space) == {}


@pytest.mark.parametrize(("container", "name"), [("webm", "clip.webm"), ("png", "clip")])
def test_what_no_run_made_is_not_written_over_in_another_container_either(
    folder: Path, container: str, name: str
) -> None:
    plan, space = painted(folder)
    assemble(named(plan, "clip.mp4"), space)  # so the source is known, but not this output of it
    (folder / "out" / name).mkdir()
    settings = job(folder, encoding={"container": container})
    blocked = without_blocked(surveyed(settings), space)
    assert [failure.source for failure in blocked.failures] == ["clip.mp4"]
    assert name in blocked.failures[0].error


def test_a_note_says_why_a_result_is_in_matroska(folder: Path) -> None:
    plan = surveyed(job(folder, encoding={"codec": "ffv1"}))
    assert named(plan, "clip.mp4").notes == (
        "written as clip.mp4.mkv: encoding.codec ffv1 does not go into the source's container",
    )


def test_a_damaged_line_of_the_journal_of_outputs_is_passed_over(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    space.root.mkdir()
    sound = '{"source": "a.mp4", "output": "a.mkv"}\n{"source": "b.mp4"}\n'
    space.outputs.write_text(f'{{}}\n{{"source": ["a.mp4"]}}\n{{"source": "c.mp4", "output": {{}}}}\n{sound}')
    journal = written(space)
    assert (set(journal.last), journal.outputs) == ({"a.mp4", "b.mp4"}, {"a.mkv", "b.mp4"})
