"""How far an archive is: counts that grow while it is listed and painted, and the first ones of what is told singly."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.plan import Failure

TOLD = 1000
"""Skipped files and reasons that are told one by one."""


@dataclass
class Tally:
    """How far an archive is, in pages; most photographs have one.

    `refused`: files that cannot even be opened, of which each counts as a page. `failed`: pages that could not be
    painted. `files`: the photographs found so far. `listed`: how many there are in all; None until that is known.
    """

    reused: int = 0
    planned: int = 0
    failed: int = 0
    painted: int = 0
    iterations: int = 0
    megapixel_iterations: float = 0.0
    refused: int = 0
    files: int = 0
    listed: int | None = None
    failures: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # the first ones
    skipped_count: int = 0
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of the first ones

    @property
    def total(self) -> int:
        """The pages known of so far, those included that cannot be painted."""
        return max(self.reused + self.planned + self.refused, self.listed or 0)

    @property
    def paintable(self) -> int:
        """The pages known of so far without those that failed."""
        return self.reused + self.planned - self.failed

    @property
    def left(self) -> int:
        """The pages of those that are yet to be painted."""
        return self.total - self.reused - self.painted - self.failed - self.refused
