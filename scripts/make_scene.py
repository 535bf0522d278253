"""Renders `harbor.png`, the project's own content image, which stands in for a photograph, and a mask of its sky.

A picture for style transfer needs what a photograph has: objects one can name, smooth gradients, fine texture, near
and far. So this is a small ray tracer:

1. `scene.harbor`: ground, houses, boats and trees, all placed by hand or by a seeded generator.
2. `view_rays`: 2 × 2 rays per pixel, each of the four with its own point of the sun, which softens shadows.
3. `scene.light`: what a ray meets is textured (`scene.surfaces`), lit by the low sun and by the sky, and fades into
   haze; water mirrors what its ripples turn the ray to.
4. `developed`: a film curve brings radiance to sRGB without clipping.

The same seed gives the same picture with the same numpy; no other picture is read.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scene.harbor import EYE_HEIGHT, build_world
from scene.light import radiance
from scene.noise import Floats, Noise, normalized, turned
from scene.tracing import World

Bytes = npt.NDArray[np.uint8]

SPREAD = 0.52  # half the picture's width at distance 1: a lens of 55 degrees
TO_SUN = np.array([-0.66, 0.43, -0.50], np.float32) / np.linalg.norm([-0.66, 0.43, -0.50])
SUN_RADIUS = 0.012  # radians, two and a half times the true one, for four samples only
SUBSAMPLES = 2
BAND_RAYS = 60_000  # at a time: the arrays of one step stay in the cache


@dataclass(frozen=True)
class Camera:
    """Where one looks from, (x, y, z) in meters, and where to: degrees to the right of z, and above the horizon."""

    eye: tuple[float, float, float] = (0.0, EYE_HEIGHT, 0.0)
    yaw: float = 0.0
    pitch: float = -3.0


def view_rays(camera: Camera, width: int, height: int, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Directions (n, 3) through the subsamples of some rows, in the order row, column, subsample; and their suns."""
    offsets = (np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES
    grid = np.meshgrid(rows, np.arange(width), offsets, offsets, indexing="ij")
    row, column, down, right = (axis.ravel().astype(np.float32) for axis in grid)
    x = SPREAD * (2 * (column + right) / width - 1)
    y = SPREAD * (height - 2 * (row + down)) / width
    pitch = math.radians(camera.pitch)
    up, ahead = y * math.cos(pitch) + math.sin(pitch), math.cos(pitch) - y * math.sin(pitch)
    angle = 2 * np.pi * (2 * down + right - 0.75 / SUBSAMPLES)
    jitter = SUN_RADIUS * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    suns = normalized((TO_SUN + jitter).astype(np.float32))
    return normalized(np.stack([x, up, ahead], axis=1) @ turned(camera.yaw).T), suns


def developed(radiances: Floats) -> Floats:
    """sRGB, 0–1, from radiance by a film curve (Hable's, with white at 4) that bends instead of clipping."""

    def curve(x: Floats | float) -> Floats:
        numerator, denominator = x * (0.22 * x + 0.03) + 0.002, x * (0.22 * x + 0.30) + 0.06
        return np.asarray(numerator / denominator - 0.002 / 0.06)

    exposed = np.clip(curve(1.35 * radiances) / curve(5.2), 0, 1)
    return np.where(exposed <= 0.0031308, 12.92 * exposed, 1.055 * exposed ** (1 / 2.4) - 0.055)


def render(width: int, height: int, seed: int) -> tuple[Bytes, Bytes]:
    """The finished picture, RGB (height, width, 3), and the mask of its sky, gray (height, width), white = sky."""
    return shoot(build_world(seed), Noise(seed + 1), Camera(), width, height)


def shoot(world: World, noise: Noise, camera: Camera, width: int, height: int) -> tuple[Bytes, Bytes]:
    """What a camera sees of a world; as `render`, which builds one."""
    picture, mask = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    for rows in np.array_split(np.arange(height), max(1, height * width * SUBSAMPLES**2 // BAND_RAYS)):
        directions, suns = view_rays(camera, width, height, rows)
        origins = np.broadcast_to(np.array(camera.eye, np.float32), directions.shape)
        color, is_sky = radiance(world, origins, directions, suns, 2 * SPREAD / width, noise)
        # The curve comes before the mean, or a bright edge would stay jagged.
        picture[rows] = developed(color).reshape(len(rows), width, -1, 3).mean(axis=2)
        mask[rows] = is_sky.reshape(len(rows), width, -1).mean(axis=2)
    return np.rint(picture * 255).astype(np.uint8), np.rint(mask * 255).astype(np.uint8)


def size(text: str) -> tuple[int, int]:
    """(width, height) from text such as 768x512."""
    width, height = (int(side) for side in text.lower().split("x"))
    return width, height


def main() -> None:
    """Parse the arguments, render, write both PNGs and print their paths."""
    parser = argparse.ArgumentParser(description="Render the demo's content image and the mask of its sky.")
    parser.add_argument("--out", type=Path, default=Path("configs/pictures/harbor.png"), help="PNG to write")
    parser.add_argument(
        "--size", type=size, default=(768, 512), help="WxH in pixels; 3:2 is what it is composed for"
    )
    parser.add_argument("--seed", type=int, default=7, help="the same seed renders the same picture")
    arguments = parser.parse_args()
    width, height = arguments.size
    picture, mask = render(width, height, arguments.seed)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for path, pixels in (
        (arguments.out, picture),
        (arguments.out.with_stem(f"{arguments.out.stem}_sky"), mask),
    ):
        Image.fromarray(pixels).save(path, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
