"""What comes after the painting: how long one frame takes to be read again, encoded and verified, with each codec.

All frames of bikes.mp4 are committed as if they had been painted, with noise, and the real assembly is done over them,
once with each codec at its default quality. Said are seconds a megapixel: of wall time, and of CPU time, which other
work on the machine changes little. The latter in two: what the thread does itself that writes the film, and what the
encoder's and the decoder's threads do, which the cores share; on c cores without other work that takes about
own + shared / c. One encoder writes a film when its last frame is finished, so this bounds what more workers can bring.

    .venv/bin/python scripts/bench_encoder.py [--size 512] [--frames 48] [--codecs h264 h265 vp9 av1 ffv1]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from sample_clips import clip_path

from pipeline.assemble import assemble
from pipeline.config import Config, load_config
from pipeline.frames import encode_frame
from pipeline.look import look
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit
from pipeline.plan import SourcePlan
from pipeline.records import FrameRecord
from pipeline.resume import folder_of
from pipeline.workspace import Workspace, commit_frame

PAINTING = Path(__file__).parents[1] / "configs/paintings/mosaic.png"
NOISE = 6.0
"""Standard deviation, of 255: paintings have more detail than a film."""

CODECS = ("h264", "h265", "vp9", "av1", "ffv1")
CONTAINERS = {"gif": "gif", "webp": "webp", "png": "png"}
"""What is no codec of a video goes into its own; the others into Matroska, which holds them all."""


class Taken(NamedTuple):
    """Seconds: of wall time, and of CPU time in this thread and in all others."""

    wall_s: float
    own_s: float
    shared_s: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--codecs", nargs="+", choices=(*CODECS, *CONTAINERS), default=CODECS)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        path = write_job(Path(folder), given.size, given.frames)
        config = load_config(path)
        (source,) = look(config).plan.sources
        commit_all(source, Workspace(config.output))
        width, height = source.size
        print(
            f"{given.frames} frames of {width} × {height} px, {cores} cores; seconds a megapixel, CPU as own + shared:"
        )
        for codec in given.codecs:
            coding = ("container", CONTAINERS[codec]) if codec in CONTAINERS else ("codec", codec)
            taken = measure(load_config(path, [f"encoding.{coding[0]}={coding[1]}"]))
            print(
                f"{codec:5} wall {taken.wall_s:.3f}, CPU {taken.own_s:.3f} + {taken.shared_s:.3f}", flush=True
            )


def write_job(folder: Path, size: int, frames: int) -> Path:
    """A job of so many frames of the clip, as one segment."""
    job = {
        "input": str(clip_path("bikes.mp4")), "output": str(folder / "out"), "style": str(PAINTING),
        "transfer": {"size": size}, "encoding": {"container": "mkv"},
        "video": {"cuts": "none", "frames": [0, frames], "segment_frames": None},
    }  # fmt: skip
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def measure(config: Config) -> Taken:
    """What a megapixel takes of the job's output, whose frames are there: to write it, and to verify it."""
    (source,) = look(config).plan.sources
    megapixels = source.frames * source.size[0] * source.size[1] / 1e6
    clocks = (time.monotonic, time.thread_time, time.process_time)
    before = [clock() for clock in clocks]
    assemble(source, Workspace(config.output))
    wall_s, own_s, cpu_s = (
        (clock() - began) / megapixels for clock, began in zip(clocks, before, strict=True)
    )
    return Taken(wall_s, own_s, cpu_s - own_s)


def commit_all(source: SourcePlan, space: Workspace) -> None:
    """Make every frame of a source finished, as it is but for noise."""
    found, (segment,) = source.inspected, source.segments
    random = np.random.default_rng(0)
    for index, rgb in enumerate(decode_frames(found.source, found.probe, 0, source.frames)):
        frame = fit(rgb, source.size)
        noisy = np.clip(frame + random.normal(0, NOISE, frame.shape), 0, 255).astype(np.uint8)
        data = encode_frame(noisy)
        record = FrameRecord(
            source.name, index, segment.name, "warm", 1, 1.0, (1.0,), 0.1, None, 0.1, "bench", len(data)
        )
        commit_frame(folder_of(segment, space), record, data)


if __name__ == "__main__":
    main()
