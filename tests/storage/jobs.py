"""`python -m tests.storage.jobs CONFIG ray|crew SECONDS`: does a job in a process of its own, to be killed.

SECONDS: how long each frame and picture takes. With `crew` a lock of another run counts as dead at once.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.config import load_config
from pipeline.execute import scheduler
from pipeline.execute.job import WorkerSettings
from pipeline.execute.scheduler import Farm
from pipeline.run import run
from pipeline.storage import lease
from pipeline.storage.worker import RemoteWorker
from tests.storage.crews import Crew, Hand


class SlowHand(Hand):
    """Takes its time."""

    def stylize_frame(self, *args: Any) -> Any:
        time.sleep(float(os.environ["TEST_FRAME_S"]))
        return super().stylize_frame(*args)

    def paint_pictures(self, *args: Any) -> Any:
        time.sleep(float(os.environ["TEST_FRAME_S"]))
        return super().paint_pictures(*args)


def make_slow(settings: WorkerSettings) -> RemoteWorker:
    """A worker in a process of its own."""
    return RemoteWorker(settings, SlowHand)


if __name__ == "__main__":
    config, how, os.environ["TEST_FRAME_S"] = sys.argv[1:]
    if how == "ray":
        scheduler.Farm = partial(Farm, make=make_slow)  # type: ignore[assignment, misc]
    else:
        scheduler.Farm = Crew  # type: ignore[assignment, misc]
        lease.STALE_S = -1.0
    run(load_config(Path(config)))
