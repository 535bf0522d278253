"""What to make of a picture: every setting of the engine with its default and its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..errors import ConfigError
from .losses import GRAM_LOSSES, STYLE_LOSSES, StyleLoss
from .optimize import Method
from .scaling import SCALINGS
from .vgg import POOLS, Padding, Pooling
from .weights import CONV_CHANNELS

PAPER_STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")

CHOICES: Mapping[str, Sequence[str]] = {
    "optimizer": ("lbfgs", "adam"),
    "variables": tuple(SCALINGS),
    "style_loss": ("gram", *STYLE_LOSSES),
    "gram": tuple(GRAM_LOSSES),
    "pooling": tuple(POOLS),
    "padding": ("zeros", "replicate"),
    "init": ("content", "noise", "style", "mean"),
    "network": ("normalized", "raw"),
    "style_aspect": ("keep", "stretch"),
    "preserve_color": ("none", "luminance", "match", "histogram"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
}

LEAST = {"iterations": 1, "warm_iterations": 0, "coarse_iterations": 1, "style_size": 32, "seed": 0}


@dataclass(frozen=True)
class Settings:
    """What to make of a picture; the fields mean what `transfer` of the YAML says, and their ranges are the same.

    Raises `ConfigError` for a value outside its range, or where nothing is left to compare.
    """

    iterations: int = 300
    """Evaluations at the final size, at least 1."""
    warm_iterations: int = 40
    """The same from a given start, at least 0, which is as 1."""
    coarse_iterations: int | None = None
    """The same at each coarser size; None: half of `iterations`."""
    optimizer: str = "lbfgs"
    """lbfgs | adam."""
    learning_rate: float | None = None
    """Above 0; None: 1 for L-BFGS, 0.02 for Adam."""
    adam_betas: tuple[float, float] = (0.9, 0.99)
    """Each in [0, 1)."""
    variables: str = "frequencies"
    """frequencies | pixels | normalized, see `scaling`."""
    clamp: bool = True
    """Keep the pixels within 0–1 at every step, not at the end alone."""
    averaging: float = 0.0
    """In [0, 1): the result is the mean of the iterates, each weighing so much of the next; 0: the best iterate."""
    content_weight: float = 1.0
    """At least 0."""
    style_weight: float = 1000.0
    """At least 0."""
    tv_weight: float = 0.0
    """At least 0: of the total variation."""
    content_layers: Mapping[str, float] = field(default_factory=lambda: {"conv4_2": 1.0})
    """VGG19's layers with weights of at least 0, which count relative to each other."""
    style_layers: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(PAPER_STYLE_LAYERS, 1.0))
    """The same for the style."""
    style_loss: str = "gram"
    """gram | wasserstein | mean_std."""
    gram: str = "per_position"
    """per_position | paper | per_element | undivided, see `losses`."""
    pooling: Pooling = "max"
    """max | average | l2."""
    padding: Padding = "zeros"
    """zeros | replicate."""
    init: str = "content"
    """content | noise | style | mean, which is ImageNet's mean color."""
    network: str = "normalized"
    """normalized | raw."""
    scales: str | int | Sequence[int] = "auto"
    """auto | 1 | growing sizes in px from 16 to 16384, see `scales.schedule`."""
    style_size: int | None = None
    """Longest side of the style pictures in px, at least 32; None: the picture's."""
    style_scale: float = 1.0
    """Above 0, at most 16: times that."""
    style_aspect: str = "keep"
    """keep | stretch, which brings them to the picture's shape."""
    tolerance: float = 1e-4
    """In [0, 1): stop where the loss changes relatively less over 50 evaluations; 0: never."""
    preserve_color: str = "none"
    """none | luminance | match | histogram, see `color`."""
    tile: str | int | None = "auto"
    """auto | None (in one piece) | the longest side of a tile in px, at least 64."""
    precision: str = "auto"
    """Of the convolutions: auto | float32 | bfloat16 | float16."""
    seed: int = 0
    """Of everything random, at least 0 and below 2⁶³."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            _check(getattr(self, name) in choices, name, "one of " + ", ".join(choices), getattr(self, name))
        for name, least in LEAST.items():
            value = getattr(self, name)
            _check(value is None or value >= least, name, f"at least {least}", value)
        for name in ("content_weight", "style_weight", "tv_weight"):
            _check(0 <= getattr(self, name) < math.inf, name, "at least 0", getattr(self, name))
        for name in ("averaging", "tolerance"):
            _check(0 <= getattr(self, name) < 1, name, "at least 0 and below 1", getattr(self, name))
        betas, rate = self.adam_betas, self.learning_rate
        _check(len(betas) == 2 and all(0 <= beta < 1 for beta in betas), "adam_betas", "two in [0, 1)", betas)
        _check(rate is None or 0 < rate < math.inf, "learning_rate", "above 0", rate)
        _check(0 < self.style_scale <= 16, "style_scale", "above 0 and at most 16", self.style_scale)
        _check(self.seed < 2**63, "seed", "below 2^63", self.seed)
        _check(_are_scales(self.scales), "scales", "auto, 1 or growing sizes from 16 to 16384", self.scales)
        is_tile = self.tile in ("auto", None) or (isinstance(self.tile, int) and self.tile >= 64)
        _check(is_tile, "tile", "auto, None or at least 64", self.tile)
        _check(self.content_weight + self.style_weight > 0, "content_weight", "above 0, or style_weight", 0)
        self._check_layers("content_layers", self.content_weight)
        self._check_layers("style_layers", self.style_weight)

    def _check_layers(self, name: str, weight: float) -> None:
        layers = getattr(self, name)
        _check(set(layers) <= set(CONV_CHANNELS), name, "layers of VGG19 such as conv4_2", dict(layers))
        _check(all(0 <= w < math.inf for w in layers.values()), name, "at least 0 each", dict(layers))
        _check(not weight or any(layers.values()), name, "above 0 for one layer at least", dict(layers))

    @property
    def coarse(self) -> int:
        """Evaluations at each size but the last."""
        return -(-self.iterations // 2) if self.coarse_iterations is None else self.coarse_iterations

    @property
    def loss(self) -> StyleLoss:
        """The loss of a style layer."""
        return GRAM_LOSSES[self.gram] if self.style_loss == "gram" else STYLE_LOSSES[self.style_loss]

    @property
    def method(self) -> Method:
        """How to minimize."""
        return Method(
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            adam_betas=self.adam_betas,
            variables=self.variables,
            bounded=self.clamp,
            tolerance=self.tolerance,
            averaging=self.averaging,
        )


def _check(holds: bool, name: str, expected: str, value: object) -> None:
    if not holds:
        raise ConfigError(f"{name} must be {expected}, got {value}")


def _are_scales(value: str | int | Sequence[int]) -> bool:
    if isinstance(value, str | int):
        return value in ("auto", 1)
    return (
        all(16 <= size <= 16384 for size in value)
        and all(a < b for a, b in pairwise(value))
        and len(value) > 0
    )
