"""What the neighbors of a frame say about it, besides where to start: anchors, what is fresh, what is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .objective import PixelTerm

FRESH_WEIGHT = 0.25
"""Of the style in what is fresh, times what the region has by its size. After eight frames of a pan at 96 px, the
strip that came in has a style loss of 301 without, of 272 with a quarter, at the same loss of the whole; with 1 the
whole loses 4 to 8 %."""


@dataclass(frozen=True)
class Anchor:
    """What an earlier painting says the picture should be, (1, 3, h, w), and how surely, (1, 1, h, w), both in 0–1.

    It adds `weight` · mean(confidence · (x − image)²) to the objective: the temporal loss of Ruder et al. 2016.
    """

    image: Tensor
    confidence: Tensor
    weight: float


@dataclass(frozen=True)
class Guidance:
    """What a warm frame is held to.

    `anchors`: earlier paintings, carried along. `fresh`, (1, 1, h, w) in 0–1: what was uncovered and has no painting
    yet; there the style is asked for once more, by the moments of that region alone, since in those of the whole
    picture a thinly painted part hardly counts. `enough`: a loss at which the start is left as it is.
    """

    anchors: Sequence[Anchor] = ()
    fresh: Tensor | None = None
    enough: float | None = None

    def terms(self, device: torch.device) -> tuple[PixelTerm, ...]:
        """The anchors as terms of an objective."""
        return tuple(
            PixelTerm(
                anchor.weight,
                anchor.image.to(device, torch.float32),
                anchor.confidence.to(device, torch.float32),
            )
            for anchor in self.anchors
        )
