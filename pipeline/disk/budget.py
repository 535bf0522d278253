"""What of a run folder's budget is taken, what is set aside, and whether more fits. May be asked by several threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock

from pipeline.disk.reservations import Reservations
from pipeline.disk.sizes import GIB, plain, sized
from pipeline.errors import SpaceError


class Budget:
    """`most`: bytes that the run folder may take; None: there is no budget, and everything fits. `used`: so far."""

    def __init__(self, most: int | None, used: int) -> None:
        self.most = most
        self.is_dry = False  # there is nothing left that could be packed or thrown away
        self.changes = 0  # how often something came that could be
        self._used, self._reserved = used, Reservations()
        self._lock = Lock()

    def __contains__(self, what: str) -> bool:
        """Whether something is set aside for a segment, by its key, or an output, by its source."""
        return what in self._reserved

    def fits(self, wanted: int) -> bool:
        """Whether there is room for so many bytes more."""
        with self._lock:
            return self._fits(wanted)

    def reserve(self, wanted: Mapping[str, int], *, anyway: bool = False) -> bool:
        """Set bytes aside, if all of them fit; `anyway`: or where nothing fits any more, either."""
        with self._lock:
            fits = self._fits(sum(wanted.values())) or (anyway and not self._fits(0))
            if fits:
                self._reserved.take(wanted)
            return fits

    def count(self, size: int, what: str = "", at_most: int = 0) -> None:
        """So many bytes have come, or gone where it is below 0; of `what`, for which `at_most` were set aside."""
        with self._lock:
            self._used += size
            if what:
                self._reserved.lower(what, at_most)

    def drop(self, what: str) -> None:
        """Set nothing aside for it any more."""
        with self._lock:
            self._reserved.drop(what)

    def finish(self, whats: Iterable[str]) -> None:
        """Nothing more will come of these, and there may be more to pack or to throw away."""
        with self._lock:
            self.is_dry, self.changes = False, self.changes + 1
            for what in whats:
                self._reserved.drop(what)

    def run_dry(self, wanted: int, changes: int) -> None:
        """All was packed and thrown away that could be when there were so many `changes`; `wanted` bytes were asked."""
        with self._lock:
            self.is_dry = not self._fits(wanted) and self.changes == changes

    def refusal(self, what: str, wanted: int, ways_out: str) -> SpaceError:
        """What is said where `what` has no room; `ways_out`: what a person may do about it."""
        assert self.most is not None
        return SpaceError(
            f"disk.budget_gib {plain(self.most / GIB)} leaves no room: {sized(self._used)} are taken, and {what} "
            f"needs up to {sized(wanted)}; {ways_out}, then run again"
        )

    def _fits(self, wanted: int) -> bool:
        return self.most is None or self._used + self._reserved.total + wanted <= self.most
