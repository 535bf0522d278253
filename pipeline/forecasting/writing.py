"""What the writing and verifying of outputs takes, codec by codec. By counting; touches no file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pipeline.plan import Plan, SourcePlan

ENCODE_S: Mapping[str, tuple[float, float]] = {
    "h264": (0.05, 0.16), "h265": (0.05, 0.33), "vp9": (0.33, 0.29), "av1": (0.04, 0.10), "ffv1": (0.06, 0.09),
    "gif": (1.4, 0.0), "webp": (0.18, 0.0), "png": (0.20, 0.0),
}  # fmt: skip
"""By codec, at its default quality: CPU seconds to read a megapixel's frames, to write and to verify it, of one thread
and of others that share the cores (scripts/bench_encoder.py --codecs h264 h265 vp9 av1 ffv1 gif webp png)."""


@dataclass(frozen=True)
class Writing:
    """How many outputs of films have to be written and verified, and what that takes.

    `own_s`: seconds in which one core works, and `shared_s`: what all of them share.
    """

    outputs: int = 0
    own_s: float = 0.0
    shared_s: float = 0.0

    @classmethod
    def of(cls, sources: Iterable[SourcePlan]) -> Writing:
        """That of the outputs of these sources."""
        found = cls()
        for source in sources:
            megapixels = source.frames * source.size[0] * source.size[1] / 1e6
            own_s, shared_s = (megapixels * seconds for seconds in ENCODE_S[source.coding.codec])
            found = cls(found.outputs + 1, found.own_s + own_s, found.shared_s + shared_s)
        return found

    def seconds(self, cores: int) -> float:
        """What it takes on so many cores."""
        return self.own_s + self.shared_s / cores


def unwritten(plan: Plan, begun: Collection[str], written: Collection[str]) -> list[SourcePlan]:
    """The films whose outputs a run has to write; `written`: the names of those whose outputs are as they should be.

    Those of `begun`, of which frames are missing, are written again in any case.
    """
    return [source for source in plan.sources if source.name in begun or source.name not in written]
