"""Rays against convex parts, height maps and foliage, in numpy: what `make_scene.py` builds its picture of.

Points and directions are (n, 3) arrays of x to the right, y up and z away from the viewer, in meters; directions have
length 1. Nothing here knows a color or what a part is for: `Hits` names the part or the ground, the caller shades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

NOTHING, GROUND, FAR_GROUND, LEAVES, PART = range(5)  # the values of `Hits.what`
NOISE_CELLS = 256


class Noise:
    """Smooth random functions of the plane and of space, by interpolation in a seeded table; they repeat at 256."""

    def __init__(self, seed: int) -> None:
        self.table = np.random.default_rng(seed).random((NOISE_CELLS, NOISE_CELLS)).astype(np.float32)

    def plane(self, x: Floats, y: Floats) -> Floats:
        """Values 0–1, one random value per unit square."""
        column, row = np.floor(x), np.floor(y)
        u, v = x - column, y - row
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
        left, top = column.astype(np.int64) % NOISE_CELLS, row.astype(np.int64) % NOISE_CELLS
        right, bottom = (left + 1) % NOISE_CELLS, (top + 1) % NOISE_CELLS
        upper = self.table[top, left] * (1 - u) + self.table[top, right] * u
        lower = self.table[bottom, left] * (1 - u) + self.table[bottom, right] * u
        return np.asarray(upper * (1 - v) + lower * v)

    def space(self, points: Floats) -> Floats:
        """Values 0–1 at points (n, 3): two shifted planes, interpolated along z."""
        x, y, z = points.T
        layer = np.floor(z)
        w = z - layer
        w = w * w * (3 - 2 * w)
        near = self.plane(x + 37 * layer, y + 91 * layer)
        return near * (1 - w) + self.plane(x + 37 * (layer + 1), y + 91 * (layer + 1)) * w

    def fractal(self, x: Floats, y: Floats, octaves: int, footprint: Floats | float = 0.0) -> Floats:
        """Octaves of `plane`, each half as strong and twice as fine: about 0–1, mean 0.5.

        `footprint` is how many of the first octave's cells a pixel spans; octaves too fine for it fade to their mean,
        or distant ground would flicker with noise that is no texture.
        """
        total, weight = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32), 0.0
        for octave in range(octaves):
            visible = np.clip(1.5 - 2.0 * np.asarray(footprint) * 2**octave, 0, 1)
            value = self.plane(x * 2**octave + 17.3 * octave, y * 2**octave + 5.1 * octave)
            total = total + 0.5**octave * (0.5 + (value - 0.5) * visible)
            weight += 0.5**octave
        return np.asarray(total / weight)


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
        return np.asarray((self.local(points) @ self.shape.normals.T - self.shape.offsets).max(axis=1))

    def intersect(self, origins: Floats, directions: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Where rays enter: the distance (n,), infinite where they miss, and the plane they enter through."""
        heading = (directions @ self.rotation) @ self.shape.normals.T
        gap = self.shape.offsets - self.local(origins) @ self.shape.normals.T
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = gap / heading
        entering = np.where(heading < 0, crossing, np.where((heading == 0) & (gap < 0), np.inf, -np.inf))
        leaving = np.where(heading > 0, crossing, np.inf).min(axis=1)
        face = entering.argmax(axis=1)
        enter = entering.max(axis=1)
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
        u, v = u - column, v - row
        upper = self.heights[row, column] * (1 - u) + self.heights[row, column + 1] * u
        lower = self.heights[row + 1, column] * (1 - u) + self.heights[row + 1, column + 1] * u
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
            nearest = np.minimum(nearest, np.sqrt(((points - center) ** 2).sum(axis=1)) - radius)
        rough = self.noise.space(points * self.grain) + 0.6 * self.noise.space(points * (2.7 * self.grain))
        return nearest + self.depth * (rough - 0.8) * 2

    def intersect(self, origins: Floats, directions: Floats, steps: int) -> Floats:
        """Where rays enter the leaves, infinite where they miss."""
        center, radius = self.bounds
        along = ((center - origins) * directions).sum(axis=1)
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


