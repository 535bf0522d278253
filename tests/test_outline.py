"""What `stylize plan` says where everything is painted: whether videos are left to be written, and in what time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import load_config
from pipeline.encoding import Encoding
from pipeline.execute.pool import available_cores
from pipeline.forecasting.writing import ENCODE_S
from pipeline.live.progress import Meter
from pipeline.live.status import StatusFile
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import tree
from tests.farms import TextureFarm
from tests.media.clips import write_clip

MEGAPIXELS = 48 * 36 / 1e6


@pytest.fixture
def path(write_job: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished job of two videos, with 8 and 5 frames."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    (tmp_path / "in").mkdir()
    for name, frames in (("a.mp4", 8), ("b.mp4", 5)):
        write_clip(tmp_path / "in" / name, frames=frames, size=(96, 72))
    found = write_job(tmp_path / "in", video={"segment_frames": None})
    assert run(load_config(found)).status == "done"
    return found


def said(path: Path, *options: str) -> str:
    """What a person is told of what is left."""
    result = CliRunner().invoke(app, ["plan", str(path), *options])
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stdout.splitlines() if "all finished" in line)
    return line


def told(path: Path, *options: str) -> dict[str, Any]:
    """What a program is."""
    result = CliRunner().invoke(app, ["plan", str(path), "--json", *options])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every encoder takes ten thousand times as long, so that it shows."""
    times = {name: (1e4 * own_s, 1e4 * shared_s) for name, (own_s, shared_s) in ENCODE_S.items()}
    monkeypatch.setattr("pipeline.forecasting.writing.ENCODE_S", times)


def encode_s(codec: str, frames: int) -> float:
    own_s, shared_s = ENCODE_S[codec]
    return 1e4 * frames * MEGAPIXELS * (own_s + shared_s / available_cores())


def test_of_a_finished_job_nothing_is_left(path: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    assert said(path) == "13 frames, all finished; nothing left to do"
    found = told(path)
    assert found["videos"] == {"total": 2, "left": 0}
    assert found["seconds_writing"] == 0
    assert found["seconds"] < 5  # the look at the sources
    assert tree(tmp_path) == before


def test_a_video_that_is_gone_has_to_be_written(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out/b.mp4").unlink()
    before = tree(tmp_path)
    assert said(path) == "13 frames, all finished; 1 video to write, about 1 s"
    assert told(path)["videos"] == {"total": 2, "left": 1}
    assert tree(tmp_path) == before


@pytest.mark.usefixtures("slow")
def test_another_encoding_is_told_in_its_own_time(path: Path) -> None:
    vp9, h265 = (
        told(path, "--set", f"encoding.codec={c}", "--set", "encoding.container=mp4") for c in ("vp9", "h265")
    )
    assert vp9["videos"] == h265["videos"] == {"total": 2, "left": 2}
    assert vp9["seconds_writing"] == pytest.approx(encode_s("vp9", 13), abs=0.1)
    assert h265["seconds_writing"] == pytest.approx(encode_s("h265", 13), abs=0.1)
    assert vp9["seconds_writing"] <= vp9["seconds"] < vp9["seconds_writing"] + 5
    line = said(path, "--set", "encoding.codec=vp9", "--no-trial")
    assert line.startswith("13 frames, all finished; 2 videos to write, about 1 min 4")


@pytest.mark.usefixtures("slow")
def test_where_work_is_done_elsewhere_videos_are_still_written_here(path: Path) -> None:
    options = ("--set", "encoding.codec=h265", "--set", "execution.address=10.0.0.1:6379")
    assert told(path, *options)["seconds"] > encode_s("h265", 13)
    assert said(path, *options).startswith("13 frames, all finished; 2 videos to write, about ")


def test_beside_the_run_that_writes_a_video_no_time_is_told(path: Path) -> None:
    meter, space = Meter(), Workspace(load_config(path).output)
    file = StatusFile(meter, space)
    file.encoding(Encoding("a.mp4", "encoding", 3, 8))
    try:
        line = said(path, "--set", "encoding.codec=h265")
        assert line.startswith(
            "13 frames, all finished; 2 videos to write, which the run that is at work does; "
        )
        assert told(path, "--set", "encoding.codec=h265")["seconds"] is None
    finally:
        file.ended("done")


@pytest.mark.usefixtures("slow")
def test_the_time_to_write_videos_is_part_of_what_painting_and_writing_take(
    path: Path, tmp_path: Path
) -> None:
    for folder in (tmp_path / "out/.stylize/segments").glob("b*"):
        shutil.rmtree(folder)
    found = told(path, "--no-trial")
    assert found["frames"]["left"] == 5
    assert found["videos"] == {"total": 2, "left": 1}
    assert found["seconds_writing"] == pytest.approx(encode_s("h264", 5), abs=0.1)


def test_a_plan_looks_at_each_output_once_and_at_no_film_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    from pipeline import assemble

    standing_of = assemble.standing_of

    def standing(source: Any, *rest: Any) -> Any:
        looked.append(source.name)
        return standing_of(source, *rest)

    monkeypatch.setattr("pipeline.assemble.standing_of", standing)
    for name in ("survey.probe", "survey.decode_frames", "forecasting.forecast.hands_of"):
        monkeypatch.setattr(f"pipeline.{name}", lambda *_, **__: pytest.fail("not quick"))
    assert said(path) == "13 frames, all finished; nothing left to do"
    assert looked == ["a.mp4", "b.mp4"]
