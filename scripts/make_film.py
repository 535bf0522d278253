"""Renders `harbor.mp4`, the project's own film: two shots of the harbor of `make_scene.py`, by a camera that moves.

    .venv/bin/python scripts/make_film.py        # demo/harbor.mp4, about 4 minutes on one core

The first shot goes past a tree, from behind which a lighthouse comes forth; then there is a hard cut to a sailboat that
passes before the houses. What is near moves up to 5 px a frame at 288 px, what is far less than half of one. Light and
exposure are the same throughout, and a pixel's rays are the same in every frame, so nothing changes but by motion.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import ColorRange
from make_scene import Bytes, Camera, shoot, size
from scene.harbor import at_sail, build_world
from scene.noise import Noise

FILM = Path(__file__).parents[1] / "demo/harbor.mp4"  # ignored by git
SIZE = (288, 192)
SEED = 7
RATE = Fraction(24)
SAILS_M = 0.05  # a frame
BT709 = 1  # of H.273: primaries, transfer and matrix alike


@dataclass(frozen=True)
class Shot:
    """How many frames, the camera of the first, and how far it goes, (x, y, z) in meters, from each to the next."""

    frames: int
    camera: Camera
    step: tuple[float, float, float]

    def at(self, index: int) -> Camera:
        """The camera of a frame of the shot."""
        x, y, z = (start + index * step for start, step in zip(self.camera.eye, self.step, strict=True))
        return replace(self.camera, eye=(x, y, z))


SHOTS = (
    Shot(36, Camera((-5.0, 10.0, 1.0)), (0.2, -0.012, 0.12)),
    Shot(12, Camera((-6.5, 2.4, 44.0), yaw=24.0, pitch=3.0), (0.2, 0.01, 0.0)),
)


def render_film(width: int, height: int, shots: Sequence[Shot] = SHOTS, seed: int = SEED) -> Iterator[Bytes]:
    """The frames, RGB (height, width, 3), one shot after the other."""
    world, noise = build_world(seed), Noise(seed + 1)
    cameras = [shot.at(index) for shot in shots for index in range(shot.frames)]
    for index, camera in enumerate(cameras):
        yield shoot(at_sail(world, SAILS_M * index), noise, camera, width, height)[0]


def write_film(path: Path, frames: Iterator[Bytes], width: int, height: int) -> None:
    """H.264 near to lossless, that every player can show: BT.709, 4:2:0, so both sides have to be even."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "6", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = ColorRange.MPEG
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=BT709, dst_color_range=ColorRange.MPEG
            )
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def film(path: Path = FILM) -> Path:
    """The film's path; rendered first where it is not there."""
    if not path.is_file():
        partial = path.with_stem(f"{path.stem}.partial")
        write_film(partial, render_film(*SIZE), *SIZE)
        partial.replace(path)
    return path


def main() -> None:
    """Parse the arguments, render, write the film and print its path."""
    parser = argparse.ArgumentParser(description="Render the project's own film of the harbor.")
    parser.add_argument("--out", type=Path, default=FILM, help="MP4 to write")
    parser.add_argument(
        "--size", type=size, default=SIZE, help="WxH in pixels, both even; 3:2 is what it is composed for"
    )
    parser.add_argument(
        "--frames",
        type=int,
        nargs=2,
        default=[shot.frames for shot in SHOTS],
        metavar=("FIRST", "SECOND"),
        help="of the two shots; the speed stays",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed renders the same film")
    arguments = parser.parse_args()
    shots = [replace(shot, frames=count) for shot, count in zip(SHOTS, arguments.frames, strict=True)]
    width, height = arguments.size
    write_film(arguments.out, render_film(width, height, shots, arguments.seed), width, height)
    print(arguments.out)


if __name__ == "__main__":
    main()
