"""What the dispatcher needs of those who do the work: to hire them, to ask them, to wait for answers, and a clock.

Ray's actors are one such crew, see `scheduler`; a simulation with a clock of its own is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pipeline.execute.job import Batch, SegmentJob

Call = Any
"""A question on its way; hashable. Its answer is fetched with `Crew.result`."""


class WorkerLostError(Exception):
    """The worker that was asked is gone; the text says how."""


class WorkerRaisedError(Exception):
    """The worker that was asked lives and raised `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def first_line(error: BaseException) -> str:
    """What an error says, without what Ray and others put below it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


class Hand(Protocol):
    """One worker, as the dispatcher sees it. No method waits, and one call is in flight at a time, but `progress`."""

    def set_up(self) -> Call:
        """Comes first; the answer is a `WorkerInfo`."""

    def stylize_frame(self, index: int, job: SegmentJob | None) -> Call:
        """The answer is a `FrameRecord`; `job` opens another segment."""

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> Call:
        """The answer is a `Painted`; `batch` opens another batch."""

    def progress(self) -> Call:
        """The answer is a `Progress` or None; it comes while another call is in flight, once the process lives."""

    def kill(self) -> None:
        """End its process at once; one that has ended already is no error."""


class Crew(Protocol):
    """Where workers come from."""

    def places(self) -> int:
        """How many workers there is room for at this moment, and use; it changes as machines join and leave."""

    def hire(self) -> Hand:
        """Another worker; where there is no place for it now, it begins when there is."""

    def wait(self, calls: Sequence[Call], timeout_s: float) -> Sequence[Call]:
        """Those of some calls that have been answered; returns as soon as there is one, and at the latest then."""

    def result(self, call: Call) -> Any:
        """The answer to a call that has one; raises `WorkerLostError` or `WorkerRaisedError`."""

    def now_s(self) -> float:
        """A clock in seconds that never goes back."""

    def shortage(self) -> str | None:
        """Why one more worker finds no place now, for a person; None where it would."""
