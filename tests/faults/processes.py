"""The command as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODULE = "tests.faults.child"


def _hear_signals() -> None:
    """Where these tests run in the background, Ctrl-C is ignored, and a child would ignore it, too."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(
    path: Path,
    *words: str,
    module: str = MODULE,
    frame_s: float = 0.2,
    home: Path | None = None,
    **options: Any,
) -> subprocess.Popen[str]:
    """Start a job's run; `home`: another home folder than the person's."""
    command = [sys.executable, "-m", module, "run", str(path), *words]
    piped: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    before = piped.pop("preexec_fn", lambda: None)

    def prepare() -> None:
        _hear_signals()
        before()

    environment = {**os.environ, "FRAME_S": str(frame_s), **({"HOME": str(home)} if home else {})}
    return subprocess.Popen(command, text=True, env=environment, preexec_fn=prepare, **piped)


def complete(path: Path, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a job to its end, quickly."""
    process = start(path, *words, **{"frame_s": 0.0, **options})
    out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def frames_in(output: Path) -> int:
    """How many frames are committed."""
    return len(list((output / ".stylize").rglob("[0-9]*.png")))


def wait_for_frames(
    output: Path, count: int, process: subprocess.Popen[str], patience_s: float = 120
) -> None:
    """Wait until so many frames are committed; the process is not to end before."""
    deadline_s = time.monotonic() + patience_s
    while frames_in(output) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s, "no frames"
        time.sleep(0.02)
