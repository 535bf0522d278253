"""An output in the making, as those who watch a run, or who wait for one to be verified, are told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipeline.media.seen import Seen

Clock = Callable[[], float]
Step = Literal["encoding", "verifying"]

TELL_EVERY_S = 0.5


@dataclass(frozen=True)
class Encoding:
    """A source's output is being written: `done` of its `total` frames have gone through the encoder, or been read
    again to verify them.

    An encoder holds frames back, so of a short film it may have all of them and still be at work.
    """

    source: str
    step: Step
    done: int
    total: int


class NowAndThen:
    """Is true when it is asked, but at most once in `every_s` seconds; `clock` counts seconds, from anywhere."""

    def __init__(self, every_s: float, clock: Clock = time.monotonic) -> None:
        self._every_s, self._clock = every_s, clock
        self._last_s = float("-inf")

    def __call__(self) -> bool:
        now_s = self._clock()
        if now_s - self._last_s < self._every_s:
            return False
        self._last_s = now_s
        return True


def follow(
    source: str, step: Step, total: int, tell: Callable[[Encoding], None], clock: Clock = time.monotonic
) -> Seen:
    """Tell that a step begins, and return what its loop calls after every frame, which tells how far it is.

    That costs the loop a look at the clock; told it is every `TELL_EVERY_S`.
    """
    is_time = NowAndThen(TELL_EVERY_S, clock)
    is_time()  # the beginning is told whenever it is
    tell(Encoding(source, step, 0, total))

    def seen(done: int) -> None:
        if is_time():
            tell(Encoding(source, step, done, total))

    return seen
