"""A part of a long list, at its places there: what travels of a film's timestamps with one of its segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TypeVar, overload

T = TypeVar("T")


class Window(Sequence[T]):
    """The items first … stop−1 of a sequence, and its item 0, at their own places; it counts as long as the whole.

    Any other raises `LookupError`, which says that the window is too small: nothing is taken for the end.

    >>> part = Window("abcdefgh", 3, 5)
    >>> len(part), part[0], part[3], part[4]
    (8, 'a', 'd', 'e')
    """

    def __init__(self, whole: Sequence[T], first: int, stop: int) -> None:
        self._first, self._length = first, len(whole)
        self._items = tuple(whole[index] for index in range(first, min(stop, len(whole))))
        self._start = whole[0]

    def map(self, change: Callable[[T], T]) -> Window[T]:
        """The same places, with other items."""
        changed = copy(self)
        changed._items, changed._start = tuple(map(change, self._items)), change(self._start)
        return changed

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._length))]
        if not 0 <= index < self._length:
            raise IndexError(f"{index} of {self._length}")
        if index == 0:
            return self._start
        place = index - self._first
        if not 0 <= place < len(self._items):
            stop = self._first + len(self._items)
            raise LookupError(f"item {index} is not among the items {self._first} … {stop - 1} that are here")
        return self._items[place]
