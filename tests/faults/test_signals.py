"""What a person, a terminal or the system does to the command while it runs."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load_config
from pipeline.run import run
from tests.faults.conftest import CLIP, Left, left_by
from tests.faults.crews import open_workshop
from tests.faults.processes import complete, frames_in, start, wait_for_frames

Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts processes, which end with the test."""
    started: list[subprocess.Popen[str]] = []

    def begun(*args: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(start(*args, **options))
        return started[-1]

    yield begun
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait(30)


@pytest.fixture
def path(write_job: Callable[..., Path], clip: Path) -> Path:
    """A job of nine frames."""
    return write_job(clip, **CLIP)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def resume(path: Path, output: Path, expected: Left) -> Callable[[], None]:
    """Run the job again, in this process: it gets done, and leaves what it always leaves."""

    def again() -> None:
        with pytest.MonkeyPatch.context() as patches:
            open_workshop(patches)
            assert run(load_config(path)).status == "done"
        assert left_by(output) == expected

    return again


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_frame_in_work_and_the_next_run_gives_the_same_bytes(
    number: signal.Signals, path: Path, output: Path, resume: Callable[[], None], begin: Begin
) -> None:
    process = begin(path)
    wait_for_frames(output, 2, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "interrupted" in out and "run the same command again" in err and "Traceback" not in err
    assert 2 <= frames_in(output) < 9
    resume()


def test_a_terminal_that_says_twice_that_it_is_closed_is_no_second_ctrl_c(
    path: Path, output: Path, begin: Begin
) -> None:
    process = begin(path)
    wait_for_frames(output, 1, process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 75


def test_a_second_ctrl_c_stops_at_once_and_the_next_run_gives_the_same_bytes(
    path: Path, output: Path, resume: Callable[[], None], begin: Begin
) -> None:
    process = begin(path, frame_s=30.0)
    wait_for_frames(output, 1, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    resume()


def test_a_killed_driver_loses_nothing(
    path: Path, output: Path, resume: Callable[[], None], begin: Begin
) -> None:
    for count in (2, 5):
        process = begin(path)
        wait_for_frames(output, count, process)
        process.kill()
        process.wait(30)
    assert frames_in(output) < 9
    resume()


@pytest.mark.parametrize("closed", ["stderr", "both"])
def test_work_goes_on_where_nobody_reads_what_it_says(
    closed: str, path: Path, output: Path, expected: Left, begin: Begin
) -> None:
    process = begin(path, frame_s=0.05)
    wait_for_frames(output, 1, process)
    assert process.stderr is not None and process.stdout is not None
    process.stderr.close()
    if closed == "both":
        process.stdout.close()
    assert process.wait(60) == 0
    assert left_by(output) == expected


def test_work_goes_on_where_the_disk_of_its_log_is_full(
    path: Path, output: Path, expected: Left, begin: Begin
) -> None:
    with Path("/dev/full").open("w") as full:
        process = begin(path, frame_s=0.0, stderr=full)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert left_by(output) == expected


def test_a_second_driver_is_refused_and_a_frozen_one_goes_on_to_the_same_bytes(
    path: Path, output: Path, expected: Left, begin: Begin
) -> None:
    first = begin(path)
    wait_for_frames(output, 2, first)
    first.send_signal(signal.SIGSTOP)
    there = frames_in(output)
    second = complete(path)
    assert second.returncode == 5
    assert f"another run is working in {output} (process {first.pid} on " in second.stderr
    assert frames_in(output) == there
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert left_by(output) == expected


def test_two_drivers_that_start_at_once_give_one_result(
    path: Path, output: Path, expected: Left, begin: Begin
) -> None:
    pair = [begin(path, frame_s=0.1) for _ in range(2)]
    ends = sorted((process.communicate(timeout=90), process.returncode)[1] for process in pair)
    assert ends == [0, 5]
    assert left_by(output) == expected


def test_too_few_open_files_end_in_a_message_and_the_next_run_gives_the_same_bytes(
    path: Path, output: Path, resume: Callable[[], None]
) -> None:
    ends = set()
    for most in (5, 6, 9):

        def limit(most: int = most) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

        done = complete(path, preexec_fn=limit)
        if done.returncode == 1 and "stylize: " not in done.stderr:
            continue  # Python itself does not start with so few
        assert "Traceback" not in done.stderr
        ends.add(done.returncode)
    assert ends <= {0, 2, 3, 5} and ends != {0}
    resume()


def test_nohup_stays_nohup(path: Path, output: Path, expected: Left, begin: Begin) -> None:
    process = begin(path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for_frames(output, 1, process)
    os.kill(process.pid, signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert left_by(output) == expected
