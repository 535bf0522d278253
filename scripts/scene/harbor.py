"""A harbor that never was: the ground, the village, the lighthouse, the boats and where trees grow.

The viewer stands at (0, `EYE_HEIGHT`, 0) and looks along z: a grassy bank with a tree to the left, a bay with boats,
a headland with a lighthouse beyond it, a village that climbs a hill to the right, mountains far behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from .looks import look
from .noise import Floats, Noise, turned
from .solids import Foliage, HeightMap, Part, Shape, box, convex, frustum
from .tracing import World
from .trees import bush, cypress, oak

EYE_HEIGHT = 11.0
SEA_FLOOR = -6.0
INLAND = np.array([0.75, 0.66], np.float32)  # (x, z): away from the village's shore
ALONG_SHORE = np.array([0.66, -0.75], np.float32)
SHORE = np.array([30.0, 90.0], np.float32)
LIGHTHOUSE = (-25.0, 136.0)
OAK = (-12.2, 26.0)
BERTH = np.array([2.0, 0.0, 72.0], np.float32)  # of the sailboat
CYPRESSES = (  # meters inland and along the shore
    *((22.0, -41.0), (23.0, -15.0), (36.0, -30.0), (37.0, 2.0), (52.0, -24.0)),
    *((53.0, -64.0), (70.0, -34.0), (71.0, -60.0), (50.0, -6.0)),
)
PLASTERS = ("#e9d9b8", "#e3b98a", "#d9906a", "#f0e8d8", "#e8c96f", "#c9d3cf", "#d8a79a", "#efe0c0")
SHUTTERS = ("#3f6b5a", "#35557a", "#7a3b32", "#58744a")


def prism(outline: list[tuple[float, float]], half_depth: float) -> Shape:
    """A convex outline of (x, y), counterclockwise, drawn out along z to both sides."""
    planes: list[tuple[tuple[float, float, float], float]] = []
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        planes.append(((y1 - y0, x0 - x1, 0), (y1 - y0) * x0 + (x0 - x1) * y0))
    planes += [((0, 0, 1), half_depth), ((0, 0, -1), half_depth)]
    xs, ys = zip(*outline, strict=True)
    return convex(planes, (min(xs), min(ys), -half_depth), (max(xs), max(ys), half_depth))


def near_ground(noise: Noise) -> HeightMap:
    """The bank, the headland and the village's hill, on half a meter."""
    x, z = np.meshgrid(np.arange(-160, 260, 0.5, dtype=np.float32), np.arange(0, 430, 0.5, dtype=np.float32))
    bumps = noise.fractal(x / 18, z / 18, 5) - 0.5
    fine = noise.fractal(x / 2.3, z / 2.3, 3) - 0.5
    bank = 2.2 * (1 - ((x + 21) / 24) ** 2 - ((z - 16) / 22) ** 2)
    bank = SEA_FLOOR + 11.4 * np.tanh(bank + 0.5 * bumps) + 1.2 * bumps
    headland = 1 - np.hypot((x + 52) / 40, (z - 141) / 22) + 0.35 * bumps
    headland = SEA_FLOOR + 15 * np.clip(3.2 * headland, 0, 1) ** 0.7 + 7 * np.clip(headland - 0.3, 0, 1)
    inland = (x - SHORE[0]) * INLAND[0] + (z - SHORE[1]) * INLAND[1]
    inland = np.minimum(inland, 1.1 * (x - 1) + 10 * bumps)
    quay = SEA_FLOOR + 8 * np.clip(1 + inland / 1.5, 0, 1)
    slope = np.clip(inland - 10, 0, None)
    hill = quay + 62 * (1 - np.exp(-slope * 0.0085)) + 9 * bumps * np.clip(slope / 40, 0, 1)
    hill = np.where(z > 330, hill - (z - 330) * 0.7, hill)
    heights = np.maximum(np.maximum(bank, headland), hill)
    roughness = np.clip((bank > hill) | (headland > hill), 0.12, 1)
    return HeightMap((heights + 0.9 * fine * roughness).astype(np.float32), (-160.0, 0.0), 0.5)


