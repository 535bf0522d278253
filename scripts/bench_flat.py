"""Does anything grow with the length of a film? The memory of the driver and of the workers over 500 painted frames.

A synthesized film, a tiny size and few iterations, real weights, two workers on Ray. After every frame the resident
memory of the driver and of the worker that made it are taken down, and what Ray's object store holds, and has ever
held. Said is the median of the first 50 frames after the first 50, that of the last 50, and what a line through all of
them grows by; exit code 1 where a process has grown by more than 3 %, or anything was in the object store.

    .venv/bin/python scripts/bench_flat.py [--frames 500] [--size 48]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import av
import numpy as np
import psutil
import yaml

from pipeline.config import load_config
from pipeline.execute.events import Event, FrameFinished
from pipeline.ledger import Watcher
from pipeline.run import run

PAINTING = Path(__file__).parents[1] / "configs/paintings/mosaic.png"
WARM_UP = WINDOW = 50
MOST = 1.03
RAYS_OWN_BYTES = 100
"""Ray makes an object of 8 bytes for every actor."""
CLIP_SIZE = (96, 72)

Sample = tuple[int, float]
"""How many frames were finished, and a process's resident memory in MB then."""


class Scale(Watcher):
    """Weighs the processes after every frame; the driver is process 0."""

    def __init__(self) -> None:
        self.memory: dict[str, list[Sample]] = defaultdict(list)
        self.store = self.ever = 0  # bytes in Ray's object store, the most; bytes that were ever there
        self._done = 0

    def happened(self, event: Event) -> None:
        if not isinstance(event, FrameFinished):
            return
        self._done += 1
        worker = event.record.worker
        for name, process in (("driver", None), (worker, int(worker.rpartition("-")[2]))):
            self.memory[name].append((self._done, psutil.Process(process).memory_info().rss / 1e6))
        if self._done % WINDOW == 0:
            stats = store_stats()
            self.store = max(self.store, stats.object_store_bytes_used)
            self.ever = max(self.ever, stats.cumulative_created_bytes)


def store_stats() -> Any:
    """What Ray's object store holds here. There is no public way to ask without the dashboard."""
    import ray
    from ray._private.internal_api import get_memory_info_reply, get_state_from_address

    return get_memory_info_reply(get_state_from_address(ray.get_runtime_context().gcs_address)).store_stats


def write_film(path: Path, frames: int) -> None:
    """A pattern that moves over a gradient."""
    width, height = CLIP_SIZE
    y, x = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"qp": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            waves = np.stack([np.sin((x + index) / 5), np.cos((y - index) / 7), np.sin((x + y) / 9)], -1)
            rgb = (waves * 60 + 128 + (x / width * 50)[..., None]).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--size", type=int, default=48)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_film(Path(folder, "film.mp4"), given.frames)
        job = {
            "input": str(Path(folder, "film.mp4")), "output": str(Path(folder, "out")), "style": str(PAINTING),
            "transfer": {"size": given.size, "iterations": 6, "warm_iterations": 3}, "video": {"cuts": "none"},
            "execution": {"workers": 2, "threads_per_worker": 1},
        }  # fmt: skip
        path = Path(folder, "job.yaml")
        path.write_text(yaml.safe_dump(job))
        scale = Scale()
        summary = run(load_config(path), scale)
    assert summary.status == "done", summary.failures
    sys.exit(0 if show(scale) else 1)


def show(scale: Scale) -> bool:
    """Print what was weighed; whether nothing grew."""
    print(
        "| process | frames | first 50 after 50, MB | last 50, MB | ratio | kB a frame |\n|---|---|---|---|---|---|"
    )
    ratios = [row(name, samples) for name, samples in scale.memory.items()]
    print(f"\nRay's object store: {scale.store} bytes at most, {scale.ever} ever")
    return max(ratios) <= MOST and not scale.store and scale.ever <= RAYS_OWN_BYTES


def row(name: str, samples: Sequence[Sample]) -> float:
    """Print a line of the table; the last memory of a process as a multiple of that after the first frames."""
    later = [(done, mb) for done, mb in samples if done > WARM_UP]
    first = median(mb for done, mb in later if done <= WARM_UP + WINDOW)
    last = median(mb for done, mb in later if done > later[-1][0] - WINDOW)
    slope, _ = linear_regression(*zip(*later, strict=True))
    print(f"| {name} | {len(samples)} | {first:.1f} | {last:.1f} | {last / first:.3f} | {1e3 * slope:.1f} |")
    return last / first


if __name__ == "__main__":
    main()
