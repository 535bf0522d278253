"""A worker that comes up without a GPU, for tests of what is done about that."""

from __future__ import annotations

from pipeline.config import Transfer
from pipeline.execute.job import WorkerInfo, WorkerSettings

SETTINGS = WorkerSettings("packaged", (), Transfer(), None, "flow")


class OnCpu:
    """A worker that found no GPU."""

    def __init__(self, settings: WorkerSettings) -> None:
        pass

    def set_up(self) -> WorkerInfo:
        return WorkerInfo("w", "cpu", 1)
