"""Textures: the albedo of a point of each thing, from noise and the grids of bricks, boards and windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .looks import Look, linear
from .noise import Floats, Noise


def of_ground(points: Floats, normals: Floats, footprint: Floats, noise: Noise) -> Floats:
    """Albedo (n, 3) of the near ground: sand at the water, rock where it is steep, else grass and flowers."""
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
    wall = np.asarray(wall * (1 - 0.35 * np.exp(-np.clip(y, 0, None) / 0.9))[:, None])
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
    bulge = 0.5 + 0.5 * np.cos(points[:, 2] * 2.6 * 2 * np.pi)[:, None]
    visible = np.clip(1.6 - 5 * footprint, 0, 1)[:, None]
    return np.asarray(
        look.color * (0.55 + 0.55 * moss + visible * (0.35 * (odd - 0.5) + 0.25 * (bulge - 0.5)))
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
    return np.asarray(np.where(normals[:, 1:2] > 0.9, deck, side) * worn)


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
