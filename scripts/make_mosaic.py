"""The second sample painting: a mosaic of glass tesserae laid along wavy courses, all of it computed.

.venv/bin/python scripts/make_mosaic.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PALETTE = (
    np.array(
        [
            *([26, 56, 60], [38, 94, 84], [92, 140, 104], [186, 196, 148]),
            *([236, 222, 184], [206, 150, 110], [150, 70, 82], [78, 44, 78]),
        ]
    )
    / 255
)
"""From deep green by cream to plum, RGB."""

GROUT = np.array([0.16, 0.14, 0.15])
TESSERA = 1 / 42
"""Side of a tessera, as part of the picture's."""


def courses(size_px: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Where each pixel lies across the courses and along them, in tesserae, both (size, size)."""
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    centers = rng.uniform(0.15, 0.85, (3, 2))
    rings = [np.hypot(x - u, (y - v) * 1.2) for u, v in centers]
    across = np.minimum.reduce([ring + 0.06 * index for index, ring in enumerate(rings)])
    nearest = np.argmin([ring + 0.06 * index for index, ring in enumerate(rings)], axis=0)
    angles = np.stack([np.arctan2(y - v, x - u) for u, v in centers])
    angle = np.take_along_axis(angles, nearest[None], 0)[0]
    across = across + 0.012 * np.sin(angle * 5 + 3 * nearest)
    row = np.floor(across / TESSERA)
    along = angle / (2 * np.pi) * np.maximum(6, np.round(2 * np.pi * (row + 0.5)))  # whole tesserae to a ring
    return across / TESSERA, along + 0.37 * row + 1000 * nearest


def glass_colors(number: npt.NDArray[np.intp], across: Floats, rng: np.random.Generator) -> Floats:
    """A color for each tessera, (count, 3): bands of the palette along the courses, no two pieces quite alike."""
    band = 0.5 + 0.5 * np.sin(np.floor(across) * 0.55 + 0.8 * np.sin(across * 0.13))
    sizes = np.bincount(number.ravel())
    tones = np.bincount(number.ravel(), band.ravel()) / sizes
    tones = np.clip(tones + rng.normal(0, 0.09, len(sizes)), 0, 1) * (len(PALETTE) - 1)
    low = np.minimum(tones.astype(int), len(PALETTE) - 2)
    colors = PALETTE[low] + (PALETTE[low + 1] - PALETTE[low]) * (tones - low)[:, None]
    light = rng.uniform(0.82, 1.15, len(sizes))[:, None]
    return np.asarray(np.clip(colors * light + rng.normal(0, 0.02, colors.shape), 0, 1))


def paint(size_px: int, seed: int) -> npt.NDArray[np.uint8]:
    """The mosaic, (size, size, 3), RGB."""
    rng = np.random.default_rng(seed)
    across, along = courses(2 * size_px, rng)
    _, number = np.unique(np.floor(across) * 7919 + np.floor(along) * 104729, return_inverse=True)
    number = number.reshape(across.shape)
    colors = glass_colors(number, across, rng)
    u, v = across % 1, along % 1
    edge = np.minimum.reduce([u, 1 - u, v, 1 - v])
    glass = np.clip((edge - 0.07) / 0.05, 0, 1)[..., None]
    spark = np.exp(-(((u - 0.3) / 0.12) ** 2) - ((v - 0.3) / 0.2) ** 2)
    shine = 1 + 0.22 * (0.5 - u) + 0.16 * (0.5 - v) + 0.25 * spark
    grain = cv2.GaussianBlur(rng.normal(0, 1, across.shape), (0, 0), 2.5)
    picture = GROUT * (1 - glass) + colors[number] * shine[..., None] * glass
    picture = np.clip(picture * (1 + 0.12 * grain[..., None]), 0, 1)
    small = cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(np.round(small * 255), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("configs/paintings/mosaic.png"), help="PNG to write")
    parser.add_argument("--size", type=int, default=512, help="side of the square picture, in pixels")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    cv2.imwrite(str(args.out), paint(args.size, args.seed)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
