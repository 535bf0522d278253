"""The set-up script: what it does and says, the first time and again, with a Python that installs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = """#!/bin/sh
echo "$@" >> "$CALLS"
if [ "$1 $2" = "-m venv" ]; then mkdir -p .venv/bin && cp "$0" .venv/bin/python; fi
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without anything in it but the scripts, and the only Python there is."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.11").write_text(PYTHON)
    (tmp_path / "bin/python3.11").chmod(0o755)
    return tmp_path


def run(checkout: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """The lines that the script prints, and the calls of Python."""
    calls = checkout / "calls"
    calls.write_text("")
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [checkout / "scripts/setup", *arguments], env={"PATH": path, "CALLS": str(calls)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines(), calls.read_text().splitlines()


def test_it_ends_with_what_to_do_next_where_it_has_installed_something(checkout: Path) -> None:
    said, calls = run(checkout)
    assert "-m venv .venv" in calls
    assert any(call.startswith("-m pip install") for call in calls)
    assert calls[-1] == "scripts/sample_clips.py bikes.mp4 demo"
    assert said[0].startswith("installing into .venv")
    assert said[1:] == [
        "installed: .venv/bin/stylize, and a clip to try it on, demo/bikes.mp4",
        "next: source .venv/bin/activate, then, where your videos or pictures are: stylize init",
    ]


def test_it_says_nothing_where_all_is_there(checkout: Path) -> None:
    run(checkout)
    said, calls = run(checkout)
    assert said == []
    assert not any("install" in call for call in calls)


def test_a_script_that_goes_on_itself_asks_it_not_to_say_what_is_next(checkout: Path) -> None:
    said, _ = run(checkout, "--quiet")
    assert len(said) == 1
    assert said[0].startswith("installing into .venv")
    for name in ("demo", "test"):
        assert "\n./scripts/setup --quiet\n" in (ROOT / "scripts" / name).read_text()


def test_a_changed_list_of_dependencies_is_installed_again(checkout: Path) -> None:
    run(checkout)
    stamp = (checkout / ".venv/.installed").stat().st_mtime
    os.utime(checkout / "pyproject.toml", (stamp + 10, stamp + 10))
    said, _ = run(checkout)
    assert said[-1].startswith("next: ")
