"""Renders `harbor.png`, the project's own content image, which stands in for a photograph, and a mask of its sky.

A picture for style transfer needs what a photograph has: objects one can name, smooth gradients, fine texture, near
and far. So this is a small ray tracer:

1. `harbor.build_world`: ground, houses, boats and trees, all placed by hand or by a seeded generator.
2. `view_rays`: 2 × 2 rays per pixel, each of the four with its own point of the sun, which softens shadows.
3. `radiance`: what a ray meets is textured (`SURFACES`), lit by the low sun and by the sky, and fades into haze;
   water mirrors what its ripples turn the ray to.
4. `developed`: a film curve brings radiance to sRGB without clipping.

The same seed gives the same picture with the same numpy; no other picture is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from harbor import EYE_HEIGHT, Look, build_world, linear
from PIL import Image
from ray_tracing import (
    FAR_GROUND,
    GROUND,
    LEAVES,
    NOTHING,
    PART,
    Floats,
    Hits,
    Noise,
    World,
    normalized,
    sea_distance,
)

Bytes = npt.NDArray[np.uint8]

SPREAD = 0.52  # half the picture's width at distance 1: a lens of 55 degrees
PITCH = np.radians(-3.0)
TO_SUN = np.array([-0.66, 0.43, -0.50], np.float32) / np.linalg.norm([-0.66, 0.43, -0.50])
SUN_RADIUS = 0.012  # radians, two and a half times the true one, for four samples only
SUNLIGHT = np.array([3.5, 2.55, 1.62], np.float32)
SKYLIGHT = np.array([0.42, 0.55, 0.80], np.float32)
BOUNCED = np.array([0.20, 0.16, 0.11], np.float32)
AIRLIGHT = np.array([0.22, 0.30, 0.45], np.float32)
HAZE_M = 6500.0
SUBSAMPLES = 2
BAND_RAYS = 60_000  # at a time: the arrays of one step stay in the cache


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


def rippled(points: Floats, directions: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Normals (n, 3) of the water: two trains of ripples, with calm lanes between, flatter where they are small."""
    x, z = points[:, 0], points[:, 2]
    wind = np.clip(2.6 * (noise.fractal(x / 34, z / 60, 3) - 0.40), 0.10, 1)

    def height(x: Floats, z: Floats) -> Floats:
        broad = noise.fractal(x * 0.32 + 0.1 * z, z * 0.75, 2, footprint * 0.75)
        return broad * 0.34 + 0.11 * noise.fractal(x * 1.3 - 0.3 * z, z * 2.6, 2, footprint * 2.6)

    here = height(x, z)
    along_x, along_z = (height(x + 0.1, z) - here) / 0.1, (height(x, z + 0.1) - here) / 0.1
    return normalized(np.stack([-wind * along_x, np.full_like(x, 1.6), -wind * along_z], axis=1))


