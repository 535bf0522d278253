"""What comes after the painting: how long one frame takes to be read again, encoded and verified.

All frames of bikes.mp4 are committed as if they had been painted, with noise, and the real assembly is done over them.
Said are seconds of wall time and of CPU time a frame; the second is what a machine without other work would take on one
core. One encoder writes a film when its last frame is finished, so this bounds what more workers can bring.

    .venv/bin/python scripts/bench_encoder.py [--size 512] [--frames 250]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from sample_clips import clip_path

from pipeline.assemble import assemble
from pipeline.config import load_config
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--frames", type=int, default=250)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = {
            "input": str(clip_path("bikes.mp4")), "output": str(Path(folder, "out")), "style": str(PAINTING),
            "transfer": {"size": given.size},
            "video": {"cuts": "none", "frames": [0, given.frames], "segment_frames": None},
        }  # fmt: skip
        path = Path(folder, "job.yaml")
        path.write_text(yaml.safe_dump(job))
        config = load_config(path)
        (source,) = look(config).plan.sources
        space = Workspace(config.output)
        commit_all(source, space)
        began_s, cpu_s = time.monotonic(), time.process_time()
        assemble(source, space)
        wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    width, height = source.size
    print(f"{given.frames} frames of {width} × {height} px: {1e3 * wall_s / given.frames:.1f} ms a frame, "
          f"{1e3 * cpu_s / given.frames:.1f} ms of CPU time")  # fmt: skip


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
