"""How far pages of photographs are that are painted together."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.execute.job import Progress
from pipeline.style import Iterate


class Together:
    """Takes every evaluation of `pages` pages, all of one size, and tells `watch`, by the name of the first."""

    def __init__(self, name: str, pages: int, watch: Callable[[Progress], None]) -> None:
        self._name, self._pages, self._watch = name, pages, watch
        self._begun: dict[int, tuple[float, float]] = {}  # what each has taken, and what it may still take

    def __call__(self, it: Iterate) -> None:
        self._begun[it.picture] = it.work, it.left
        work, left = (sum(each) for each in zip(*self._begun.values(), strict=True))
        left += (self._pages - len(self._begun)) * (it.work + it.left)
        self._watch(Progress(self._name, 0, it.iteration, it.most, it.loss, work, left, self._pages))
