"""How many workers, and what each gets, out of what the config asks for and what the cluster has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.config import Execution
from pipeline.errors import ClusterError


def available_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def asked_cpus(execution: Execution) -> int:
    """The CPUs that the config asks for, one for each `auto`."""
    workers = 1 if execution.workers == "auto" else execution.workers
    threads = 1 if execution.threads_per_worker == "auto" else execution.threads_per_worker
    return int(workers * threads)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, by what Ray may give away on it; `name` is Ray's for it, `host` a person's."""

    cpus: float
    gpus: float
    name: str = ""
    host: str = ""


def memory_share(gpus: float) -> float:
    """The part of a GPU's memory that comes with `gpus` GPUs, 0 to 1; 1 also where there is none to share."""
    return min(1.0, gpus) or 1.0


@dataclass(frozen=True)
class Place:
    """Room for `workers` workers on one machine, and what each gets there; `threads` and `cpus` as of a `Pool`."""

    node: str
    workers: int
    threads: int | None
    gpus: float
    cpus: int

    @property
    def gpu_share(self) -> float:
        """See `memory_share`."""
        return memory_share(self.gpus)


@dataclass(frozen=True)
class Pool:
    """`workers` workers with `threads` CPU threads and `gpus` GPUs (a fraction, or whole) each.

    `threads` None: as many as its machine has cores. `cpus` is what each reserves with Ray, which may be less. Where
    machines differ, both are those of the one that has the least for each, and `share_out` says more.
    """

    workers: int
    threads: int | None
    gpus: float
    cpus: int

    @property
    def gpu_share(self) -> float:
        """See `memory_share`."""
        return memory_share(self.gpus)


def size_pool(execution: Execution, nodes: Sequence[Node], segments: int) -> Pool:
    """The pool for a job of `segments` segments; never more workers than that.

    auto workers: one per GPU, or one per machine where there are none. auto GPUs per worker: one, or an equal
    share where more workers than GPUs are asked for. auto threads: on a GPU machine its own, shared among its workers;
    without GPUs all of the machine's for each, since the last bits of a convolution depend on the number of threads,
    and a frame must not depend on the number of workers. Where many share a machine, `threads_per_worker` is better.
    Raises `ClusterError` where the config asks for more than the nodes have, or there is none.
    """
    if not nodes:
        raise ClusterError("the cluster has no machine that gives any CPU or GPU away; add machines")
    gpus = sum(node.gpus for node in nodes)
    share = _gpu_share(execution, gpus)
    if execution.workers == "auto":
        workers = sum(int(node.gpus / share + 1e-9) for node in nodes) if share else len(nodes)
        if workers < 1:
            raise ClusterError(_shortage(f"execution.gpus_per_worker asks for {share:g} GPUs", nodes))
    else:
        workers = execution.workers
    if share and sum(int(node.gpus / share + 1e-9) for node in nodes) < workers:
        wanted = f"{workers} × {share:g} = {workers * share:g} GPUs (execution.workers × gpus_per_worker)"
        raise ClusterError(_shortage(f"the config asks for {wanted}", nodes))
    workers = max(1, min(workers, segments))
    cpus = _cpus(execution, nodes, workers, share)
    is_shared = execution.threads_per_worker == "auto" and not share
    return Pool(workers, None if is_shared else cpus, share, cpus)


def share_out(execution: Execution, nodes: Sequence[Node], pool: Pool) -> tuple[Place, ...]:
    """Which machine gets how many of the pool's workers, and what each gets there; machines without any are left out.

    Those with GPUs take as many as their GPUs hold, and share their own CPUs among them; without GPUs, each next
    worker goes where most CPUs are left for it. Where there is less room than the pool has workers, there are fewer.
    """
    rooms = {index: _room(execution, node, pool) for index, node in enumerate(nodes)}
    taken = dict.fromkeys(rooms, 0)
    for _ in range(pool.workers):
        free = [index for index in rooms if taken[index] < rooms[index]]
        if not free:
            break
        taken[max(free, key=lambda index: nodes[index].cpus / (taken[index] + 1))] += 1
    return tuple(_place(execution, nodes[index], count, pool) for index, count in taken.items() if count)


def employed(nodes: Sequence[Node], places: Sequence[Place]) -> dict[str, Node]:
    """The machines that get workers, by Ray's own names, with no GPUs where their workers use none of them."""
    gpus = {place.node: place.gpus for place in places}
    return {
        node.name: node if gpus[node.name] else replace(node, gpus=0) for node in nodes if node.name in gpus
    }


def _room(execution: Execution, node: Node, pool: Pool) -> int:
    """How many workers a machine can hold."""
    threads = 1 if execution.threads_per_worker == "auto" else int(execution.threads_per_worker)
    by_cpus = int(node.cpus // threads)
    if pool.gpus:
        return min(int(node.gpus / pool.gpus + 1e-9), by_cpus)
    alone = execution.workers == "auto" and execution.threads_per_worker == "auto"
    return min(1, by_cpus) if alone else by_cpus


def _place(execution: Execution, node: Node, workers: int, pool: Pool) -> Place:
    if execution.threads_per_worker != "auto":
        return Place(node.name, workers, pool.threads, pool.gpus, pool.cpus)
    cpus = int(node.cpus // workers)
    return Place(node.name, workers, cpus if pool.gpus else None, pool.gpus, cpus)


def _gpu_share(execution: Execution, gpus: float) -> float:
    if execution.gpus_per_worker != "auto":
        return float(execution.gpus_per_worker)
    if not gpus:
        return 0.0
    if execution.workers == "auto" or execution.workers <= gpus:
        return 1.0
    return int(gpus / execution.workers * 1e4) / 1e4  # Ray counts GPUs in ten-thousandths


def _cpus(execution: Execution, nodes: Sequence[Node], workers: int, share: float) -> int:
    if execution.threads_per_worker == "auto":
        return max(
            1, min(_cpus_on(node, len(nodes), workers, share) for node in nodes if not share or node.gpus)
        )
    threads = int(execution.threads_per_worker)
    if sum(int(node.cpus // threads) for node in nodes) < workers:
        wanted = f"{workers} × {threads} CPU threads (execution.workers × threads_per_worker)"
        raise ClusterError(_shortage(f"the config asks for {wanted}", nodes))
    return threads


def _cpus_on(node: Node, nodes: int, workers: int, share: float) -> int:
    """The CPUs for each of a node's workers: with GPUs as many workers as these hold, else its part."""
    here = -(-workers // nodes) if not share else min(workers, int(node.gpus / share + 1e-9))
    return int(node.cpus // max(1, here))


def _shortage(wanted: str, nodes: Sequence[Node]) -> str:
    has = ", ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in nodes)
    machines = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
    return f"{wanted}, but the cluster has {machines} with {has}; ask for less, or add machines"
