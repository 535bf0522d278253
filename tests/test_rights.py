"""What cannot be written in is said by the plan as by the run, and nothing is made to find that out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.forecasting.forecast import forecast
from pipeline.look import look
from pipeline.outline import outline
from pipeline.rights import refusal_of
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import Job, tree
from tests.farms import TextureFarm
from tests.media.clips import write_clip


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)


@pytest.fixture
def config(job: Job, tmp_path: Path) -> Config:
    return job(write_clip(tmp_path / "clip.mp4", frames=4))


def planned(config: Config) -> str | None:
    """Why the plan says that a run would be refused; without a trial, which fails if there is one."""
    told = forecast(config, seen := look(config), trial=True)
    found: str | None = outline(config, seen, told)["refusal"]
    assert found is None or told.trial_s is None
    return found


def no_right(path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool = False) -> None:
    """Take the right to write there away, from root, too; stands in for the system's answers."""
    access, mkdir, statvfs, open_ = os.access, os.mkdir, os.statvfs, os.open

    def refused(where: str | Path, *rest: object, **more: object) -> None:
        if Path(where).parent == path and not Path(where).exists():
            number = 30 if read_only else 13
            raise OSError(number, os.strerror(number))

    def checked(call: Callable[..., object]) -> Callable[..., object]:
        return lambda where, *rest, **more: refused(where) or call(where, *rest, **more)

    monkeypatch.setattr(os, "mkdir", checked(mkdir))
    monkeypatch.setattr(os, "open", checked(open_))
    monkeypatch.setattr(os, "access", lambda where, mode: Path(where) != path and access(where, mode))
    if read_only:
        flags = os.statvfs_result((*statvfs(path)[:8], os.ST_RDONLY, *statvfs(path)[9:]))
        monkeypatch.setattr(os, "statvfs", lambda _: flags)


Obstacle = Callable[[Path, pytest.MonkeyPatch], None]


def a_file_for_the_run_folder(output: Path, _: pytest.MonkeyPatch) -> None:
    output.mkdir()
    (output / ".stylize").touch()


def a_folder_for_the_lock(output: Path, _: pytest.MonkeyPatch) -> None:
    (output / ".stylize/lock").mkdir(parents=True)


def a_link_for_the_lock(output: Path, _: pytest.MonkeyPatch) -> None:
    (output / ".stylize").mkdir(parents=True)
    (output / ".stylize/lock").symlink_to("elsewhere")


def a_link_to_nowhere(output: Path, _: pytest.MonkeyPatch) -> None:
    output.symlink_to("nowhere")


def a_link_to_itself(output: Path, _: pytest.MonkeyPatch) -> None:
    output.symlink_to("out")


def no_right_above_the_output(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_right(output.parent, monkeypatch)


def a_read_only_disk(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_right(output.parent, monkeypatch, read_only=True)


def no_right_in_the_output(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output.mkdir()
    no_right(output, monkeypatch)


@pytest.mark.parametrize(
    "obstacle",
    [
        a_file_for_the_run_folder,
        a_folder_for_the_lock,
        a_link_for_the_lock,
        a_link_to_nowhere,
        a_link_to_itself,
        no_right_above_the_output,
        a_read_only_disk,
        no_right_in_the_output,
    ],
)
def test_the_plan_says_what_the_run_would_say_and_tries_nothing(
    obstacle: Obstacle, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstacle(config.output, monkeypatch)
    before = tree(tmp_path), sorted(tmp_path.rglob("*"))
    said = planned(config)
    assert (tree(tmp_path), sorted(tmp_path.rglob("*"))) == before
    with pytest.raises(PipelineError) as refused:
        run(config)
    assert said == str(refused.value)
    assert str(config.output / ".stylize") in said


def test_an_output_that_takes_nothing_beside_its_run_folder_is_refused_before_any_work(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config.output / ".stylize").mkdir(parents=True)
    no_right(config.output, monkeypatch)
    said = planned(config)
    remedy = "change the rights, or choose another output, then run again"
    assert said == f"cannot write in {config.output}: Permission denied; {remedy}"
    with pytest.raises(PipelineError) as refused:
        run(config)
    assert said == str(refused.value)
    assert not Workspace(config.output).segments.exists()


def test_a_finished_job_needs_no_right_but_that_to_take_its_folder(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(config).status == "done"
    for folder in (config.output, config.output / ".stylize"):
        with monkeypatch.context() as patches:
            no_right(folder, patches)
            patches.setattr(os, "open", os.open)
            assert planned(config) is None
    assert refusal_of(Workspace(config.output), is_done=False) is None
