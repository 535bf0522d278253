"""How far a long pass over frames is: whoever wants to know is told after every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Seen = Callable[[int], None]
"""Is told how many frames a pass is through."""


def unseen(count: int) -> None:
    """Nobody wants to know."""


def counted(items: Iterable[Item], seen: Seen) -> Iterator[Item]:
    """The same items; `seen` is told how many have been taken.

    >>> told = []
    >>> [*counted("ab", told.append)], told
    (['a', 'b'], [1, 2])
    """
    for count, item in enumerate(items, start=1):
        seen(count)
        yield item