def far_ground(noise: Noise) -> HeightMap:
    """Hills across the bay and two ranges of mountains, on 25 meters."""
    x, z = np.meshgrid(
        np.arange(-5000, 5000, 25, dtype=np.float32), np.arange(450, 8000, 25, dtype=np.float32)
    )
    ridges = 1 - np.abs(2 * noise.fractal(x / 1500 + 3.7, z / 1500 + 1.3, 7) - 1)
    sharp = np.clip(2.1 * (ridges - 0.5), 0, None) ** 1.35
    hills = noise.fractal(x / 420, z / 420, 5)
    left = np.clip(1.05 - x / 3000, 0.55, 1.5)  # higher to the left, where the village leaves the view open
    heights = SEA_FLOOR - 10 + np.clip((z - 900) / 700, 0, 1) * (120 * hills - 10)
    heights += left * np.clip((z - 2000) / 2200, 0, 1) * (330 * sharp + 30)
    heights += left * np.clip((z - 4200) / 2000, 0, 1) * (330 * sharp + 60)
    return HeightMap(heights.astype(np.float32), (-5000.0, 450.0), 25.0)


def placed(ground: HeightMap, spot: Sequence[float] | Floats, sink: float = 0.0) -> Floats:
    """The point of the ground at `spot`, (x, z), lowered by `sink` meters."""
    x, z = float(spot[0]), float(spot[1])
    height = float(ground.at(np.array([x], np.float32), np.array([z], np.float32))[0])
    return np.array([x, height - sink, z], np.float32)


def house(
    anchor: Floats, yaw: float, size: tuple[float, float, float], rng: np.random.Generator
) -> Iterator[Part]:
    """Walls with gables, two slabs of roof with eaves, a chimney; `size`: half width, wall height, half depth."""
    half, wall, depth = size
    rise = half * rng.uniform(0.5, 0.7)
    turn, seed = turned(yaw), int(rng.integers(1000))
    walls = look(
        "plaster",
        str(rng.choice(PLASTERS)),
        str(rng.choice(SHUTTERS)),
        half_width=half,
        half_depth=depth,
        wall_height=wall,
        seed=seed,
    )
    outline = [(-half, -5.0), (half, -5.0), (half, wall), (0.0, wall + rise), (-half, wall)]
    yield Part(prism(outline, depth), anchor, turn, walls)
    tiles = look("tiles", str(rng.choice(("#b4623f", "#a85638", "#bd7048"))), seed=seed)
    eave, drop = half + 0.5, 0.5 * rise / half
    right = [(0.0, wall + rise), (eave, wall - drop), (eave, wall - drop + 0.3), (0.0, wall + rise + 0.35)]
    left = [(-x, y) for x, y in reversed(right)]
    yield Part(prism(right, depth + 0.4), anchor, turn, tiles)
    yield Part(prism(left, depth + 0.4), anchor, turn, tiles)
    at = anchor + turn @ np.array([0.45 * half, wall, rng.uniform(-0.6, 0.6) * depth], np.float32)
    yield Part(box(0.45, rise + 0.9, 0.45), at, turn, look("stone", "#b9a58c"))


def village(ground: HeightMap, rng: np.random.Generator) -> Iterator[Part]:
    """Rows of houses along the shore, each higher than the one before, and the harbor's wall."""
    facing = float(np.degrees(np.arctan2(INLAND[0], INLAND[1])))
    for inland, first, last, pitch in (
        (15, -36, 26, 10.4),
        (29, -50, 14, 12.0),
        (44, -64, 2, 13.5),
        (61, -80, -6, 17),
    ):
        for along in np.arange(first, last, pitch):
            spot = (
                SHORE
                + (inland + rng.uniform(-2, 2)) * INLAND
                + (along + rng.uniform(-1.2, 1.2)) * ALONG_SHORE
            )
            if inland > 55 and abs(along + 46) < 12:
                continue  # the church stands here
            storeys = rng.choice((2, 3)) if inland < 20 else rng.choice((1, 2, 2))
            size = (rng.uniform(3.4, 4.6), 2.9 * storeys + 0.5, rng.uniform(3.6, 5.2))
            yaw = facing + rng.uniform(-14, 14) + rng.choice((0, 90))
            yield from house(placed(ground, spot), yaw, size, rng)
    start = SHORE - 6 * ALONG_SHORE
    quay = np.array([start[0], 0, start[1]], np.float32)
    yield Part(box(36, 3.2, 1.6, base=-1.0), quay, turned(facing), look("stone", "#a89a86"))


