"""How many workers, and what each gets."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config import Execution
from pipeline.errors import ClusterError
from pipeline.execute.pool import Node, Place, Pool, employed, share_out, size_pool

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


WIDE = Node(cpus=64, gpus=2, name="wide")
DENSE = Node(cpus=32, gpus=8, name="dense")
PLAIN = Node(cpus=16, gpus=0, name="plain")
SMALL = Node(cpus=4, gpus=0, name="small")
HEAD = Node(cpus=0, gpus=0, name="head")


@pytest.mark.parametrize(
    ("asked", "nodes", "segments", "places"),
    [
        # each machine shares its own CPUs among as many workers as it has GPUs; without any it gets none
        (execution(), [WIDE, DENSE, PLAIN], 99, [Place("wide", 2, 32, 1, 32), Place("dense", 8, 4, 1, 4)]),
        (
            execution(gpus=0.5),
            [WIDE, DENSE],
            99,
            [Place("wide", 4, 16, 0.5, 16), Place("dense", 16, 2, 0.5, 2)],
        ),
        (execution(gpus=4), [WIDE, DENSE], 99, [Place("dense", 2, 16, 4, 16)]),
        # fewer workers than GPUs: those come first that have the most CPUs for them
        (execution(), [WIDE, DENSE], 3, [Place("wide", 2, 32, 1, 32), Place("dense", 1, 32, 1, 32)]),
        (
            execution(workers=4),
            [WIDE, DENSE],
            99,
            [Place("wide", 2, 32, 1, 32), Place("dense", 2, 16, 1, 16)],
        ),
        # threads as asked for, which may leave GPUs without a worker
        (
            execution(workers=4, threads=8),
            [WIDE, DENSE],
            99,
            [Place("wide", 2, 8, 1, 8), Place("dense", 2, 8, 1, 8)],
        ),
        # without GPUs: one for each machine, with all of it
        (execution(), [PLAIN, SMALL], 99, [Place("plain", 1, None, 0, 16), Place("small", 1, None, 0, 4)]),
        (execution(), [PLAIN, SMALL], 1, [Place("plain", 1, None, 0, 16)]),
        # more of them go where there are more CPUs
        (
            execution(workers=5),
            [PLAIN, SMALL],
            99,
            [Place("plain", 4, None, 0, 4), Place("small", 1, None, 0, 4)],
        ),
        (execution(workers=3, threads=4), [PLAIN, SMALL], 99, [Place("plain", 3, 4, 0, 4)]),
        (
            execution(workers=5, threads=4),
            [PLAIN, SMALL],
            99,
            [Place("plain", 4, 4, 0, 4), Place("small", 1, 4, 0, 4)],
        ),
        # a machine that gives nothing away gets nothing to do
        (execution(), [HEAD, WIDE], 99, [Place("wide", 2, 32, 1, 32)]),
        (
            execution(gpus=0),
            [WIDE, PLAIN],
            99,
            [Place("wide", 1, None, 0, 64), Place("plain", 1, None, 0, 16)],
        ),
    ],
)
def test_each_machine_gets_what_it_can_hold(
    asked: Execution, nodes: list[Node], segments: int, places: list[Place]
) -> None:
    used = [node for node in nodes if node.cpus or node.gpus]
    assert list(share_out(asked, nodes, size_pool(asked, used, segments))) == places


@pytest.mark.parametrize(
    ("asked", "gpus"), [(execution(), {"wide": 2, "dense": 8}), (execution(gpus=0), {"wide": 0, "dense": 0})]
)
def test_a_machine_whose_workers_use_no_gpu_needs_none(asked: Execution, gpus: dict[str, int]) -> None:
    """Its torch may be one without CUDA."""
    nodes = [WIDE, DENSE, HEAD]
    used = employed(nodes, share_out(asked, nodes, size_pool(asked, nodes[:2], 99)))
    assert {name: node.gpus for name, node in used.items()} == gpus


def test_no_machine_is_promised_more_than_it_has() -> None:
    for asked in (execution(), execution(gpus=0.3), execution(workers=7), execution(workers=6, threads=5)):
        nodes = [WIDE, DENSE, PLAIN, SMALL]
        sizes = {node.name: node for node in nodes}
        places = share_out(asked, nodes, size_pool(asked, nodes, 99))
        for place in places:
            assert place.workers * place.cpus <= sizes[place.node].cpus
            assert place.workers * place.gpus <= sizes[place.node].gpus + 1e-6
            assert place.cpus >= 1


def test_half_a_gpu_is_half_of_its_memory_and_two_are_all_of_it() -> None:
    assert [Place("n", 1, 1, gpus, 1).gpu_share for gpus in (0, 0.5, 1, 2)] == [1, 0.5, 1, 1]
