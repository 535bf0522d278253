"""Run by `test_on_a_cluster` in a process of its own: a cluster of uneven nodes on this machine, and what comes of it.

Prints one JSON object: what each scene saw.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from pipeline.config import Execution
from pipeline.errors import ClusterError
from pipeline.execute import dispatch, scheduler
from pipeline.execute.events import Pulse, WorkerLost
from pipeline.execute.inspection import Errand
from pipeline.execute.job import WorkerInfo
from pipeline.execute.meeting import SharedFolder
from pipeline.execute.preflight import Preflight
from pipeline.execute.queue import Queue
from pipeline.execute.scheduler import Farm, ask_nodes
from tests.execute.test_scheduler import SETTINGS, StandIn, todo

NODES = {"wide": (4, 2), "dense": (2, 2), "plain": (3, 0)}
"""CPUs and GPUs of each."""


class Located(StandIn):
    """Says which machine it is on, and what it was given there."""

    def set_up(self) -> WorkerInfo:
        given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return WorkerInfo(f"{where()}/{given}/{self.settings.threads}", "cpu", self.settings.threads or 0)

    def stylize_frame(self, *arguments: Any) -> Any:
        time.sleep(0.05)
        return super().stylize_frame(*arguments)


def where() -> str:
    """The name of the node that this runs on, by the resource that only it has."""
    node = ray.get_runtime_context().get_node_id()
    return next(
        name
        for one in ray.nodes()
        if one["NodeID"] == node
        for name in one["Resources"]
        if name in (*NODES, "head")
    )


def seen_workers(execution: Execution, folder: Path, **changes: Any) -> dict[str, Any]:
    """The machines that workers were on once all were there, how they ended, and how many machines got none."""
    todos = [todo(f"a {index}", 10**4, folder / f"{time.monotonic_ns()}") for index in range(12)]
    deadline_s = time.monotonic() + 90
    seen: set[str] = set()
    lost, said = [], ""
    try:
        with Farm(execution, SETTINGS, len(todos), Located, **changes) as farm:
            idle = farm.idle_machines
            stop = lambda: len(seen) >= max(1, farm._crew.places()) or time.monotonic() > deadline_s  # noqa: E731
            for event in farm.stylize(Queue(todos), stop):
                if isinstance(event, Pulse):
                    seen |= {worker.name for worker in event.workers if worker.name}
                elif isinstance(event, WorkerLost):
                    lost.append(event.reason)
    except ClusterError as error:
        idle, said = -1, str(error)
    return {"workers": sorted(seen), "idle": idle, "lost": lost, "said": said}


def hostname_or_error(name: str) -> str:
    if name == "dense":
        raise ValueError(f"not on {name}")
    if name == "plain":
        time.sleep(3600)
    return where()


def scenes(address: str, folder: Path) -> dict[str, Callable[[], Any]]:
    names = {one["NodeID"]: name for one in ray.nodes() for name in NODES if name in one["Resources"]}
    errand = Errand(folder, SharedFolder(folder / "meet", 1))

    def unfit() -> Any:
        with Preflight(errand) as flight:
            assert flight._here is not None
            flight._here = replace(flight._here, versions={**flight._here.versions, "torch": "0.4"})
            flight.check = lambda *_: None  # type: ignore[method-assign]  # as if they had joined afterwards
            usual_s, dispatch.PLACEMENT_TIMEOUT_S = dispatch.PLACEMENT_TIMEOUT_S, 5
            execution = Execution(address=address, gpus_per_worker=0, workers=1)
            try:
                return seen_workers(execution, folder, preflight=flight)
            finally:
                dispatch.PLACEMENT_TIMEOUT_S = usual_s

    def without_cuda() -> Any:
        scheduler.ANSWER_S = 180  # torch is imported there
        with Preflight(errand) as flight:
            return seen_workers(Execution(address=address), folder, preflight=flight)

    def cpus() -> Any:
        scheduler.ANSWER_S = 180
        with Preflight(errand) as flight:
            return seen_workers(Execution(address=address, gpus_per_worker=0), folder, preflight=flight)

    def asked() -> Any:
        scheduler.ANSWER_S = 8
        return {names[node]: repr(answer) for node, answer in ask_nodes(hostname_or_error, names).items()}

    return {
        "by_gpu": lambda: seen_workers(Execution(address=address), folder),
        "cpus": cpus,
        "asked": asked,
        "unfit": unfit,
        "without_cuda": without_cuda,
    }


def main(folder: Path) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "resources": {"head": 1}})
    for name, (cpus, gpus) in NODES.items():
        cluster.add_node(num_cpus=cpus, num_gpus=gpus, resources={name: 1})
    ray.init(cluster.address, logging_level="ERROR", log_to_driver=False)
    try:
        json.dump({name: scene() for name, scene in scenes(cluster.address, folder).items()}, sys.stdout)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