def church(ground: HeightMap) -> Iterator[Part]:
    """A nave and a tower with a spire, above the roofs."""
    spot = SHORE + 66 * INLAND - 46 * ALONG_SHORE
    anchor, turn = placed(ground, spot), turned(70)
    rng = np.random.default_rng(5)
    yield from house(anchor, 70, (4.5, 8.0, 9.0), rng)
    tower = anchor + turn @ np.array([0.0, 0.0, -11.0], np.float32)
    sizes = {"half_width": 2.6, "half_depth": 2.6, "wall_height": 17.0}
    yield Part(box(2.6, 22, 2.6, base=-5), tower, turn, look("tower", "#e6dcc6", "#4a4440", **sizes))
    yield Part(box(2.95, 0.6, 2.95, base=17), tower, turn, look("plain", "#cbbda3"))
    yield Part(frustum(8, 2.9, 0.05, 10, base=17.6, is_round=False), tower, turn, look("tiles", "#6f7f86"))


def lighthouse(ground: HeightMap) -> Iterator[Part]:
    """A banded tower with a gallery, a lantern and a keeper's house."""
    anchor, level = placed(ground, LIGHTHOUSE, sink=1.0), turned(0)
    yield Part(frustum(20, 3.3, 1.9, 21), anchor, level, look("bands", "#f1ece2", "#b8402f"))
    yield Part(frustum(20, 2.9, 2.9, 0.6, base=21), anchor, level, look("plain", "#5a5450"))
    yield Part(frustum(12, 1.4, 1.4, 2.6, base=21.6), anchor, level, look("lantern", "#ffd58a", "#3b3a3d"))
    yield Part(frustum(16, 2.0, 0.2, 1.8, base=24.2), anchor, level, look("plain", "#a5382b"))
    keeper = placed(ground, (LIGHTHOUSE[0] - 10.5, LIGHTHOUSE[1] + 1))
    yield from house(keeper, 62, (3.0, 3.4, 4.6), np.random.default_rng(11))


def hull(length: float, beam: float, height: float) -> Shape:
    """A boat's hull along x, the bow at +x, drawing a third of its height."""
    half, side = length / 2, beam / 2
    planes: list[tuple[Sequence[float], float]] = [
        ((0, 1, 0), height * 2 / 3),
        ((0, -1, 0), height / 3),
        ((-1, -0.3, 0), half),
    ]
    for way in (1, -1):
        planes += [
            ((0, -0.45, way), side),
            ((0.42, -0.25, way), 0.42 * half),
            ((0.2, -0.3, way), side * 1.05),
        ]
    return convex(planes, (-half * 1.1, -height, -side * 1.4), (half * 1.15, height, side * 1.4))


def sailboat(sailed: float = 0.0) -> Iterator[Part]:
    """A sloop under main and jib, heeling a little, which has come `sailed` meters on its way."""
    course = turned(24)
    anchor, turn = BERTH + course @ np.array([sailed, 0, 0], np.float32), course @ turned(0, roll_degrees=3)
    yield Part(hull(9.0, 2.8, 1.9), anchor, turn, look("hull", "#f0ebe0", "#28476b"))
    yield Part(box(1.5, 0.55, 0.75, base=1.2), anchor, turn, look("plain", "#c89a62"))
    yield Part(
        frustum(8, 0.11, 0.06, 12.4),
        anchor + turn @ np.array([0.6, 0, 0], np.float32),
        turn,
        look("plain", "#7b5a3c"),
    )
    main = [(0.45, 2.1), (0.45, 12.0), (-0.1, 11.8), (-3.0, 6.2), (-4.2, 2.1)]
    jib = [(4.4, 1.6), (0.85, 10.8), (0.9, 2.0)]
    yield Part(prism(main, 0.04), anchor, turn @ turned(7), look("cloth", "#f6eedb"))
    yield Part(prism(jib, 0.04), anchor, turn @ turned(7), look("cloth", "#d9623f"))


