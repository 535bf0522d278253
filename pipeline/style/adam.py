"""Adam (Kingma & Ba 2015) on the pixels of one picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ..errors import DivergenceError
from .scaling import Scaling
from .steps import Steps, held

LEARNING_RATE = 0.02
"""In variables of 0–1."""

EPSILON = 1e-8
"""Against division by 0, as in torch's; gradients far below it, of a loss far below 1, hardly move anything."""


@dataclass
class AdamMoments:
    """The running means of the gradient and of its square, (1, 3, h, w), without the correction of their start at 0."""

    steps: int = 0
    mean: Tensor | None = None
    square: Tensor | None = None

    def resized(self, shape: tuple[int, int]) -> AdamMoments:
        """The moments for another size, (height, width): a gradient per pixel goes as 1 over the number of pixels.

        Enlarged as crowsonkb/style-transfer-pytorch does: the mean bicubic, the square bilinear and not below 0.
        """
        if self.mean is None or self.square is None:
            return AdamMoments()
        ratio = self.mean.shape[-2] * self.mean.shape[-1] / (shape[0] * shape[1])
        mean = F.interpolate(self.mean, size=shape, mode="bicubic", align_corners=False) * ratio
        square = F.interpolate(self.square, size=shape, mode="bilinear", align_corners=False) * ratio**2
        return AdamMoments(self.steps, mean, square.clamp_(min=0))


def adam(
    start: Tensor,
    scaling: Scaling,
    state: AdamMoments,
    *,
    rate: float,
    betas: tuple[float, float] = (0.9, 0.99),
    bounded: bool = True,
) -> Steps:
    """Minimize from `start`, (1, 3, h, w), by steps of about `rate` in the variables; never ends by itself.

    `state` is gone on from and kept up to date. `bounded` keeps the pixels within 0–1: those
    that would leave stay where they are, and the rest is clipped.
    Raises `DivergenceError` where the loss is not finite.
    """
    x, (beta_mean, beta_square) = start, betas
    while True:
        loss, gradient = yield x
        if not math.isfinite(loss):
            raise DivergenceError(f"the loss is not finite after {state.steps} steps of Adam at {rate:g}")
        stays = held(x, gradient) if bounded else None
        gradient = scaling(gradient if stays is None else gradient.masked_fill(stays, 0))
        if state.mean is None or state.square is None:
            state.mean, state.square = gradient * 0, gradient * 0
        state.steps += 1
        state.mean = state.mean.mul(beta_mean).add_(gradient, alpha=1 - beta_mean)
        state.square = state.square.mul(beta_square).addcmul_(gradient, gradient, value=1 - beta_square)
        mean = state.mean / (1 - beta_mean**state.steps)
        root = (state.square / (1 - beta_square**state.steps)).sqrt_()
        step = scaling(mean.div_(root.add_(EPSILON))).mul_(-rate)
        x = x + step if stays is None else (x + step.masked_fill_(stays, 0)).clamp_(0, 1)
