"""The command in a process of its own, with workers that paint a texture, slowly: to be signaled, frozen and killed.

`python -m tests.faults.child run CONFIG …`; FRAME_S in the environment says how long a frame takes, HEAD_S how long the
head of a cluster may be silent.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType

from pipeline import cli
from pipeline.execute import head
from pipeline.execute.events import Event, Pulse
from pipeline.execute.queue import Queue
from tests.farms import TextureFarm


class SlowFarm(TextureFarm):
    """One worker; every frame takes its time, and nobody cuts it short but a second Ctrl-C or a kill."""

    WORKERS = 1

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        for event in super().stylize(queue, stop):
            yield event
            yield Pulse(())
            until_s = time.monotonic() + float(os.environ.get("FRAME_S", "0.2"))
            while time.monotonic() < until_s:
                time.sleep(0.02)


if __name__ == "__main__":
    stand_in = ModuleType("pipeline.execute.scheduler")  # so that nobody waits for Ray to be imported
    stand_in.Farm = SlowFarm  # type: ignore[attr-defined]
    sys.modules[stand_in.__name__] = stand_in
    if "HEAD_S" in os.environ:
        head.EVERY_S, head.patience_s = 0.1, lambda: float(os.environ["HEAD_S"])
    cli.main()