def rowing_boats() -> Iterator[Part]:
    """Three small boats at rest."""
    for x, z, yaw, color, band in (
        (13.5, 44.0, 152.0, "#3f7f8c", "#efe6d2"),
        (21.5, 51.0, 118.0, "#b5483a", "#efe6d2"),
        (23.5, 74.0, 60.0, "#e2d7bd", "#2f5a7d"),
    ):
        anchor, turn = np.array([x, 0.0, z], np.float32), turned(yaw)
        yield Part(hull(4.6, 1.7, 1.2), anchor, turn, look("hull", color, band))
        yield Part(box(0.28, 0.22, 0.7, base=0.75), anchor, turn, look("plain", "#8a643f"))


def pier() -> Iterator[Part]:
    """A wooden pier on posts, in from the right."""
    anchor, turn = np.array([20.0, 0.0, 34.0], np.float32), turned(8)
    planks = look("planks", "#9c7f5c")
    yield Part(box(10.5, 0.22, 1.25, base=1.5), anchor, turn, planks)
    for along in np.arange(-10, 10.1, 2.5):
        for side in (-1.15, 1.15):
            foot = anchor + turn @ np.array([along, -1.0, side], np.float32)
            yield Part(frustum(8, 0.17, 0.15, 3.6 if along % 5 else 2.4), foot, turn, look("bark", "#77604a"))


def woods(ground: HeightMap, noise: Noise, rng: np.random.Generator) -> Iterator[Foliage]:
    """Cypresses between the houses, trees on the crest, bushes on the headland."""
    for inland, along in CYPRESSES:
        spot = SHORE + inland * INLAND + along * ALONG_SHORE
        yield cypress(placed(ground, spot, sink=0.3), rng.uniform(8, 12), noise)
    for _ in range(58):
        inland, along = rng.uniform(20, 150), rng.uniform(-170, 0)
        crowded = inland < 66 and rng.random() < 0.45
        spot = SHORE + inland * INLAND + along * ALONG_SHORE
        if spot[0] > 8 and abs(spot[0]) < 0.6 * spot[1] and not crowded:
            size = rng.uniform(1.2, 2.0) if inland < 70 else rng.uniform(2.4, 4.2)
            yield bush(placed(ground, spot, sink=0.4), size, noise, rng)
    for x, z, size in (
        (-2.6, 15.5, 0.55),
        (-4.2, 24.5, 0.7),
        (-5.6, 28.5, 0.9),
        (-8.6, 31.5, 0.8),
        (-4.4, 20.0, 0.4),
    ):
        yield bush(placed(ground, (x, z), sink=0.2), size, noise, rng)
    for _ in range(10):
        spot = np.array([rng.uniform(-72, -34), rng.uniform(130, 148)])
        yield bush(placed(ground, spot, sink=0.3), rng.uniform(0.8, 2.0), noise, rng)


def build_world(seed: int) -> World:
    """The whole harbor; the same seed builds the same one."""
    rng, noise = np.random.default_rng(seed), Noise(seed)
    ground = near_ground(noise)
    timber, crown = oak(placed(ground, OAK, sink=0.5), noise, rng)
    parts = [
        *village(ground, rng),
        *church(ground),
        *lighthouse(ground),
        *rowing_boats(),
        *pier(),
        *timber,
        *sailboat(),  # last, for `at_sail`
    ]
    return World(ground, far_ground(noise), parts, [crown, *woods(ground, noise, rng)])


def at_sail(world: World, meters: float) -> World:
    """The same harbor when the sailboat has come `meters` on its way."""
    boat = list(sailboat(meters))
    return replace(world, parts=[*world.parts[: -len(boat)], *boat])
