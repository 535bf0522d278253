"""The trees of the harbor: balls of leaves, and for the near one a trunk with boughs."""

from __future__ import annotations

import numpy as np

from .looks import look
from .noise import Floats, Noise, turned
from .solids import Foliage, Part, frustum


def oak(root: Floats, noise: Noise, rng: np.random.Generator) -> tuple[list[Part], Foliage]:
    """The tree on the bank: a trunk, boughs, and a crown of balls of leaves at their ends."""
    bark = look("bark", "#6d5540")
    parts = [Part(frustum(10, 0.62, 0.34, 6.4), root, turned(0, roll_degrees=-4), bark)]
    centers, radii = [], []
    for index in range(22):
        yaw, out = 137.5 * index, 0.8 + 4.0 * np.sqrt(index / 22)
        height = 4.9 + 5.0 * (1 - (out / 5.2) ** 2) + rng.uniform(-1.1, 1.1)
        tip = np.array([out * np.cos(np.radians(yaw)), height, out * np.sin(np.radians(yaw))], np.float32)
        centers.append(root + tip + np.array([0.4, 0, 0], np.float32))
        radii.append(rng.uniform(0.8, 1.5))
        lean = float(np.degrees(np.arctan2(out, height - 4.6)))
        fork = root + np.array([0.35, 4.6, 0], np.float32)
        reach = float(np.hypot(out, height - 4.6))
        parts.append(Part(frustum(6, 0.17, 0.06, reach), fork, turned(-yaw, roll_degrees=-lean), bark))
    leaves = look("leaves", "#6f8a34", "#3c5a24")
    return parts, Foliage(
        np.array(centers, np.float32), np.array(radii, np.float32), 0.62, 2.6, noise, leaves
    )


def cypress(foot: Floats, height: float, noise: Noise) -> Foliage:
    """A slim dark tree: balls that grow, then shrink, on the way up."""
    steps = np.linspace(0.12, 0.95, 7)
    radii = height * 0.13 * np.sin(np.pi * (0.18 + 0.8 * steps)) ** 0.7 + 0.1
    centers = foot + np.stack([0 * steps, steps * height, 0 * steps], axis=1)
    leaves = look("leaves", "#45602f", "#24391f")
    return Foliage(centers.astype(np.float32), radii.astype(np.float32), 0.4, 1.6, noise, leaves)


def bush(foot: Floats, size: float, noise: Noise, rng: np.random.Generator) -> Foliage:
    """A round tree, or a bush where it is small: four balls."""
    around = rng.normal(0, 0.42, (4, 3)) * size + np.array([0, 0.75 * size, 0])
    color = str(rng.choice(("#6b8038", "#7f8a3c", "#54702f", "#8f8440")))
    radii = size * rng.uniform(0.55, 0.85, 4)
    leaves = look("leaves", color, "#33491f")
    return Foliage(
        (foot + around).astype(np.float32), radii.astype(np.float32), 0.3 * size, 2.2 / size, noise, leaves
    )
