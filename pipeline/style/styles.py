"""The styles: pictures to learn from, and what is learned from them at a size, for each region of the content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

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


@dataclass(frozen=True)
class Mixture:
    """What a picture is painted with where that is not what the stylizer has: each style's share, and `style_weight`.

    The shares, at least 0, count relative to each other and replace the styles' weights. Raises `ConfigError` where a
    number is below 0, or no share is above.
    """

    shares: tuple[float, ...]
    style_weight: float

    def __post_init__(self) -> None:
        if not all(0 <= one < float("inf") for one in (*self.shares, self.style_weight)) or not any(
            self.shares
        ):
            raise ConfigError(f"a mixture must have a share above 0 and nothing below it, got {self}")


class Styles:
    """What a network sees in the styles, at the sizes asked for so far."""

    def __init__(self, network: VGG19, styles: Sequence[Style], settings: Settings) -> None:
        self._network, self._settings = network, settings
        self._styles, self._groups = tuple(styles), _by_mask(styles)
        self._known: dict[object, list[list[Mapping[str, Moments]]]] = {}
        self._lock = Lock()  # pictures that are painted side by side ask for the same

    @property
    def masked(self) -> int:
        """How many regions there are besides the whole picture."""
        return len(self._groups) if any(mask is not None for mask, _ in self._groups) else 0

    def regions(
        self, contents: Tensor, factor: float, tile_px: int | None, mixture: Mixture | None = None
    ) -> list[Region]:
        """What is to be where in `contents`, (batch, 3, h, w), which have `factor` of their final size.

        `mixture`: of what the styles are blended, where it is not by their own weights.
        """
        masks = _masks([mask for mask, _ in self._groups], shape_of(contents), contents.device)
        weights = self._weights(mixture)
        if self._settings.preserve_color == "none":
            targets = self._blended(self._shared(contents, factor, tile_px), weights)
        else:  # to each content its own
            pieces = torch.split(contents, 1)
            found = [self._blended(self._targets(one, factor, tile_px, weights), weights) for one in pieces]
            targets = [_stacked(group) for group in zip(*found, strict=True)]
        return [Region(mask, target) for mask, target in zip(masks, targets, strict=True)]

    def longest_px(self, contents: Tensor, factor: float) -> int:
        """The longest side of the styles' pictures for `contents`."""
        given = self._settings.style_size
        longest_px = max(contents.shape[-2:]) if given is None else given * factor
        return max(1, round(longest_px * self._settings.style_scale))

    def heaviest(self, mixture: Mixture | None) -> Tensor:
        """The picture of the style that counts most in a mixture, the first without one."""
        index = 0 if mixture is None else mixture.shares.index(max(mixture.shares))
        return self._styles[index].image

    def _shared(
        self, contents: Tensor, factor: float, tile_px: int | None
    ) -> list[list[Mapping[str, Moments]]]:
        is_stretched = self._settings.style_aspect == "stretch"
        size = shape_of(contents) if is_stretched else self.longest_px(contents, factor)
        key = (size, tile_px, torch.get_num_threads())  # on which the bits depend, see `side_by_side`
        with self._lock:
            if key not in self._known:
                while len(self._known) >= KEPT_SIZES:
                    del self._known[next(iter(self._known))]
                self._known[key] = self._targets(contents[:1], factor, tile_px)
            return self._known[key]

    def _targets(
        self,
        content: Tensor,
        factor: float,
        tile_px: int | None,
        weights: Sequence[Sequence[float]] | None = None,
    ) -> list[list[Mapping[str, Moments]]]:
        """For each region and style the moments by layer; of a style that has no weight in `weights`, none."""
        layers = [layer for layer, weight in self._settings.style_layers.items() if weight > 0]
        found = []
        for number, (_, members) in enumerate(self._groups):
            parts: list[Mapping[str, Moments]] = []
            for place, style in enumerate(self._styles[index] for index in members):
                if weights and not weights[number][place]:
                    parts.append({})
                    continue
                picture = self._picture(style, content, factor)
                part = None if style.part is None else mask_at(style.part.to(picture), shape_of(picture))
                tile = tile_px or max(LARGEST_PIECE_PX, *shape_of(content))
                parts.append(moments_of(self._network, picture, layers, part, tile))
            found.append(parts)
        return found

    def _blended(
        self, targets: Sequence[Sequence[Mapping[str, Moments]]], weights: Sequence[Sequence[float]]
    ) -> list[Mapping[str, Moments]]:
        """For each region the moments by layer, blended over the styles that have a weight."""
        return [
            blend([(one, weight) for one, weight in zip(parts, own, strict=True) if weight > 0])
            for parts, own in zip(targets, weights, strict=True)
        ]

    def _weights(self, mixture: Mixture | None) -> list[list[float]]:
        """The weights of the styles, as they are grouped by region."""
        shares = mixture.shares if mixture else [style.weight for style in self._styles]
        return [[shares[index] for index in members] for _, members in self._groups]

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


def _by_mask(styles: Sequence[Style]) -> list[tuple[Tensor | None, list[int]]]:
    """The indices of the styles that have a mask in common, in the order in which the masks come first."""
    groups: list[tuple[Tensor | None, list[int]]] = []
    for index, style in enumerate(styles):
        for mask, members in groups:
            if _same(mask, style.mask):
                members.append(index)
                break
        else:
            groups.append((style.mask, [index]))
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
