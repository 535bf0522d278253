"""The mean activations that turn a VGG19 into the paper's normalized network.

Departure from the paper: it took the means over ImageNet. For the packaged weights they are shipped, taken over
photographs and film frames by `scripts/calibrate.py`. For any other weights no photographs are at hand, and
synthetic pictures do not make the deep filters fire as photographs do (a filter's mean is off by a factor of 4
at conv4_2), while the mean of a whole layer is right to a factor of 1.6: there, a layer's filters share one mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

import torch
from torch import Tensor

from .vgg import mean_activations
from .weights import Weights

FLOOR = 0.05
"""A filter that hardly ever fires is scaled as if its mean were this part of its layer's."""


def normalization_means(weights: Weights) -> dict[str, Tensor]:
    """Per layer the (C,) means to divide the filters by, all above zero."""
    table = json.loads(resources.files("pipeline.style").joinpath("packaged_means.json").read_text("utf-8"))
    if weights.sha256 == table["sha256"]:
        means = {name: torch.tensor(values) for name, values in table["means"].items()}
    else:
        means = _layer_means(mean_activations(weights, [dead_leaves(seed) for seed in range(4)]))
    return {name: mean.clamp(min=FLOOR * float(mean.mean())) for name, mean in means.items()}


def dead_leaves(seed: int, side_px: int = 256, leaves: int = 1200) -> Tensor:
    """A picture with the edge and contrast statistics of photographs: disks of power-law size, one over another.

    Returns (1, 3, side, side), float32, 0–1, the same for the same seed on every machine. After Lee, Mumford &
    Huang, *Occlusion models for natural images*, IJCV 2001.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand((leaves, 6), generator=generator, dtype=torch.float64)
    smallest, largest = 2.0, 0.6 * side_px
    radii = (smallest**-2 + draws[:, 0] * (largest**-2 - smallest**-2)) ** -0.5
    y, x = torch.meshgrid(torch.arange(side_px), torch.arange(side_px), indexing="ij")
    picture = torch.full((3, side_px, side_px), 0.45)
    for radius, (_, u, v, *color) in zip(radii.tolist(), draws.tolist(), strict=True):
        inside = (y - u * side_px) ** 2 + (x - v * side_px) ** 2 <= radius**2
        picture[:, inside] = torch.tensor(color)[:, None] * 0.7 + 0.1
    return picture[None]


def _layer_means(means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.full_like(mean, float(mean.mean())) for name, mean in means.items()}
