"""Rays against one thing at a time: convex parts, height maps and foliage.

Nothing here knows a color or what a part is for: `look` is handed through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .noise import Floats, Noise, dot, normalized


@dataclass(frozen=True)
class Shape:
    """A convex solid: the points p with `normals` (k, 3) · p <= `offsets` (k,), within `radius` of `center`."""

    normals: Floats
    offsets: Floats
    center: Floats
    radius: float
    is_round: bool = False
    """Shade its sides as those of a cone about the y axis, not as facets."""


def convex(
    planes: Sequence[tuple[Sequence[float], float]], low: Sequence[float], high: Sequence[float]
) -> Shape:
    """The intersection of half-spaces (normal of any length, offset), known to lie in the box `low` to `high`."""
    normals = np.array([normal for normal, _ in planes], np.float32)
    lengths = np.linalg.norm(normals, axis=1)
    offsets = np.array([offset for _, offset in planes], np.float32) / lengths
    center = (np.array(low, np.float32) + np.array(high, np.float32)) / 2
    radius = float(np.linalg.norm(np.array(high) - np.array(low)) / 2)
    return Shape(normals / lengths[:, None], offsets, center, radius)


def box(half_x: float, height: float, half_z: float, base: float = 0.0) -> Shape:
    """A box about the y axis, standing on `base`."""
    planes = [((1, 0, 0), half_x), ((-1, 0, 0), half_x), ((0, 1, 0), base + height), ((0, -1, 0), -base)]
    planes += [((0, 0, 1), half_z), ((0, 0, -1), half_z)]
    return convex(planes, (-half_x, base, -half_z), (half_x, base + height, half_z))


def frustum(
    sides: int, bottom: float, top: float, height: float, base: float = 0.0, is_round: bool = True
) -> Shape:
    """A regular pyramid or cone about the y axis with radii `bottom` and `top`, standing on `base`."""
    slope = (bottom - top) / height
    planes: list[tuple[Sequence[float], float]] = [((0, 1, 0), base + height), ((0, -1, 0), -base)]
    for angle in (np.arange(sides) + 0.5) * 2 * np.pi / sides:
        planes.append(((np.cos(angle), slope, np.sin(angle)), bottom + slope * base))
    reach = max(bottom, top) * 1.1
    shape = convex(planes, (-reach, base, -reach), (reach, base + height, reach))
    return Shape(shape.normals, shape.offsets, shape.center, shape.radius, is_round)


@dataclass(frozen=True)
class Part:
    """A shape put into the world by `rotation` (3, 3) and `anchor` (3,); `look` is the caller's."""

    shape: Shape
    anchor: Floats
    rotation: Floats
    look: Any

    @property
    def center(self) -> Floats:
        """The middle of its bounding sphere."""
        return np.asarray(self.anchor + self.rotation @ self.shape.center)

    def local(self, points: Floats) -> Floats:
        """World points (n, 3) in the shape's own coordinates."""
        return np.asarray((points - self.anchor) @ self.rotation)

    def distance(self, points: Floats) -> Floats:
        """At most the distance of points (n, 3) to the surface, exact at faces, negative inside."""
        return np.asarray(
            (self.shape.normals @ self.local(points).T - self.shape.offsets[:, None]).max(axis=0)
        )

    def intersect(self, origins: Floats, directions: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Where rays enter: the distance (n,), infinite where they miss, and the plane they enter through."""
        heading = self.shape.normals @ (directions @ self.rotation).T  # a row a plane: quicker to reduce
        gap = self.shape.offsets[:, None] - self.shape.normals @ self.local(origins).T
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = gap / heading
        entering = np.where(heading < 0, crossing, np.where((heading == 0) & (gap < 0), np.inf, -np.inf))
        leaving = np.where(heading > 0, crossing, np.inf).min(axis=0)
        face = entering.argmax(axis=0)
        enter = entering.max(axis=0)
        return np.where((enter < leaving) & (enter > 1e-3), enter, np.inf), face

    def normals_at(self, points: Floats, faces: npt.NDArray[np.intp]) -> Floats:
        """Outward normals (n, 3) at points on `faces`."""
        normals = self.shape.normals[faces]
        if self.shape.is_round:
            side = np.abs(normals[:, 1]) < 0.95
            around = self.local(points)[:, [0, 2]]
            around /= np.linalg.norm(around, axis=1, keepdims=True) + 1e-6
            steepness = np.sqrt(1 - normals[:, 1:2] ** 2)
            smooth = np.stack([around[:, 0], normals[:, 1] / (steepness[:, 0] + 1e-6), around[:, 1]], axis=1)
            normals = np.where(side[:, None], smooth * steepness, normals)
        return np.asarray(normals @ self.rotation.T)


@dataclass(frozen=True)
class HeightMap:
    """Ground: heights (rows of z, columns of x) on a grid of `cell` meters that starts at (x, z) = `origin`."""

    heights: Floats
    origin: tuple[float, float]
    cell: float

    def at(self, x: Floats, z: Floats) -> Floats:
        """Heights at points of the plane, interpolated, clamped to the edge."""
        rows, columns = self.heights.shape
        u = np.clip((x - self.origin[0]) / self.cell, 0, columns - 1.001)
        v = np.clip((z - self.origin[1]) / self.cell, 0, rows - 1.001)
        column, row = u.astype(np.int64), v.astype(np.int64)
        u, v = (u - column).astype(np.float32), (v - row).astype(np.float32)
        first, heights = row * columns + column, self.heights.ravel()
        upper = heights.take(first) * (1 - u) + heights.take(first + 1) * u
        lower = heights.take(first + columns) * (1 - u) + heights.take(first + columns + 1) * u
        return np.asarray(upper * (1 - v) + lower * v)

    def normals_at(self, x: Floats, z: Floats, reach: float) -> Floats:
        """Upward normals (n, 3) from differences over `reach` meters to each side."""
        along_x = (self.at(x + reach, z) - self.at(x - reach, z)) / (2 * reach)
        along_z = (self.at(x, z + reach) - self.at(x, z - reach)) / (2 * reach)
        return normalized(np.stack([-along_x, np.ones_like(along_x), -along_z], axis=1))

    def intersect(
        self, origins: Floats, directions: Floats, start: float, limits: Floats, stride: float
    ) -> Floats:
        """Where rays meet the ground between `start` and `limits` (n,), infinite where they do not.

        Steps are half the clearance, but at least `stride` of the way so far; a crossing is then halved six times.
        """
        reached = np.full(len(origins), start, np.float32)
        found = np.full(len(origins), np.inf, np.float32)
        top = float(self.heights.max())
        active = np.flatnonzero(reached < limits)
        while len(active):
            o, d, t = origins[active], directions[active], reached[active]
            clearance = self._clearance(o, d, t)
            step = np.maximum(0.5 * clearance, stride * t + 0.1 * self.cell)
            ahead = np.minimum(t + step, limits[active])
            below = self._clearance(o, d, ahead) < 0
            hit = active[below]
            found[hit] = self._refine(o[below], d[below], t[below], ahead[below])
            reached[active] = ahead
            escaped = (d[:, 1] >= 0) & (o[:, 1] + ahead * d[:, 1] > top)
            active = active[~below & ~escaped & (ahead < limits[active])]
        return found

    def _clearance(self, o: Floats, d: Floats, t: Floats) -> Floats:
        return np.asarray(o[:, 1] + t * d[:, 1] - self.at(o[:, 0] + t * d[:, 0], o[:, 2] + t * d[:, 2]))

    def _refine(self, o: Floats, d: Floats, low: Floats, high: Floats) -> Floats:
        for _ in range(6):
            middle = (low + high) / 2
            below = self._clearance(o, d, middle) < 0
            low, high = np.where(below, low, middle), np.where(below, middle, high)
        return high


@dataclass(frozen=True)
class Foliage:
    """Leaves: balls (`centers` (m, 3), `radii` (m,)) whose surface `noise` roughens by `depth` at `grain` per meter."""

    centers: Floats
    radii: Floats
    depth: float
    grain: float
    noise: Noise
    look: Any

    @property
    def bounds(self) -> tuple[Floats, float]:
        """Center and radius of a sphere around it."""
        center = (self.centers.min(axis=0) + self.centers.max(axis=0)) / 2
        reach = np.linalg.norm(self.centers - center, axis=1) + self.radii + self.depth
        return center, float(reach.max())

    def distance(self, points: Floats) -> Floats:
        """Roughly the distance of points (n, 3) to the leaves."""
        nearest = np.full(len(points), np.inf, np.float32)
        for center, radius in zip(self.centers, self.radii, strict=True):
            nearest = np.minimum(nearest, np.sqrt(dot(points - center, points - center)) - radius)
        rough = self.noise.space(points * self.grain) + 0.6 * self.noise.space(points * (2.7 * self.grain))
        return nearest + self.depth * (rough - 0.8) * 2

    def intersect(self, origins: Floats, directions: Floats, steps: int) -> Floats:
        """Where rays enter the leaves, infinite where they miss."""
        center, radius = self.bounds
        along = dot(center - origins, directions)
        t = np.maximum(along - radius, 0.05)
        found = np.full(len(origins), np.inf, np.float32)
        active = np.arange(len(origins))
        for _ in range(steps):
            distance = self.distance(origins[active] + t[active, None] * directions[active])
            inside = distance < 0.012 * radius
            found[active[inside]] = t[active[inside]]
            t[active] += np.maximum(0.65 * distance, 0.01 * radius)
            active = active[~inside & (t[active] < along[active] + radius)]
            if not len(active):
                break
        return found

    def normals_at(self, points: Floats) -> Floats:
        """Outward normals (n, 3) from differences over a fraction of the grain."""
        reach = 0.25 / self.grain
        here = self.distance(points)
        axes = np.eye(3, dtype=np.float32) * reach
        return normalized(np.stack([self.distance(points + axis) - here for axis in axes], axis=1))
