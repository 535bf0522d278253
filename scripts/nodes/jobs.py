"""A film and some photographs small enough for a CPU, the job that paints them, and what it left behind."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import yaml

ROOT = Path(__file__).parents[2]
STYLE = ROOT / "configs/paintings/swirl.png"
CLI = (sys.executable, "-m", "pipeline.cli")

Rgb = npt.NDArray[np.uint8]


def scene(moment: int, size_px: int = 64) -> Rgb:
    """A texture that moves, (size, size, 3)."""
    y, x = np.mgrid[:size_px, :size_px]
    waves = [np.sin((x + 2 * moment) / 6), np.cos((y - moment) / 5), np.sin((x + y + moment) / 9)]
    return (np.stack(waves, -1) * 110 + 128).astype(np.uint8)


def make_media(folder: Path, *, frames: int, pictures: int) -> None:
    """A film in one shot, and as many photographs."""
    (folder / "photos").mkdir(parents=True)
    with av.open(str(folder / "film.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=Fraction(25), options={"crf": "10"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for moment in range(frames):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(scene(moment), format="rgb24")))
        film.mux(stream.encode(None))
    for index in range(pictures):
        iio.imwrite(folder / f"photos/{index:02d}.png", scene(100 + 17 * index, 48 + 8 * (index % 3)))


def write_job(path: Path, media: str | Path, output: str | Path, *, iterations: int, **sections: Any) -> Path:
    """The job, with one thread for each worker, so that machines of any size make the same bytes."""
    job = {
        "input": str(media),
        "output": str(output),
        "style": str(STYLE),
        "folders": "archive",
        "transfer": {"size": 64, "iterations": iterations, "warm_iterations": max(3, iterations // 2)},
        "video": {"segment_frames": 4, "blend_frames": 2, "cuts": "none"},
        "disk": {"pack": "never", "keep": "all"},
        "execution": {"threads_per_worker": 1},
        **sections,
    }
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path


def command(job: Path, address: str | None, *options: str) -> list[str]:
    """The command line of a run; without an address on this machine alone, with one worker."""
    where = ["--set", "execution.workers=1"] if address is None else ["--set", f"execution.address={address}"]
    return [*CLI, "run", str(job), "--json", *where, *options]


def records(output: Path) -> Iterator[dict[str, Any]]:
    """The run's journal so far."""
    path = output / ".stylize/records.jsonl"
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        yield json.loads(line)


def frames_by_machine(output: Path) -> Counter[str]:
    """How many frames and photographs each machine has made, by its name."""
    return Counter(record["worker"].partition("-")[0] for record in records(output))


def wait_until(
    is_so: Callable[[], bool], process: subprocess.Popen[bytes], what: str, timeout_s: float = 300
) -> None:
    """Wait for something to be so while a process runs; raises where the process ends first, or it takes too long."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if process.poll() is not None:
            raise RuntimeError(f"the run ended with {process.returncode} before {what}")
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{what}: not in {timeout_s} s")
        time.sleep(0.1)


def digests(output: Path) -> dict[str, str]:
    """The SHA-256 of every result and of every committed frame, by its path below the output folder."""
    results = [path for path in output.rglob("*") if path.is_file() and ".stylize" not in path.parts]
    frames = (output / ".stylize/segments").rglob("*.png")
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted([*results, *frames])
    }


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The paths that are not there on both sides with the same bytes."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))
