"""Rays against a whole world: what they meet first, what stands in the light, how open a place is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .noise import Bools, Floats
from .solids import Foliage, HeightMap, Part

NOTHING, GROUND, FAR_GROUND, LEAVES, PART = range(5)  # the values of `Hits.what`


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
