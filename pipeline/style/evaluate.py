"""The objective's value and gradient at a picture: in one piece, or tile by tile with the same result.

A content term is a sum over positions, and a style term a function of such sums. So a first pass over the tiles,
without gradients, adds up the moments of the features; the losses of these give the slopes of the moments; and a
second pass sends each tile's share of both back to its pixels. Nothing is approximated: a tile is evaluated with a
margin that holds all that its features see, counts them without the margin, and the tiles' gradients, margins
included, are added up. After Galerne et al. 2024 (*Scaling Painting Style Transfer*), who cut the margins off the
gradients and so need them twice as wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from .losses import Moments, moments, total_variation
from .memory import shrinking
from .objective import Features, Objective, at_layer
from .scales import Shape, shape_of
from .vgg import GRID_PX, VGG19, layer_shape, margin_px, stride_px


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in px: [first, stop) counts, [start, end) is evaluated; None is the picture's end."""

    first: int
    stop: int | None
    start: int
    end: int | None

    def pixels(self) -> slice:
        """What is evaluated."""
        return slice(self.start, self.end)

    def counted(self, stride: int) -> slice:
        """What counts of a layer of the whole picture."""
        return slice(self.first // stride, None if self.stop is None else self.stop // stride)

    def inner(self, stride: int) -> slice:
        """The same within the features of what is evaluated."""
        counted, offset = self.counted(stride), self.start // stride
        return slice(counted.start - offset, None if counted.stop is None else counted.stop - offset)


class Tile(NamedTuple):
    """A rectangle of the picture."""

    down: Span
    across: Span

    def pixels(self, images: Tensor) -> Tensor:
        """What is evaluated of `images`, (batch, 3, h, w), as a view."""
        return images[:, :, self.down.pixels(), self.across.pixels()]

    def counted(self, layer: str) -> tuple[slice, slice]:
        """Rows and columns of a layer of the whole picture."""
        return self.down.counted(stride_px(layer)), self.across.counted(stride_px(layer))

    def inner(self, features: Features, layer: str) -> Tensor:
        """What counts of the features of what is evaluated."""
        if self is WHOLE:  # slicing would cost the gradient a copy
            return features[layer]
        stride = stride_px(layer)
        return features[layer][:, :, self.down.inner(stride), self.across.inner(stride)]


WHOLE = Tile(Span(0, None, 0, None), Span(0, None, 0, None))


def tiles(shape: Shape, tile_px: int | None, margin: int) -> list[Tile]:
    """The tiles of a picture of (height, width) `shape`, row by row; one, where `tile_px` is None or enough."""
    if tile_px is None or max(shape) <= tile_px:
        return [WHOLE]
    down, across = (spans(length, tile_px, margin) for length in shape)
    return [Tile(*pair) for pair in product(down, across)]


def spans(length_px: int, tile_px: int, margin: int) -> list[Span]:
    """The tiles along an axis, about equally long, at most `tile_px` (but the last, by up to 15 px more).

    Tiles and margins in px are multiples of the stride of conv5, so that the poolings of a tile are the whole's.

    >>> [(span.first, span.stop, span.start, span.end) for span in spans(100, 48, 16)]
    [(0, 48, 0, 64), (48, None, 32, None)]
    """
    cells = max(1, length_px // GRID_PX)
    count = -(-cells // max(1, tile_px // GRID_PX))
    edges = [GRID_PX * round(index * cells / count) for index in range(count)]
    found = []
    for first, stop in zip(edges, [*edges[1:], None], strict=True):
        end = None if stop is None or stop + margin >= length_px else stop + margin
        found.append(Span(first, stop, max(0, first - margin), end))
    return found


def features_of(
    network: VGG19, images: Tensor, layers: Iterable[str], tile_px: int | None = None
) -> dict[str, Tensor]:
    """The features of `images`, (batch, 3, h, w), at `layers`, without gradients.

    On a CPU of one after the other, since the bits of a convolution depend on the size of the batch.
    """
    layers = list(layers)
    if not layers:
        return {}
    parts = tiles(shape_of(images), tile_px, margin_px(network.layers))
    if images.device.type == "cpu" and len(images) > 1:
        each = [features_of(network, image, layers, tile_px) for image in torch.split(images, 1)]
        return {layer: torch.cat([features[layer] for features in each]) for layer in layers}
    whole: dict[str, Tensor] = {}
    with torch.no_grad():
        for tile in parts:
            features = network.features(tile.pixels(images))
            for layer in layers:
                if len(parts) == 1:
                    whole[layer] = features[layer]
                    continue
                found = tile.inner(features, layer)
                if layer not in whole:
                    size = layer_shape(shape_of(images), layer)
                    whole[layer] = found.new_empty((*found.shape[:2], *size))
                rows, columns = tile.counted(layer)
                whole[layer][:, :, rows, columns] = found
    return whole


def moments_of(
    network: VGG19,
    image: Tensor,
    layers: Iterable[str],
    mask: Tensor | None = None,
    tile_px: int | None = None,
) -> dict[str, Moments]:
    """The moments of the features of `image`, (1, 3, h, w), at `layers`, without gradients.

    `mask`, (1, 1, h, w) in 0–1 at the image's size, weighs its pixels.
    """
    shape = shape_of(image)
    at = {layer: None if mask is None else at_layer(mask, layer) for layer in layers}
    totals: dict[str, Moments] = {}
    with torch.no_grad():
        for tile in tiles(shape, tile_px, margin_px(network.layers)):
            features = network.features(tile.pixels(image))
            for layer, weights in at.items():
                found = _moments(features, layer, weights, tile)
                totals[layer] = totals[layer] + found if layer in totals else found
    return totals


class Evaluator:
    """An objective with the network and the way to evaluate it; `tile_px` None is the picture in one piece.

    Where memory runs out the tile is halved, down to 64 px, and the evaluation made again; `tile_px` tells.
    """

    def __init__(self, network: VGG19, objective: Objective, tile_px: int | None = None) -> None:
        self.tile_px = tile_px
        self._network, self._objective = network, objective
        self._margin = margin_px(network.layers)

    def __call__(self, images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The losses, (batch,), and their gradients, (batch, 3, h, w), at `images`.

        `which` of the pictures that the objective's targets are of `images` are, in order.
        """
        images = images.detach()
        with torch.enable_grad():
            found, self.tile_px = shrinking(
                lambda tile_px: self._evaluate(images, which, tile_px), shape_of(images), self.tile_px
            )
        return found

    def _evaluate(self, images: Tensor, which: Sequence[int], tile_px: int | None) -> tuple[Tensor, Tensor]:
        parts = tiles(shape_of(images), tile_px, self._margin)
        if not (self._objective.content or self._objective.style):  # as where every mask is black
            losses, gradients = images.new_zeros(len(which)), torch.zeros_like(images)
        elif len(parts) == 1:
            losses, gradients = self._whole(images, which)
        else:
            losses, gradients = self._tiled(images, which, parts)
        if self._objective.tv_weight:
            leaf = images.requires_grad_(True)
            roughness = self._objective.tv_weight * total_variation(leaf)
            gradients += torch.autograd.grad(roughness.sum(), leaf)[0]
            losses = losses + roughness.detach()
        for term in self._objective.pixels:
            value, slope = term.evaluate(images.detach(), which)
            losses, gradients = losses + value, gradients + slope
        return losses, gradients

    def _whole(self, images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        pixels = images.requires_grad_(True)
        features = self._network.features(pixels)
        losses = self._content(features, which, WHOLE) + sum(
            term.value(moments(features[term.layer], term.mask), which) for term in self._objective.style
        )
        return losses.detach(), self._gradient(losses.sum(), pixels)

    def _tiled(self, images: Tensor, which: Sequence[int], parts: Sequence[Tile]) -> tuple[Tensor, Tensor]:
        losses, slopes = self._style(images, which, parts)
        gradients = torch.zeros_like(images)
        for tile in parts:
            pixels = tile.pixels(images).clone().requires_grad_(True)
            features = self._network.features(pixels)
            content = self._content(features, which, tile)
            shares = [
                (part.first * first).sum() + (part.second * second).sum()
                for term, (first, second) in zip(self._objective.style, slopes, strict=True)
                for part in [_moments(features, term.layer, term.mask, tile)]
            ]
            tile.pixels(gradients).add_(self._gradient(content.sum() + sum(shares), pixels))
            losses = losses + content.detach()
        return losses, gradients

    def _gradient(self, loss: Tensor, pixels: Tensor) -> Tensor:
        """The gradient of a scalar; in float16 of its multiple, since a mean's share of a pixel would underflow."""
        scale = pixels.shape[-2] * pixels.shape[-1] if self._network.dtype == torch.float16 else 1
        (gradient,) = torch.autograd.grad(loss * scale, pixels)
        return gradient / scale if scale != 1 else gradient

    def _content(self, features: Features, which: Sequence[int], tile: Tile) -> Tensor:
        """What a tile adds to the content terms, (batch,)."""
        nothing = next(iter(features.values())).new_zeros(len(which))
        return sum(
            (
                term.part(tile.inner(features, term.layer), which, *tile.counted(term.layer))
                for term in self._objective.content
            ),
            start=nothing,
        )

    def _style(
        self, images: Tensor, which: Sequence[int], parts: Sequence[Tile]
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The style terms' sum, (batch,), and each one's slopes with respect to the whole picture's moments."""
        losses, slopes = images.new_zeros(len(which)), []
        for term, found in zip(self._objective.style, self._totals(images, parts), strict=True):
            leaves = found.first.requires_grad_(True), found.second.requires_grad_(True)
            value = term.value(found, which)
            first, second = torch.autograd.grad(value.sum(), leaves, materialize_grads=True)
            slopes.append((first, second))
            losses = losses + value.detach()
        return losses, slopes

    def _totals(self, images: Tensor, parts: Sequence[Tile]) -> list[Moments]:
        """The moments that each style term asks for, over the whole picture."""
        terms, totals = self._objective.style, list[Moments]()
        with torch.no_grad():
            for tile in parts if terms else ():
                features = self._network.features(tile.pixels(images))
                found = [_moments(features, term.layer, term.mask, tile) for term in terms]
                totals = [a + b for a, b in zip(totals, found, strict=True)] if totals else found
        return totals


def _moments(features: Features, layer: str, mask: Tensor | None, tile: Tile) -> Moments:
    """What a tile adds to the moments of a layer; `mask` is that of the whole picture, at the layer's size."""
    rows, columns = tile.counted(layer)
    return moments(tile.inner(features, layer), None if mask is None else mask[:, :, rows, columns])
