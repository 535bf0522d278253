"""Commands that paint no frames to keep: however they are ended, their temporary files go."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, signal, sys, tempfile
from pipeline.interruption import stop_by_ctrl_c

number = int(sys.argv[2])
if "nohup" in sys.argv:
    signal.signal(number, signal.SIG_IGN)
stop_by_ctrl_c()
with tempfile.TemporaryDirectory(dir=sys.argv[1]):
    os.kill(os.getpid(), number)
    print("alive")
"""


def ended(folder: Path, number: int, *more: str) -> str:
    command = [sys.executable, "-c", CODE, str(folder), str(number), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_command_that_is_ended_leaves_nothing_temporary(number: int, tmp_path: Path) -> None:
    assert ended(tmp_path, number) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_command_under_nohup_goes_on_when_the_terminal_closes(tmp_path: Path) -> None:
    assert ended(tmp_path, signal.SIGHUP, "nohup") == "alive\n"
