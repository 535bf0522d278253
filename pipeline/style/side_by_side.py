"""Small pictures share a CPU side by side, each in a thread of its own.

The smaller a picture, the more of a convolution's time its threads wait for each other. One evaluation of several
pictures would be faster still, but a convolution's bits depend on the size of its batch. Knows nothing of what is
painted.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Lock
from typing import Literal, TypeVar

import torch

from .scales import Shape
from .sums import one_thread
from .work import Callback, Iterate

Result = TypeVar("Result")

Threads = Literal["all", "each"]
"""What a picture is evaluated with on a CPU: all threads there are, or by its size, see `is_small`."""

SMALL_PX = 128
"""Up to this longest side a picture has one thread.

Two at once with a thread each against one after the other with two threads, on two cores: 1.6 times as many at 64 px,
1.3 to 1.4 at 96, 1.1 at 128, 1.04 to 1.08 at 192, 1.1 at 256 and 384. A lone picture pays for it: with one thread it
takes 1.2, 1.4, 1.6, 1.8 and 1.8 times as long at 64 to 256 px. So above 128 px there is little to win.
"""


def is_small(shape: Shape) -> bool:
    """Whether a picture of (height, width) `shape` is evaluated with one thread.

    The bits of a convolution depend on its threads, so this depends on the size alone: not on the pictures that there
    are besides, nor on the machine.

    >>> is_small((96, 128)), is_small((129, 1))
    (True, False)
    """
    return max(shape) <= SMALL_PX


def side_by_side(
    paint: Callable[[int, Callback | None], Result],
    count: int,
    at_once: int,
    callback: Callback | None = None,
) -> list[Result]:
    """What `paint(index, callback)` gives for each index below `count`, each with one of torch's threads.

    At most `at_once` run at the same time, in threads of their own. `callback` is called by one of them at a time.
    The first error ends the others at their next evaluation, and is raised.
    """
    if min(at_once, count) <= 1:
        with one_thread():
            return one_by_one(paint, count, callback)
    turns, threads = _Turns(callback), torch.get_num_threads()
    try:
        with ThreadPoolExecutor(at_once, "painter", torch.set_num_threads, (1,)) as pool:
            futures = [pool.submit(paint, index, _of(index, turns)) for index in range(count)]
            try:
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:  # Ctrl-C in the caller's thread, too
                turns.are_over = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            return [future.result() for future in futures]
    finally:
        torch.set_num_threads(threads)  # ours never changed, but that of threads yet to come did


def one_by_one(
    paint: Callable[[int, Callback | None], Result], count: int, callback: Callback | None = None
) -> list[Result]:
    """What `paint(index, callback)` gives for each index below `count`, with as many threads as there are."""
    return [paint(index, _of(index, callback)) for index in range(count)]


class _AbandonedError(Exception):
    """Ends a painting that nobody waits for any more."""


class _Turns:
    """A callback that several threads may call: they take turns, until it `are_over`."""

    def __init__(self, callback: Callback | None) -> None:
        self.are_over = False
        self._callback, self._lock = callback, Lock()

    def __call__(self, iterate: Iterate) -> None:
        with self._lock:
            if self.are_over:
                raise _AbandonedError
            if self._callback:
                self._callback(iterate)


def _of(index: int, callback: Callback | None) -> Callback | None:
    """`callback` for a picture that is painted alone, and is the batch's `index`."""
    return None if callback is None else lambda iterate: callback(replace(iterate, picture=index))
