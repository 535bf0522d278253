"""When the frames of an output are shown, in ticks of its own. Pure; `encode` writes by it, `verify` checks by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pipeline.errors import MediaError
from pipeline.media.probe import Probe

_TICKS_S = {"gif": Fraction(1, 100), "webp": Fraction(1, 1000)}
_SLOW_MS = 20
"""GIF frames shown for less are shown for 100 ms by browsers."""


@dataclass(frozen=True)
class Clock:
    """The times of the frames first … stop−1 of a source in an output of one container.

    Animations start at zero and count in ticks of their own; everything else starts when the source does, in the
    ticks of the source.
    """

    probe: Probe
    first: int
    stop: int
    container: str

    @property
    def time_base(self) -> Fraction:
        """A tick, in seconds."""
        return _TICKS_S.get(self.container, self.probe.time_base)

    def pts(self, index: int) -> int:
        """When frame `index` of the source is shown, in ticks."""
        since = self.probe.pts[index] - self.probe.pts[self.first]
        if self.container not in _TICKS_S:
            return since + self.probe.pts[0]
        return round(since * self.probe.time_base / self.time_base)

    def duration(self, index: int) -> int:
        """How long a frame is shown, in ticks: to the next one; the last of the source as it is there."""
        if index + 1 < self.probe.frames:
            return self.pts(index + 1) - self.pts(index)
        own = self.probe.last_duration or max(1, round(1 / (self.probe.rate * self.probe.time_base)))
        return max(1, round(own * self.probe.time_base / self.time_base))

    def check(self) -> None:
        """Raises MediaError where two frames fall on one tick."""
        for index in range(self.first, self.stop):
            if self.duration(index) < 1:
                tick_ms = float(1000 * self.time_base)
                raise MediaError(
                    f"frames {index} and {index + 1} are less than {tick_ms:g} ms apart, which {self.container} cannot "
                    "tell apart; set encoding.container to another one, such as mp4"
                )

    def notes(self) -> Iterator[str]:
        """What a person should know about the times of a GIF."""
        limit = Fraction(_SLOW_MS, 1000) / self.time_base
        if self.container == "gif":
            quick = sum(self.duration(index) < limit for index in range(self.first, self.stop))
            if quick:
                yield f"{quick} frames are shown for less than {_SLOW_MS} ms, which browsers show for 100 ms"
