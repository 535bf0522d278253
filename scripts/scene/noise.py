"""Smooth random functions, and the few lines of vector algebra that everything here shares.

Points and directions are (n, 3) arrays of x to the right, y up and z away from the viewer, in meters; directions have
length 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
NOISE_CELLS = 256
WRAP = NOISE_CELLS - 1  # `x & WRAP` is x modulo 256, also below 0, and quicker


class Noise:
    """Smooth random functions of the plane and of space, by interpolation in a seeded table; they repeat at 256."""

    def __init__(self, seed: int) -> None:
        self.table = np.random.default_rng(seed).random((NOISE_CELLS, NOISE_CELLS)).astype(np.float32)

    def plane(self, x: Floats, y: Floats) -> Floats:
        """Values 0–1, one random value per unit square."""
        column, row = np.floor(x), np.floor(y)
        u, v = x - column, y - row
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
        left, top = column.astype(np.int64) & WRAP, row.astype(np.int64) & WRAP
        right, bottom = (left + 1) & WRAP, ((top + 1) & WRAP) * NOISE_CELLS
        top, cells = top * NOISE_CELLS, self.table.ravel()
        upper = cells.take(top + left) * (1 - u) + cells.take(top + right) * u
        lower = cells.take(bottom + left) * (1 - u) + cells.take(bottom + right) * u
        return np.asarray(upper * (1 - v) + lower * v)

    def space(self, points: Floats) -> Floats:
        """Values 0–1 at points (n, 3): two shifted planes, interpolated along z."""
        x, y, z = points.T
        layer = np.floor(z)
        w = z - layer
        w = w * w * (3 - 2 * w)
        near = self.plane(x + 37 * layer, y + 91 * layer)
        far = self.plane(x + 37 * (layer + 1), y + 91 * (layer + 1))
        return np.asarray(near * (1 - w) + far * w)

    def fractal(self, x: Floats, y: Floats, octaves: int, footprint: Floats | float = 0.0) -> Floats:
        """Octaves of `plane`, each half as strong and twice as fine: about 0–1, mean 0.5.

        `footprint` is how many of the first octave's cells a pixel spans; octaves too fine for it fade to their mean,
        or distant ground would flicker with noise that is no texture.
        """
        total, weight = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32), 0.0
        for octave in range(octaves):
            visible = np.clip(1.5 - 2.0 * np.asarray(footprint, np.float32) * 2**octave, 0, 1)
            value = self.plane(x * 2**octave + 17.3 * octave, y * 2**octave + 5.1 * octave)
            total = total + 0.5**octave * (0.5 + (value - 0.5) * visible)
            weight += 0.5**octave
        return np.asarray(total / weight)


def dot(a: Floats, b: Floats) -> Floats:
    """Inner products (n,) of vectors (n, 3); `(a * b).sum(axis=1)` takes four times as long."""
    return np.asarray(np.einsum("ij,ij->i", a, b))


def normalized(vectors: Floats) -> Floats:
    """Vectors (n, 3) at length 1."""
    return np.asarray(vectors / (np.sqrt(dot(vectors, vectors))[:, None] + 1e-9))


def turned(yaw_degrees: float, roll_degrees: float = 0.0) -> Floats:
    """The rotation (3, 3) by `roll_degrees` about z, then by `yaw_degrees` about y."""
    yaw, roll = np.radians(yaw_degrees), np.radians(roll_degrees)
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(about_y, np.float32) @ np.array(about_z, np.float32)
