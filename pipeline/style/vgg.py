"""VGG19's convolutions as a frozen judge of pictures: (batch, 3, h, w), sRGB, 0–1 → features after ReLU.

Owns the network and its input normalization, and nothing else: no losses, no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .weights import CONV_CHANNELS, IMAGENET_MEAN, IMAGENET_STD, Weights

Pooling = Literal["max", "average", "l2"]
Padding = Literal["zeros", "replicate"]

POOLS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "max": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: F.avg_pool2d(x, 2),
    "l2": lambda x: F.lp_pool2d(x, 2.0, 2) / 2,  # root mean square of the four
}

POOL_GAINS: Mapping[str, Sequence[float]] = {
    "max": (1.0, 1.0, 1.0, 1.0),
    "average": (1.2, 1.35, 1.35, 1.95),
    "l2": (1.15, 1.3, 1.25, 1.6),
}
"""What a normalized network's four poolings are multiplied by, so that conv2_1 … conv5_1 fire as with max pooling.

Found one after the other on three photographs at 256 px, where the means then agree to 3 %. After
crowsonkb/style-transfer-pytorch, which has 2 and 1.56 throughout. A raw network stays as it is.
"""

GRID_PX = 16
"""The stride of conv5: pictures cut at its multiples are pooled as the whole is."""


class VGG19:
    """VGG19 cut after the deepest layer in use, frozen.

    `layers` are names such as "conv4_2"; the network ends at the deepest of them. `means`, one (C,) tensor per
    layer up to there, makes it the paper's normalized network (Gatys et al. 2016, section 2): filters are
    divided by their mean activation over images and positions, and the next layer's inputs multiplied by it
    again, which with ReLU and max pooling changes nothing but each channel's scale. Other poolings are brought to the
    size of max pooling's by `POOL_GAINS`.

    `padding` is what conv1_1 sees around the picture: zeros, which after the normalization are gray, or the picture's
    edge repeated. `dtype` is that of the convolutions; the features come as float32 if it is a shorter one.
    """

    def __init__(
        self,
        weights: Weights,
        layers: Sequence[str],
        *,
        pooling: Pooling = "max",
        padding: Padding = "zeros",
        means: Mapping[str, Tensor] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        names = list(CONV_CHANNELS)
        deepest = max(names.index(layer) for layer in layers)
        self.layers = frozenset(layers)
        self.device = torch.device(device)
        self._pool = POOLS[pooling]
        self._gains = POOL_GAINS["max" if means is None else pooling]
        self._repeats_edge = padding == "replicate"
        self._convs = [
            (
                name,
                weight.to(self.device, dtype, memory_format=torch.channels_last),
                bias.to(self.device, dtype),
            )
            for name, (weight, bias) in _scaled(weights, names[: deepest + 1], means).items()
        ]
        self.dtype = dtype
        self._mean = torch.tensor(IMAGENET_MEAN, device=self.device)[None, :, None, None]
        self._std = torch.tensor(IMAGENET_STD, device=self.device)[None, :, None, None]

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The values after ReLU at every layer in use.

        `images`: (batch, 3, height, width), float32, sRGB, 0–1. A layer of block b is (batch, C, h, w) with
        h and w halved b − 1 times, rounded down, but never below 1.
        """
        x = ((images - self._mean) / self._std).to(self.dtype).contiguous(memory_format=torch.channels_last)
        found = {}
        for name, weight, bias in self._convs:
            if name.endswith("_1") and name != "conv1_1":
                x = self._pool(_at_least_two(x))
                gain = self._gains[int(name[4]) - 2]
                x = x if gain == 1 else x * gain
            if name == "conv1_1" and self._repeats_edge:
                x = F.relu_(F.conv2d(_with_edge(x), weight, bias))
            else:
                x = F.relu_(F.conv2d(x, weight, bias, padding=1))
            if name in self.layers:
                found[name] = x if x.dtype == images.dtype else x.to(torch.float32)
        return found


def stride_px(layer: str) -> int:
    """The pixels from one position of a layer to the next.

    >>> stride_px("conv1_2"), stride_px("conv4_2")
    (1, 8)
    """
    return 1 << (int(layer[4]) - 1)


def layer_shape(shape: tuple[int, int], layer: str) -> tuple[int, int]:
    """(height, width) of a layer's features of a picture of (height, width) `shape`."""
    return max(1, shape[0] // stride_px(layer)), max(1, shape[1] // stride_px(layer))


def margin_px(layers: Iterable[str]) -> int:
    """How far beyond its own pixels any position of these layers sees, in px, rounded up to `GRID_PX`.

    A position of conv5_1 stands for 16 px and sees 156, so 70 more on each side.

    >>> margin_px(["conv1_1"]), margin_px(["conv4_2", "conv5_1"]), margin_px(["conv5_4"])
    (16, 80, 128)
    """
    deepest = max(layers, key=list(CONV_CHANNELS).index)
    sees = 1
    for name in CONV_CHANNELS:
        if name.endswith("_1") and name != "conv1_1":
            sees += stride_px(name) // 2  # the pooling before it: two positions of the stride before
        sees += 2 * stride_px(name)
        if name == deepest:
            break
    beyond = -(-(sees - stride_px(deepest)) // 2)
    return -(-beyond // GRID_PX) * GRID_PX


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


def _with_edge(x: Tensor) -> Tensor:
    """The edge repeated once around; CUDA's own gradient of this adds up in no fixed order."""
    x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
    return torch.cat([x[:, :, :, :1], x, x[:, :, :, -1:]], 3).contiguous(memory_format=torch.channels_last)


def _at_least_two(x: Tensor) -> Tensor:
    """Repeat the edge of a side that is a single position wide, so that pooling leaves one."""
    height, width = x.shape[-2:]
    if height > 1 and width > 1:
        return x
    return F.pad(x, (0, int(width == 1), 0, int(height == 1)), mode="replicate")
