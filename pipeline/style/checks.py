"""What a caller hands to the stylizer, looked at before any work: pictures, starts and content masks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..errors import ConfigError


def check_pictures(contents: Tensor, starts: Tensor) -> None:
    """Raise `ConfigError` where pictures are not (batch, 3, h, w) floats, or `starts` are of another shape."""
    if contents.ndim != 4 or contents.shape[1] != 3 or not contents.is_floating_point():
        shape = tuple(contents.shape)
        raise ConfigError(
            f"pictures must be floats, (batch, 3, h, w) in 0–1, got {contents.dtype} of shape {shape}"
        )
    if starts.shape != contents.shape:
        raise ConfigError(f"starts must have the contents' shape, {contents.shape}, got {starts.shape}")


def check_masks(masks: Sequence[Tensor | None], count: int) -> None:
    """Raise `ConfigError` where content masks are not one for each of `count` pictures, (1, 1, h, w), or None."""
    if len(masks) != count:
        raise ConfigError(
            f"content_masks must be one for each of {count} pictures, or None, got {len(masks)}"
        )
    for mask in masks:
        if mask is not None and (mask.ndim != 4 or mask.shape[:2] != (1, 1) or not mask.is_floating_point()):
            raise ConfigError(
                "a content mask must be (1, 1, height, width), floats in 0–1, "
                f"got {mask.dtype} of shape {tuple(mask.shape)}"
            )
