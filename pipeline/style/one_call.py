"""The engine in one call, for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from ..errors import ConfigError
from .settings import Settings
from .styles import Style
from .stylizer import Stylizer
from .weights import Weights
from .work import Callback


def stylize(
    content: Tensor,
    style: Tensor | Sequence[Style],
    weights: Weights,
    *,
    callback: Callback | None = None,
    device: torch.device | str = "cpu",
    **settings: object,
) -> Tensor:
    """Paint one picture in the style of another, in one call.

    `content`: (1, 3, h, w) or (3, h, w), float32, sRGB, 0–1. `style`: a picture of the same kind, of any size, or
    `Style`s with weights and masks. The result has `content`'s shape and range, and is on the CPU. `callback` sees an
    `Iterate` at each evaluation: `lambda it: print(it.iteration, it.loss)`. `settings` are the fields of `Settings`:
    `iterations=100, style_weight=100.0, preserve_color="luminance"`.

    Raises `ConfigError` for a setting out of range or a picture of another shape, and `DivergenceError` where the
    loss cannot be kept finite. To paint many pictures, keep a `Stylizer`.

        from pipeline.style import stylize
        from pipeline.weights import load_weights

        result = stylize(photo, painting, load_weights("packaged"), iterations=150)
    """
    styles = [Style(_batched(style, "style"))] if isinstance(style, Tensor) else list(style)
    if not styles:
        raise ConfigError("style must be a picture or at least one Style, got none")
    unknown = set(settings) - {known.name for known in fields(Settings)}
    if unknown:
        raise ConfigError(f"no such setting: {', '.join(sorted(unknown))}; see pipeline.style.Settings")
    stylizer = Stylizer(weights, styles, Settings(**settings), device)  # type: ignore[arg-type]
    image = stylizer.stylize(_batched(content, "content"), callback=callback).image
    return image if content.ndim == 4 else image[0]


def _batched(image: Tensor, name: str) -> Tensor:
    """One picture as (1, 3, h, w), checked."""
    if not isinstance(image, Tensor):
        raise ConfigError(f"{name} must be a torch tensor, got {type(image).__name__}")
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or batch.shape[:2] != (1, 3) or not batch.is_floating_point():
        raise ConfigError(
            f"{name} must be one picture, (1, 3, height, width) or (3, height, width), floats in 0–1, "
            f"got {image.dtype} of shape {tuple(image.shape)}"
        )
    batch = batch.to(torch.float32)
    if not (bool(batch.isfinite().all()) and float(batch.min()) >= 0 and float(batch.max()) <= 1):
        low, high = float(batch.min()), float(batch.max())
        raise ConfigError(f"{name} must be within 0–1, got {low:g} to {high:g}; divide 0–255 by 255")
    return batch
