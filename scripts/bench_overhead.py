"""What a run adds to the painting itself, and what a second worker brings.

Two shots of equal work of a real clip, real weights, a fixed number of iterations, one thread a worker, in three ways,
each in a process of its own: the engine's own loop (the plain `Worker` without Ray: decode, paint, commit), a run with
one worker, and a run with two. Rounds of all three alternate, so that a busy machine hits each; ratios are medians over
the rounds. A run's wall time is counted without the start of Ray and of its workers, which is printed apart: from the
plan's being made to the beginning of the first frame, by the events. What Ray takes to shut down counts.

A machine that does other things besides shows in the wall times. What it does not show in is printed, too: the CPU
seconds of the workers, how long a worker waits between two frames, and what part of the time it paints.

    .venv/bin/python scripts/bench_overhead.py [--size 128] [--frames 20] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import yaml
from sample_clips import clip_path

from pipeline.config import load_config
from pipeline.execute.events import Event, FrameFinished
from pipeline.ledger import Watcher
from pipeline.run import run, worker_settings

PAINTING = Path(__file__).parents[1] / "configs/paintings/mosaic.png"
FIRST = 80  # within a shot of bikes.mp4
WAYS = ("loop", "1 worker", "2 workers")
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "RAY_worker_niceness": "0"}
"""The first as workers have it; Ray's default niceness, 15, would let whatever else runs here hit runs, not loops."""

Found = Mapping[str, float]


class Clock(Watcher):
    """When a plan was there, when the first frame was begun, when the last one was finished; what frames took."""

    def __init__(self) -> None:
        self.planned_s = self.first_s = self.last_s = self.painting_s = 0.0
        self.cpu_s: dict[str, float] = {}  # by worker, from its process's start

    def planned(self, *_: Any) -> None:
        self.planned_s = time.monotonic()

    def happened(self, event: Event) -> None:
        if isinstance(event, FrameFinished):
            self.last_s = time.monotonic()
            self.first_s = self.first_s or self.last_s - event.record.seconds
            self.painting_s += event.record.seconds
            self.cpu_s[event.record.worker] = cpu_s(int(event.record.worker.rpartition("-")[2]))


def cpu_s(process: int) -> float:
    """The CPU seconds that a process has taken since it began."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def by_run(job: Path) -> Found:
    """A run's seconds: in all without the start, before the start, of the start, with workers, and after them."""
    began, clock = time.monotonic(), Clock()
    summary = run(load_config(job), clock)
    ended = time.monotonic()
    assert summary.status == "done", summary.failures
    return {
        "whole": ended - began - (clock.first_s - clock.planned_s),
        "before": clock.planned_s - began,
        "start": clock.first_s - clock.planned_s,
        "work": clock.last_s - clock.first_s,
        "after": ended - clock.last_s,
        "painting": clock.painting_s,
        "cpu": sum(clock.cpu_s.values()),
    }


def by_loop(job: Path) -> Found:
    """The seconds of a plain worker over the same frames, set up before."""
    from pipeline.execute.worker import Worker
    from pipeline.look import look
    from pipeline.resume import todos
    from pipeline.workspace import Workspace

    config = load_config(job)
    seen = look(config)
    worker = Worker(replace(worker_settings(config), threads=1))
    worker.set_up()
    began, painting_s = time.monotonic(), 0.0
    for todo in todos(seen.plan, seen.stock, Workspace(config.output), config.transfer):
        for place, index in enumerate(todo.missing):
            painting_s += worker.stylize_frame(index, None if place else todo.job).seconds
    spent = time.monotonic() - began
    return {"whole": spent, "work": spent, "painting": painting_s, "cpu": cpu_s(os.getpid())}


def write_job(folder: Path, workers: int, size_px: int, frames: int) -> Path:
    """A job whose two shots take exactly as many iterations."""
    middle = FIRST + frames // 2
    job = {
        "input": str(clip_path("bikes.mp4")), "output": str(folder / "out"), "style": str(PAINTING),
        "transfer": {"size": size_px, "iterations": 100, "warm_iterations": 30, "tolerance": 0, "warm_tolerance": 0},
        "video": {"frames": [FIRST, FIRST + frames], "cuts": [middle]},
        "execution": {"workers": workers, "threads_per_worker": 1},
    }  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def measure(way: str, size_px: int, frames: int) -> Found:
    """One way, in a new process and a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        job = write_job(Path(folder), 2 if way == "2 workers" else 1, size_px, frames)
        command = [sys.executable, __file__, "--one", "loop" if way == "loop" else "run", "--job", str(job)]
        environment = {**os.environ, **ENVIRONMENT}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        found: Found = json.loads(done.stdout.splitlines()[-1])
        return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=("loop", "run"), help=argparse.SUPPRESS)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(by_loop(given.job) if given.one == "loop" else by_run(given.job)))
        return
    rounds: dict[str, list[Found]] = defaultdict(list)
    for number in range(given.rounds):
        for way in WAYS if number % 2 == 0 else WAYS[::-1]:
            rounds[way].append(measure(way, given.size, given.frames))
            spent = {name: round(value, 2) for name, value in rounds[way][-1].items()}
            print(f"round {number}, {way}: {spent}", flush=True)
    show(rounds, given.frames)


def show(rounds: Mapping[str, list[Found]], frames: int) -> None:
    print(
        "\n| | whole s | before | start of Ray and workers | with workers | after |\n|---|---|---|---|---|---|"
    )
    for way, found in rounds.items():
        cells = (
            median(one.get(name, 0.0) for one in found)
            for name in ("whole", "before", "start", "work", "after")
        )
        print(f"| {way} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    print(f"\none worker / loop: {spread(rounds, '1 worker', 'loop', 'whole')}")
    print(f"  between the first frame and the last: {spread(rounds, '1 worker', 'loop', 'work')}")
    print(f"  CPU seconds, the set-up included: {spread(rounds, '1 worker', 'loop', 'cpu')}")
    print(f"one worker / two workers: {spread(rounds, '1 worker', '2 workers', 'whole')}")
    print(f"  between the first frame and the last: {spread(rounds, '1 worker', '2 workers', 'work')}")
    shares = {
        way: [one["painting"] / one["work"] / workers for one in rounds[way]]
        for way, workers in (("loop", 1), ("1 worker", 1), ("2 workers", 2))
    }
    alone = [
        2 * a["cpu"] / b["cpu"] * share_2 / share_1
        for a, b, share_1, share_2 in zip(
            rounds["1 worker"], rounds["2 workers"], shares["1 worker"], shares["2 workers"], strict=True
        )
    ]
    print(f"  by CPU seconds and shares, on a machine with nothing else to do: {median(alone):.2f}")
    for way, workers in (("loop", 1), ("1 worker", 1), ("2 workers", 2)):
        waits = [(one["work"] * workers - one["painting"]) / frames for one in rounds[way]]
        print(
            f"{way}: between two frames {1e3 * median(waits):.1f} ms; painting {100 * median(shares[way]):.1f} %"
        )


def spread(rounds: Mapping[str, list[Found]], one: str, other: str, what: str) -> str:
    """The median of a ratio over the rounds, and its range."""
    ratios = [a[what] / b[what] for a, b in zip(rounds[one], rounds[other], strict=True)]
    return f"{median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})"


if __name__ == "__main__":
    main()
