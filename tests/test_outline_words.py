"""What a plan says to a person: frames of films, pictures without shots, and a bound only where it matters."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from pipeline.commands.words import closing_line
from pipeline.config import Config
from pipeline.live.status import read_status
from pipeline.outline import show
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import Job
from tests.farms import TextureFarm
from tests.media.clips import picture, write_clip
from tests.plans import outlined


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one that is cut off, and one that is empty."""
    found = tmp_path / "in"
    found.mkdir()
    for index in range(3):
        Image.fromarray(picture(index, 96, 72)).save(found / f"{index}.jpg")
    (found / "2.jpg").write_bytes((found / "2.jpg").read_bytes()[:-400])
    (found / "empty.png").touch()
    return found


def shown(found: dict[str, Any]) -> list[str]:
    """The lines that are printed."""
    file = io.StringIO()
    show(found, Console(file=file, width=200), "stylize status job.yaml")
    return [line.rstrip() for line in file.getvalue().splitlines()]


def beginning(found: dict[str, Any], start: str) -> list[str]:
    return [line for line in shown(found) if line.startswith(start)]


def test_pictures_are_called_that_and_have_no_shots(job: Job, folder: Path) -> None:
    lines = shown(outlined(job(folder)))
    assert lines[0].split() == ["source", "kind", "size", "reused"]
    assert lines[1].split()[:2] == ["0.jpg", "picture"]
    assert any(line.startswith("3 of 4 pictures to do; 1 picture cannot be used: about ") for line in lines)
    assert not any("frame" in line or "segment" in line for line in lines)


def test_beside_a_film_pictures_leave_the_columns_of_frames_and_shots_empty(job: Job, folder: Path) -> None:
    write_clip(folder / "clip.mp4", frames=6)
    lines = shown(outlined(job(folder, video={"cuts": [2]})))
    assert lines[0].split() == ["source", "kind", "size", "frames", "shots", "reused"]
    assert [line.split() for line in lines[1:5] if "clip.mp4" in line] == [
        ["clip.mp4", "video", "48×36", "6", "2", "0"]
    ]
    assert [line.split() for line in lines[1:5] if "0.jpg" in line] == [["0.jpg", "picture", "48×36", "0"]]
    assert any(
        line.startswith("9 of 10 frames and pictures to do in 2 segments; 1 picture") for line in lines
    )


def test_run_status_and_plan_count_alike_and_the_closing_line_names_the_failures(
    job: Job, folder: Path
) -> None:
    config = job(folder)
    summary = run(config)
    status = read_status(Workspace(config.output))
    plan = outlined(config)
    assert summary.frames == {"total": 2, "stylized": 2, "reused": 0}
    assert summary.sources == {"films": 0, "photographs": 4}
    assert plan["frames"] == {"total": 4, "reused": 2, "left": 1}
    assert status is None  # nobody kept one
    assert beginning(plan, "1 of 4 pictures to do; 1 picture cannot be used")
    assert closing_line(summary).startswith(
        "incomplete: 2 pictures, 2 stylized, 0 reused, 2 of 4 sources failed, 6 iterations, "
    )
    (folder / "2.jpg").unlink()
    assert beginning(outlined(config), "3 pictures, 2 finished; 1 picture cannot be used; nothing left to do")


def finished(job: Job, tmp_path: Path) -> Config:
    config = job(write_clip(tmp_path / "clip.mp4", frames=8), video={"cuts": [4]})
    run(config)
    return config


def test_of_a_finished_film_only_an_output_that_is_not_there_is_left_to_write(
    job: Job, tmp_path: Path
) -> None:
    config = finished(job, tmp_path)
    assert shown(outlined(config))[-1] == "8 frames, all finished; nothing left to do"
    (config.output / "clip.mp4").unlink()
    assert shown(outlined(config))[-1].startswith("8 frames, all finished; 1 video to write")


@pytest.mark.parametrize("workers, is_told", [(1, False), (2, True), (None, True)])
def test_what_bounds_is_told_where_there_are_several_workers_or_it_is_not_known(
    job: Job, tmp_path: Path, workers: int | None, is_told: bool
) -> None:
    found = outlined(job(write_clip(tmp_path / "clip.mp4", frames=8), video={"cuts": [4]}))
    assert found["longest_chain"]["workers"] == 2
    assert bool(beginning({**found, "workers": workers}, "bound: ")) == is_told
