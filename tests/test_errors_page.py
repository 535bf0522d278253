"""Every message on docs/errors.md is one that a command prints, and every message that is produced here is on it.

The page's blocks hold messages as they are printed, with JOB for the job's folder. Each scenario below breaks one
thing in a job that works, and says what command to try.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from tests.farms import TextureFarm
from tests.media.clips import write_clip

PAGE = Path(__file__).resolve().parent.parent / "docs" / "errors.md"


@dataclass
class Bench:
    """A job that works, in a folder of its own, for a scenario to break."""

    folder: Path

    def set(self, **changes: object) -> None:
        job = yaml.safe_load((self.folder / "job.yaml").read_text(encoding="utf-8"))
        (self.folder / "job.yaml").write_text(
            yaml.safe_dump({**job, **changes}, sort_keys=False), encoding="utf-8"
        )

    def write(self, name: str, data: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


Scenario = Callable[[Bench], tuple[int, str]]
"""Breaks something; the exit code and the command line that meets it, without the job's path but for another one."""
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__.replace("_", " ")] = function
    return function


# --- the YAML and the command line: 2 ---


@scenario
def a_key_that_does_not_exist(job: Bench) -> tuple[int, str]:
    job.set(transfer={"siez": 48})
    return 2, "run"


@scenario
def a_value_out_of_range(job: Bench) -> tuple[int, str]:
    job.set(transfer={"size": 8})
    return 2, "run"


@scenario
def a_word_where_a_number_is_wanted(job: Bench) -> tuple[int, str]:
    job.set(transfer={"iterations": "many"})
    return 2, "run"


@scenario
def two_settings_that_exclude_each_other(job: Bench) -> tuple[int, str]:
    job.set(transfer={"content_weight": 0, "style_weight": 0})
    return 2, "run"


@scenario
def a_wrong_override(job: Bench) -> tuple[int, str]:
    return 2, "run --set transfer.sise=256"


@scenario
def no_such_yaml(job: Bench) -> tuple[int, str]:
    (job.folder / "job.yaml").unlink()
    return 2, "run"


@scenario
def an_empty_yaml(job: Bench) -> tuple[int, str]:
    job.write("job.yaml", "# nothing yet\n")
    return 2, "run"


@scenario
def a_yaml_that_is_none(job: Bench) -> tuple[int, str]:
    job.write("job.yaml", "input: [clip.mp4\noutput: out\n")
    return 2, "run"


@scenario
def a_job_that_is_there_already(job: Bench) -> tuple[int, str]:
    return 2, "init"


@scenario
def a_video_where_a_job_is_to_be_written(job: Bench) -> tuple[int, str]:
    return 2, "init JOB/clip.mp4"


@scenario
def a_name_for_a_job_that_is_a_video_s(job: Bench) -> tuple[int, str]:
    return 2, "init JOB/moving.mp4"


@scenario
def a_job_in_a_folder_that_is_not_there(job: Bench) -> tuple[int, str]:
    return 2, "init JOB/jobs/new.yaml"


@scenario
def an_input_for_a_new_job_that_is_not_there(job: Bench) -> tuple[int, str]:
    (job.folder / "job.yaml").unlink()
    return 2, "init --input holiday.mp4"


@scenario
def an_input_for_a_new_job_that_no_yaml_can_name(job: Bench) -> tuple[int, str]:
    (job.folder / "job.yaml").unlink()
    (job.folder / "holiday\udcff.mp4").touch()
    return 2, f"init --input {job.folder}/holiday\udcff.mp4"


@scenario
def an_input_that_is_not_there(job: Bench) -> tuple[int, str]:
    job.set(input="footage/")
    return 2, "run"


@scenario
def an_input_that_is_misspelled(job: Bench) -> tuple[int, str]:
    job.set(input="clpi.mp4")
    return 2, "run"


@scenario
def an_input_that_is_the_job(job: Bench) -> tuple[int, str]:
    job.set(input="job.yaml")
    return 2, "run"


@scenario
def a_pattern_that_matches_nothing(job: Bench) -> tuple[int, str]:
    job.set(input="*.mov")
    return 2, "run"


@scenario
def an_input_without_a_picture(job: Bench) -> tuple[int, str]:
    job.write("notes/readme.txt", "hello")
    job.set(input="notes/")
    return 2, "run"


@scenario
def a_style_that_is_not_there(job: Bench) -> tuple[int, str]:
    job.set(style="paintings/swirl.png")
    return 2, "run"


@scenario
def a_style_that_is_misspelled(job: Bench) -> tuple[int, str]:
    job.set(style="stlye.png")
    return 2, "run"


@scenario
def a_style_that_is_a_video(job: Bench) -> tuple[int, str]:
    job.set(style="clip.mp4")
    return 2, "run"


@scenario
def a_list_of_styles_that_are_paths(job: Bench) -> tuple[int, str]:
    job.set(style=["style.png"])
    return 2, "run"


@scenario
def a_style_that_is_no_picture(job: Bench) -> tuple[int, str]:
    job.write("swirl.png", "no picture")
    job.set(style="swirl.png")
    return 2, "run"


@scenario
def a_manifest_without_a_path(job: Bench) -> tuple[int, str]:
    job.write("photos.csv", "picture,style\na.jpg,b.png\n")
    job.set(input="photos.csv")
    return 2, "run"


@scenario
def a_shot_list_of_another_film(job: Bench) -> tuple[int, str]:
    job.write("shots.yaml", "film.mp4:\n  shots:\n    - frames: [0, 6]\n")
    job.set(video={"shots": "shots.yaml"})
    return 2, "run"


