"""How many workers, and what each gets."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import Execution
from pipeline.errors import ClusterError
from pipeline.execute.pool import Node, Pool, size_pool

LAPTOP = Node(cpus=8, gpus=0)
GPU_BOX = Node(cpus=16, gpus=2)


def execution(workers: Any = "auto", threads: Any = "auto", gpus: Any = "auto") -> Execution:
    return Execution(workers=workers, threads_per_worker=threads, gpus_per_worker=gpus)


@pytest.mark.parametrize(
    ("asked", "nodes", "segments", "pool"),
    [
        # one worker per machine without GPUs, with all of its threads
        (execution(), [LAPTOP], 9, Pool(1, None, 0, 8)),
        (execution(), [LAPTOP] * 3, 9, Pool(3, None, 0, 8)),
        (execution(), [LAPTOP, Node(4, 0)], 9, Pool(2, None, 0, 4)),
        # one worker per GPU
        (execution(), [GPU_BOX], 9, Pool(2, 8, 1, 8)),
        (execution(), [GPU_BOX, GPU_BOX], 9, Pool(4, 8, 1, 8)),
        (execution(), [LAPTOP, GPU_BOX], 9, Pool(2, 8, 1, 8)),
        # never more than there is to do, and at least one
        (execution(), [GPU_BOX, GPU_BOX], 3, Pool(3, 8, 1, 8)),
        (execution(), [GPU_BOX], 1, Pool(1, 16, 1, 16)),
        (execution(), [LAPTOP], 0, Pool(1, None, 0, 8)),
        (execution(workers=64), [LAPTOP], 2, Pool(2, None, 0, 4)),
        # as asked for
        (execution(workers=4), [LAPTOP], 9, Pool(4, None, 0, 2)),
        (execution(workers=3), [LAPTOP], 9, Pool(3, None, 0, 2)),
        (execution(workers=20), [LAPTOP], 99, Pool(20, None, 0, 1)),
        (execution(workers=2, threads=3), [LAPTOP], 9, Pool(2, 3, 0, 3)),
        (execution(threads=2), [LAPTOP], 9, Pool(1, 2, 0, 2)),
        (execution(workers=1), [GPU_BOX], 9, Pool(1, 16, 1, 16)),
        # more workers than GPUs share them
        (execution(workers=4), [GPU_BOX], 9, Pool(4, 4, 0.5, 4)),
        (execution(workers=3), [Node(9, 1)], 9, Pool(3, 3, 0.3333, 3)),
        (execution(gpus=0.25), [GPU_BOX], 99, Pool(8, 2, 0.25, 2)),
        (execution(gpus=0.1), [Node(16, 1)], 99, Pool(10, 1, 0.1, 1)),
        (execution(gpus=2), [GPU_BOX, GPU_BOX], 9, Pool(2, 16, 2, 16)),
        # GPUs that are not to be used
        (execution(gpus=0), [GPU_BOX], 9, Pool(1, None, 0, 16)),
        (execution(workers=4, gpus=0), [GPU_BOX], 9, Pool(4, None, 0, 4)),
    ],
)
def test_the_pool_of_a_cluster(asked: Execution, nodes: list[Node], segments: int, pool: Pool) -> None:
    assert size_pool(asked, nodes, segments) == pool


@pytest.mark.parametrize(
    ("asked", "nodes", "message"),
    [
        (
            execution(gpus=1),
            [LAPTOP],
            "execution.gpus_per_worker asks for 1 GPUs, but the cluster has 1 machine with 8 CPUs and 0 GPUs; "
            "ask for less, or add machines",
        ),
        (
            execution(workers=3, gpus=1),
            [GPU_BOX],
            "the config asks for 3 × 1 = 3 GPUs (execution.workers × gpus_per_worker), but the cluster has "
            "1 machine with 16 CPUs and 2 GPUs; ask for less, or add machines",
        ),
        (
            execution(workers=2, gpus=2),
            [Node(8, 1), Node(8, 3)],
            "the config asks for 2 × 2 = 4 GPUs (execution.workers × gpus_per_worker), but the cluster has "
            "2 machines with 8 CPUs and 1 GPUs, 8 CPUs and 3 GPUs; ask for less, or add machines",
        ),
        (
            execution(workers=3, threads=3),
            [LAPTOP],
            "the config asks for 3 × 3 CPU threads (execution.workers × threads_per_worker), but the cluster "
            "has 1 machine with 8 CPUs and 0 GPUs; ask for less, or add machines",
        ),
    ],
)
def test_what_the_cluster_has_not_is_an_error_that_says_what_it_has(
    asked: Execution, nodes: list[Node], message: str
) -> None:
    with pytest.raises(ClusterError) as caught:
        size_pool(asked, nodes, 9)
    assert str(caught.value) == message


@pytest.mark.parametrize(("gpus", "share"), [(0.25, 0.25), (1, 1.0), (2, 1.0), (0, 1.0)])
def test_a_worker_has_as_much_of_a_gpus_memory_as_of_the_gpu(gpus: float, share: float) -> None:
    assert Pool(1, None, gpus, 1).gpu_share == share
