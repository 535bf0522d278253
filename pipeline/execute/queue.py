"""What a worker gets next: what a dead one left, then segments as they become ready, then batches of pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pipeline.execute.events import BatchTodo, Todo

Choose = Callable[[Iterator[Todo]], Todo | None]


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
    """Segments, the largest first, and then batches; `choose` takes one of the segments that wait for no other.

    Batches fill what segments leave: while a film's longest chain is worked on, no worker is idle.
    """

    def __init__(
        self, todos: Sequence[Todo], choose: Choose = first_of, batches: Batches | None = None
    ) -> None:
        self._todos = deque(sorted(todos, key=_work, reverse=True))
        self._unfinished = {todo.key for todo in todos}
        self._choose, self._batches = choose, batches
        self._returned: deque[BatchTodo] = deque()

    @property
    def is_over(self) -> bool:
        """Whether nothing waits, and nothing will."""
        return not (self._todos or self._returned) and (self._batches is None or self._batches.is_over)

    def take(self, workers: int = 1) -> Todo | BatchTodo | None:
        """What one of so many workers is to begin now; None: nothing can be as yet."""
        if self._returned:
            return self._returned.popleft()
        if self._todos:
            todo = self._choose(todo for todo in self._todos if not todo.needs & self._unfinished)
            if todo is not None:
                self._todos.remove(todo)
                return todo
        return None if self._batches is None else self._batches.take(workers)

    def put_back(self, todo: Todo | BatchTodo) -> None:
        """Take back what a dead worker had: a batch picture by picture, so that one cannot cost the others."""
        if isinstance(todo, Todo):
            self._todos.appendleft(todo)
        else:
            self._returned.extend(todo.alone())

    def finish(self, todo: Todo) -> None:
        """Say that every frame of a segment is finished; those that waited for it become ready."""
        self._unfinished.discard(todo.key)

    def drop_source(self, name: str) -> None:
        """Forget the segments of a source that have not begun: no output can come of it."""
        self._todos = deque(todo for todo in self._todos if todo.job.source.name != name)

    def clear(self) -> None:
        """Forget everything."""
        self._todos.clear()
        self._returned.clear()
        self._batches = None


def _work(todo: Todo) -> int:
    width, height = todo.job.size
    return len(todo.missing) * width * height
