"""Minimizes an objective over the pixels of a batch of pictures, each on its own way and to its own end.

Owns the counting, the stopping and the recovery; the steps are the optimizers', the losses the objective's. Same
input, same bits, as far as the evaluation gives the same: on a CPU, with the same number of threads, the other pictures
of a batch change nothing, since there each is evaluated alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import DivergenceError
from .adam import LEARNING_RATE, AdamMoments, adam
from .lbfgs import FIRST_STEP, WORSE, Curvature, lbfgs
from .scaling import SCALINGS
from .steps import Steps

Evaluate = Callable[[Tensor, Sequence[int]], tuple[Tensor, Tensor]]
"""(images, which of the batch they are) → (losses, gradients), see `evaluate.Evaluator`."""

State = Curvature | AdamMoments
"""What an optimizer knows of the loss."""

Watch = Callable[[int, float, Tensor], None]
"""Sees (which picture, loss, image) at each evaluation."""

WINDOW = 50
"""Iterations over which `tolerance` looks for a change of the loss, as Ruder et al. 2016 do."""

WARM_WINDOW = 10
"""The same of a warm frame, for `warm_tolerance`."""

SAFER_RATE = 0.005
"""Adam's learning rate where a picture's loss could not be kept finite the first time."""


@dataclass(frozen=True)
class Method:
    """How to minimize; the fields mean what those of `settings.Settings` say."""

    optimizer: str = "lbfgs"
    learning_rate: float | None = None
    adam_betas: tuple[float, float] = (0.9, 0.99)
    variables: str = "frequencies"
    bounded: bool = True
    tolerance: float = 0.0
    window: int = WINDOW
    first_step: float = FIRST_STEP
    averaging: float = 0.0


@dataclass(frozen=True)
class Minimum:
    """The best image met (with averaging: the average), (1, 3, h, w), and its loss.

    `trace`: the loss at each evaluation in order. `state`: the optimizer's at the end.
    """

    image: Tensor
    loss: float
    trace: tuple[float, ...]
    state: State


def minimize(
    evaluate: Evaluate,
    starts: Tensor,
    method: Method,
    *,
    iterations: int,
    states: Sequence[State | None] | None = None,
    at_once: int = 1,
    enough: float | None = None,
    watch: Watch | None = None,
) -> list[Minimum | DivergenceError]:
    """Minimize from `starts`, (batch, 3, h, w), for `iterations` evaluations, or until a picture stands still.

    A start is evaluated in any case, and so 0 iterations are as 1; one whose loss is at most `enough` is the result.
    At most `at_once` pictures are evaluated together.
    `states`, of the batch's pictures, are gone on from. A picture whose loss cannot be kept finite is tried once more
    with Adam at a small rate, and is a `DivergenceError` in the result if that does not help.
    """
    states = states or [None] * len(starts)
    runs = [
        _Run(index, start, method, max(1, iterations), state, enough, watch)
        for index, (start, state) in enumerate(zip(torch.split(starts, 1), states, strict=True))
    ]
    while active := [run for run in runs if run.wanted is not None]:
        for group in _groups(active, at_once):
            wanted = [run.wanted for run in group if run.wanted is not None]
            images = wanted[0] if len(wanted) == 1 else torch.cat(wanted)
            losses, gradients = evaluate(images, [run.index for run in group])
            finite = gradients.isfinite().flatten(1).all(1)
            for run, loss, gradient in zip(
                group, losses.where(finite, math.nan).tolist(), torch.split(gradients, 1), strict=True
            ):
                run.answer(loss, gradient)
    return [run.result() for run in runs]


class _Run:
    """One picture's way: the optimizer's steps, the evaluations so far, and the best image."""

    def __init__(
        self,
        index: int,
        start: Tensor,
        method: Method,
        iterations: int,
        state: State | None,
        enough: float | None,
        watch: Watch | None,
    ) -> None:
        self.index = index
        self.wanted: Tensor | None = None
        self._start, self._method, self._iterations, self._watch = start, method, iterations, watch
        self._enough = enough
        self._average = Average(method.averaging) if method.averaging else None
        self._best: tuple[float, Tensor] | None = None
        self._bests: list[float] = []
        self._trace: list[float] = []
        self._error: DivergenceError | None = None
        self._follow(method, state)

    def answer(self, loss: float, gradient: Tensor) -> None:
        """Take the evaluation of `wanted`, and want the next; None at the end."""
        image = self.wanted
        assert image is not None, "there is an answer to what was wanted only"
        self._record(loss, image)
        if self._enough is not None and len(self._trace) == 1 and loss <= self._enough:
            self.wanted = None
        elif self._average and self._average.is_given(image):
            self._best, self.wanted = (loss, image) if math.isfinite(loss) else self._best, None
        elif len(self._trace) >= self._iterations or self._stands_still():
            self.wanted = self._average.value() if self._average and self._best else None
        else:
            self._go_on(loss, gradient)

    def result(self) -> Minimum | DivergenceError:
        if self._best is None:
            return self._error or DivergenceError(f"the loss is not finite: {self._trace[-1]}")
        return Minimum(self._best[1], self._best[0], tuple(self._trace), self._state)

    def _follow(self, method: Method, state: State | None) -> None:
        self._state, self._steps = _steps(method, self._start, state)
        self.wanted = next(self._steps)

    def _go_on(self, loss: float, gradient: Tensor) -> None:
        try:
            self.wanted = self._steps.send((loss, gradient))
        except StopIteration:
            self.wanted = self._average.value() if self._average and self._best else None
        except DivergenceError as error:
            again, self.wanted = self._error is None, None
            self._error, self._best = error, None
            if again:  # of the first try only the trace is left
                self._bests.clear()
                self._average = Average(self._method.averaging) if self._method.averaging else None
                self._iterations += len(self._trace)
                self._follow(replace(self._method, optimizer="adam", learning_rate=SAFER_RATE), None)

    def _record(self, loss: float, image: Tensor) -> None:
        self._trace.append(loss)
        if math.isfinite(loss) and (self._best is None or loss < self._best[0]):
            self._best = loss, image  # nobody writes into it: a step makes a new tensor
        self._bests.append(self._best[0] if self._best else math.inf)
        is_trial = self._best is None or not loss <= WORSE * self._best[0]  # L-BFGS takes such a step back
        if self._average and not is_trial and not self._average.is_given(image):
            self._average.add(image)
        if self._watch:
            self._watch(self.index, loss, image)

    def _stands_still(self) -> bool:
        if self._method.tolerance == 0 or len(self._bests) <= self._method.window:
            return False
        before, now = self._bests[-1 - self._method.window], self._bests[-1]
        return before - now <= self._method.tolerance * abs(before)  # equal where the loss is 0


class Average:
    """The running mean of the iterates, each weighing `decay` times the next, freed of its start at 0."""

    def __init__(self, decay: float) -> None:
        self._decay, self._sum, self._weight = decay, torch.zeros(()), 0.0
        self._given: Tensor | None = None

    def add(self, image: Tensor) -> None:
        self._sum = self._sum * self._decay + image * (1 - self._decay)
        self._weight = self._weight * self._decay + 1 - self._decay

    def value(self) -> Tensor:
        """The mean, (1, 3, h, w)."""
        self._given = self._sum / self._weight
        return self._given

    def is_given(self, image: Tensor) -> bool:
        """Whether `image` is what `value` gave."""
        return image is self._given


def _steps(method: Method, start: Tensor, state: State | None) -> tuple[State, Steps]:
    """The optimizer of one picture, and the state that it keeps up to date."""
    scaling = SCALINGS[method.variables](start)
    if method.optimizer == "lbfgs":
        known = state if isinstance(state, Curvature) else Curvature(first_step=method.first_step)
        return known, lbfgs(start, scaling, known, rate=method.learning_rate or 1.0, bounded=method.bounded)
    moments = state if isinstance(state, AdamMoments) else AdamMoments()
    rate = method.learning_rate or LEARNING_RATE
    betas = method.adam_betas
    return moments, adam(start, scaling, moments, rate=rate, betas=betas, bounded=method.bounded)


def _groups(runs: Sequence[_Run], at_once: int) -> Iterator[Sequence[_Run]]:
    for first in range(0, len(runs), at_once):
        yield runs[first : first + at_once]
