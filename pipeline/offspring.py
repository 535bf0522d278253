"""The processes that this one has started, and those that they have, as Linux tells of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def end_offspring() -> None:
    """End them all at once.

    Ray's own end with the process that started Ray, but for two agents, which take a minute to notice it. Each is
    stopped before its children are looked for, so that none is missed that it would start meanwhile.
    """
    found = {os.getpid()}
    while more := {child for child, parent in _parents() if parent in found} - found:
        _send(more, signal.SIGSTOP)
        found |= more
    _send(found - {os.getpid()}, signal.SIGKILL)


def _send(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(OSError):  # it has ended, or become somebody else's
            os.kill(process, number)


def _parents() -> Iterator[tuple[int, int]]:
    """Of each process, its number and its parent's."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            _, _, behind_name = (folder / "stat").read_text("utf-8", "replace").rpartition(")")
            yield int(folder.name), int(behind_name.split()[1])
