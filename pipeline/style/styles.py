"""The styles: pictures to learn from, and what is learned from them at a size, for each region of the content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from . import color
from .evaluate import moments_of
from .losses import Moments
from .objective import Region, blend
from .scales import Shape, resize, shape_at, shape_of
from .settings import Settings
from .vgg import VGG19

KEPT_SIZES = 8
"""Sizes for which moments are kept; an archive may have as many sizes as pictures."""

LARGEST_PIECE_PX = 1024
"""A style's picture larger than this, and than a content that fits in one piece, is looked at in tiles."""

RECOLOR: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "luminance": color.match_luminance,
    "match": color.match_color,
    "histogram": color.match_histogram,
}


@dataclass(frozen=True)
class Style:
    """A picture to learn from, (1, 3, h, w), float32, sRGB, 0–1, of any size.

    `weight`: its share, relative to the others of the same region. `mask`, (1, 1, h, w) in 0–1: where in the content it
    is to be, stretched to the content's size; None: wherever no other style's mask is. `part`, the same of the
    picture: what of it to learn from; None: all.

    Raises `ConfigError` for another shape, a weight not above 0, and a `part` that is black all over.
    """

    image: Tensor
    weight: float = 1.0
    mask: Tensor | None = None
    part: Tensor | None = None

    def __post_init__(self) -> None:
        _check_shape("image", self.image, 3)
        for name, mask in (("mask", self.mask), ("part", self.part)):
            if mask is not None:
                _check_shape(name, mask, 1)
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"a style's weight must be above 0, got {self.weight}")
        if self.part is not None and not bool((self.part > 0).any()):
            raise ConfigError(
                "a style's part must not be black all over: there would be nothing to learn from"
            )


class Styles:
    """What a network sees in the styles, at the sizes asked for so far."""

    def __init__(self, network: VGG19, styles: Sequence[Style], settings: Settings) -> None:
        self._network, self._settings = network, settings
        self._groups = _by_mask(styles)
        self._known: dict[object, list[Mapping[str, Moments]]] = {}

    @property
    def masked(self) -> int:
        """How many regions there are besides the whole picture."""
        return len(self._groups) if any(mask is not None for mask, _ in self._groups) else 0

    def regions(self, contents: Tensor, factor: float, tile_px: int | None) -> list[Region]:
        """What is to be where in `contents`, (batch, 3, h, w), which have `factor` of their final size."""
        masks = _masks([mask for mask, _ in self._groups], shape_of(contents), contents.device)
        if self._settings.preserve_color == "none":
            targets = self._shared(contents, factor, tile_px)
        else:  # to each content its own
            found = [self._targets(content, factor, tile_px) for content in torch.split(contents, 1)]
            targets = [_stacked(group) for group in zip(*found, strict=True)]
        return [Region(mask, target) for mask, target in zip(masks, targets, strict=True)]

    def longest_px(self, contents: Tensor, factor: float) -> int:
        """The longest side of the styles' pictures for `contents`."""
        given = self._settings.style_size
        longest_px = max(contents.shape[-2:]) if given is None else given * factor
        return max(1, round(longest_px * self._settings.style_scale))

    def _shared(self, contents: Tensor, factor: float, tile_px: int | None) -> list[Mapping[str, Moments]]:
        is_stretched = self._settings.style_aspect == "stretch"
        key = (shape_of(contents) if is_stretched else self.longest_px(contents, factor), tile_px)
        if key not in self._known:
            while len(self._known) >= KEPT_SIZES:
                del self._known[next(iter(self._known))]
            self._known[key] = self._targets(contents[:1], factor, tile_px)
        return self._known[key]

    def _targets(self, content: Tensor, factor: float, tile_px: int | None) -> list[Mapping[str, Moments]]:
        """For each region the moments by layer, blended over its styles."""
        layers = [layer for layer, weight in self._settings.style_layers.items() if weight > 0]
        found = []
        for _, styles in self._groups:
            parts = []
            for style in styles:
                picture = self._picture(style, content, factor)
                part = None if style.part is None else mask_at(style.part.to(picture), shape_of(picture))
                tile = tile_px or max(LARGEST_PIECE_PX, *shape_of(content))
                parts.append((moments_of(self._network, picture, layers, part, tile), style.weight))
            found.append(blend(parts))
        return found

    def _picture(self, style: Style, content: Tensor, factor: float) -> Tensor:
        """A style's picture as it is to be learned from: its size, and its colors."""
        image, settings = style.image.to(content.device, torch.float32), self._settings
        if settings.style_aspect == "stretch":
            image = resize(image, shape_of(content))
        else:
            image = resize(image, shape_at(image, self.longest_px(content, factor)))
        recolor = RECOLOR.get(settings.preserve_color)
        return recolor(image, content) if recolor else image


def _check_shape(name: str, image: Tensor, channels: int) -> None:
    if image.ndim != 4 or image.shape[:2] != (1, channels) or not image.is_floating_point():
        raise ConfigError(
            f"a style's {name} must be (1, {channels}, height, width), floats in 0–1, "
            f"got {image.dtype} of shape {tuple(image.shape)}"
        )


def mask_at(mask: Tensor, shape: Shape) -> Tensor:
    """A mask, (1, 1, h, w) in 0–1, at (height, width) `shape`."""
    return F.interpolate(mask, size=shape, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def _by_mask(styles: Sequence[Style]) -> list[tuple[Tensor | None, list[Style]]]:
    """The styles that have a mask in common, in the order in which the masks come first."""
    groups: list[tuple[Tensor | None, list[Style]]] = []
    for style in styles:
        for mask, members in groups:
            if _same(mask, style.mask):
                members.append(style)
                break
        else:
            groups.append((style.mask, [style]))
    return groups


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and torch.equal(a, b)


def _masks(masks: Sequence[Tensor | None], shape: Shape, device: torch.device) -> list[Tensor | None]:
    """The masks at a size; where some are given, the one that is not gets what these leave."""
    given = [mask_at(mask.to(device, torch.float32), shape) for mask in masks if mask is not None]
    if not given:
        return list(masks)
    rest = (1 - torch.stack(given).sum(0)).clamp(0, 1)
    following = iter(given)
    return [rest if mask is None else next(following) for mask in masks]


def _stacked(targets: Sequence[Mapping[str, Moments]]) -> Mapping[str, Moments]:
    """The moments of single pictures as those of a batch."""
    return {
        layer: Moments(
            torch.cat([target[layer].count for target in targets]),
            torch.cat([target[layer].first for target in targets]),
            torch.cat([target[layer].second for target in targets]),
        )
        for layer in targets[0]
    }