@dataclass
class Hits:
    """What rays met first: distance (n,), infinite for nothing; normal (n, 3); `what`; which part or tree."""

    distance: Floats
    normal: Floats
    what: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """All that rays can meet."""

    ground: HeightMap
    far_ground: HeightMap
    parts: Sequence[Part]
    trees: Sequence[Foliage]

    def trace(self, origins: Floats, directions: Floats) -> Hits:
        """The first meeting of each ray; whoever wants water at height 0 looks for it alone."""
        n = len(origins)
        to_sea = sea_distance(origins, directions)
        nothing = np.full(n, NOTHING)
        hits = Hits(np.full(n, np.inf, np.float32), np.zeros((n, 3), np.float32), nothing, nothing.copy())
        limits = np.minimum(to_sea, 420.0)
        self._take(hits, self.ground.intersect(origins, directions, 0.4, limits, 0.006), GROUND)
        limits = np.where(np.isfinite(hits.distance), 0.0, np.minimum(to_sea, 9000.0))
        self._take(hits, self.far_ground.intersect(origins, directions, 400.0, limits, 0.008), FAR_GROUND)
        for index, part in enumerate(self.parts):
            rays = near_sphere(origins, directions, part.center, part.shape.radius)
            t, face = part.intersect(origins[rays], directions[rays])
            nearer = t < hits.distance[rays]
            rays, t, face = rays[nearer], t[nearer], face[nearer]
            hits.distance[rays], hits.what[rays], hits.index[rays] = t, PART, index
            hits.normal[rays] = part.normals_at(origins[rays] + t[:, None] * directions[rays], face)
        for index, tree in enumerate(self.trees):
            rays = near_sphere(origins, directions, *tree.bounds)
            t = tree.intersect(origins[rays], directions[rays], steps=40)
            nearer = t < hits.distance[rays]
            rays, t = rays[nearer], t[nearer]
            hits.distance[rays], hits.what[rays], hits.index[rays] = t, LEAVES, index
            hits.normal[rays] = tree.normals_at(origins[rays] + t[:, None] * directions[rays])
        return hits

    def is_shaded(self, points: Floats, directions: Floats) -> Bools:
        """Whether anything near stands between points and the light that comes from `directions`."""
        limits = np.full(len(points), 120.0, np.float32)
        shaded = np.isfinite(self.ground.intersect(points, directions, 0.6, limits, 0.03))
        for part in self.parts:
            rays = near_sphere(points, directions, part.center, part.shape.radius)
            rays = rays[~shaded[rays]]
            shaded[rays] |= np.isfinite(part.intersect(points[rays], directions[rays])[0])
        for tree in self.trees:
            rays = near_sphere(points, directions, *tree.bounds)
            rays = rays[~shaded[rays]]
            shaded[rays] |= np.isfinite(tree.intersect(points[rays], directions[rays], steps=16))
        return shaded

    def openness(self, points: Floats, normals: Floats, reach: float = 1.6) -> Floats:
        """Ambient occlusion (n,), 0–1: how far nothing else comes near on the way out along the normal."""
        opened = np.ones(len(points), np.float32)
        for step in (0.25 * reach, 0.5 * reach, reach):
            probes = points + step * normals
            nearest = np.minimum(step, probes[:, 1] - self.ground.at(probes[:, 0], probes[:, 2]))
            for part in self.parts:
                close = ((probes - part.center) ** 2).sum(axis=1) < (part.shape.radius + step) ** 2
                nearest[close] = np.minimum(nearest[close], part.distance(probes[close]))
            opened *= 0.55 + 0.45 * np.clip(nearest / step, 0, 1)
        return opened

    def _take(self, hits: Hits, distance: Floats, what: int) -> None:
        nearer = distance < hits.distance
        hits.distance[nearer] = distance[nearer]
        hits.what[nearer] = what


def normalized(vectors: Floats) -> Floats:
    """Vectors (n, 3) at length 1."""
    return np.asarray(vectors / (np.sqrt((vectors**2).sum(axis=-1, keepdims=True)) + 1e-9))


def sea_distance(origins: Floats, directions: Floats) -> Floats:
    """How far rays go until height 0, infinite for those that rise."""
    down = np.minimum(directions[:, 1], -1e-9)
    return np.where(directions[:, 1] < 0, origins[:, 1] / -down, np.inf)


def near_sphere(origins: Floats, directions: Floats, center: Floats, radius: float) -> npt.NDArray[np.intp]:
    """The indices of the rays that pass a sphere ahead of them."""
    to_center = center - origins
    along = (to_center * directions).sum(axis=1)
    off_axis = (to_center**2).sum(axis=1) - along**2
    return np.flatnonzero((off_axis < radius**2) & (along > -radius))


def turned(yaw_degrees: float, roll_degrees: float = 0.0) -> Floats:
    """The rotation (3, 3) by `roll_degrees` about z, then by `yaw_degrees` about y."""
    yaw, roll = np.radians(yaw_degrees), np.radians(roll_degrees)
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(about_y, np.float32) @ np.array(about_z, np.float32)
