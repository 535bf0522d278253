"""An archive of a million photographs, all the way but the painting: how fast, in how much memory, and killed.

Makes hard links to a few small JPEGs, a thousand in a folder, and runs the job on them with a stand-in for the
optimizer that gives every picture back as it is: listing, headers, index, batches, Ray, decoding, encoding, syncing,
names, journal. After a third of the pictures the driver is killed, and run again. Says when the first batch was handed
out, pictures per second, the memory of the driver, and how many pictures were painted twice.

    .venv/bin/python scripts/bench_archive.py [--count 1000000] [--folder /tmp/archive]
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from PIL import Image

from pipeline.config import load_config
from pipeline.execute.events import Event, PictureFinished
from pipeline.execute.job import Batch, Painted, WorkerInfo, WorkerSettings
from pipeline.ledger import Watcher

DIFFERENT, PER_FOLDER, SIZE = 16, 1000, (100, 75)
PAINTING = Path(__file__).parents[1] / "configs/paintings/mosaic.png"


class StandIn:
    """A worker whose painter gives pictures back as they are."""

    def __init__(self, settings: WorkerSettings) -> None:
        from pipeline.execute.gallery import Gallery

        self._make: type[Gallery] = Gallery
        self._gallery: Gallery | None = None

    def set_up(self) -> WorkerInfo:
        import torch

        torch.set_num_threads(1)
        return WorkerInfo(f"stand-in-{os.getpid()}", "none", 1)

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> Painted:
        if batch is not None:
            if self._gallery is not None:
                self._gallery.close()
            self._gallery = self._make(batch, Unchanged(), f"stand-in-{os.getpid()}", lambda _: None)
        assert self._gallery is not None
        return self._gallery.paint(missing)

    def progress(self) -> None:
        return None


class Unchanged:
    """Stands in for the stylizer."""

    def at_once(self, shape: tuple[int, int], most: int) -> int:
        return most

    def stylize_batch(self, contents: Any, *_: Any, **__: Any) -> list[Any]:
        from pipeline.style import Stylization

        return [Stylization(contents[i : i + 1], 1.0, (1.0,), 0.0) for i in range(len(contents))]


class Clock(Watcher):
    """Prints, as JSON lines, when what happened."""

    def __init__(self) -> None:
        self._began_s, self._done, self._said_s = time.monotonic(), 0, 0.0
        self._process = psutil.Process()

    def say(self, **what: Any) -> None:
        memory = self._process.memory_info().rss / 1e6
        passed = round(time.monotonic() - self._began_s, 2)
        print(json.dumps({"s": passed, "mb": round(memory), "done": self._done, **what}), flush=True)

    def planned(self, *_: Any) -> None:
        self.say(what="begins")

    def happened(self, event: Event) -> None:
        if isinstance(event, PictureFinished):
            self._done += 1
            if self._done == 1:
                self.say(what="first picture")
        if time.monotonic() - self._said_s > 5:
            self._said_s = time.monotonic()
            self.say(what="at work")


def work(job: Path) -> None:
    """The driver, in a process of its own."""
    from pipeline.archive import stream
    from pipeline.execute import scheduler
    from pipeline.run import run

    clock = Clock()
    tell(stream.Stream, "_offer", clock, "first batch planned")
    tell(stream.Stream, "take", clock, "first batch handed out")
    scheduler.Farm = functools.partial(scheduler.Farm, make=StandIn)  # type: ignore[assignment, misc]
    summary = run(load_config(job), clock)
    clock.say(what="finished", frames=summary.frames, status=summary.status, wall_s=round(summary.wall_s, 1))


def tell(owner: type, name: str, clock: Clock, what: str) -> None:
    """Have the clock say when a method of a stream first gives something, or is done."""
    method, seen = getattr(owner, name), list[bool]()

    def call(*args: Any) -> Any:
        answer = method(*args)
        if not seen and (answer is not None or name == "_offer"):
            seen.append(True)
            clock.say(what=what)
        return answer

    setattr(owner, name, call)


def make_archive(folder: Path, count: int) -> None:
    """Hard links to a few pictures."""
    random, seeds = np.random.default_rng(0), folder / "seeds"
    seeds.mkdir(parents=True)
    for index in range(DIFFERENT):
        small = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC).save(seeds / f"{index}.jpg")
    for index in range(count):
        place = folder / "in" / f"{index // PER_FOLDER:04d}"
        if index % PER_FOLDER == 0:
            place.mkdir(parents=True)
        os.link(seeds / f"{index % DIFFERENT}.jpg", place / f"{index:07d}.jpg")


def drive(job: Path, kill_at: int | None) -> list[dict[str, Any]]:
    """Run the driver and collect what it says; kill it once it has done `kill_at` pictures."""
    command = [sys.executable, __file__, "--work", str(job)]
    said: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(json.loads(line))
            print(f"  {line.strip()}", flush=True)
            if kill_at is not None and said[-1]["done"] >= kill_at:
                os.killpg(process.pid, signal.SIGKILL)
                break
    return said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work)
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="archive-"))
    try:
        measure(folder, given.count)
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, count: int) -> None:
    make_archive(folder, count)
    settings = {"workers": 2, "threads_per_worker": 1}
    job = {"input": str(folder / "in"), "output": str(folder / "out"), "style": str(PAINTING), "folders": "archive",
           "transfer": {"size": 48}, "execution": settings}  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    print(f"{count} pictures of {SIZE[0]}x{SIZE[1]} px; killed after a third")
    first = drive(path, count // 3)
    print("run again")
    second = drive(path, None)
    conclude(first, second, count)


def conclude(first: list[dict[str, Any]], second: list[dict[str, Any]], count: int) -> None:
    last, end = first[-1], second[-1]
    planned, began = (
        next(one["s"] for one in first if one["what"] == f"first batch {what}")
        for what in ("planned", "handed out")
    )
    warm = next((one for one in first if one["done"] > 0), first[-1])
    rate = (last["done"] - warm["done"]) / max(1e-9, last["s"] - warm["s"])
    again = next(one for one in second if one["what"] == "first picture")
    rate_2 = (end["done"] - again["done"]) / max(1e-9, end["s"] - again["s"])
    peak = max(one["mb"] for one in (*first, *second))
    frames = end["frames"]
    print(
        f"first batch planned after {planned} s; handed out, once Ray and the workers had started, after {began} s"
    )
    print(f"{rate:.0f} and, run again, {rate_2:.0f} pictures a second; the driver takes {peak} MB at most")
    print(f"resumed: first picture after {again['s']} s, {frames['reused']} reused, {frames['stylized']} painted; "
          f"known to the killed driver: {last['done']}; painted twice: {last['done'] + frames['stylized'] - count} "
          "at most")  # fmt: skip


if __name__ == "__main__":
    main()
