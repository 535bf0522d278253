"""Ctrl-C while Ray and the workers are starting, when nothing is in work yet."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio.v3 as iio
import psutil
import pytest

from pipeline.config import load_config
from pipeline.run import run
from tests.farms import TextureFarm
from tests.faults.conftest import CLIP
from tests.faults.processes import start
from tests.media.clips import picture

PROMPTLY_S = 5.0
"""It takes a third of a second; Ray alone takes longer than this to start on a machine that is busy with tests."""


@pytest.fixture
def process(write_job: Callable[..., Path], clip: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a session of its own, whose Ray is about to start."""
    process = start(write_job(clip, **CLIP), module="pipeline.cli", start_new_session=True)
    assert process.stderr is not None
    while "starting Ray" not in (line := process.stderr.readline()):
        assert line, process.communicate()
    yield process
    if process.poll() is None:
        process.kill()
    process.wait(30)


def session_of(process: subprocess.Popen[str]) -> set[str]:
    """The names of the processes that live in the session that a process has opened."""
    found = set()
    for one in psutil.process_iter(["name", "status"]):
        try:
            if os.getsid(one.pid) == process.pid and one.info["status"] != psutil.STATUS_ZOMBIE:
                found.add(one.info["name"])
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("begun", ["", "gcs_server", "raylet"])
def test_ctrl_c_ends_the_run_at_once_and_leaves_no_process(
    begun: str, number: signal.Signals, process: subprocess.Popen[str]
) -> None:
    while begun and begun not in session_of(process):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    asked_s = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - asked_s < PROMPTLY_S
    assert process.returncode == 75, err
    assert "interrupted: 9 frames, 0 stylized" in out and "run the same command again" in err
    assert "Traceback" not in err and "SIGTERM" not in err
    deadline_s = time.monotonic() + 10
    while left := session_of(process):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.05)


def test_sigterm_is_heard_once_ray_has_started(process: subprocess.Popen[str]) -> None:
    """Ray then has a handler of its own in the process, of which Python does not know, and which ends in an abort."""
    while not any(name.startswith("ray::_Actor") for name in session_of(process)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err


@pytest.mark.parametrize("kind", ["film", "photographs"])
def test_a_run_does_not_wait_for_a_start_and_the_next_one_goes_on(
    kind: str, write_job: Callable[..., Path], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, left = threading.Event(), threading.Event(), threading.Event()

    class Slow(TextureFarm):
        def __enter__(self) -> Slow:
            begun.set()
            assert go.wait(60)
            return self

        def __exit__(self, *_: object) -> None:
            left.set()

    source = clip
    if kind == "photographs":
        source = tmp_path / "in"
        source.mkdir()
        for name in "abc":
            iio.imwrite(source / f"{name}.png", picture(ord(name)))
    config = load_config(write_job(source, **CLIP))
    with monkeypatch.context() as patches:
        patches.setattr("pipeline.execute.scheduler.Farm", Slow)
        summary = run(config, stop=begun.is_set)
    assert (summary.status, summary.frames["stylized"]) == ("interrupted", 0)
    go.set()
    assert left.wait(60), "what has started after all is closed"
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    assert run(config).status == "done"
