"""What to make of a picture: every setting of the engine with its default and its limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeGuard

from ..errors import ConfigError
from .lbfgs import WARM_FIRST_STEP
from .losses import GRAM_LOSSES, STYLE_LOSSES, StyleLoss
from .optimize import WARM_WINDOW, Method
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


@dataclass(frozen=True)
class Settings:
    """What to make of a picture; the fields mean what `transfer` of the YAML says.

    Raises `ConfigError` for a value outside its range, and for values that exclude each other.
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
    """auto | 1 | growing sizes in px, see `scales.schedule`."""
    style_size: int | None = None
    """Longest side of the style pictures in px; None: the picture's."""
    style_scale: float = 1.0
    """Above 0: times that."""
    style_aspect: str = "keep"
    """keep | stretch, which brings them to the picture's shape."""
    tolerance: float = 1e-4
    """In [0, 1): stop where the loss changes relatively less over 50 evaluations; 0: never."""
    warm_tolerance: float = 0.01
    """In [0, 1): a warm frame stops where its loss changes relatively less over 10 evaluations; 0: never."""
    preserve_color: str = "none"
    """none | luminance | match | histogram, see `color`."""
    tile: str | int | None = "auto"
    """auto | None (in one piece) | the longest side of a tile in px, at least 64."""
    precision: str = "auto"
    """Of the convolutions: auto | float32 | bfloat16 | float16."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            self._check(name, choices.__contains__, "one of " + ", ".join(choices))
        for name, least in (("iterations", 1), ("warm_iterations", 0), ("seed", 0)):
            self._check(name, partial(_is_count, least=least), f"at least {least}")
        self._check("seed", lambda value: value < 2**63, "below 2^63")
        for name, least in (("coarse_iterations", 1), ("style_size", 32)):
            self._check(
                name, partial(_is_none_or, partial(_is_count, least=least)), f"at least {least}, or None"
            )
        for name in ("content_weight", "style_weight", "tv_weight"):
            self._check(name, _is_weight, "at least 0")
        for name in ("averaging", "tolerance", "warm_tolerance"):
            self._check(name, _is_fraction, "at least 0 and below 1")
        self._check("learning_rate", partial(_is_none_or, _is_positive), "above 0, or None")
        self._check("style_scale", lambda value: _is_positive(value) and value <= 16, "above 0, at most 16")
        self._check("adam_betas", _are_betas, "two numbers in [0, 1)")
        self._check("clamp", lambda value: isinstance(value, bool), "True or False")
        self._check("scales", _are_scales, "auto, 1 or growing sizes in px from 16 to 16384")
        is_tile = partial(_is_count, least=64)
        self._check(
            "tile", lambda value: value in ("auto", None) or is_tile(value), "auto, None or at least 64"
        )
        for name in ("content_layers", "style_layers"):
            self._check(name, _are_layers, "layers of VGG19 such as conv4_2 with weights of at least 0")
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Refuse settings that are each allowed but exclude each other."""
        if self.content_weight == self.style_weight == 0:
            raise ConfigError("content_weight and style_weight cannot both be 0")
        for name, weight in (("content_layers", self.content_weight), ("style_layers", self.style_weight)):
            if weight > 0 and not any(getattr(self, name).values()):
                raise ConfigError(f"{name} must have a weight above 0, got {getattr(self, name)}")
        if self.precision == "float16" and self.network == "raw":
            raise ConfigError("precision float16 cannot hold the raw network's activations; take bfloat16")
        if self.style_aspect == "stretch" and (self.style_size, self.style_scale) != (None, 1.0):
            raise ConfigError("style_aspect stretch leaves nothing for style_size and style_scale to say")

    def _check(self, name: str, holds: Callable[[Any], bool], expected: str) -> None:
        value = getattr(self, name)
        if not holds(value):
            raise ConfigError(f"{name} must be {expected}, got {value!r}")

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

    @property
    def warm_method(self) -> Method:
        """How to minimize from a start that is nearly there already."""
        return replace(
            self.method, tolerance=self.warm_tolerance, window=WARM_WINDOW, first_step=WARM_FIRST_STEP
        )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_none_or(holds: Callable[[Any], bool], value: object) -> bool:
    return value is None or holds(value)


def _is_weight(value: object) -> bool:
    return _is_number(value) and value >= 0


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0


def _is_fraction(value: object) -> bool:
    return _is_number(value) and 0 <= value < 1


def _are_betas(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(_is_fraction(beta) for beta in value)


def _are_scales(value: object) -> bool:
    if not isinstance(value, tuple | list):
        return value == "auto" or (_is_count(value, 1) and value == 1)
    are_sizes = len(value) > 0 and all(_is_count(size, 16) and size <= 16384 for size in value)
    return are_sizes and all(a < b for a, b in pairwise(value))


def _are_layers(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) <= set(CONV_CHANNELS)
        and all(_is_weight(weight) for weight in value.values())
    )
