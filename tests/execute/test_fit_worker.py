"""A worker that looks first whether its machine can do the job."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.execute.fit_worker import FitWorker
from pipeline.execute.inspection import Errand
from pipeline.execute.meeting import SharedFolder
from pipeline.execute.preflight import Preflight, UnfitError
from tests.execute.on_cpu import SETTINGS, OnCpu


def test_a_worker_is_given_no_work_where_it_lacks_the_gpu_of_its_place(tmp_path: Path) -> None:
    with Preflight(Errand(tmp_path, SharedFolder(tmp_path / "meet", 1))) as flight:
        assert FitWorker(OnCpu, SETTINGS, flight.visit, 0, lambda: "this").set_up().device == "cpu"
        with pytest.raises(UnfitError, match="torch can use none") as unfit:
            FitWorker(OnCpu, SETTINGS, flight.visit, 0.5, lambda: "this").set_up()
    assert unfit.value.node == "this"


def test_without_a_visit_nothing_is_looked_at() -> None:
    def nobody() -> str:
        raise AssertionError

    assert FitWorker(OnCpu, SETTINGS, None, 0.5, nobody).set_up().device == "cpu"
