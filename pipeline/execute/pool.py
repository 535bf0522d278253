"""How many workers, and what each gets, out of what the config asks for and what the cluster has. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.config import Execution
from pipeline.errors import ClusterError


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, by what Ray may give away on it."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Pool:
    """`workers` workers with `threads` CPU threads and `gpus` GPUs (a fraction, or whole) each."""

    workers: int
    threads: int
    gpus: float


def size_pool(execution: Execution, nodes: Sequence[Node], segments: int) -> Pool:
    """The pool for a job of `segments` segments; never more workers than that.

    auto workers: one per GPU, or one per machine where there are none. auto GPUs per worker: one, or an equal
    share where more workers than GPUs are asked for. auto threads: the machine's, shared among its workers.
    Raises `ClusterError` where the config asks for more than the nodes have.
    """
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
    return Pool(workers, _threads(execution, nodes, workers, share), share)


def _gpu_share(execution: Execution, gpus: float) -> float:
    if execution.gpus_per_worker != "auto":
        return float(execution.gpus_per_worker)
    if not gpus:
        return 0.0
    if execution.workers == "auto" or execution.workers <= gpus:
        return 1.0
    return int(gpus / execution.workers * 1e4) / 1e4  # Ray counts GPUs in ten-thousandths


def _threads(execution: Execution, nodes: Sequence[Node], workers: int, share: float) -> int:
    if execution.threads_per_worker == "auto":
        return max(
            1, min(_threads_on(node, len(nodes), workers, share) for node in nodes if not share or node.gpus)
        )
    threads = int(execution.threads_per_worker)
    if sum(int(node.cpus // threads) for node in nodes) < workers:
        wanted = f"{workers} × {threads} CPU threads (execution.workers × threads_per_worker)"
        raise ClusterError(_shortage(f"the config asks for {wanted}", nodes))
    return threads


def _threads_on(node: Node, nodes: int, workers: int, share: float) -> int:
    """The threads that each of a node's workers may have: with GPUs as many workers as these hold, else its part."""
    here = -(-workers // nodes) if not share else min(workers, int(node.gpus / share + 1e-9))
    return int(node.cpus // max(1, here))


def _shortage(wanted: str, nodes: Sequence[Node]) -> str:
    has = ", ".join(f"{node.cpus:g} CPUs and {node.gpus:g} GPUs" for node in nodes)
    machines = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
    return f"{wanted}, but the cluster has {machines} with {has}; ask for less, or add machines"
