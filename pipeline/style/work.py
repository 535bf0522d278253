"""One call of the stylizer: what was asked for besides pictures, and what has been evaluated so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from .guidance import Guidance
from .objective import Objective
from .styles import Mixture


@dataclass(frozen=True)
class Iterate:
    """One evaluation, as a callback sees it.

    `picture`: which of the batch. `iteration`: evaluations of this picture so far, from 1, over all sizes; `most`: how
    many there will be at most, but where the loss is not finite and the picture is tried again. `image`:
    (1, 3, h, w), float32, on the network's device, at the size being worked on; not to be written into. `work`: what
    the picture has taken so far in megapixel-iterations, `left`: what it may still take at most.
    """

    picture: int
    iteration: int
    most: int
    loss: float
    image: Tensor
    work: float = 0.0
    left: float = 0.0


Callback = Callable[[Iterate], None]

NOTHING = Objective((), ())


@dataclass
class Work:
    """One call: what was asked for, and every evaluation, for the traces and the caller's callback.

    `masks`: for each picture where its content counts, (1, 1, h, w) in 0–1, or None. `asked`: what the guidance adds
    to the objective. `tile_px`: the longest side of the tiles at the size being worked on. `rounds`: the
    evaluations of a picture at most, and the megapixels of each, size by size; `open_round` goes on to the next.
    """

    masks: Sequence[Tensor | None]
    callback: Callback | None = None
    guidance: Guidance | None = None
    effort: float = 1.0
    mixture: Mixture | None = None
    is_cold: bool = False
    asked: Objective = NOTHING
    tile_px: int | None = None
    rounds: Sequence[tuple[int, float]] = ()
    traces: list[list[float]] = field(init=False)
    megapixels: list[float] = field(init=False)
    _round: int = field(init=False, default=-1)
    _begun: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.traces = [[] for _ in self.masks]
        self.megapixels = [0.0] * len(self.masks)
        self._begun = [0] * len(self.masks)

    def open_round(self) -> None:
        """The next size begins, for all pictures."""
        self._round += 1
        self._begun = [len(trace) for trace in self.traces]

    def evaluations(self, iterations: int) -> int:
        """How many of so many iterations are made: one at least, since every start is evaluated."""
        return max(1, math.ceil(iterations * self.effort))

    def __call__(self, picture: int, loss: float, image: Tensor) -> None:
        self.traces[picture].append(loss)
        self.megapixels[picture] += image.shape[-2] * image.shape[-1] / 1e6
        if self.callback:
            done = len(self.traces[picture])
            most = sum(evaluations for evaluations, _ in self.rounds)
            work = self.megapixels[picture]
            self.callback(
                Iterate(picture, done, max(done, most), loss, image, work, self._left(picture, done))
            )

    def _left(self, picture: int, done: int) -> float:
        """The megapixel-iterations that a picture may still take after `done` evaluations."""
        (evaluations, megapixels), *later = self.rounds[self._round :] or [(0, 0.0)]
        here = max(0, evaluations - (done - self._begun[picture]))
        return here * megapixels + sum(count * each for count, each in later)
