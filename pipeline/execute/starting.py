"""The start of a farm in a thread of its own, so that who waits for it hears Ctrl-C meanwhile. Knows nothing of Ray.

Ray starts for seconds, most of them in code that no signal gets into and that nobody can break off. So a start that is
not wanted any more is left to itself, and takes back what it made once it is through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

Made = TypeVar("Made")

LOOK_S = 0.1
_NAME = "start of a farm"


class Start(Generic[Made]):
    """Has something made in another thread. Use it with `with`, which outlasts what is made.

    So does the thread: Linux ends the processes that Ray has started when the thread ends that started them.
    """

    def __init__(self, make: Callable[[], Made], undo: Callable[[Made], object]) -> None:
        """`undo` takes back what `make` made, where nobody waited for it; both in that other thread."""
        self._make, self._undo = make, undo
        self._made: Future[Made] = Future()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name=_NAME, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if not self._made.cancel():
            self._thread.join()

    def wait(self, stop: Callable[[], bool]) -> Made | None:
        """What was made, or the error that came of it; None where `stop()` was true before that."""
        while not wait([self._made], LOOK_S).done:
            if stop() and self._made.cancel():
                return None
        return self._made.result()

    def _work(self) -> None:
        try:
            made = self._make()
        except BaseException as error:
            if self._made.set_running_or_notify_cancel():
                self._made.set_exception(error)
            return
        if self._made.set_running_or_notify_cancel():
            self._made.set_result(made)
            self._over.wait()
        else:
            self._undo(made)


def is_left_behind() -> bool:
    """Whether a start that was not waited for is still at it; Python's own end would wait for it, or crash over it."""
    return any(thread.name == _NAME for thread in threading.enumerate())
