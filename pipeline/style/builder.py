"""The objective of pictures at one size: targets, masks, regions and guidance, in tiles that fit into memory.

Owns what the settings, the styles and a call make of it; the terms are in `objective`, their evaluation in `evaluate`.
Knows nothing of other sizes, of starts and of how it is minimized.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from . import color
from .evaluate import Evaluator, features_of
from .guidance import FRESH_WEIGHT, Guidance
from .memory import shrinking, tile_for
from .objective import Objective, Region, StyleTerm, content_terms, style_terms
from .optimize import Evaluate
from .scales import Shape, shape_of
from .settings import Settings
from .styles import Styles, mask_at
from .vgg import VGG19
from .work import NOTHING, Work


class Builder:
    """Builds objectives for a network, with the styles and settings of one stylizer.

    Remembers the tiles with which memory sufficed where it had run out; `budget_bytes`: how much memory there is.
    """

    def __init__(self, network: VGG19, styles: Styles, settings: Settings, budget_bytes: float) -> None:
        self._network, self._styles, self._settings = network, styles, settings
        self._budget = budget_bytes
        self._largest_px: dict[Shape, int] = {}

    def fitting(self, shape: Shape, at_once: int) -> int:
        """How many of at most `at_once` pictures fit at the same time: rather fewer than tiles with their margins."""
        while at_once > 1 and self.tile(shape, at_once) != self.tile(shape, 1):
            at_once = -(-at_once // 2)
        return at_once

    def tile(self, shape: Shape, batch: int) -> int | None:
        """The tile to begin with: as set, or what is likely to fit, and none with which memory ran out before."""
        tile_px = self._settings.tile
        if tile_px == "auto":
            tile_px = tile_for(
                shape,
                self._budget,
                layers=self._network.layers,
                content_layers=_used(self._settings.content_layers, self._settings.content_weight),
                optimizer=self._settings.optimizer,
                batch=batch,
                regions=self._styles.masked,
            )
        known = [int(px) for px in (tile_px, self._largest_px.get(shape)) if px is not None]
        return min(known, default=None)

    def remember(self, shape: Shape, tile_px: int) -> None:
        """Begin with no larger tile for pictures of `shape` from now on: memory ran out with one."""
        self._largest_px[shape] = tile_px

    def evaluator(self, contents: Tensor, factor: float, tile_px: int | None, work: Work) -> Evaluator:
        """The objective at the size of `contents`, in tiles of `tile_px` or, where memory runs out, of less.

        `contents`, (batch, 3, h, w), are on the network's device and have `factor` of their final size. What the
        guidance adds is left in `work.asked`.
        """
        largest_px = max(*contents.shape[-2:], self._styles.longest_px(contents, factor))
        objective, tile_px = shrinking(
            lambda tile_px: self._objective(contents, factor, tile_px, work),
            (largest_px, largest_px),
            tile_px,
        )
        return Evaluator(self._network, objective, tile_px)

    def colored(self, evaluator: Evaluator) -> Evaluate:
        """What is to be minimized: with `luminance` it keeps gray pictures gray."""
        return in_gray(evaluator) if self._settings.preserve_color == "luminance" else evaluator

    def _objective(self, contents: Tensor, factor: float, tile_px: int | None, work: Work) -> Objective:
        settings, mask = self._settings, self._mask(contents, work)
        layers = _used(settings.content_layers, settings.content_weight)
        targets = features_of(self._network, contents, layers, tile_px)
        weight = settings.style_weight if work.mixture is None else work.mixture.style_weight
        regions = self._styles.regions(contents, factor, tile_px, work.mixture) if weight else []
        work.asked = self._asked(regions, weight, work.guidance) if work.guidance else NOTHING
        return Objective(
            content_terms(targets, settings.content_layers, settings.content_weight, mask),
            (*self._style_terms(regions, weight), *work.asked.style),
            settings.tv_weight,
            work.asked.pixels,
        )

    def _mask(self, contents: Tensor, work: Work) -> Tensor | None:
        """Where the content counts, (1 or batch, 1, h, w) at the size of `contents`; None: everywhere."""
        shape = shape_of(contents)
        if all(mask is None for mask in work.masks):
            return None
        everywhere = torch.ones((1, 1, 1, 1))
        masks = [everywhere if mask is None else mask for mask in work.masks]
        return torch.cat([mask_at(mask.to(self._network.device, torch.float32), shape) for mask in masks])

    def _asked(self, regions: Sequence[Region], weight: float, guidance: Guidance) -> Objective:
        """What the guidance adds: its anchors and, where something is fresh, each region's part in that once more."""
        is_gray = self._settings.preserve_color == "luminance"  # the pictures are, and so must anchors be
        held = tuple(
            replace(term, target=color.luminance(term.target)) if is_gray else term
            for term in guidance.terms(self._network.device)
        )
        if guidance.fresh is None:
            return Objective((), (), pixels=held)
        fresh = guidance.fresh.to(self._network.device, torch.float32)
        parts = [fresh if region.mask is None else fresh * region.mask for region in regions]
        again = [Region(part, of.targets) for part, of in zip(parts, regions, strict=True)]
        return Objective((), self._style_terms(again, weight * FRESH_WEIGHT), pixels=held)

    def _style_terms(self, regions: Sequence[Region], weight: float) -> tuple[StyleTerm, ...]:
        return style_terms(regions, self._settings.style_layers, weight, self._settings.loss)


def in_gray(evaluate: Evaluate) -> Evaluate:
    """`evaluate` for pictures that are to stay gray: a step moves all three channels alike, as the luma does."""

    def evaluated(images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        losses, gradients = evaluate(images, which)
        return losses, gradients.mean(1, keepdim=True).expand_as(gradients).contiguous()

    return evaluated


def layers_of(settings: Settings) -> list[str]:
    """The layers whose features any loss looks at."""
    return [
        *_used(settings.content_layers, settings.content_weight),
        *_used(settings.style_layers, settings.style_weight),
    ]


def _used(layers: Mapping[str, float], whole: float) -> list[str]:
    """The layers that count, where the term that they make up has the weight `whole`."""
    return [layer for layer, weight in layers.items() if weight > 0 and whole > 0]
