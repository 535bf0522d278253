"""One picture in, one painting out: the whole of Gatys et al. on tensors.

Owns the network and what it has seen of the styles; knows nothing of files, videos or YAML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from ..errors import DivergenceError
from . import color, scales
from .normalize import normalization_means
from .objective import Objective, Targets, content_targets, style_targets
from .optimize import Minimum, minimize
from .vgg import VGG19, Pooling
from .weights import Weights

PAPER_STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")

KEPT_SIZES = 8
"""Sizes for which the styles' targets are kept; an archive may have as many sizes as pictures."""

SAFER_RATE = 0.005
"""Adam's learning rate where a picture's loss could not be kept finite the first time."""


@dataclass(frozen=True)
class Settings:
    """What to make of a picture; the fields mean what `transfer` of the YAML says."""

    iterations: int = 300
    warm_iterations: int = 40
    optimizer: str = "lbfgs"
    learning_rate: float | None = None
    content_weight: float = 1.0
    style_weight: float = 1000.0
    content_layers: Mapping[str, float] = field(default_factory=lambda: {"conv4_2": 1.0})
    style_layers: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(PAPER_STYLE_LAYERS, 1.0))
    pooling: Pooling = "max"
    init: str = "content"
    network: str = "normalized"
    scales: str | int | Sequence[int] = "auto"
    style_size: int | None = None
    tolerance: float = 1e-4
    preserve_color: str = "none"
    seed: int = 0


@dataclass(frozen=True)
class Stylization:
    """A painting and how it came about.

    `image`: (1, 3, h, w), float32, sRGB, 0–1. `loss`: the objective at the best iterate, at the final size.
    `trace`: the loss at each evaluation, coarse sizes first. `megapixel_iterations`: evaluations × pixels / 1e6.
    """

    image: Tensor
    loss: float
    trace: tuple[float, ...]
    megapixel_iterations: float


Callback = Callable[[int, float, Tensor], None]


class Stylizer:
    """Holds one VGG19 and the styles, and stylizes pictures with them one after the other.

    `styles`: (image, weight) pairs, images (1, 3, h, w), float32, sRGB, 0–1, as large as they are given; each is
    brought to `settings.style_size` on its longest side, or to the picture's where that is None.
    """

    def __init__(
        self,
        weights: Weights,
        styles: Sequence[tuple[Tensor, float]],
        settings: Settings,
        device: torch.device | str = "cpu",
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        means = normalization_means(weights) if settings.network == "normalized" else None
        layers = [*settings.content_layers, *settings.style_layers]
        self._network = VGG19(weights, layers, pooling=settings.pooling, means=means, device=self.device)
        gray = settings.preserve_color == "luminance"
        self._styles = [(color.luminance(picture) if gray else picture, weight) for picture, weight in styles]
        self._targets: dict[int, Targets] = {}

    def stylize(
        self, content: Tensor, start: Tensor | None = None, callback: Callback | None = None
    ) -> Stylization:
        """Paint `content`, (1, 3, h, w), float32, sRGB, 0–1; the result has its size.

        `start`, of the same shape, makes it a warm start: `warm_iterations` at the final size, from there.
        `callback` sees (evaluations so far, loss, image) after every evaluation.
        Raises `DivergenceError` where no setting keeps the loss finite.
        """
        given = content.to(self.device)
        gray = self.settings.preserve_color == "luminance"
        content = color.luminance(given) if gray else given
        watched = _Watched(callback)
        if start is None:
            minimum = self._cold(content, watched)
        else:
            start = color.luminance(start.to(self.device)) if gray else start.to(self.device)
            minimum = self._minimize(content, start, self.settings.warm_iterations, 1.0, watched)
        image = minimum.image.clamp(0, 1)
        image = color.with_chroma_of(image, given) if gray else image
        return Stylization(image.cpu(), minimum.loss, tuple(watched.trace), watched.megapixel_iterations)

    def _cold(self, content: Tensor, watched: _Watched) -> Minimum:
        sizes = scales.schedule(max(content.shape[-2:]), self.settings.scales)
        start, minimum = None, None
        for longest_px in sizes:
            shape = scales.shape_at(content, longest_px)
            scaled = scales.resize(content, shape)
            start = (
                self._initial(scaled) if minimum is None else scales.resize(minimum.image.clamp(0, 1), shape)
            )
            minimum = self._minimize(scaled, start, self.settings.iterations, longest_px / sizes[-1], watched)
        assert minimum is not None  # a schedule holds the final size at least
        return minimum

    def _initial(self, content: Tensor) -> Tensor:
        if self.settings.init == "content":
            return content
        if self.settings.init == "style":
            return scales.resize(self._styles[0][0].to(self.device), scales.shape_of(content))
        generator = torch.Generator().manual_seed(self.settings.seed)
        noise = torch.rand(content.shape, generator=generator).to(self.device)
        return color.luminance(noise) if self.settings.preserve_color == "luminance" else noise

    def _minimize(
        self, content: Tensor, start: Tensor, iterations: int, factor: float, watched: _Watched
    ) -> Minimum:
        """Minimize at the size of `content`, which is `factor` of the final one; once more, safer, if need be."""
        settings = self.settings
        objective = Objective(
            self._network,
            content_targets(self._network, content, settings.content_layers),
            self._style_targets(content, factor),
            content_layers=settings.content_layers,
            style_layers=settings.style_layers,
            content_weight=settings.content_weight,
            style_weight=settings.style_weight,
        )
        run = partial(
            minimize, objective, start, iterations=iterations, tolerance=settings.tolerance, watch=watched
        )
        try:
            return run(optimizer=settings.optimizer, learning_rate=settings.learning_rate)
        except DivergenceError:
            return run(optimizer="adam", learning_rate=SAFER_RATE)

    def _style_targets(self, content: Tensor, factor: float) -> Targets:
        longest_px = max(content.shape[-2:])
        if self.settings.style_size is not None:
            longest_px = max(1, round(self.settings.style_size * factor))
        matched = self.settings.preserve_color == "match"  # to each content anew
        if longest_px in self._targets and not matched:
            return self._targets[longest_px]
        while len(self._targets) >= KEPT_SIZES:
            del self._targets[next(iter(self._targets))]
        pictures = []
        for picture, weight in self._styles:
            picture = scales.resize(picture.to(self.device), scales.shape_at(picture, longest_px))
            pictures.append((color.match_color(picture, content) if matched else picture, weight))
        self._targets[longest_px] = style_targets(self._network, pictures, self.settings.style_layers)
        return self._targets[longest_px]


class _Watched:
    """Sees every evaluation: keeps the trace, counts the work, and passes it on to the caller's callback."""

    def __init__(self, callback: Callback | None) -> None:
        self._callback = callback
        self.trace: list[float] = []
        self.megapixel_iterations = 0.0

    def __call__(self, loss: float, image: Tensor) -> None:
        self.trace.append(loss)
        self.megapixel_iterations += image.shape[-2] * image.shape[-1] / 1e6
        if self._callback:
            self._callback(len(self.trace), loss, image)
