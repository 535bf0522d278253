"""Rays against a whole world: what they meet first, what stands in the light, how open a place is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .noise import Bools, Floats, dot, normalized
from .solids import Foliage, HeightMap, Part

BLOCK_RAYS = 32
WIDE = 50  # tangent of an angle from which on a cone tells nothing
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
        bundle = Bundle(origins, directions)
        for index, part in enumerate(self.parts):
            rays = bundle.near(part.center, part.shape.radius)
            t, face = part.intersect(origins[rays], directions[rays])
            nearer = t < hits.distance[rays]
            rays, t, face = rays[nearer], t[nearer], face[nearer]
            hits.distance[rays], hits.what[rays], hits.index[rays] = t, PART, index
            hits.normal[rays] = part.normals_at(origins[rays] + t[:, None] * directions[rays], face)
        for index, tree in enumerate(self.trees):
            rays = bundle.near(*tree.bounds)
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
        bundle = Bundle(points, directions)
        for part in self.parts:
            rays = bundle.near(part.center, part.shape.radius)
            rays = rays[~shaded[rays]]
            shaded[rays] |= np.isfinite(part.intersect(points[rays], directions[rays])[0])
        for tree in self.trees:
            rays = bundle.near(*tree.bounds)
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
                to_part = part.center - probes
                close = dot(to_part, to_part) < (part.shape.radius + step) ** 2
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


class Bundle:
    """Rays in blocks of neighbors, each within a cone about its axis: most spheres are missed by whole blocks.

    A ray that meets a sphere does so in its block's cone, so the sphere's center is no farther from it than the radius.
    """

    def __init__(self, origins: Floats, directions: Floats) -> None:
        self.origins, self.directions = origins, directions
        count = -(-len(origins) // BLOCK_RAYS)
        members = np.minimum(np.arange(count * BLOCK_RAYS), len(origins) - 1).reshape(count, BLOCK_RAYS)
        starts, headings = origins[members], directions[members]
        low, high = starts.min(axis=1), starts.max(axis=1)
        self.middle, self.reach = (low + high) / 2, np.sqrt(dot(high - low, high - low)) / 2
        self.axis = normalized(headings.sum(axis=1))
        cosine = np.clip(np.einsum("mbi,mi->mb", headings, self.axis).min(axis=1), 0.01, 1 - 1e-6)
        self.tangent = np.sqrt(1 - cosine**2) / cosine

    def near(self, center: Floats, radius: float) -> npt.NDArray[np.intp]:
        """The indices of the rays that pass a sphere ahead of them."""
        to_center = center - self.middle
        along, wide = dot(to_center, self.axis), radius + self.reach
        off_axis = np.sqrt(np.clip(dot(to_center, to_center) - along**2, 0, None))
        may_pass = (along > -wide) & (off_axis < wide + (along + wide) * self.tangent)
        blocks = np.flatnonzero(may_pass | (self.tangent > WIDE))
        rays = (blocks[:, None] * BLOCK_RAYS + np.arange(BLOCK_RAYS)).ravel()
        rays = rays[rays < len(self.origins)]
        to_center = center - self.origins[rays]
        along = dot(to_center, self.directions[rays])
        off_axis = dot(to_center, to_center) - along**2
        return rays[(off_axis < radius**2) & (along > -radius)]
