"""Ray's crew without a Ray: what it is told of machines, and where it has its actors put."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Transfer
from pipeline.execute.inspection import Errand
from pipeline.execute.job import WorkerInfo, WorkerSettings
from pipeline.execute.meeting import SharedFolder
from pipeline.execute.preflight import Preflight, UnfitError
from pipeline.execute.scheduler import _Actor

SETTINGS = WorkerSettings("packaged", (), Transfer(), None, "flow")


class OnCpu:
    """A worker that found no GPU."""

    def __init__(self, settings: WorkerSettings) -> None:
        pass

    def set_up(self) -> WorkerInfo:
        return WorkerInfo("w", "cpu", 1)


def test_a_worker_is_given_no_work_where_it_lacks_the_gpu_of_its_place(tmp_path: Path) -> None:
    with Preflight(Errand(tmp_path, SharedFolder(tmp_path / "meet", 1))) as flight:
        assert _Actor(OnCpu, SETTINGS, flight.visit, gpus=0).set_up().device == "cpu"
        with pytest.raises(UnfitError, match="torch can use none"):
            _Actor(OnCpu, SETTINGS, flight.visit, gpus=0.5).set_up()
