"""Whether the head of a running cluster still answers, asked beside the work.

Where it does not, Ray waits for a minute and then ends this process with exit code 1 and words of its own, whatever
the process is at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from pipeline.errors import ClusterError
from pipeline.execute.address import check_reachable

EVERY_S, PATIENCE_S = 3.0, 30.0
"""How often it is asked, and for how long it may be silent: half of Ray's own patience."""


@contextmanager
def watching_head(address: str | None, lost: Callable[[str], object]) -> Iterator[None]:
    """Inside, `lost` is called from another thread, with words for a person, once the head is silent for too long.

    Without an address there is nobody to ask, nor where it never answered; an address `auto` is Ray's to find.
    """
    over = Event()
    if address is None:
        yield
        return
    Thread(target=_watch, args=(address, lost, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(address: str, lost: Callable[[str], object], over: Event) -> None:
    heard_s: float | None = None
    while not over.wait(EVERY_S):
        try:
            check_reachable(address)
            heard_s = time.monotonic()
        except ClusterError:
            if heard_s is not None and time.monotonic() - heard_s > PATIENCE_S:
                lost(
                    f"the head of the cluster at {address} has not answered for {PATIENCE_S:g} s; every finished frame "
                    "is kept: see to the cluster, or name another one, and run again"
                )
                return
