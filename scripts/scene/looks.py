"""How parts are painted, in words and colors; `surfaces` makes pictures of the words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import Floats


@dataclass(frozen=True)
class Look:
    """How a part is painted: `surface` is a key of `SURFACES`, colors are linear RGB."""

    surface: str
    color: Floats
    accent: Floats
    half_width: float = 0.0
    half_depth: float = 0.0
    wall_height: float = 0.0
    seed: int = 0


def linear(color: str) -> Floats:
    """Linear RGB (3,), 0–1, of a color such as "#e9d9b8"."""
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def look(surface: str, color: str, accent: str = "#000000", **sizes: float) -> Look:
    """A `Look` from colors as a painter's box names them."""
    seed = int(sizes.pop("seed", 0))
    return Look(surface, linear(color), linear(accent), seed=seed, **sizes)
