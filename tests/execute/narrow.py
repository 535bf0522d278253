"""A narrow network in place of VGG19, for tests of what becomes of a painting rather than of what it looks like."""

from __future__ import annotations

import torch

from pipeline.style import Weights
from pipeline.style.weights import CONV_CHANNELS

CHANNELS = 4


def narrow_weights() -> Weights:
    """4 channels per layer with random filters; to be used as they are, `network="raw"`."""
    generator = torch.Generator().manual_seed(1)
    convs = {}
    for name in CONV_CHANNELS:
        inputs = 3 if name == "conv1_1" else CHANNELS
        weight = torch.randn((CHANNELS, inputs, 3, 3), generator=generator) * (2 / 9 / inputs) ** 0.5
        convs[name] = (weight, torch.full((CHANNELS,), 0.1))
    return Weights(convs, "narrow")
