"""How fast painting goes: what was tried on this machine, or what earlier runs of the job took. Pure.

Knows nothing of how it is tried; that is `trial`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.forecasting.costs import Load

ENOUGH_WARM = 12
"""Warm frames of earlier runs from which on they tell more of how soon frames settle than a trial does."""


@dataclass(frozen=True)
class Pace:
    """What painting takes on one worker: `unit_s` seconds for a megapixel-iteration, and what comes beside these.

    `frame_s`: seconds for a frame or photograph, and `megapixel_s` for a megapixel of it. `warm_share`: of the most
    megapixel-iterations that warm frames may take.
    """

    unit_s: float
    frame_s: float = 0.0
    megapixel_s: float = 0.0
    warm_share: float = 1.0

    def work(self, load: Load) -> float:
        """The megapixel-iterations that a load is likely to take."""
        return load.cold + self.warm_share * load.warm + load.again

    def seconds(self, load: Load) -> float:
        """What a load is likely to take one worker."""
        beside = load.frames * self.frame_s + load.megapixels * self.megapixel_s
        return self.work(load) * self.unit_s + beside


@dataclass(frozen=True)
class Known:
    """Frames that earlier runs finished: what they could have taken at most, and what they took."""

    most: Load
    warm_frames: int  # none of blends and passes
    warm: float  # megapixel-iterations of these
    work: float  # megapixel-iterations of all
    seconds: float

    @classmethod
    def of(cls, found: Iterable[Known]) -> Known:
        """All of them together."""
        total = cls(Load(), 0, 0.0, 0.0, 0.0)
        for one in found:
            total = cls(
                total.most + one.most,
                total.warm_frames + one.warm_frames,
                total.warm + one.warm,
                total.work + one.work,
                total.seconds + one.seconds,
            )
        return total

    @property
    def warm_share(self) -> float | None:
        """See `Pace`; None where there are too few to tell."""
        return (
            min(1.0, self.warm / self.most.warm)
            if self.warm_frames >= ENOUGH_WARM and self.most.warm
            else None
        )

    @property
    def pace(self) -> Pace | None:
        """How fast it went where these frames were painted, all told; None where there are too few to tell."""
        if self.warm_share is None or not self.work:
            return None
        return Pace(self.seconds / self.work, warm_share=self.warm_share)
