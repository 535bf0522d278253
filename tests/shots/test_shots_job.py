"""Whole jobs with a shot list: written by the command, edited, run, changed, and run again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import yaml

from pipeline.config import load_config
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import committed, tree
from tests.media.clips import read_number, write_clip
from tests.test_cli import stylize

WriteJob = Callable[..., Path]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=9, sound_s=0.3)


def plan(path: Path, *args: object) -> Any:
    """The command, without the trial that tells how long the job will take."""
    return stylize("plan", path, "--set", "execution.address=auto", *args)


def records(output: Path) -> dict[int, dict[str, object]]:
    return {one["frame"]: one for one in map(json.loads, Workspace(output).records.open())}


def test_a_shot_list_is_one_file_that_is_written_once_and_read_back(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path, shots = write_job(clip, video={"cuts": [3], "shots": "shots.yaml"}), tmp_path / "shots.yaml"
    missing = plan(path)
    assert (missing.returncode, f"write one: stylize plan {path} --shots {shots}" in missing.stderr) == (
        2,
        True,
    )
    before = tree(tmp_path)
    result = plan(path, "--shots", shots, "--json")
    assert json.loads(result.stdout)["shot_list"] == str(shots)
    after = tree(tmp_path)
    assert set(after) - set(before) == {"shots.yaml"}
    assert all(after[name] == state for name, state in before.items())
    found = json.loads(plan(path, "--set", "video.cuts=none", "--json").stdout)
    assert found["sources"][0]["shots"] == [[0, 3], [3, 9]]
    again = plan(path, "--shots", shots)
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    assert tree(tmp_path) == after
    assert plan(path, "--shots", shots, "--force").returncode == 0


def test_a_wrong_shot_list_is_one_message(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "shots.yaml").write_text("clip.mp4:\n  shots:\n    - frames: [0, 5]\n    - frames: [4, 9]\n")
    result = stylize("run", write_job(clip, video={"shots": "shots.yaml"}))
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        "clip.mp4, shots.1: frames [4, 9] overlap with the shot before, [0, 5]; begin it at 5"
        in result.stderr
    )
    assert f"{tmp_path / 'shots.yaml'}:4" in result.stderr
    assert "Traceback" not in result.stderr


def test_raft_without_weights_is_told_before_any_work(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip, video={"flow": "raft", "flow_weights": str(tmp_path / "raft.pth")})
    result = plan(path)
    assert result.returncode == 5
    assert "raft.pth cannot be read: No such file or directory; fetch https://" in result.stderr


@pytest.mark.usefixtures("ray_session")
def test_a_changed_shot_is_painted_again_alone_and_a_skipped_one_never(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    def edited(strength: float) -> Path:
        shots = [
            {"frames": [0, 3]},
            {"frames": [3, 6], "style_weight": strength},
            {"frames": [6, 9], "skip": True},
        ]
        (tmp_path / "shots.yaml").write_text(yaml.safe_dump({"clip.mp4": {"shots": shots}}))
        return write_job(clip, video={"shots": "shots.yaml"})

    first = run(load_config(edited(5.0)))
    assert (first.status, first.frames["stylized"]) == ("done", 9)  # which says that the output was verified
    found = records(tmp_path / "out")
    assert [found[i]["start"] for i in range(9)] == ["cold", "warm", "warm"] * 2 + ["skipped"] * 3
    assert [found[i]["iterations"] for i in (6, 7, 8)] == [0, 0, 0]
    frames = sorted((tmp_path / "out/.stylize/segments").rglob("*.png"))
    assert [read_number(np.asarray(iio.imread(frames[i]))) for i in (6, 7, 8)] == [6, 7, 8]
    before = committed(tmp_path / "out")
    second = run(load_config(edited(50.0)))
    assert second.frames == {"total": 9, "stylized": 3, "reused": 6}
    assert second.recomputed == {"clip.mp4": ("transfer.style_weight: 5.0 → 50.0",)}
    third = run(load_config(edited(5.0)))
    assert third.frames["stylized"] == 0
    assert before.items() <= committed(tmp_path / "out").items()


@pytest.mark.usefixtures("ray_session")
def test_a_timeline_gives_the_same_bytes_however_often_the_run_is_stopped(
    write_job: WriteJob, clip: Path, tmp_path: Path, style_image: Path
) -> None:
    iio.imwrite(tmp_path / "other.png", np.asarray(iio.imread(style_image))[::-1, ::-1, ::-1])
    timeline = [{"at": 0, "style": str(style_image)}, {"at": 0.3, "style": "other.png", "style_weight": 300}]
    config = load_config(write_job(clip, video={"timeline": timeline}))
    whole = run(config)
    assert whole.frames["stylized"] == 9
    before = committed(tmp_path / "out")
    for path in list((tmp_path / "out/.stylize/segments").rglob("*.png"))[4:]:
        path.unlink()
    again = run(config)
    assert again.frames["stylized"] == 5
    assert committed(tmp_path / "out") == before
