"""Photographs of one size and look → batches. Pure; which batch a picture is in changes nothing of its result."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

LARGEST = 64
"""Pictures of a batch, at most."""

LARGEST_MEGAPIXELS = 4.0
"""What the results of a batch have together, at most: the unit of work that a worker is given must stay small."""

WINDOW = 4096
"""Pictures that wait for others of their size, at most."""


class Buckets(Generic[T]):
    """Collects items by key; a bucket that is full is a batch, as is the fullest where too many wait.

    >>> buckets = Buckets(largest=2, window=3)
    >>> [buckets.add(size, name) for size, name in (((9, 9), "a"), ((8, 9), "b"), ((9, 9), "c"))]
    [None, None, ['a', 'c']]
    >>> list(buckets.rest())
    [['b']]
    """

    def __init__(self, largest: int = LARGEST, window: int = WINDOW) -> None:
        self._largest, self._window, self._waiting = largest, window, 0
        self._buckets: dict[Hashable, list[T]] = {}

    def add(self, key: Hashable, item: T, largest: int | None = None) -> list[T] | None:
        """Take an item in; a batch, where there is one now. `largest`: items of a batch with this key."""
        bucket = self._buckets.setdefault(key, [])
        bucket.append(item)
        self._waiting += 1
        if len(bucket) >= min(largest or self._largest, self._largest):
            return self._give(key)
        return self.fullest() if self._waiting >= self._window else None

    def fullest(self) -> list[T] | None:
        """The largest bucket as a batch; None where nothing waits."""
        if not self._buckets:
            return None
        return self._give(max(self._buckets, key=lambda key: len(self._buckets[key])))

    def rest(self) -> Iterator[list[T]]:
        """All that wait, bucket by bucket."""
        while (batch := self.fullest()) is not None:
            yield batch

    def _give(self, key: Hashable) -> list[T]:
        batch = self._buckets.pop(key)
        self._waiting -= len(batch)
        return batch


def largest_of(size: tuple[int, int]) -> int:
    """How many pictures of a size, (width, height) in px, a batch holds.

    >>> largest_of((512, 384)), largest_of((128, 96)), largest_of((6000, 4000))
    (20, 64, 1)
    """
    megapixels = size[0] * size[1] / 1e6
    return max(1, min(LARGEST, int(LARGEST_MEGAPIXELS / megapixels)))
