"""What people are told: a name of a file can neither drive their terminal nor be taken for markup."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands import asking
from pipeline.ledger import Watchers
from pipeline.live.display import Display
from pipeline.live.progress import Meter
from pipeline.run import run
from tests.conftest import Job
from tests.farms import TextureFarm
from tests.media.clips import write_clip

TITLE = "\x1b]0;owned\x07"  # sets the title of a terminal's window
NAMES = [f"{TITLE}.mp4", "a\x1b[2J\x9b31m\r\n.mp4", "a\u202e4pm.mp4", "[/x].mp4", "\udcff.mp4"]
COLORS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")  # which Rich itself writes to a terminal


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray; and nothing waits for the disk."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Films with odd names, one of which is none."""
    folder = tmp_path / "in"
    (folder / "[").mkdir(parents=True)  # so that a source is called [/x].mp4
    write_clip(folder / "clip.mp4", frames=3, size=(64, 48))
    for name in NAMES:
        shutil.copy(folder / "clip.mp4", folder / name)
    (folder / f"torn {TITLE}.mp4").write_bytes(b"no film")
    (folder / f"torn {TITLE}.png").write_bytes(b"no picture")
    (folder / f"notes {TITLE}.txt").touch()
    return folder


def assert_harmless(text: str) -> None:
    rest = COLORS.sub("", text)
    odd = {c for c in rest if not c.isprintable()} - {"\n", "\r"}
    assert odd == set(), rest
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("command", ["plan", "run", "status", "preview", "verify"])
def test_no_command_prints_what_a_terminal_would_obey(
    command: str, write_job: Callable[..., Path], media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, runner = write_job(media), CliRunner()
    if command in ("status", "verify"):
        runner.invoke(app, ["run", str(config)])
    finished = ["--finished"] * (command == "preview")  # else it would paint samples
    told = runner.invoke(app, [command, str(config), *finished])
    assert told.exit_code in (0, 3), told.output
    assert "\\x1b]0;owned" in told.output or command == "status"
    assert_harmless(told.output)


def test_an_error_that_quotes_a_name_does_not_either(tmp_path: Path) -> None:
    for name in (f"{TITLE}.yaml", "a\x1b[2J\u202e.yaml"):
        told = CliRunner().invoke(app, ["plan", str(tmp_path / name)])
        assert told.exit_code == 2
        assert_harmless(told.output)
    told = CliRunner().invoke(app, ["init", str(tmp_path / f"{TITLE}.yaml")])
    assert_harmless(told.output)


def test_a_plan_on_a_terminal_takes_no_name_for_markup(
    write_job: Callable[..., Path], media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(
        asking, "open_console", lambda *_, **__: Console(file=screen, force_terminal=True, width=200)
    )
    told = CliRunner().invoke(app, ["plan", str(write_job(media))])
    assert "MarkupError" not in told.output
    assert_harmless(screen.getvalue() + told.output)
    assert "[/x].mp4" in COLORS.sub("", screen.getvalue())


def test_the_live_panel_of_a_run_is_harmless(job: Job, media: Path) -> None:
    screen = io.StringIO()
    with Display(Console(file=screen, force_terminal=True, width=200), meter := Meter()) as display:
        run(job(media), Watchers(meter, display))
    assert_harmless(screen.getvalue())
