"""VGG19's convolutions as a frozen judge of pictures: (batch, 3, h, w), sRGB, 0–1 → features after ReLU.

Owns the network and its input normalization, and nothing else: no losses, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .weights import CONV_CHANNELS, IMAGENET_MEAN, IMAGENET_STD, Weights

Pooling = Literal["max", "average", "l2"]

POOLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "max": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: F.avg_pool2d(x, 2),
    "l2": lambda x: F.lp_pool2d(x, 2.0, 2) / 2,  # root mean square of the four
}


class VGG19:
    """VGG19 cut after the deepest layer in use, frozen.

    `layers` are names such as "conv4_2"; the network ends at the deepest of them. `means`, one (C,) tensor per
    layer up to there, makes it the paper's normalized network (Gatys et al. 2016, section 2): filters are
    divided by their mean activation over images and positions, and the next layer's inputs multiplied by it
    again, which with ReLU and max or average pooling changes nothing but each channel's scale.
    """

    def __init__(
        self,
        weights: Weights,
        layers: Sequence[str],
        *,
        pooling: Pooling = "max",
        means: Mapping[str, Tensor] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        names = list(CONV_CHANNELS)
        deepest = max(names.index(layer) for layer in layers)
        self.layers = frozenset(layers)
        self.device = torch.device(device)
        self._pool = POOLS[pooling]
        self._convs = [
            (name, weight.to(self.device, memory_format=torch.channels_last), bias.to(self.device))
            for name, (weight, bias) in _scaled(weights, names[: deepest + 1], means).items()
        ]
        self._mean = torch.tensor(IMAGENET_MEAN, device=self.device)[None, :, None, None]
        self._std = torch.tensor(IMAGENET_STD, device=self.device)[None, :, None, None]

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The values after ReLU at every layer in use.

        `images`: (batch, 3, height, width), float32, sRGB, 0–1. A layer of block b is (batch, C, h, w) with
        h and w halved b − 1 times, rounded down, but never below 1.
        """
        x = ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        found = {}
        for name, weight, bias in self._convs:
            if name.endswith("_1") and name != "conv1_1":
                x = self._pool(_at_least_two(x))
            x = F.relu_(F.conv2d(x, weight, bias, padding=1))
            if name in self.layers:
                found[name] = x
        return found


def mean_activations(weights: Weights, images: Sequence[Tensor]) -> dict[str, Tensor]:
    """The mean activation of every filter over images and positions: per layer a (C,) tensor.

    `images`: each (1, 3, height, width), float32, sRGB, 0–1; every image counts the same.
    """
    network = VGG19(weights, list(CONV_CHANNELS))
    totals = {name: torch.zeros(outputs) for name, (_, outputs) in CONV_CHANNELS.items()}
    with torch.no_grad():
        for image in images:
            for name, values in network.features(image).items():
                totals[name] += values.mean((0, 2, 3)) / len(images)
    return totals


def _scaled(
    weights: Weights, names: Sequence[str], means: Mapping[str, Tensor] | None
) -> dict[str, tuple[Tensor, Tensor]]:
    if means is None:
        return {name: weights.convs[name] for name in names}
    scaled, incoming = {}, torch.ones(3)
    for name in names:
        (weight, bias), mean = weights.convs[name], means[name]
        scaled[name] = (weight * incoming[None, :, None, None] / mean[:, None, None, None], bias / mean)
        incoming = mean
    return scaled


def _at_least_two(x: Tensor) -> Tensor:
    """Repeat the edge of a side that is a single position wide, so that pooling leaves one."""
    height, width = x.shape[-2:]
    if height > 1 and width > 1:
        return x
    return F.pad(x, (0, int(width == 1), 0, int(height == 1)), mode="replicate")
