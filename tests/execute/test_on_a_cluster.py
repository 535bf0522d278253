"""Uneven machines of one cluster: who gets which workers, and what each of them is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the scenes of `on_a_cluster` saw; they need Ray for themselves, where no other `ray.init` finds it."""
    with tempfile.TemporaryDirectory(prefix="st", dir="/tmp", ignore_cleanup_errors=True) as short:
        yield _play(tmp_path_factory.mktemp("cluster"), short)


def _play(folder: Path, ray_folder: str) -> dict[str, Any]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.execute.on_a_cluster", str(folder)],
        capture_output=True,
        text=True,
        timeout=400,
        cwd=ROOT,
        env={**env, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": ray_folder},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def machines(scene: dict[str, Any]) -> Counter[str]:
    return Counter(worker.partition("/")[0] for worker in scene["workers"])


def test_one_worker_for_each_gpu_and_none_where_there_is_no_gpu(seen: dict[str, Any]) -> None:
    """Each by its machine, its GPU there, and its threads: what the machine has, by its own workers."""
    assert seen["by_gpu"]["workers"] == ["dense/0/1", "dense/1/1", "wide/0/2", "wide/1/2"]
    assert seen["by_gpu"]["idle"] == 1


def test_without_gpus_every_machine_with_cpus_has_one_and_none_is_asked_for_its_gpus(
    seen: dict[str, Any],
) -> None:
    assert seen["cpus"]["said"] == ""
    assert machines(seen["cpus"]) == {"wide": 1, "dense": 1, "plain": 1}
    assert seen["cpus"]["idle"] == 0


def test_every_machine_is_asked_itself_and_one_that_fails_or_hangs_is_told_apart(
    seen: dict[str, Any],
) -> None:
    answers = seen["asked"]
    assert answers["wide"] == "'wide'"
    assert answers["dense"] == "ValueError('not on dense')"
    assert answers["plain"].startswith("TimeoutError('no answer in 8 s")


def test_gpus_that_only_ray_knows_of_stop_the_run_before_any_work(seen: dict[str, Any]) -> None:
    said = seen["without_cuda"]["said"]
    assert said.startswith("2 machines of the cluster cannot do this job")
    assert "Ray gives away 2 GPUs there, and torch can use 0" in said
    assert seen["without_cuda"]["workers"] == []


def test_workers_on_machines_that_do_not_fit_get_nothing_to_do_and_say_why(seen: dict[str, Any]) -> None:
    assert seen["unfit"]["workers"] == []
    assert len(seen["unfit"]["lost"]) == 3, "each of them was tried, and none twice"
    assert "torch is " in seen["unfit"]["lost"][0]
    assert "cannot do this job" in seen["unfit"]["said"]
