"""What a worker gets next: what a dead one left, then segments by their critical path, then batches of pictures.

The segment first for which most is to be done, its own work and the longest chain of work that waits for it: so no
worker is left at the end with a chain that it might have begun before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from typing import Protocol

from pipeline.execute.events import BatchTodo, Todo

Choose = Callable[[Iterator[Todo]], Todo | None]

Entry = tuple[float, int, Todo]
"""A segment that may begin: minus its chain, its place among equals, itself. No two have the same place."""


class Batches(Protocol):
    """Where batches come from, while they are still being listed."""

    def take(self, workers: int) -> BatchTodo | None:
        """The next batch for one of so many workers; None: there is none as yet, or none any more. Does not wait."""

    @property
    def is_over(self) -> bool:
        """Whether there will never be another one."""


def first_of(ready: Iterator[Todo]) -> Todo | None:
    """The plain choice."""
    return next(ready, None)


class Queue:
    """Segments by their critical path, and then batches; `choose` takes one of the segments that wait for no other.

    Of segments with equal chains the first in the plan comes first. What is taken costs O(log n), and as much more as
    `choose` looks at. Batches fill what segments leave: while a film's longest chain is worked on, no worker is idle.
    """

    def __init__(
        self, todos: Sequence[Todo], choose: Choose = first_of, batches: Batches | None = None
    ) -> None:
        waiters = waiters_of(todos)
        self._choose, self._batches = choose, batches
        self._chains = chains(todos, waiters)
        self._todos = dict(enumerate(todos))  # those that wait for others, by their places
        self._waiters = {todos[place].key: found for place, found in enumerate(waiters) if found}
        self._needs = _counts(waiters)
        self._ready: list[Entry] = []
        self._returned: deque[BatchTodo] = deque()
        self._puts = 0
        for place in range(len(todos)):
            if not self._needs[place]:
                self._release(place)

    @property
    def is_over(self) -> bool:
        """Whether nothing waits, and nothing will."""
        is_done = not (self._ready or self._todos or self._returned)
        return is_done and (self._batches is None or self._batches.is_over)

    def take(self, workers: int = 1) -> Todo | BatchTodo | None:
        """What one of so many workers is to begin now; None: nothing can be as yet."""
        if self._returned:
            return self._returned.popleft()
        if self._ready and (todo := self._take_segment()) is not None:
            return todo
        return None if self._batches is None else self._batches.take(workers)

    def put_back(self, todo: Todo | BatchTodo) -> None:
        """Take back what a dead worker had: a batch picture by picture, so that one cannot cost the others."""
        if isinstance(todo, Todo):
            self._puts += 1
            heappush(self._ready, (-inf, -self._puts, todo))
        else:
            self._returned.extend(todo.alone())

    def finish(self, todo: Todo) -> None:
        """Say that every frame of a segment is finished; those that waited for it and no other become ready."""
        for place in self._waiters.pop(todo.key, ()):
            self._needs[place] -= 1
            if not self._needs[place] and place in self._todos:
                self._release(place)

    def drop_source(self, name: str) -> None:
        """Forget the segments of a source that have not begun: no output can come of it."""
        self._ready = [entry for entry in self._ready if entry[2].job.source.name != name]
        heapify(self._ready)
        self._todos = {at: todo for at, todo in self._todos.items() if todo.job.source.name != name}

    def clear(self) -> None:
        """Forget everything."""
        self._ready.clear()
        self._todos.clear()
        self._returned.clear()
        self._batches = None

    def _release(self, place: int) -> None:
        heappush(self._ready, (-self._chains[place], place, self._todos.pop(place)))

    def _take_segment(self) -> Todo | None:
        """The one that is chosen; those that were looked at on the way go back."""
        seen: list[Entry] = []
        todo: Todo | None = None
        try:
            todo = self._choose(self._in_order(seen))
        finally:
            for entry in seen:
                if entry[2] is not todo:
                    heappush(self._ready, entry)
        return todo

    def _in_order(self, seen: list[Entry]) -> Iterator[Todo]:
        while self._ready:
            seen.append(heappop(self._ready))
            yield seen[-1][2]


def waiters_of(todos: Sequence[Todo]) -> list[list[int]]:
    """For each segment, the places of those that need it."""
    places = {todo.key: place for place, todo in enumerate(todos)}
    found: list[list[int]] = [[] for _ in todos]
    for place, todo in enumerate(todos):
        for key in todo.needs & places.keys():
            found[places[key]].append(place)
    return found


def chains(todos: Sequence[Todo], waiters: Sequence[Sequence[int]]) -> list[float]:
    """For each segment its work and the longest chain of work that waits for it, in megapixel-iterations."""
    found = [todo.work for todo in todos]
    for place in reversed(_in_turn(waiters)):
        found[place] += max((found[one] for one in waiters[place]), default=0.0)
    return found


def _in_turn(waiters: Sequence[Sequence[int]]) -> list[int]:
    """All places, none before one that it needs."""
    needs = _counts(waiters)
    order = [place for place, count in needs.items() if not count]
    for place in order:  # grows meanwhile
        for one in waiters[place]:
            needs[one] -= 1
            if not needs[one]:
                order.append(one)
    return order


def _counts(waiters: Sequence[Sequence[int]]) -> dict[int, int]:
    """By place, how many others a segment needs."""
    counts = dict.fromkeys(range(len(waiters)), 0)
    for found in waiters:
        for place in found:
            counts[place] += 1
    return counts
