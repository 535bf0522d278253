"""The objective: how far a picture is from the content of one picture and the style of others, a sum of terms.

Owns the terms and their targets; the single losses are in `losses`, the way to evaluate them in `evaluate`, the
minimizers in `optimize`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import Moments, StyleLoss, squared_error
from .scales import shape_of
from .vgg import layer_shape, stride_px

LayerWeights = Mapping[str, float]
Features = Mapping[str, Tensor]

LEAST = 1e-3
"""A region that no position belongs to by more than this is not there."""


@dataclass(frozen=True)
class ContentTerm:
    """weight · mean(m (F − P)²) of one layer; `target` is P, (batch, C, h, w); `mask` is m, (1 or batch, 1, h, w)."""

    layer: str
    weight: float
    target: Tensor
    mask: Tensor | None = None

    def part(self, features: Tensor, which: Sequence[int], rows: slice, columns: slice) -> Tensor:
        """What the positions `rows`, `columns` add to the term, (len(which),); `features` are those of them."""
        target = of(self.target, which)[:, :, rows, columns]
        mask = None if self.mask is None else _shared(self.mask, which)[:, :, rows, columns]
        return squared_error(features, target, mask) * (self.weight / self.target[0].numel())


@dataclass(frozen=True)
class StyleTerm:
    """weight · loss(moments over the region, moments of the style) of one layer.

    `target` has a batch of 1, or of as many pictures as there are. `mask`, (1, 1, h, w) at the layer's size, is the
    region; None: everywhere.
    """

    layer: str
    weight: float
    loss: StyleLoss
    target: Moments
    mask: Tensor | None = None

    def value(self, found: Moments, which: Sequence[int]) -> Tensor:
        """(len(which),), of moments over the whole picture."""
        if len(self.target.count) == 1 or list(which) == list(range(len(self.target.count))):
            return self.weight * self.loss(found, self.target)
        count, first, second = (
            of(x, which) for x in (self.target.count, self.target.first, self.target.second)
        )
        return self.weight * self.loss(found, Moments(count, first, second))


@dataclass(frozen=True)
class PixelTerm:
    """weight · mean(c (x − w)²) of the pixels themselves: the temporal loss of Ruder et al. 2016, section 3.2.

    `target` is w, (batch, 3, h, w), what earlier paintings say the picture should be; `confidence` is c,
    (batch, 1, h, w) in 0–1. The gradient is that of x alone, and where c is 0 there is none.
    """

    weight: float
    target: Tensor
    confidence: Tensor

    def evaluate(self, images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Value, (len(which),), and gradient, (len(which), 3, h, w), at `images`."""
        difference = images - of(self.target, which)
        pulled = difference * of(self.confidence, which)
        scale = self.weight / images[0].numel()
        return scale * (pulled * difference).flatten(1).sum(1), 2 * scale * pulled


@dataclass(frozen=True)
class Objective:
    """The sum of its terms, and `tv_weight` · total variation."""

    content: tuple[ContentTerm, ...]
    style: tuple[StyleTerm, ...]
    tv_weight: float = 0.0
    pixels: tuple[PixelTerm, ...] = ()


@dataclass(frozen=True)
class Region:
    """Where a style is to be: `mask`, (1, 1, h, w) in 0–1 (None: everywhere), and what, as moments by layer."""

    mask: Tensor | None
    targets: Mapping[str, Moments]


def content_terms(
    targets: Features, layers: LayerWeights, weight: float, mask: Tensor | None = None
) -> tuple[ContentTerm, ...]:
    """A term for each layer; `weight` is split in the proportion of the layers' weights.

    `mask`, (1 or batch, 1, h, w) in 0–1 at the pictures' size, says where the content counts.
    """
    masks = {layer: None if mask is None else at_layer(mask, layer) for layer in targets}
    split = shares(layers, weight)
    return tuple(ContentTerm(layer, share, targets[layer], masks[layer]) for layer, share in split.items())


def style_terms(
    regions: Sequence[Region], layers: LayerWeights, weight: float, loss: StyleLoss
) -> tuple[StyleTerm, ...]:
    """A term for each region and layer, where there is anything of the region.

    A region counts by its part of the picture, so that a pixel is pulled as hard in a small region as in a large.
    """
    terms = []
    for region in regions:
        part = 1.0 if region.mask is None else float(region.mask.mean())
        for layer, share in shares(layers, weight * part).items():
            mask = None
            if region.mask is not None:
                mask = at_layer(region.mask, layer)
                if float(mask.max()) < LEAST:
                    continue
            terms.append(StyleTerm(layer, share, loss, region.targets[layer], mask))
    return tuple(terms)


def blend(targets: Sequence[tuple[Mapping[str, Moments], float]]) -> Mapping[str, Moments]:
    """The moments of several styles as those of one: means of the first and of the second, by weight.

    The pictures may have different sizes; the count is blended too.
    """
    total = sum(weight for _, weight in targets)
    parts = [(moments, weight / total) for moments, weight in targets]
    blended = {}
    for layer in targets[0][0]:
        count = sum((m[layer].count * part for m, part in parts), start=torch.zeros(()))
        first = sum((m[layer].mean * part for m, part in parts), start=torch.zeros(()))
        second = sum((m[layer].gram * part for m, part in parts), start=torch.zeros(()))
        blended[layer] = Moments(count, first * count[:, None], second * count[:, None, None])
    return blended


def shares(weights: LayerWeights, whole: float) -> LayerWeights:
    """`whole` split in the proportion of the weights; layers without a share are left out."""
    total = sum(weights.values())
    return {layer: whole * weight / total for layer, weight in weights.items() if whole * weight > 0}


def at_layer(mask: Tensor, layer: str) -> Tensor:
    """A mask, (1, 1, h, w), at a layer's size: each position has the mean of the pixels it stands for."""
    height, width = layer_shape(shape_of(mask), layer)
    stride = stride_px(layer)
    if min(shape_of(mask)) < stride:
        return F.interpolate(mask, size=(height, width), mode="area")
    return F.avg_pool2d(mask[:, :, : height * stride, : width * stride], stride)


def _shared(masks: Tensor, which: Sequence[int]) -> Tensor:
    """Those masks of a batch, or the one that all pictures have."""
    return masks if len(masks) == 1 else of(masks, which)


def of(batch: Tensor, which: Sequence[int]) -> Tensor:
    """Those pictures of a batch: a view where they are neighbors in order, as a single one is."""
    neighbors = range(which[0], which[0] + len(which))
    return batch[neighbors.start : neighbors.stop] if list(which) == list(neighbors) else batch[list(which)]
