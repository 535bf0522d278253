"""What reaches the eye along a ray: textures lit by a low sun and by the sky, water that mirrors, haze."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .looks import linear
from .noise import Floats, Noise, dot, normalized
from .surfaces import SURFACES, leaf_albedo, of_ground, of_mountains
from .tracing import FAR_GROUND, GROUND, LEAVES, NOTHING, PART, Hits, World, sea_distance

SUNLIGHT = np.array([3.5, 2.55, 1.62], np.float32)
SKYLIGHT = np.array([0.42, 0.55, 0.80], np.float32)
BOUNCED = np.array([0.20, 0.16, 0.11], np.float32)
AIRLIGHT = np.array([0.22, 0.30, 0.45], np.float32)
HAZE_M = 6500.0


def sky(directions: Floats, noise: Noise) -> Floats:
    """Radiance (n, 3) from where nothing is: deep blue above, gold and rose along the horizon, lit clouds."""
    x, y, z = directions[:, 0], np.clip(directions[:, 1], 0.0, 1), directions[:, 2]
    toward_sun = np.clip(0.5 - 0.9 * x, 0, 1)[:, None]
    horizon = toward_sun * np.array([1.25, 0.86, 0.52]) + (1 - toward_sun) * np.array([0.95, 0.70, 0.62])
    middle, zenith = np.array([0.42, 0.58, 0.80]), np.array([0.07, 0.22, 0.60])
    low, high = np.exp(-y / 0.075)[:, None], np.clip(y / 0.42, 0, 1)[:, None] ** 0.8
    clear = low * horizon + (1 - low) * (middle * (1 - high) + zenith * high)
    u, v = x / (y + 0.11), z / (y + 0.11)
    thick, ahead = cloud_thickness(u, v, noise), cloud_thickness(u - 0.11, v - 0.10, noise)
    cover = np.clip(thick * 3.4, 0, 1)[:, None]
    cover = cover * cover * (3 - 2 * cover) * np.clip(y / 0.05, 0, 1)[:, None]
    lit = np.clip(0.62 + 2.1 * (thick - ahead) - 0.30 * thick, 0, 1)[:, None]
    cloud = lit * np.array([1.75, 1.30, 0.94]) + (1 - lit) * np.array([0.40, 0.43, 0.56])
    return np.asarray(clear * (1 - 0.93 * cover) + cloud * 0.93 * cover, np.float32)


def cloud_thickness(u: Floats, v: Floats, noise: Noise) -> Floats:
    """How thick clouds are over points of their layer, 0 where the sky is clear, up to about 0.6."""
    warp = noise.fractal(u * 0.9 + 31, v * 0.9 + 7, 2) - 0.5
    heaps = noise.fractal(u * 0.95 + 1.2 * warp + 25.2, v * 1.25 + 1.1 * warp + 15.7, 6)
    return np.asarray(np.clip(1.9 * (heaps - 0.46), 0, None))


def rippled(points: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Normals (n, 3) of the water: two trains of ripples, with calm lanes between, flatter where they are small."""
    x, z = points[:, 0], points[:, 2]
    wind = np.clip(2.6 * (noise.fractal(x / 34, z / 60, 3) - 0.40), 0.10, 1)

    def height(x: Floats, z: Floats) -> Floats:
        broad = noise.fractal(x * 0.32 + 0.1 * z, z * 0.75, 2, footprint * 0.75)
        return broad * 0.34 + 0.11 * noise.fractal(x * 1.3 - 0.3 * z, z * 2.6, 2, footprint * 2.6)

    here = height(x, z)
    along_x, along_z = (height(x + 0.1, z) - here) / 0.1, (height(x, z + 0.1) - here) / 0.1
    return normalized(np.stack([-wind * along_x, np.full_like(x, 1.6), -wind * along_z], axis=1))


