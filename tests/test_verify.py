"""`stylize verify`: what it says of a job's outputs, and that it touches nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from pipeline.assemble import assemble
from pipeline.cli import app
from pipeline.commands.words import Aside
from pipeline.config import load_config
from pipeline.errors import MediaError
from pipeline.frames import encode_frame
from pipeline.media.stills import write_still
from pipeline.media.verify import Certificate
from pipeline.records import digest_of
from pipeline.resume import folder_of, plan_to_json
from pipeline.run import run
from pipeline.survey import Notebook
from pipeline.verify import verify as judge
from pipeline.workspace import Workspace, commit_frame
from tests.conftest import tree
from tests.farms import TextureFarm
from tests.media.clips import cut_file, picture, write_clip
from tests.media.doctored import losing, remux
from tests.media.sources import Clip, Sound, write_source
from tests.plans import record, surveyed

WriteJob = Callable[..., Path]

CLIP = Clip(frames=8, sounds=[Sound()])
CHECKS = ["8 frames", "8 timestamps", "48x36", "sample aspect 1:1", "colors", "1 sound stream of 48 packets"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_source(tmp_path / "clip.mp4", CLIP)


def paint(path: Path, frames: int | None = None, *, write: bool = True) -> None:
    """Does what a run does, but for the painting: at most `frames` finished frames per source, then its output."""
    config = load_config(path)
    space, notebook = Workspace(config.output), Notebook()
    plan = surveyed(config, notebook)
    with space.locked():
        space.write(space.probes, notebook.data)
        space.write(space.plan, plan_to_json(plan))
        for source in plan.sources:
            for first, stop, segment in source.homes:
                for index in range(first, stop if frames is None else min(stop, frames)):
                    data = encode_frame(picture(index, *source.size))
                    commit_frame(
                        folder_of(segment, space), record(index, source=source.name, bytes=len(data)), data
                    )
            if write and frames is None:
                assemble(source, space)


@pytest.fixture
def textures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole runs at once, without Ray."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)


def verify(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", str(path), *options])


def said(path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the object of `--json`."""
    result = verify(path, "--json", *options)
    return result.exit_code, json.loads(result.stdout)


PHOTO_CHECKS = ["1 picture", "48x36", "its bytes as they were verified"]