@scenario
def a_time_that_is_none(job: Bench) -> tuple[int, str]:
    return 2, "preview --at noon"


@scenario
def a_time_that_no_film_has(job: Bench) -> tuple[int, str]:
    return 2, "preview --at 9:00"


@scenario
def a_grid_without_values(job: Bench) -> tuple[int, str]:
    return 2, "preview --grid transfer.style_weight"


# --- single sources: 3 ---


@scenario
def a_file_that_is_no_video(job: Bench) -> tuple[int, str]:
    job.write("clip.mp4", "no video at all")
    return 3, "run"


@scenario
def a_video_that_is_cut_off(job: Bench) -> tuple[int, str]:
    whole = write_clip(job.folder / "whole.mkv", frames=40, sound_s=1.6).read_bytes()
    job.write("clip.mkv", whole[: len(whole) * 3 // 5])
    job.set(input="clip.mkv")
    return 3, "run"


@scenario
def a_picture_that_is_damaged(job: Bench) -> tuple[int, str]:
    whole = (job.folder / "style.png").read_bytes()
    job.write("photos/a.png", whole[: len(whole) // 2])
    job.set(input="photos/", folders="archive")
    return 3, "run"


@scenario
def a_picture_that_is_empty(job: Bench) -> tuple[int, str]:
    job.write("photos/a.png", b"")
    job.set(input="photos/", folders="archive")
    return 3, "run"


@scenario
def a_picture_that_is_too_large(job: Bench) -> tuple[int, str]:
    iio.imwrite(job.folder / "photo.png", np.zeros((300, 400, 3), np.uint8))
    job.set(input="photo.png", archive={"max_megapixels": 0.1})
    return 3, "run"


@scenario
def frames_that_the_video_does_not_have(job: Bench) -> tuple[int, str]:
    job.set(video={"frames": [900, 1000]})
    return 3, "run"


@scenario
def an_output_that_is_not_ours(job: Bench) -> tuple[int, str]:
    job.write("out/clip.mp4", "my own film")
    return 3, "run"


@scenario
def an_output_that_is_missing(job: Bench) -> tuple[int, str]:
    return 3, "verify"


@scenario
def an_output_that_could_not_be_made(job: Bench) -> tuple[int, str]:
    assert told(job, a_picture_that_is_damaged(job)[1])[0] == 3
    return 3, "verify"


# --- this machine, or this cluster: 5 ---


@scenario
def another_run_at_work(job: Bench) -> tuple[int, str]:
    job.write("out/.stylize/lock", "process 4711 on studio since 2026-11-25 09:30:00\n")
    lock = os.open(job.folder / "out/.stylize/lock", os.O_RDWR)  # kept until the process ends
    fcntl.flock(lock, fcntl.LOCK_EX)
    return 5, "run"


@scenario
def an_output_folder_that_cannot_be_made(job: Bench) -> tuple[int, str]:
    job.set(output="loop/out")
    (job.folder / "loop").symlink_to("loop")
    return 5, "run"


@scenario
def an_output_folder_that_could_not_be_made(job: Bench) -> tuple[int, str]:
    an_output_folder_that_cannot_be_made(job)
    return 5, "plan"


@scenario
def a_budget_that_cannot_hold_the_job(job: Bench) -> tuple[int, str]:
    job.set(disk={"budget_gib": 0.000001})
    return 5, "run"


@scenario
def a_cluster_that_is_not_there(job: Bench) -> tuple[int, str]:
    with socket.socket() as free:  # a port that nobody listens at
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job.set(execution={"address": f"127.0.0.1:{port}"})
    return 5, "run"


@scenario
def weights_that_are_no_weights(job: Bench) -> tuple[int, str]:
    torch.save({"some": torch.zeros(3)}, job.folder / "vgg.pth")
    job.set(weights="vgg.pth")
    return 5, "plan"


@scenario
def raft_without_its_weights(job: Bench) -> tuple[int, str]:
    job.set(video={"flow": "raft"})
    return 5, "plan"


def told(job: Bench, command: str) -> tuple[int, str]:
    """What a command prints of the job, in the page's words."""
    name, *rest = command.replace("JOB", str(job.folder)).split()
    path = [] if rest and rest[0].startswith("/") else [str(job.folder / "job.yaml")]
    result = CliRunner().invoke(app, [name, *path, *rest])
    text = result.output.replace(str(job.folder), "JOB")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:6379", text)
    return result.exit_code, " ".join(text.split())


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, style_image: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    if "a cluster that" in request.node.callspec.id:
        monkeypatch.setattr(
            "ray.is_initialized", lambda: False
        )  # other tests' cluster is none of this one's business
    else:
        monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    write_clip(tmp_path / "clip.mp4", frames=6)
    (tmp_path / "style.png").write_bytes(style_image.read_bytes())
    job = {"input": "clip.mp4", "output": "out", "style": "style.png", "transfer": {"size": 48}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job, sort_keys=False), encoding="utf-8")
    return Bench(tmp_path)


def blocks() -> list[str]:
    """The messages on the page, each on one line."""
    text = PAGE.read_text(encoding="utf-8")
    return [" ".join(block.split()) for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_message_is_on_the_page_as_it_is_printed(name: str, bench: Bench) -> None:
    code, command = SCENARIOS[name](bench)
    got, text = told(bench, command)
    assert got == code, text
    assert "Traceback" not in text
    assert any(block in text for block in blocks()), f"{name}: {text}"


def test_every_message_on_the_page_is_one_of_these() -> None:
    assert len(blocks()) == len(SCENARIOS)
    assert len(set(blocks())) == len(blocks())
