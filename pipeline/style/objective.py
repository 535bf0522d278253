"""The objective: how far a picture is from the content of one picture and the style of others.

Owns the targets and their sum; the single terms are in `losses`, the minimizers in `optimize`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .losses import content_loss, gram, style_loss
from .vgg import VGG19

Targets = Mapping[str, Tensor]
Weights = Mapping[str, float]


def content_targets(network: VGG19, content: Tensor, layers: Weights) -> Targets:
    """The features P of `content`, (1, 3, h, w) in 0–1, at each layer."""
    with torch.no_grad():
        features = network.features(content)
    return {layer: features[layer] for layer in layers}


def style_targets(network: VGG19, styles: Sequence[tuple[Tensor, float]], layers: Weights) -> Targets:
    """The Gram matrices A at each layer: the mean over (picture, weight), weights made to sum to 1.

    The pictures may have different sizes, since a Gram matrix is a mean over positions.
    """
    total = sum(weight for _, weight in styles)
    blend: dict[str, Tensor] = {}
    with torch.no_grad():
        for picture, weight in styles:
            features = network.features(picture)
            for layer in layers:
                part = gram(features[layer]) * (weight / total)
                blend[layer] = blend[layer] + part if layer in blend else part
    return blend


class Objective:
    """content_weight · Σ w · content term + style_weight · Σ w · style term, a scalar; callable on (1, 3, h, w).

    The weights w of the layers are relative: they are made to sum to 1 for the content and for the style, as the
    paper's (1/5 each for five style layers) do.
    """

    def __init__(
        self,
        network: VGG19,
        content: Targets,
        style: Targets,
        *,
        content_layers: Weights,
        style_layers: Weights,
        content_weight: float,
        style_weight: float,
    ) -> None:
        self._network, self._content, self._style = network, content, style
        self._content_weights = _shares(content_layers, content_weight)
        self._style_weights = _shares(style_layers, style_weight)

    def __call__(self, image: Tensor) -> Tensor:
        features = self._network.features(image)
        terms = [
            weight * content_loss(features[layer], self._content[layer])
            for layer, weight in self._content_weights.items()
        ] + [
            weight * style_loss(features[layer], self._style[layer])
            for layer, weight in self._style_weights.items()
        ]
        return torch.stack(terms).sum()


def _shares(weights: Weights, whole: float) -> Weights:
    """`whole` split in the proportion of the weights; layers without a share are left out."""
    total = sum(weights.values())
    return {layer: whole * weight / total for layer, weight in weights.items() if whole * weight > 0}
