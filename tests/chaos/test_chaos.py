"""Real Ray, real weights, the real command; killed, frozen and cut off at random, twenty times in a row."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from pipeline.config import load_config
from pipeline.execute.events import Event, FrameFinished, Pulse, WorkerLost
from pipeline.ledger import Watcher
from pipeline.run import run
from tests.faults.conftest import Left, left_by
from tests.faults.processes import start, wait_for_frames
from tests.media.clips import write_clip

pytestmark = pytest.mark.chaos

CLI = "pipeline.cli"
JOB: dict[str, Any] = {
    "transfer": {"size": 48, "iterations": 30, "warm_iterations": 40, "tolerance": 0, "warm_tolerance": 0},
    "video": {"cuts": [5]},
    "execution": {"workers": 1, "threads_per_worker": 1},
}
"""Ten frames in two segments, about half a second each."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames with sound."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=10, sound_s=0.4)


@pytest.fixture
def path(write_job: Callable[..., Path], clip: Path) -> Path:
    return write_job(clip, **JOB)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


Complete = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts runs, which end with the test, and everything that they started."""
    started: list[subprocess.Popen[str]] = []

    def begun(*args: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(start(*args, module=CLI, **options))
        return started[-1]

    yield begun
    for process in started:
        with suppress(psutil.NoSuchProcess):
            for one in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
                one.kill()
        process.communicate()


@pytest.fixture
def complete(begin: Begin) -> Complete:
    """Runs a job to its end."""

    def done(*args: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        process = begin(*args, **options)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return done


@pytest.fixture(scope="module")
def expected(clip: Path, style_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What the job leaves when nothing happens to it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = {**JOB, "input": str(clip), "output": str(folder / "out"), "style": str(style_image)}
    (folder / "job.yaml").write_text(json.dumps(job))
    process = start(folder / "job.yaml", module=CLI)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return left_by(folder / "out")


def test_a_driver_killed_twenty_times_in_a_row_loses_nothing(
    path: Path, output: Path, expected: Left, begin: Begin, complete: Complete
) -> None:
    dice, seen = random.Random(7), 0
    for _ in range(20):
        process = begin(path)
        with suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(1, 14))
        process.kill()
        process.wait(30)
        there = (
            {name: data for name, data in left_by(output).items() if name.endswith(".png")}
            if output.exists()
            else {}
        )
        assert len(there) >= seen, "a finished frame is gone"
        assert there.items() <= expected.items()
        seen = len(there)
    done = complete(path)
    assert done.returncode == 0, done.stderr
    assert left_by(output) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_real_command_ends_it_with_the_frame_in_work(
    number: signal.Signals, path: Path, output: Path, expected: Left, begin: Begin, complete: Complete
) -> None:
    process = begin(path)
    wait_for_frames(output, 1, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert complete(path).returncode == 0
    assert left_by(output) == expected


def test_sigterm_at_any_moment_of_the_start_is_an_interruption(
    path: Path, output: Path, expected: Left, begin: Begin, complete: Complete
) -> None:
    ends = []
    for wait_s in (3, 4.5, 6, 7.5, 9, 10.5):
        process = begin(path)
        time.sleep(wait_s)
        process.terminate()
        _, err = process.communicate(timeout=120)
        ends.append(process.returncode)
        assert "Traceback" not in err
    assert set(ends) <= {0, 75, -signal.SIGTERM}, ends  # before Python has come so far, the system's own end
    assert complete(path).returncode == 0
    assert left_by(output) == expected


def test_a_raylet_killed_under_a_running_job_ends_in_a_message_or_in_the_same_bytes(
    path: Path, output: Path, expected: Left, begin: Begin, complete: Complete
) -> None:
    process = begin(path)
    wait_for_frames(output, 2, process)
    (raylet,) = [p for p in psutil.Process(process.pid).children(recursive=True) if p.name() == "raylet"]
    raylet.kill()
    _, err = process.communicate(timeout=200)
    assert process.returncode in (0, 3, 5), err
    assert "Traceback" not in err
    assert process.returncode == 0 or "stylize: " in err or "failed: " in err
    assert complete(path).returncode == 0
    assert left_by(output) == expected


class KillAtEveryFrame(Watcher):
    """Kills each worker over the next frame as soon as it has finished one."""

    def __init__(self) -> None:
        self.lost, self._at = 0, set[tuple[str, int]]()

    def happened(self, event: Event) -> None:
        match event:
            case Pulse(workers):
                for worker in workers:
                    at = worker.progress and (worker.progress.segment, worker.progress.frame)
                    if at and at not in self._at:
                        self._at.add(at)
                        with suppress(ProcessLookupError):
                            os.kill(int(worker.name.rpartition("-")[2]), signal.SIGKILL)
            case WorkerLost():
                self.lost += 1


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head without a worker's place, and two nodes with one each."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        found.add_node(num_cpus=1)
    ray.init(found.address, logging_level="ERROR", log_to_driver=False)
    yield found
    ray.shutdown()
    found.shutdown()


def test_workers_killed_at_every_frame_change_nothing(
    path: Path, output: Path, expected: Left, cluster: Cluster
) -> None:
    killer = KillAtEveryFrame()
    assert run(load_config(path), killer).status == "done"
    assert killer.lost >= 5
    assert left_by(output) == expected


def test_a_node_removed_without_warning_costs_only_what_was_in_work(
    path: Path, output: Path, expected: Left, cluster: Cluster
) -> None:
    config = load_config(path, ["execution.workers=auto"])

    class Remover(Watcher):
        def __init__(self) -> None:
            self.removed, self.lost = False, list[str]()
            self.finished = Counter[tuple[str, int]]()
            self.begun: dict[tuple[str, int], set[str]] = {}

        def happened(self, event: Event) -> None:
            match event:
                case FrameFinished(record):
                    self.finished[record.segment, record.frame] += 1
                    if not self.removed:
                        self.removed = True
                        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
                case WorkerLost(name):
                    self.lost.append(name)
                case Pulse(workers):
                    for worker in workers:
                        if worker.progress:
                            at = worker.progress.segment, worker.progress.frame
                            self.begun.setdefault(at, set()).add(worker.name)

    remover = Remover()
    assert run(config, remover).status == "done"
    assert remover.removed
    # Until the head knows that the node is gone, another worker may be started there, which costs no frame.
    assert len({name for name in remover.lost if not name.endswith("starting")}) <= 1, remover.lost
    assert len(remover.finished) == 10 and set(remover.finished.values()) == {1}, "none is finished twice"
    assert sum(len(workers) > 1 for workers in remover.begun.values()) <= 1, (
        "only what was in work is begun twice"
    )
    assert left_by(output) == expected


def test_a_lost_head_ends_in_a_message_and_the_job_goes_on_elsewhere(
    path: Path, output: Path, expected: Left, begin: Begin, complete: Complete
) -> None:
    head = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        # This cluster asks for no token, so none is to be shown.
        address = head.address
        process = begin(path, "--set", f"execution.address={address}", home=path.parent)
        wait_for_frames(output, 2, process)
    finally:
        head.shutdown()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 75, err
    assert f"the head of the cluster at {address} has not answered for 50 s" in err
    assert "Traceback" not in err
    done = complete(path)
    assert done.returncode == 0, done.stderr
    assert left_by(output) == expected


def test_a_worker_that_hangs_is_replaced(path: Path, output: Path, expected: Left, cluster: Cluster) -> None:
    config = load_config(path, ["execution.hang_timeout_s=20"])
    frozen: list[int] = []

    class Freezer(Watcher):
        def __init__(self) -> None:
            self.reasons: list[str] = []

        def happened(self, event: Event) -> None:
            match event:
                case Pulse(workers):
                    for worker in workers:
                        if worker.progress and worker.progress.frame == 2 and not frozen:
                            frozen.append(int(worker.name.rpartition("-")[2]))
                            os.kill(frozen[0], signal.SIGSTOP)
                case WorkerLost(_, reason):
                    self.reasons.append(reason)

    freezer = Freezer()
    try:
        assert run(config, freezer).status == "done"
        assert any("it hung" in reason for reason in freezer.reasons)
    finally:
        for number in frozen:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    assert left_by(output) == expected