@pytest.mark.usefixtures("textures")
def test_a_finished_job_is_certified_output_by_output(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    write_still(picture(0), tmp_path / "photo.png")
    path = write_job([clip, tmp_path / "photo.png"])
    assert run(load_config(path)).status == "done"
    (next(tmp_path.glob("out/.stylize/segments/*/*")) / ".00000003-killed.tmp").write_bytes(
        b"of a killed worker"
    )
    before = tree(tmp_path)
    expected = [("photo.png", 1, PHOTO_CHECKS), ("clip.mp4", 8, CHECKS)]
    assert said(path) == (
        0,
        {
            "status": "done",
            "outputs": [
                {
                    "source": name,
                    "output": str(tmp_path / "out" / name),
                    "frames": frames,
                    "checks": checks,
                    "differences": [],
                    "note": None,
                }
                for name, frames, checks in expected
            ],
            "failures": [],
        },
    )
    assert verify(path).stdout.splitlines() == [
        f"photo.png: {', '.join(PHOTO_CHECKS)}: true to its source",
        f"clip.mp4: {', '.join(CHECKS)}: true to its source",
        "2 of 2 outputs are complete and true to their sources",
    ]
    assert tree(tmp_path) == before


def test_neither_torch_nor_ray_is_needed(write_job: WriteJob, clip: Path) -> None:
    path = write_job(clip)
    paint(path)
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['stylize', 'verify', {str(path)!r}]\n"
        "try:\n    runpy.run_module('pipeline.cli', run_name='__main__')\n"
        "except SystemExit as done:\n    assert not done.code, done.code\n"
        "print([m for m in ('torch', 'torchvision', 'ray', 'cv2', 'scenedetect') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_an_output_that_lost_a_frame_is_told_with_exit_code_3(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path, output = write_job(clip), tmp_path / "out/clip.mp4"
    paint(path)
    remux(output, tmp_path / "doctored.mp4", losing("video", 7)).replace(output)
    command = [sys.executable, "-m", "pipeline.cli", "verify", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 3
    assert "clip.mp4: 7 frames, 7 timestamps" in result.stdout
    assert "differs from its source: 7 frames instead of 8" in result.stdout
    assert "(changed since a run wrote it)" in result.stdout
    assert "0 of 1 outputs are complete" in result.stdout
    code, found = said(path)
    assert (code, found["status"]) == (3, "incomplete")
    differences = found["outputs"][0]["differences"]
    assert differences[0] == "7 frames instead of 8"
    error = f"differs from its source: {'; '.join(differences)}"
    assert found["failures"] == [{"source": "clip.mp4", "frame": None, "error": error}]


def test_an_output_that_is_not_true_gets_no_name(
    write_job: WriteJob, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrue = Certificate(7, (), ("7 frames instead of 8",))
    monkeypatch.setattr("pipeline.assemble.certify", lambda *_: untrue)
    with pytest.raises(MediaError, match=r"clip\.mp4 was encoded, but is not true to its source: 7 frames"):
        paint(write_job(clip))
    assert list((tmp_path / "out").glob("*")) == [tmp_path / "out/.stylize"]


def test_a_job_that_is_half_done_tells_how_far_it_is(write_job: WriteJob, clip: Path) -> None:
    path = write_job(clip)
    paint(path, frames=3)
    code, found = said(path)
    assert (code, found["outputs"]) == (3, [])
    assert found["failures"][0]["error"] == "not finished: 3 of 8 frames; run the job to go on"


def test_a_run_that_holds_the_folder_does_not_hinder(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    path = write_job(clip)
    paint(path)
    with Workspace(tmp_path / "out").locked():
        assert said(path)[0] == 0


def test_a_job_that_never_ran_leaves_nothing_behind(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    path = write_job(clip)
    assert said(path)[1]["failures"][0]["error"].startswith("not finished: 0 of 8 frames")
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_missing_is_told(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    path = write_job(clip)
    paint(path)
    (tmp_path / "out/clip.mp4").unlink()
    code, found = said(path)
    assert code == 3
    assert found["failures"][0]["error"].startswith("not written, though all 8 frames are finished")


def test_a_file_that_no_run_wrote_is_told(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    path = write_job(clip)
    paint(path, write=False)
    (tmp_path / "out/clip.mp4").write_bytes(clip.read_bytes())
    code, found = said(path)
    assert (code, found["outputs"]) == (3, [])
    assert found["failures"][0]["error"].endswith("out/clip.mp4 was not written by a run here")


def test_an_output_of_other_settings_is_told(write_job: WriteJob, clip: Path) -> None:
    path = write_job(clip)
    paint(path)
    code, found = said(path, "--set", "transfer.style_weight=7", "--set", "transfer.size=64")
    assert code == 3
    (failure,) = found["failures"]
    assert failure["error"].startswith("of an earlier run, not of this config; size: [48, 36] → [64, 48]; ")
    assert "transfer.style_weight: 1000.0 → 7.0" in failure["error"]
    assert "not finished: 0 of 8 frames" in failure["error"]
    assert "differs from its source: 48x36 px instead of 64x48" in failure["error"]


def test_an_output_that_was_only_touched_is_the_one_that_was_written(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip)
    paint(path)
    os.utime(tmp_path / "out/clip.mp4", (1, 1))
    code, found = said(path)
    assert (code, found["outputs"][0]["note"]) == (0, None)


def test_an_output_of_other_bytes_that_say_the_same_is_true_with_a_note(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip)
    paint(path)
    with (tmp_path / "out/clip.mp4").open("ab") as file:
        file.write(b"\0\0\0\x08free")  # an empty box, which every player skips
    code, found = said(path)
    assert (code, found["outputs"][0]["note"]) == (0, "changed since a run wrote it")


def of_photo(path: Path) -> tuple[int, str]:
    """The exit code, and what is said of photo.png where it is not as it should be."""
    code, found = said(path)
    return code, next(one["error"] for one in found["failures"] if one["source"] == "photo.png")


@pytest.mark.usefixtures("textures")
def test_a_photograph_that_could_not_be_painted_is_told_with_what_the_last_run_said(
    write_job: WriteJob, tmp_path: Path
) -> None:
    photo, other = tmp_path / "in/photo.png", tmp_path / "in/other.png"
    photo.parent.mkdir()
    for still in (photo, other):
        write_still(picture(0), still)
    cut_file(photo, photo)  # its header is whole, so that only painting it finds out
    path = write_job(photo.parent)
    (failure,) = run(load_config(path)).failures
    assert "image file is truncated" in failure.error
    assert of_photo(path) == (3, f"not painted; the last run failed at it: {failure.error}")
    assert f"photo.png: not painted; the last run failed at it: {failure.error}\n" in verify(path).stdout
    write_still(picture(0), photo)
    other.unlink()
    assert run(load_config(path)).status == "done"
    (tmp_path / "out/photo.png").unlink()
    assert "run the job to go on" in of_photo(path)[1], "what an earlier run failed at is over"


@pytest.mark.usefixtures("textures")
def test_a_film_that_could_not_be_written_is_told_with_what_the_last_run_said(
    write_job: WriteJob, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_job(clip)
    with monkeypatch.context() as patches:
        patches.setattr(
            "pipeline.assemble.certify", lambda *_: Certificate(7, (), ("7 frames instead of 8",))
        )
        (failure,) = run(load_config(path)).failures
    _, found = said(path)
    why = f"not written, though all 8 frames are finished; the last run failed at it: {failure.error}"
    assert found["failures"] == [{"source": "clip.mp4", "frame": None, "error": why}]


@pytest.mark.usefixtures("textures")
def test_what_is_quoted_of_a_damaged_journal_is_short_and_on_one_line(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path, events = write_job(clip), tmp_path / "out/.stylize/events.jsonl"
    events.parent.mkdir(parents=True)
    lines = [{"what": "failed", "source": 7}, {"what": "failed", "source": "clip.mp4", "error": "\n" * 9999}]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, _ = verify(path).stdout.splitlines()
    assert "0 of 8 frames; the last run failed at it: \\n\\n" in first and len(first) < 2000


@pytest.mark.usefixtures("textures")
def test_a_photograph_that_is_not_painted_cut_off_or_gone_is_told(
    write_job: WriteJob, tmp_path: Path
) -> None:
    write_still(picture(0), tmp_path / "photo.png")
    path, output = write_job(tmp_path / "photo.png"), tmp_path / "out/photo.png"
    assert of_photo(path) == (3, "not painted; run the job to go on")
    assert not (tmp_path / "out").exists()
    run(load_config(path))
    assert said(path)[0] == 0
    cut_file(output, output)
    changed = "of an earlier run: its result is gone, or was changed; run the job to go on"
    assert of_photo(path) == (3, changed)
    output.unlink()
    assert of_photo(path) == (3, changed)


@pytest.mark.usefixtures("textures")
def test_a_photograph_with_other_bytes_of_the_same_size_and_time_is_told(
    write_job: WriteJob, tmp_path: Path
) -> None:
    write_still(picture(0), tmp_path / "photo.png")
    path, output = write_job(tmp_path / "photo.png"), tmp_path / "out/photo.png"
    run(load_config(path))
    data, state = bytearray(output.read_bytes()), output.stat()
    data[len(data) // 2] ^= 1
    output.write_bytes(data)
    os.utime(output, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert of_photo(path) == (
        3, "differs from its source: its bytes are not those that were written",
    )  # fmt: skip


@pytest.mark.usefixtures("textures")
def test_a_result_that_cannot_be_read_is_told_and_the_others_are_judged(
    write_job: WriteJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("other.png", "photo.png"):
        write_still(picture(0), tmp_path / name)
    path = write_job([tmp_path / "other.png", tmp_path / "photo.png"])
    run(load_config(path))

    def fail(target: Path) -> str:
        if target.name == "photo.png":
            raise MediaError(f"{target} cannot be read: Input/output error")
        return digest_of(target)

    monkeypatch.setattr("pipeline.verify.digest_of", fail)
    code, found = said(path)
    assert (code, [one["source"] for one in found["outputs"]]) == (3, ["other.png"])
    assert of_photo(path) == (3, f"{tmp_path / 'out/photo.png'} cannot be read: Input/output error")


@pytest.mark.usefixtures("textures")
def test_a_photograph_of_other_settings_is_told(write_job: WriteJob, tmp_path: Path) -> None:
    write_still(picture(0), tmp_path / "photo.png")
    run(load_config(write_job(tmp_path / "photo.png")))
    path = write_job(tmp_path / "photo.png", transfer={"style_weight": 7.0})
    assert of_photo(path) == (
        3, "of an earlier run: transfer.style_weight: 1000.0 → 7.0; run the job to go on",
    )  # fmt: skip


@pytest.mark.usefixtures("textures")
def test_sources_that_are_none_are_told(write_job: WriteJob, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_text("no picture")
    (tmp_path / "bad.mp4").write_text("no video")
    path = write_job([tmp_path / "photo.png", tmp_path / "bad.mp4"])
    assert run(load_config(path)).status == "incomplete"
    code, found = said(path)
    errors = {failure["source"]: failure["error"] for failure in found["failures"]}
    assert code == 3
    assert "bad.mp4 cannot be opened as a video" in errors["bad.mp4"]
    assert "photo.png" in errors["photo.png"]


def test_a_source_that_can_no_longer_be_read_to_its_end_is_told(
    write_job: WriteJob, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MediaError(f"{clip} is damaged in its sound or subtitles")

    path = write_job(clip)
    paint(path)
    monkeypatch.setattr("pipeline.verify.certify_output", fail)
    code, found = said(path)
    assert code == 3
    assert found["failures"][0]["error"] == (
        f"cannot be compared with its source: {clip} is damaged in its sound or subtitles"
    )


@pytest.mark.parametrize(
    ("container", "output", "checks"),
    [
        ("gif", "clip.gif", ["8 frames", "8 timestamps", "48x36"]),
        ("webp", "clip.webp", ["8 frames", "8 timestamps", "48x36"]),
        ("png", "clip", ["8 pictures", "48x36"]),
        ("mkv", "clip.mkv", CHECKS),
    ],
)
def test_outputs_of_every_kind_are_certified(
    write_job: WriteJob, clip: Path, tmp_path: Path, container: str, output: str, checks: list[str]
) -> None:
    path = write_job(clip, encoding={"container": container})
    paint(path)
    code, found = said(path)
    assert (code, found["failures"]) == (0, [])
    assert found["outputs"][0]["output"] == str(tmp_path / "out" / output)
    assert found["outputs"][0]["checks"] == checks


def test_a_picture_of_a_folder_that_is_missing_or_cut_off_is_told(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip, encoding={"container": "png"})
    paint(path)
    picture_3 = tmp_path / "out/clip/000003.png"
    cut_file(picture_3, picture_3)
    assert "000003.png cannot be read as a picture" in said(path)[1]["outputs"][0]["differences"][0]
    picture_3.unlink()
    code, found = said(path)
    assert (code, found["outputs"][0]["checks"][0]) == (3, "7 pictures")
    assert found["outputs"][0]["differences"] == ["000003.png is missing"]


def test_a_file_in_the_place_of_an_output_with_another_name_is_nobody_s(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip)
    paint(path)
    (tmp_path / "out/clip.mkv").write_bytes(b"somebody's own")
    code, found = said(path, "--set", "encoding.container=mkv")
    assert code == 3
    assert found["failures"][0]["error"].endswith("out/clip.mkv was not written by a run here")


def test_a_part_of_a_video_is_certified_as_that_part(write_job: WriteJob, clip: Path) -> None:
    path = write_job(clip, video={"frames": [2, 7]})
    paint(path)
    code, found = said(path)
    assert (code, found["outputs"][0]["frames"]) == (0, 5)


def test_a_wrong_config_and_wrong_weights_have_their_own_exit_codes(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "vgg19-12345678.pth").write_bytes(b"no weights")
    path = write_job(clip)
    result = verify(path, "--set", "transfer.sise=64")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean transfer.size?" in result.stderr
    code, found = said(path, "--set", f"weights={tmp_path / 'vgg19-12345678.pth'}")
    assert (code, found["status"]) == (5, "error")


def test_the_source_that_was_overwritten_with_another_clip_is_told(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip)
    paint(path)
    write_clip(clip, frames=9)
    code, found = said(path)
    assert code == 3
    assert (
        "of an earlier run, not of this config; frames: [0, 8] → [0, 9]; source: "
        in found["failures"][0]["error"]
    )
    assert "8 frames instead of 9" in found["failures"][0]["error"]


# --- what is shown while it looks ---


@pytest.mark.usefixtures("textures")
def test_what_is_looked_at_is_told_and_how_far_a_film_is(
    write_job: WriteJob, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.encoding.TELL_EVERY_S", 0.0)
    write_still(picture(0), tmp_path / "photo.png")
    config = load_config(write_job([clip, tmp_path / "photo.png"]))
    assert run(config).status == "done"
    told: list[str] = []
    assert [verdict.failure for verdict in judge(config, told.append)] == [None, None]
    assert told == ["photo.png", "clip.mp4", *(f"clip.mp4, frame {index} of 8" for index in range(9))]


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_shown_and_makes_way_for_what_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()
    with Aside(Console(file=screen, force_terminal=True, width=80)) as aside:
        aside("clip.mp4, frame [1] of 8")
        aside.make_way()
        typer.echo("clip.mp4: true to its source")
        aside("b.mp4")
    assert "looking at clip.mp4, frame [1] of 8" in screen.getvalue()
    assert "looking at b.mp4" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # and nothing of it stays
    assert capsys.readouterr().out == "clip.mp4: true to its source\n"


def test_where_there_is_no_terminal_nothing_is_shown() -> None:
    file, threads = io.StringIO(), threading.active_count()
    with Aside(Console(file=file)) as aside:
        aside("clip.mp4")
        assert threading.active_count() == threads  # a million photographs start none
        aside.make_way()
    assert file.getvalue() == ""
