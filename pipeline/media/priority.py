"""The scheduling of this process's threads, which SVT-AV1 changes where it runs as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def unhurried() -> Iterator[None]:
    """Take real-time scheduling back from all threads that got it while this lasts, the calling one among them.

    SVT-AV1 gives it, as root, to its own threads and to the one that opens it, at the highest priority there is;
    whatever that starts later has it, too, and everything else on the machine stands still.
    """
    before = _hurried()
    try:
        yield
    finally:
        for thread in _hurried() - before:
            with suppress(OSError):  # it is over
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _hurried() -> set[int]:
    """This process's threads with real-time scheduling; none where the system does not tell."""
    tasks = Path("/proc/self/task")
    if not hasattr(os, "sched_getscheduler") or not tasks.is_dir():
        return set()
    found = set()
    for task in tasks.iterdir():
        with suppress(OSError):
            if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(int(task.name))
    return found
