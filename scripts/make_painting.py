"""Paints `swirl.png`, the project's own style image: a cold and a warm current, stirred together.

It is made the way a painter would, so that VGG's Gram matrices find brush work at every scale:

1. `flow_field`: a stream function (hand-placed vortices and smooth noise) gives every point a direction.
2. `stirred_tones`: plain bands of tone are carried along that flow until they curl.
3. `paint_layer`: strokes, coarse to fine, in `PIGMENTS`, each a bundle of bristles that follows the flow.
4. `light_from_upper_left`: the bristles also left a height map; lighting it gives the relief of thick paint.

Everything is drawn at `OVERSAMPLING` times the final size and reduced at the end. Coordinates are (x, y) in
pixels of that large canvas; images are RGB. The same seed gives the same picture; no other picture is read.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

OVERSAMPLING = 3
BRISTLE_PX = 3.2  # on the large canvas: about one pixel of the finished picture
PATH_STEPS = 24
EDGE_PULL = 0.35  # an edge of 1 / EDGE_PULL tones per canvas width counts as much as the flow

# (tone, RGB): dark at both ends, lightest where cold meets warm, so every edge between masses glows.
PIGMENTS: tuple[tuple[float, tuple[int, int, int]], ...] = (
    (0.00, (9, 14, 46)),  # prussian, almost black
    (0.12, (16, 34, 108)),  # ultramarine
    (0.26, (22, 76, 178)),  # cobalt
    (0.38, (14, 132, 178)),  # cerulean
    (0.47, (48, 184, 172)),  # turquoise
    (0.54, (176, 222, 186)),  # pale sea green
    (0.60, (254, 236, 184)),  # cream
    (0.69, (255, 206, 66)),  # golden yellow
    (0.79, (234, 146, 24)),  # ochre
    (0.89, (220, 62, 24)),  # vermilion
    (1.00, (104, 14, 34)),  # madder
)


@dataclass(frozen=True)
class Vortex:
    """A whirl: center and core radius in canvas widths, strength positive for clockwise on screen."""

    x: float
    y: float
    core: float
    strength: float


VORTICES = (
    Vortex(0.41, 0.42, 0.13, 1.05),
    Vortex(0.82, 0.67, 0.08, -0.55),
    Vortex(0.80, 0.17, 0.06, 0.40),
    Vortex(0.14, 0.84, 0.09, -0.50),
    Vortex(0.62, 0.95, 0.06, 0.24),
    Vortex(0.07, 0.14, 0.05, -0.26),
)


@dataclass(frozen=True)
class StrokeLayer:
    """One pass of a brush; lengths are in thousandths of the canvas width."""

    count: int
    width: float
    length: float
    tone_jitter: float  # how far along `PIGMENTS` a stroke may wander from the tone below it
    light_jitter: float  # standard deviation of the exponent that makes a stroke paler or deeper
    turn_jitter: float  # radians away from the flow
    tolerance: float  # a stroke ends where the tone below has changed by more than this
    over: tuple[float, float] = (0.0, 1.0)  # only where the tone below lies in this range
    accent: float | None = None  # this tone instead of the one below, and in clusters


LAYERS = (
    StrokeLayer(1600, 46, 60, tone_jitter=0.03, light_jitter=0.15, turn_jitter=0.05, tolerance=1.0),
    StrokeLayer(700, 50, 280, tone_jitter=0.03, light_jitter=0.15, turn_jitter=0.04, tolerance=0.4),
    StrokeLayer(1300, 32, 200, tone_jitter=0.035, light_jitter=0.25, turn_jitter=0.06, tolerance=0.25),
    StrokeLayer(1500, 20, 130, tone_jitter=0.045, light_jitter=0.32, turn_jitter=0.09, tolerance=0.16),
    StrokeLayer(1300, 11, 85, tone_jitter=0.055, light_jitter=0.38, turn_jitter=0.12, tolerance=0.16),
    StrokeLayer(1500, 7, 80, 0.02, 0.2, 0.06, 0.3, over=(0.12, 0.30), accent=0.46),  # turquoise in the deep
    StrokeLayer(1200, 8, 90, 0.02, 0.2, 0.06, 0.3, over=(0.44, 0.64), accent=0.60),  # foam between currents
    StrokeLayer(700, 7, 70, 0.03, 0.2, 0.08, 0.3, over=(0.02, 0.16), accent=0.86),  # embers in the dark
    StrokeLayer(900, 7, 80, 0.02, 0.2, 0.08, 0.3, over=(0.84, 1.00), accent=0.07),  # prussian in the fire
)


def smooth_noise(size_px: int, cells: int, rng: np.random.Generator) -> Floats:
    """Return noise (size, size), mean 0, spread about 1, with `cells` bumps across at any size."""
    grid = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (size_px, size_px), interpolation=cv2.INTER_CUBIC), np.float32)


def flow_field(size_px: int, rng: np.random.Generator) -> Floats:
    """Return velocities (size, size, 2) in canvas widths per unit time, divergence-free.

    The curl of a stream function: -log of the distance to each vortex (rounded off in its core), a slow
    slanted drift, and two octaves of noise so that no arc is a perfect circle.
    """
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px
    x, y = np.meshgrid(axis, axis)
    stream = 0.30 * (y - 0.35 * x)
    for vortex in VORTICES:
        distance_squared = (x - vortex.x) ** 2 + (y - vortex.y) ** 2
        stream -= 0.125 * vortex.strength * np.log(distance_squared + vortex.core**2)
    stream += 0.016 * smooth_noise(size_px, 4, rng) + 0.004 * smooth_noise(size_px, 9, rng)
    along_y, along_x = np.gradient(stream, 1 / size_px)
    return np.asarray(np.stack([along_y, -along_x], axis=-1), np.float32)


def stirred_tones(flow: Floats, rng: np.random.Generator, time: float = 0.40, steps: int = 48) -> Floats:
    """Return tones (size, size), 0 to 1: straight bands of cold and warm paint carried along by `flow`."""
    size_px = flow.shape[0]
    axis = np.arange(size_px, dtype=np.float32)
    x, y = (np.ascontiguousarray(plane) for plane in np.meshgrid(axis, axis))
    for _ in range(steps):  # backward: where did the paint that is here now come from?
        velocity = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        x = x - velocity[..., 0] * (time / steps * size_px)
        y = y - velocity[..., 1] * (time / steps * size_px)
    u, v = x / size_px, y / size_px
    slant = 0.30 * (u - 0.40) + 0.95 * (v - 0.44)  # zero on a line through the heart of the great whirl
    tones = 0.18 + 0.61 / (1 + np.exp(-slant / 0.035))
    tones = tones + 0.17 * np.sin(2 * np.pi * (slant * 3.3 + 0.15 * np.sin(6 * u)))
    wander = cv2.remap(smooth_noise(size_px, 6, rng), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(tones + 0.05 * wander, 0.0, 1.0), np.float32)


def stroke_directions(flow: Floats, tones: Floats) -> Floats:
    """Return directions (size, size, 2) for the brush: the flow, but along the edges between masses.

    A painter draws a contour along, not across. Where tone changes fast, the level line of the tone wins.
    """
    size_px = tones.shape[0]
    along_y, along_x = np.gradient(cv2.GaussianBlur(tones, (0, 0), size_px / 120), 1 / size_px)
    level = np.stack([-along_y, along_x], axis=-1)
    heading = flow / (np.linalg.norm(flow, axis=-1, keepdims=True) + 1e-6)
    agreement = np.sign((level * heading).sum(axis=-1, keepdims=True))
    return np.asarray(heading + EDGE_PULL * level * agreement, np.float32)


def pigment(tones: npt.NDArray[np.floating]) -> Floats:
    """Return the RGB (..., 3), 0 to 255, that `PIGMENTS` gives to tones of any shape."""
    stops = [tone for tone, _ in PIGMENTS]
    channels = [np.interp(tones, stops, [rgb[c] for _, rgb in PIGMENTS]) for c in range(3)]
    return np.asarray(np.stack(channels, axis=-1), np.float32)


def sample(field: Floats, points: Floats) -> Floats:
    """Return the nearest values of `field` (height, width, ...) at `points` (..., 2), clamped to the edge."""
    size_px = field.shape[0]
    columns, rows = np.moveaxis(np.clip(points, 0, size_px - 1).astype(np.intp), -1, 0)
    return np.asarray(field[rows, columns], np.float32)


def trace_paths(starts: Floats, turns: Floats, lengths_px: Floats, directions: Floats) -> Floats:
    """Return paths (strokes, `PATH_STEPS`, 2) along `directions`, each turned away by its own angle."""
    points = [starts]
    for _ in range(PATH_STEPS - 1):
        velocity = sample(directions, points[-1])
        angle = np.arctan2(velocity[:, 1], velocity[:, 0]) + turns
        heading = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        points.append((points[-1] + heading * (lengths_px / (PATH_STEPS - 1))[:, None]).astype(np.float32))
    return np.stack(points, axis=1)


def scattered_starts(count: int, size_px: int, rng: np.random.Generator) -> Floats:
    """Return points (count, 2) spread evenly but not regularly: one at random in each cell of a grid."""
    side = int(np.ceil(np.sqrt(count)))
    cells = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    points = (cells + rng.random(cells.shape)) / side * 1.16 - 0.08  # strokes run in from beyond the edge
    return (rng.permutation(points)[:count] * size_px).astype(np.float32)


def drag_brush(canvas: Bytes, path: Floats, width_px: float, rgb: Floats, rng: np.random.Generator) -> None:
    """Draw one stroke onto `canvas` (RGB and height, 8 bits each): a bundle of bristles along `path`.

    Bristles touch down and lift off at different points, so that the ends are ragged, and each carries a
    little more or less paint. The paint piles up at the two rims, and one rim is lighter than the other.
    """
    tangent = np.gradient(path, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
    swell = np.sin(np.linspace(0.1, 0.96, len(path)) * np.pi)[:, None] ** 0.5
    bristles = max(3, round(width_px / BRISTLE_PX))
    across = np.linspace(-1, 1, bristles)
    loads = rng.normal(0, 1, bristles)
    side = rng.choice((-1.0, 1.0))
    for position in rng.permutation(bristles):
        first = rng.integers(0, 1 + len(path) // 6)
        last = len(path) - rng.integers(0, 1 + len(path) // 3)
        offset = 0.5 * width_px * (across[position] + rng.normal(0, 0.06))
        bristle = (path + normal * swell * offset)[first:last]
        light = 16 * loads[position] + 18 * side * across[position]
        color = np.clip(rgb + light + rng.normal(0, 5, 3), 0, 255)
        height = np.clip(110 + 40 * loads[position] + 70 * across[position] ** 4, 0, 255)
        thickness = int(rng.integers(3, 6))
        fixed = np.round(bristle * 16).astype(np.int32)
        cv2.polylines(canvas, [fixed], False, (*color.tolist(), float(height)), thickness, cv2.LINE_AA, 4)


def paint_layer(
    canvas: Bytes, layer: StrokeLayer, tones: Floats, directions: Floats, rng: np.random.Generator
) -> None:
    """Cover `canvas` with the strokes of one layer, each in the tone found where it starts.

    As in Hertzmann (SIGGRAPH 1998), strokes follow a field and stop where the picture below has changed.
    """
    size_px = canvas.shape[0]
    starts = scattered_starts(layer.count, size_px, rng)
    lengths_px = layer.length / 1000 * size_px * rng.uniform(0.6, 1.3, layer.count).astype(np.float32)
    turns = rng.normal(0, layer.turn_jitter, layer.count).astype(np.float32)
    paths = trace_paths(starts, turns, lengths_px, directions)
    below = sample(tones, paths)
    strayed = np.abs(below - below[:, :1]) > layer.tolerance
    ends = np.where(strayed.any(axis=1), strayed.argmax(axis=1), PATH_STEPS)
    wanted = below[:, 0] if layer.accent is None else np.full(layer.count, layer.accent)
    wanted = wanted + rng.normal(0, layer.tone_jitter, layer.count)
    exponents = np.exp(rng.normal(0, layer.light_jitter, (layer.count, 1)))  # deeper, never grayer
    colors = 255 * (pigment(np.clip(wanted, 0, 1)) / 255) ** exponents
    widths_px = layer.width / 1000 * size_px * rng.uniform(0.7, 1.25, layer.count)
    inside = (below[:, 0] >= layer.over[0]) & (below[:, 0] <= layer.over[1])
    if layer.accent is not None:
        inside &= sample(smooth_noise(size_px, 7, rng), starts) > 0.45
    for index in np.flatnonzero(inside & (ends >= PATH_STEPS // 4)):
        drag_brush(canvas, paths[index, : ends[index]], float(widths_px[index]), colors[index], rng)


def light_from_upper_left(canvas: Bytes) -> Floats:
    """Return RGB (size, size, 3), 0 to 255: the colors of `canvas` shaded by the slopes of its height."""
    height = cv2.GaussianBlur(canvas[..., 3].astype(np.float32) / 255, (0, 0), 1.2)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.25) + cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.25)
    relief = np.tanh(slope * 3.5)[..., None]
    rgb = canvas[..., :3].astype(np.float32)
    gleam = np.clip(relief, 0, None) * 40
    return np.asarray(np.clip(rgb * (1 + 0.45 * relief) + gleam, 0, 255), np.float32)


def paint(size_px: int, seed: int) -> Bytes:
    """Return the finished picture, RGB (size, size, 3)."""
    rng = np.random.default_rng(seed)
    large_px = size_px * OVERSAMPLING
    flow = flow_field(large_px, rng)
    tones = stirred_tones(flow, rng)
    directions = stroke_directions(flow, tones)
    canvas = np.zeros((large_px, large_px, 4), np.uint8)
    canvas[..., :3] = 255 * (pigment(tones) / 255) ** 1.8  # a deeper ground, seen in the few gaps
    for layer in LAYERS:
        paint_layer(canvas, layer, tones, directions, rng)
    small = cv2.resize(light_from_upper_left(canvas), (size_px, size_px), interpolation=cv2.INTER_AREA)
    # 52 levels per channel: invisible among brush strokes, and a third off the PNG.
    return np.asarray(np.clip(np.round(small / 5) * 5, 0, 255), np.uint8)


def main() -> None:
    """Parse the arguments, paint, write the PNG and print its path."""
    parser = argparse.ArgumentParser(description="Paint the demo's style image.")
    parser.add_argument("--out", type=Path, default=Path("configs/paintings/swirl.png"), help="PNG to write")
    parser.add_argument("--size", type=int, default=512, help="side of the square picture, in pixels")
    parser.add_argument("--seed", type=int, default=7, help="the same seed paints the same picture")
    arguments = parser.parse_args()
    picture = paint(arguments.size, arguments.seed)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(arguments.out, optimize=True)
    print(arguments.out)


if __name__ == "__main__":
    main()