def albedo_of(world: World, hits: Hits, points: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Albedo (n, 3) of whatever was hit, by its kind."""
    albedo = np.zeros_like(points)
    for what, texture in ((GROUND, of_ground), (FAR_GROUND, of_mountains)):
        here = hits.what == what
        albedo[here] = texture(points[here], hits.normal[here], footprint[here], noise)
    for what, things in ((PART, world.parts), (LEAVES, world.trees)):
        for index in np.unique(hits.index[hits.what == what]):
            here, thing = (hits.what == what) & (hits.index == index), things[index]
            if what == LEAVES:
                albedo[here] = leaf_albedo(thing.look, points[here], noise)
                continue
            local, normals = thing.local(points[here]), hits.normal[here] @ thing.rotation
            surface = SURFACES[thing.look.surface]
            albedo[here] = surface(thing.look, local, normals, footprint[here], noise)
    return albedo


def ground_normals(world: World, hits: Hits, points: Floats, noise: Noise) -> None:
    """Fill in the normals of ground hits, the near ones roughened by tussocks."""
    here = hits.what == GROUND
    x, _, z = points[here].T
    sideways, ahead = noise.fractal(x * 5, z * 1.6, 3) - 0.5, noise.fractal(x * 5 + 70, z * 1.6, 3) - 0.5
    tussocks = np.stack([sideways, np.zeros_like(x), ahead], axis=1)
    rough = np.clip(30 / (hits.distance[here, None] + 1), 0.15, 0.9)
    hits.normal[here] = normalized(world.ground.normals_at(x, z, 0.4) + rough * tussocks)
    here = hits.what == FAR_GROUND
    hits.normal[here] = world.far_ground.normals_at(points[here, 0], points[here, 2], 20.0)


def lit(world: World, hits: Hits, points: Floats, albedo: Floats, suns: Floats) -> Floats:
    """Radiance (n, 3) that leaves the points: sun unless shaded, sky from above, light from the ground below."""
    near = hits.what != FAR_GROUND
    facing = np.clip(dot(hits.normal, suns), 0, 1)
    leafy = hits.what == LEAVES
    facing[leafy] = 0.25 + 0.75 * facing[leafy]  # leaves let light through
    lifted = points + np.where(leafy, 0.31, 0.06).astype(np.float32)[:, None] * hits.normal
    candidates = np.flatnonzero(near & (facing > 0))
    facing[candidates] *= ~world.is_shaded(lifted[candidates], suns[candidates])
    opened = np.ones(len(points), np.float32)
    opened[near] = world.openness(points[near] + 0.02 * hits.normal[near], hits.normal[near])
    upward = (0.5 + 0.5 * hits.normal[:, 1:2]) * opened[:, None]
    light = SUNLIGHT * facing[:, None] + SKYLIGHT * upward + BOUNCED * (1.3 - upward)
    return np.asarray(albedo * light)


def radiance(
    world: World,
    origins: Floats,
    directions: Floats,
    suns: Floats,
    pixel: float,
    noise: Noise,
    bounces: int = 1,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Radiance (n, 3) along rays, and which of them meet nothing; `pixel` is the angle of one, in radians."""
    hits = world.trace(origins, directions)
    to_sea = sea_distance(origins, directions)
    wet = np.isfinite(to_sea) & (to_sea < hits.distance)
    is_sky = (hits.what == NOTHING) & ~wet
    color = sky(directions, noise)
    backdrop = sky(
        normalized(directions * np.array([1, 0, 1], np.float32) + np.array([0, 0.05, 0], np.float32)), noise
    )
    solid = np.flatnonzero((hits.what != NOTHING) & ~wet)
    found = Hits(hits.distance[solid], hits.normal[solid], hits.what[solid], hits.index[solid])
    points = origins[solid] + found.distance[:, None] * directions[solid]
    ground_normals(world, found, points, noise)
    albedo = albedo_of(world, found, points, found.distance * pixel, noise)
    color[solid] = lit(world, found, points, albedo, suns[solid])
    wet_rays = np.flatnonzero(wet)
    if bounces and len(wet_rays):
        color[wet_rays] = water(world, origins, directions, suns, pixel, noise, wet_rays, to_sea[wet_rays])
    distance = np.where(wet, to_sea, hits.distance)
    clear = np.where(is_sky, 1.0, np.exp(-np.minimum(distance, 1e5) / HAZE_M))[:, None]
    haze = 0.35 * backdrop + AIRLIGHT
    return np.asarray(color * clear + haze * (1 - clear), np.float32), is_sky


def water(
    world: World,
    origins: Floats,
    directions: Floats,
    suns: Floats,
    pixel: float,
    noise: Noise,
    rays: npt.NDArray[np.intp],
    distance: Floats,
) -> Floats:
    """Radiance (n, 3) of the water that `rays` meet at `distance`: its own green, and the mirrored world."""
    points = origins[rays] + distance[:, None] * directions[rays]
    points[:, 1] = 0.0
    normals = rippled(points, distance * pixel, noise)
    cosine = np.clip(-dot(directions[rays], normals), 0.02, 1)[:, None]
    mirrored = directions[rays] + 2 * cosine * normals
    mirrored[:, 1] = np.abs(mirrored[:, 1]) + 0.004
    shift = np.array([0, 0.02, 0], np.float32)
    seen, _ = radiance(world, points + shift, normalized(mirrored), suns[rays], pixel, noise, bounces=0)
    fresnel = 0.02 + 0.98 * (1 - cosine) ** 5
    depth = points[:, 1] - world.ground.at(points[:, 0], points[:, 2])
    shallow = np.exp(-np.clip(depth, 0, None) / 1.6)[:, None]
    body = linear("#1f5a63") * (1 - shallow) + linear("#7f9a78") * shallow
    shaded = world.is_shaded(points + shift, suns[rays])[:, None]
    return np.asarray(fresnel * seen + (1 - fresnel) * body * np.where(shaded, 0.55, 1.0))
