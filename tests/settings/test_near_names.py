"""What is named and is not there: the name that was meant, and where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError
from pipeline.media.items import blamed
from pipeline.media.listing import list_sources
from pipeline.settings.origin import Origin
from pipeline.settings.paths import meant


def is_any(name: str) -> bool:
    return bool(name)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("movin.mp4", "moving.mp4"), ("moving.mov", "moving.mp4"), ("swril.png", "swirl.png"), ("clps", "clips"),
        ("b.mp4", None), ("elsewhere.mp4", None), ("hiden.png", None),
    ],
)  # fmt: skip
def test_the_name_that_is_most_like_it_is_asked_for(asked: str, found: str | None, tmp_path: Path) -> None:
    for name in ("moving.mp4", "a.mp4", "swirl.png", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "clips").mkdir()
    assert meant(tmp_path / asked, is_any) == (f"; did you mean {found}?" if found else "")


def test_only_what_fits_is_asked_for_and_where_nobody_can_look_nothing(tmp_path: Path) -> None:
    (tmp_path / "swirl.txt").touch()
    assert meant(tmp_path / "swirl.png", lambda name: name.endswith(".png")) == ""
    assert meant(tmp_path / "nowhere/swirl.png", is_any) == ""


def test_an_input_is_told_with_the_line_that_it_stands_on(style_image: Path, tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    (tmp_path / "moving.mp4").touch()
    path.write_text(f"output: out\nstyle: {style_image}\ninput:\n  - moving.mp4\n  - movin.mp4\n", "utf-8")
    result = CliRunner().invoke(app, ["plan", str(path)])
    said = f"input {tmp_path}/movin.mp4 does not exist ({path}:5); did you mean moving.mp4?"
    assert (result.exit_code, result.stderr) == (2, f"stylize: {said}\n")
    told = CliRunner().invoke(app, ["plan", str(path), "--set", "input=movin.mp4"]).stderr
    assert "does not exist (--set input=movin.mp4); " in told


def test_an_input_of_no_config_has_no_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist; check the path"):
        list_sources([str(tmp_path / "a.mp4")], folders="auto", exclude=tmp_path / "out")


def test_where_a_config_came_from_makes_it_no_other_one(style_image: Path, tmp_path: Path) -> None:
    configs = list[Config]()
    for name in ("a.yaml", "b b.yaml"):
        (tmp_path / name).write_text(f"input: a.mp4\noutput: out\nstyle: {style_image}\n", "utf-8")
        configs.append(load_config(tmp_path / name, ["transfer.size=64"]))
    assert configs[0] == configs[1]
    command = f"stylize run '{tmp_path}/b b.yaml' --set transfer.size=64"
    assert configs[1].model_copy(update={"rate": 5}).origin.command("run") == command
    assert Origin().command("run") == "stylize run CONFIG"


def test_a_path_is_told_once_and_that_of_an_output_in_full(tmp_path: Path) -> None:
    assert blamed("a.png", f"{tmp_path}/a.png is empty; replace it") == "a.png is empty; replace it"
    assert blamed("a.avi.mkv", f"{tmp_path}/a.avi cannot be read") == "a.avi.mkv cannot be read"
    for error in (f"{tmp_path}/a.png is there already", "/nowhere/a.png cannot be read", "it cannot be read"):
        assert blamed("a.png", error) == f"a.png: {error}"
