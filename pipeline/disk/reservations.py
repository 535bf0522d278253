"""Bytes set aside by what they are for, and their sum, which is asked for far more often than anything changes."""

from __future__ import annotations

from collections.abc import Mapping


class Reservations:
    """What is set aside; an entry of 0 bytes is one, too.

    >>> held = Reservations()
    >>> held.take({"a": 3, "b": 4})
    >>> held.lower("a", 2)
    >>> held.drop("b"), held.total, "a" in held
    (None, 1, True)
    """

    def __init__(self) -> None:
        self._bytes: dict[str, int] = {}
        self.total = 0

    def __contains__(self, what: str) -> bool:
        return what in self._bytes

    def take(self, wanted: Mapping[str, int]) -> None:
        """Set bytes aside; for what had some already, these instead."""
        for what, size in wanted.items():
            self.drop(what)
            self._bytes[what] = size
            self.total += size

    def lower(self, what: str, size: int) -> None:
        """Some of it has come, if there is such an entry."""
        if what in self._bytes:
            self.take({what: max(0, self._bytes[what] - size)})

    def drop(self, what: str) -> None:
        """Nothing more will come of it."""
        self.total -= self._bytes.pop(what, 0)