def of_ground(points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Albedo (n, 3) of the near ground: sand at the water, rock where it is steep, paving, else grass and flowers."""
    x, y, z = points.T
    patches = noise.fractal(x / 9, z / 9, 4, footprint / 9)[:, None]
    upright = x / (z + 1) * 20  # streaks along the line of sight stand upright in the picture
    blades = noise.fractal(upright * 14, z * 0.9, 3, footprint * 14)[:, None]
    tufts = noise.fractal(x * 2.4, z * 1.9, 3, footprint * 2.4)[:, None]
    grass = linear("#5a7030") * patches + linear("#a39a4c") * (1 - patches)
    grass = grass * np.clip(2.3 * blades + 0.9 * tufts - 0.65, 0.08, 2)
    bloom = noise.plane(x * 8.5 + 50, z * 2.1) + 0.5 * noise.plane(x / 2.2, z / 2.2)
    flower = ((bloom > 1.24) & (z < 60))[:, None]
    petal = np.where((noise.plane(x / 3 + 90, z / 3) > 0.5)[:, None], linear("#f2e6c8"), linear("#d2503a"))
    grass = np.where(flower, petal, grass)
    grain = noise.fractal(x * 0.8 + 0.5 * y, y * 1.7 + 0.4 * z, 5, footprint * 1.7)[:, None]
    rock = linear("#8d8070") * (0.35 + 1.3 * grain)
    steep = np.clip((0.80 - normals[:, 1:2] + 0.25 * (grain - 0.5)) * 7, 0, 1)
    shore = np.clip(1.5 * (1.5 - y[:, None] + 1.5 * (patches - 0.5)), 0, 1)
    rock = rock * (1 - 0.5 * np.clip(1.3 - 2 * y[:, None], 0, 1))  # wet
    stony = np.maximum(steep, shore)
    return np.asarray(grass * (1 - stony) + rock * stony, np.float32)


def of_mountains(points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Albedo (n, 3) of the far ground: woods, then bare rock, then snow on what is high and not steep."""
    x, y, z = points.T
    rough = noise.fractal(x / 90, z / 90 + y / 60, 5, footprint / 90)[:, None]
    meadows = np.clip(9 * (noise.fractal(x / 130, z / 130, 4, footprint / 130)[:, None] - 0.5), 0, 1)
    woods = (linear("#36482b") * (1 - meadows) + linear("#9aa05c") * meadows) * (0.4 + 1.2 * rough)
    rock = linear("#8a7c72") * (0.4 + 1.2 * rough)
    bare = np.clip((y[:, None] - 150 + 200 * (rough - 0.5)) / 90, 0, 1)
    snow = np.clip((y[:, None] - 400 + 300 * (rough - 0.5)) / 60, 0, 1) * np.clip(
        4 * normals[:, 1:2] - 1.9, 0, 1
    )
    return np.asarray((woods * (1 - bare) + rock * bare) * (1 - snow) + 0.85 * snow, np.float32)


Surface = Callable[[Look, Floats, Floats, Floats, Noise], Floats]
"""Albedo (n, 3) from a look, points and normals (n, 3) in the part's coordinates, footprints (n,) and noise."""


def _across(points: Floats, normals: Floats) -> Floats:
    """The horizontal coordinate along a wall."""
    return np.where(np.abs(normals[:, 0]) > np.abs(normals[:, 2]), points[:, 2], points[:, 0])


def plain(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """One color, a little uneven."""
    stains = noise.fractal(_across(points, normals) * 1.4, points[:, 1] * 0.9, 4, footprint * 1.4)
    return np.asarray(look.color * (0.72 + 0.5 * stains[:, None]))


def plaster(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """A stained wall with rows of shuttered windows."""
    u, y = _across(points, normals), points[:, 1]
    wall = plain(look, points, normals, footprint, noise)
    wall = wall * (1 - 0.35 * np.exp(-np.clip(y, 0, None) / 0.9))[:, None]
    half = np.where(np.abs(normals[:, 0]) > np.abs(normals[:, 2]), look.half_depth, look.half_width)
    count = np.floor(2 * half / 2.3)
    column, storey = np.floor(u / 2.3 + count / 2), np.floor((y - 0.3) / 2.9)
    across = (u / 2.3 + count / 2 - column - 0.5) * 2.3
    up = y - 0.3 - 2.9 * storey - 1.55
    there = (column >= 0) & (column < count) & (y > 0.3) & (storey < np.floor(look.wall_height / 2.9))
    there &= np.abs(normals[:, 1]) < 0.3
    frame = there & (np.abs(across) < 0.52) & (np.abs(up) < 0.78)
    glass = there & (np.abs(across) < 0.40) & (np.abs(up) < 0.66)
    shutter = there & (np.abs(across) >= 0.52) & (np.abs(across) < 0.95) & (np.abs(up) < 0.78)
    wall[frame] = linear("#efe9dc")
    wall[shutter] = look.accent * (0.8 + 0.2 * np.sin(up[shutter] * 40))[:, None]
    hour = noise.table[
        (column[glass] * 7 + look.seed).astype(np.int64) % 256, storey[glass].astype(np.int64) % 256
    ]
    wall[glass] = np.where((hour > 0.86)[:, None], linear("#f5bd62"), linear("#33404d"))
    return wall


def tower(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Pale stone with a tall opening for the bells near the top of each side."""
    wall = plain(look, points, normals, footprint, noise)
    u, y = np.abs(_across(points, normals)), points[:, 1]
    arch = (u < 0.8) & (y > 12.4) & (y < 14.8 + np.sqrt(np.clip(0.64 - u**2, 0, None)))
    slit = (u < 0.3) & (y > 5) & (y < 6.6)
    wall[arch | slit] = look.accent
    return wall


def tiles(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Courses of tiles, each a little lighter or darker than its neighbors."""
    course, column = np.floor(points[:, 1] * 4.2), np.floor(points[:, 2] * 2.6)
    odd = noise.plane(column + 0.5 * (course % 2) + look.seed, course)[:, None]
    moss = noise.fractal(points[:, 2] * 0.6 + look.seed, points[:, 1] * 0.8, 3, footprint)[:, None]
    round_ = 0.5 + 0.5 * np.cos(points[:, 2] * 2.6 * 2 * np.pi)[:, None]
    visible = np.clip(1.6 - 5 * footprint, 0, 1)[:, None]
    return np.asarray(
        look.color * (0.55 + 0.55 * moss + visible * (0.35 * (odd - 0.5) + 0.25 * (round_ - 0.5)))
    )


def stone(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Blocks in courses, with dark joints, wet at the foot."""
    u, y = _across(points, normals), points[:, 1]
    course = np.floor(y / 0.55)
    block = u / 1.1 + 0.5 * (course % 2)
    tone = noise.plane(np.floor(block) * 1.7, course * 2.3 + 9)
    joint = (np.abs(y / 0.55 - course - 0.5) > 0.43) | (np.abs(block - np.floor(block) - 0.5) > 0.46)
    color = plain(look, points, normals, footprint, noise) * (0.75 + 0.5 * tone - 0.3 * joint)[:, None]
    return np.asarray(color * (1 - 0.5 * np.clip(1 - 2 * y, 0, 1)[:, None]))


def bands(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """A painted tower: three bands of the second color, weathered streaks, small windows."""
    angle, y = np.arctan2(points[:, 2], points[:, 0]), points[:, 1]
    streaks = noise.fractal(angle * 6 + 40, y * 0.25, 4)[:, None]
    banded = ((y / 21) % 0.34 > 0.19)[:, None]
    color = np.where(banded, look.accent, look.color) * (0.75 + 0.4 * streaks)
    window = (np.abs(angle + 1.25) < 0.14) & (np.abs((y - 3) % 5.2 - 1.2) < 0.6)
    return np.where(window[:, None], linear("#2f3338"), color)


def lantern(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Panes of glass with the lamp's glow behind, between dark bars."""
    angle = np.arctan2(points[:, 2], points[:, 0])
    bar = np.abs((angle * 6 / np.pi) % 1 - 0.5) > 0.40
    return np.where(bar[:, None], look.accent, look.color)


def hull_paint(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """A painted hull with a band under the gunwale, and a deck of wood."""
    top = points[:, 1].max(initial=0.0)
    side = np.where((points[:, 1] > top - 0.28)[:, None], look.accent, look.color)
    deck = linear("#a57b4c") * (0.8 + 0.3 * np.sin(points[:, 2:] * 14))
    worn = 0.8 + 0.4 * noise.fractal(points[:, 0] * 2, points[:, 1] * 3, 3, footprint * 3)[:, None]
    return np.where(normals[:, 1:2] > 0.9, deck, side) * worn


def cloth(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """A sail: panels with seams, and soft folds."""
    seam = (
        np.abs(points[:, 1] / 1.3 + 0.05 * points[:, 0] - np.floor(points[:, 1] / 1.3 + 0.05 * points[:, 0]))
        < 0.05
    )
    folds = noise.fractal(points[:, 0] * 0.5 + 3, points[:, 1] * 0.18, 2)
    return np.asarray(look.color * (0.72 + 0.45 * folds - 0.12 * seam)[:, None])


def planks(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Boards across the pier, each of its own gray, with dark gaps and grain."""
    board = np.floor(points[:, 0] / 0.34)
    gap = np.abs(points[:, 0] / 0.34 - board - 0.5) > 0.43
    tone = noise.plane(board * 1.37, 0 * board + 3.5)
    grain = noise.fractal(points[:, 0] * 9, points[:, 2] * 1.1, 3, footprint * 9)
    return np.asarray(look.color * ((0.45 + 0.5 * tone + 0.5 * grain) * (1 - 0.6 * gap))[:, None])


def bark(look: Look, points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Furrows along the trunk."""
    angle = np.arctan2(points[:, 2], points[:, 0])
    furrows = noise.fractal(angle * 5 + 40, points[:, 1] * 0.8, 4)[:, None]
    return np.asarray(look.color * (0.3 + 1.3 * furrows))


SURFACES: dict[str, Surface] = {
    "plain": plain,
    "plaster": plaster,
    "tower": tower,
    "tiles": tiles,
    "stone": stone,
    "bands": bands,
    "lantern": lantern,
    "hull": hull_paint,
    "cloth": cloth,
    "bark": bark,
    "planks": planks,
}


def leaf_albedo(look: Look, points: Floats, noise: Noise) -> Floats:
    """Albedo (n, 3) of leaves: two greens in clusters."""
    mix = noise.space(points * 1.7)[:, None]
    return np.asarray(look.color * mix + look.accent * (1 - mix))


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
    facing = np.clip((hits.normal * suns).sum(axis=1), 0, 1)
    leafy = hits.what == LEAVES
    facing[leafy] = 0.25 + 0.75 * facing[leafy]  # leaves let light through
    lifted = points + (0.06 + 0.25 * leafy[:, None]) * hits.normal
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
    backdrop = sky(normalized(directions * np.array([1, 0, 1], np.float32) + np.array([0, 0.05, 0])), noise)
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
    normals = rippled(points, directions[rays], distance * pixel, noise)
    cosine = np.clip(-(directions[rays] * normals).sum(axis=1), 0.02, 1)[:, None]
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


def view_rays(width: int, height: int, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Directions (n, 3) through the subsamples of some rows, in the order row, column, subsample; and their suns."""
    offsets = (np.arange(SUBSAMPLES) + 0.5) / SUBSAMPLES
    grid = np.meshgrid(rows, np.arange(width), offsets, offsets, indexing="ij")
    row, column, down, right = (axis.ravel().astype(np.float32) for axis in grid)
    x = SPREAD * (2 * (column + right) / width - 1)
    y = SPREAD * (height - 2 * (row + down)) / width
    up, ahead = y * np.cos(PITCH) + np.sin(PITCH), np.cos(PITCH) - y * np.sin(PITCH)
    angle = 2 * np.pi * (2 * down + right - 0.75 / SUBSAMPLES)
    jitter = SUN_RADIUS * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    suns = normalized((TO_SUN + jitter).astype(np.float32))
    return normalized(np.stack([x, up, ahead], axis=1)), suns


def developed(radiances: Floats) -> Floats:
    """sRGB, 0–1, from radiance by a film curve (Hable's, with white at 4) that bends instead of clipping."""

    def curve(x: Floats | float) -> Floats:
        numerator, denominator = x * (0.22 * x + 0.03) + 0.002, x * (0.22 * x + 0.30) + 0.06
        return np.asarray(numerator / denominator - 0.002 / 0.06)

    exposed = np.clip(curve(1.35 * radiances) / curve(5.2), 0, 1)
    return np.where(exposed <= 0.0031308, 12.92 * exposed, 1.055 * exposed ** (1 / 2.4) - 0.055)


def render(width: int, height: int, seed: int) -> tuple[Bytes, Bytes]:
    """The finished picture, RGB (height, width, 3), and the mask of its sky, gray (height, width), white = sky."""
    world, noise = build_world(seed), Noise(seed + 1)
    picture, mask = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    for rows in np.array_split(np.arange(height), max(1, height * width * SUBSAMPLES**2 // BAND_RAYS)):
        directions, suns = view_rays(width, height, rows)
        origins = np.broadcast_to(np.array([0, EYE_HEIGHT, 0], np.float32), directions.shape)
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
