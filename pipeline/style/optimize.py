"""Minimizers of an objective over the pixels: L-BFGS, and Adam.

Each takes a function from an image to its scalar loss and returns the best image it met, with the loss at every
evaluation. Neither knows what the loss is made of. Same input, same bits, whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DivergenceError
from .losses import ordered_sum

Loss = Callable[[Tensor], Tensor]
Watch = Callable[[float, Tensor], None]

WINDOW = 50
"""Iterations over which `tolerance` looks for a change of the loss, as Ruder et al. 2016 do."""

HISTORY = 20
"""Curvature pairs that L-BFGS keeps."""

FIRST_STEP = 0.02
"""Root mean square change of the pixels (0–1) in L-BFGS's first step, before it knows any curvature."""

SHORTEST = 1e-6
"""Part of a step below which L-BFGS gives up."""

WORSE = 1.2
"""L-BFGS tries a shorter step where one makes the loss this many times larger; it need not fall at each."""


@dataclass(frozen=True)
class Minimum:
    """The best image met, (1, 3, h, w), its loss, and the loss at each evaluation in order."""

    image: Tensor
    loss: float
    trace: tuple[float, ...]


def minimize(
    loss: Loss,
    start: Tensor,
    *,
    optimizer: str,
    iterations: int,
    learning_rate: float | None = None,
    tolerance: float = 0.0,
    watch: Watch | None = None,
) -> Minimum:
    """Run `optimizer` ("lbfgs" or "adam") for `iterations` evaluations of `loss`, or until it stands still.

    `start`: (1, 3, h, w), float32, 0–1; it is evaluated in any case, and so 0 iterations are as 1. `tolerance`: stop
    where the best loss fell relatively less than this over the last 50 evaluations; 0 never does. `watch` sees
    (loss, image) at each.
    Raises `DivergenceError` where the loss cannot be kept finite.
    """
    run = _Run(loss, tolerance, watch)
    if optimizer == "lbfgs":
        _lbfgs(run, start, iterations, learning_rate or 1.0)
    else:
        _adam(run, start, max(1, iterations), learning_rate or 0.02)
    return run.minimum()


class _Run:
    """Counts the evaluations of one minimization and keeps the best image."""

    def __init__(self, loss: Loss, tolerance: float, watch: Watch | None) -> None:
        self._loss, self._tolerance, self._watch = loss, tolerance, watch
        self._best: tuple[float, Tensor] | None = None
        self.trace: list[float] = []
        self._bests: list[float] = []

    def evaluate(self, image: Tensor) -> tuple[float, Tensor]:
        leaf = image.detach().requires_grad_(True)
        total = self._loss(leaf)
        (gradient,) = torch.autograd.grad(total, leaf)
        value = float(total.detach())
        if not bool(torch.isfinite(gradient).all()):
            value = math.nan
        self.trace.append(value)
        if math.isfinite(value) and (self._best is None or value < self._best[0]):
            self._best = value, image.detach().clone()
        self._bests.append(self._best[0] if self._best else math.inf)
        if self._watch:
            self._watch(value, image)
        return value, gradient

    def stands_still(self) -> bool:
        if self._tolerance == 0 or len(self._bests) <= WINDOW:
            return False
        before, now = self._bests[-1 - WINDOW], self._bests[-1]
        return before - now <= self._tolerance * abs(before)  # equal where the loss is 0

    def minimum(self) -> Minimum:
        if self._best is None:
            raise DivergenceError(
                f"the loss is not finite: {self.trace[-1] if self.trace else 'never evaluated'}"
            )
        return Minimum(self._best[1], self._best[0], tuple(self.trace))


def _lbfgs(run: _Run, start: Tensor, iterations: int, rate: float) -> None:
    """L-BFGS (Nocedal & Wright, algorithms 7.4 and 7.5) with one evaluation per step and no line search.

    Departures: the first step has a fixed length in pixels, since the gradient's own scale means nothing; a step
    that makes the loss much worse or not finite is taken back, shortened, and the curvature forgotten.
    """
    x, pairs = start.clone(), _Pairs()
    value, gradient = run.evaluate(x)
    if not math.isfinite(value):
        raise DivergenceError(f"the loss is not finite at the start: {value}")
    start_x, shorten = x, 1.0
    while len(run.trace) < iterations and not run.stands_still():
        step = pairs.direction(gradient) * (rate * shorten)
        new_value, new_gradient = run.evaluate(x + step)
        if not math.isfinite(new_value) or new_value > WORSE * value:
            shorten *= 0.25
            pairs.clear()
            if shorten >= SHORTEST:
                continue
            if x is start_x:
                raise DivergenceError(f"no step of L-BFGS lowers the loss from {value:.6g}")
            return  # nothing lowers the loss any more; the best so far is the result
        pairs.add(step, new_gradient - gradient)
        x, value, gradient = x + step, new_value, new_gradient
        shorten = min(1.0, shorten * 2)


class _Pairs:
    """The curvature pairs (s, y) of L-BFGS, newest last."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Tensor, Tensor, float]] = []

    def clear(self) -> None:
        self._pairs.clear()

    def add(self, s: Tensor, y: Tensor) -> None:
        curvature = _dot(s, y)
        # Else the Hessian's estimate would not be definite; relative to both, so that no scale of the loss matters.
        if curvature > 1e-10 * math.sqrt(_dot(s, s) * _dot(y, y)):
            self._pairs.append((s, y, 1 / curvature))
            del self._pairs[:-HISTORY]

    def direction(self, gradient: Tensor) -> Tensor:
        """The step −H g; without any pair, against the gradient by `FIRST_STEP`."""
        if not self._pairs:
            size = math.sqrt(_dot(gradient, gradient) / gradient.numel())
            return gradient * (-FIRST_STEP / size if size > 0 else 0.0)
        q, alphas = -gradient, []
        for s, y, rho in reversed(self._pairs):
            alphas.append(rho * _dot(s, q))
            q = q - alphas[-1] * y
        _, y, rho = self._pairs[-1]
        q = q / (rho * _dot(y, y))
        for (s, y, rho), alpha in zip(self._pairs, reversed(alphas), strict=True):
            q = q + (alpha - rho * _dot(y, q)) * s
        return q


def _dot(a: Tensor, b: Tensor) -> float:
    return float(ordered_sum(a * b))


def _adam(run: _Run, start: Tensor, iterations: int, rate: float) -> None:
    """Adam on 0–1 pixels, betas (0.9, 0.99), clamped to 0–1 after each step."""
    x = start.clone()
    optimizer = torch.optim.Adam([x], lr=rate, betas=(0.9, 0.99))
    while len(run.trace) < iterations and not run.stands_still():
        value, x.grad = run.evaluate(x)
        if not math.isfinite(value):
            raise DivergenceError(f"the loss is not finite after {len(run.trace)} steps of Adam at {rate:g}")
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
