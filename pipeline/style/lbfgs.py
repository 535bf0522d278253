"""L-BFGS on the pixels of one picture, within 0–1, with one evaluation a step.

After Nocedal & Wright, *Numerical Optimization*, algorithms 7.4 and 7.5. Departures, each for the sake of the loss of
the picture as it is saved: pixels at 0 or 1 that the gradient pushes further out are left out of a step, and the rest
is clipped (the two-metric projection of Bertsekas 1982, simplified); no line search; the first step has a fixed length
in pixels, since the gradient's own scale means nothing; the initial matrix is a scaled T Tᵀ, see `scaling`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import DivergenceError
from .scaling import Scaling
from .steps import Steps, held
from .sums import dot, one_thread

HISTORY = 20
"""Curvature pairs kept: 50 and 100 save nothing that could be measured."""

HISTORY_PIXELS = 48e6
"""Pixels in all pairs together: pictures of more than 2.4 megapixels keep fewer, two at least."""

FIRST_STEP = 0.02
"""Root mean square change of the pixels (0–1) in the first step, before any curvature is known."""

WARM_FIRST_STEP = 0.002
"""The same from a warm start, which is near a minimum: there 0.02 triples the loss, and costs three evaluations."""

SHORTEST = 1e-6
"""Part of a step below which nothing lowers the loss any more."""

WORSE = 1.2
"""A shorter step is tried where one makes the loss this many times larger; it need not fall at each."""

STALLED = 25
"""Evaluations without a new best after which the curvature is forgotten and the best gone back to."""


def history(pixels: int) -> int:
    """The pairs kept of a picture of so many pixels; a function of nothing else, so that results are, too."""
    return min(HISTORY, max(2, int(HISTORY_PIXELS / pixels)))


class Pair(NamedTuple):
    """A step s, the change y of the gradient over it, and their scalar product, of which ρ is the inverse."""

    s: Tensor
    y: Tensor
    product: Tensor


@dataclass
class Curvature:
    """What L-BFGS knows of the Hessian: pairs, newest last."""

    pairs: list[Pair] = field(default_factory=list)
    first_step: float = FIRST_STEP

    def add(self, s: Tensor, y: Tensor) -> None:
        """Take a pair into account, unless the loss curves down along it."""
        product = dot(s, y)
        # Relative to both, so that no scale of the loss matters; else the estimate would not be definite.
        if bool(product > 1e-10 * (dot(s, s) * dot(y, y)).sqrt()):
            self.pairs.append(Pair(s, y, product))
            del self.pairs[: -history(s.shape[-2] * s.shape[-1])]

    def forget(self) -> None:
        """Begin anew."""
        self.pairs.clear()

    def resized(self, shape: tuple[int, int]) -> Curvature:
        """Nothing: enlarged pairs were worth 1 % of the loss after a size's first 60 evaluations, and harm before."""
        return Curvature()

    def step(self, gradient: Tensor, scaling: Scaling) -> Tensor:
        """−H g with the estimate H of the inverse Hessian; without any pair, −T Tᵀ g with length `first_step`.

        Scalars stay on the device: on a GPU, fetching each would cost more than the sums.
        """
        with one_thread(gradient.numel()):
            return self._step(gradient, scaling)

    def _step(self, gradient: Tensor, scaling: Scaling) -> Tensor:
        q = gradient.neg()
        if not self.pairs:
            q = scaling(scaling(q))
            size = (dot(q, q) / q.numel()).sqrt()
            return q.mul_(self.first_step / size.clamp(min=torch.finfo(q.dtype).tiny))
        alphas = []
        for s, y, product in reversed(self.pairs):
            alphas.append(dot(s, q) / product)
            q.addcmul_(y, alphas[-1], value=-1)
        _, y, product = self.pairs[-1]
        scaled = scaling(y)
        q = scaling(scaling(q)).mul_(product / dot(scaled, scaled))
        for (s, y, product), alpha in zip(self.pairs, reversed(alphas), strict=True):
            q.addcmul_(s, alpha - dot(y, q) / product)
        return q


def lbfgs(
    start: Tensor, scaling: Scaling, curvature: Curvature, *, rate: float = 1.0, bounded: bool = True
) -> Steps:
    """Minimize from `start`, (1, 3, h, w), by steps of `rate` times −H g; ends where no step lowers the loss.

    `curvature` is gone on from and kept up to date. `bounded` keeps the pixels within 0–1.
    Raises `DivergenceError` where not even the first step succeeds.
    """
    x, shorten, since_best = start, 1.0, 0
    loss, gradient = yield x
    if not math.isfinite(loss):
        raise DivergenceError(f"the loss is not finite at the start: {loss}")
    best, first_loss = (loss, x, gradient), loss
    while True:
        step = _within(x, gradient, curvature, scaling) if bounded else curvature.step(gradient, scaling)
        candidate = x + step.mul_(rate * shorten)
        candidate = candidate.clamp_(0, 1) if bounded else candidate
        new_loss, new_gradient = yield candidate
        if not math.isfinite(new_loss) or new_loss > WORSE * loss:
            shorten *= 0.25
            curvature.forget()
            if shorten < SHORTEST:
                if best[0] == first_loss:
                    raise DivergenceError(f"no step of L-BFGS lowers the loss from {loss:.6g}")
                return  # the best so far is the result
            continue
        curvature.add(candidate - x, new_gradient - gradient)
        x, loss, gradient, shorten = candidate, new_loss, new_gradient, min(1.0, shorten * 2)
        since_best += 1
        if loss < best[0]:
            best, since_best = (loss, x, gradient), 0
        elif since_best >= STALLED:
            (loss, x, gradient), shorten, since_best = best, 0.25, 0
            curvature.forget()


def _within(x: Tensor, gradient: Tensor, curvature: Curvature, scaling: Scaling) -> Tensor:
    """The step of the pixels that may move: those at 0 or 1 whose gradient points outward stay."""
    stays = held(x, gradient)
    return curvature.step(gradient.masked_fill(stays, 0), scaling).masked_fill_(stays, 0)
