"""What a person is told of failures: each once, as it is found; at the end how many there are, why, and what next."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline.archive.tally import Tally
from pipeline.cli import app
from pipeline.live.display import Display
from pipeline.live.progress import Meter
from pipeline.media.stills import write_still
from pipeline.plan import Failure, Plan
from pipeline.reasons import summed_up
from pipeline.resume import Stock
from tests.farms import TextureFarm
from tests.media.clips import cut_file, picture, write_clip

OPENED, READ = (
    "cannot be opened as a video (Invalid data found when processing input)",
    "cannot be read as a picture (image file is truncated)",
)
WHY = "it is cut off, damaged or no video. Replace it, or take it out of the input"
PICTURE = "it is cut off, damaged or no picture. Replace it, or take it out of the input"


@pytest.fixture
def path(write_job: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job with two broken films, a photograph that only painting finds broken, a stranger's file, and a good film."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("good.mp4", "taken.mp4"):
        write_clip(folder / name, frames=4)
    for name in ("broken 1.mp4", "broken 2.mp4"):
        (folder / name).write_bytes(b"no film")
    write_still(picture(0), folder / "photo.png")
    cut_file(folder / "photo.png", folder / "photo.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/taken.mp4").write_bytes(b"mine")
    return write_job(folder)


def told(path: Path, *options: str) -> list[str]:
    """The lines on standard error that tell of failures."""
    result = CliRunner().invoke(app, ["run", str(path), *options])
    assert result.exit_code == 3, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("failed: ") or "failures" in line]


def test_each_failure_is_told_once_and_all_are_summed_up_at_the_end(path: Path) -> None:
    lines = told(path)
    assert sorted(line.removeprefix("failed: ").partition(":")[0] for line in lines[:-1]) == [
        f"broken 1.mp4 {OPENED}; {WHY}", f"broken 2.mp4 {OPENED}; {WHY}", f"photo.png {READ}; {PICTURE}", "taken.mp4",
    ]  # fmt: skip
    assert lines[-1] == (
        "4 failures: 2 × cannot be opened as a video (Invalid data found when processing input), "
        "1 × is there already, and no run here made it, 1 × cannot be read as a picture (image file is truncated); "
        f"to see them again: stylize verify {path}"
    )


def test_the_command_that_shows_them_again_does(path: Path) -> None:
    lines = told(path, "--set", "transfer.seed=3")
    words = lines[-1].partition("to see them again: stylize ")[2].split()
    assert words == ["verify", str(path), "--set", "transfer.seed=3"]
    again = CliRunner().invoke(app, words).stdout
    for name in ("broken 1.mp4", "broken 2.mp4", "photo.png", "taken.mp4"):
        assert f"{name}: " in again
    assert "the last run failed at it: " in again


def test_where_nothing_is_told_meanwhile_it_is_at_the_end(path: Path) -> None:
    assert sum(line.startswith("failed: ") for line in told(path, "--progress", "none")) == 4


def test_the_json_has_every_failure_as_before(path: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(path), "--json"])
    found = json.loads(result.stdout)["failures"]
    assert {one["source"] for one in found} == {"broken 1.mp4", "broken 2.mp4", "photo.png", "taken.mp4"}
    assert all(one.keys() == {"source", "frame", "error"} for one in found)
    assert "to see them again" not in result.output


def test_a_terminal_is_told_once_too_though_what_there_is_to_do_is_told_twice() -> None:
    screen = io.StringIO()
    archive = Tally(planned=1, failures=[Failure("a.png", None, "no picture")])
    with Display(Console(file=screen, force_terminal=True, width=200), Meter()) as display:
        for _ in range(2):
            display.planned(Plan(), Stock({}, {}), archive)
    assert screen.getvalue().count("a.png: no picture") == 1


def test_very_many_reasons_are_counted_only() -> None:
    failures = [
        Failure(f"{word}.png", None, f"/in/{word}.png is {word * 99}; mend it") for word in "abcdefgh"
    ]
    line = summed_up(failures)
    assert line.startswith("8 failures: 1 × is aaa") and line.endswith(", 3 other reasons")
    assert len(line) < 1000
