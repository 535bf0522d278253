"""Ray: connects to a cluster or starts one here, and hires actors as the dispatcher's crew.

The only module that imports Ray. Nothing but small records passes through it. Which machine gets how many workers is
counted in `roster`; what an actor does is in `fit_worker` and below.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.config import Execution
from pipeline.errors import ClusterError
from pipeline.execute.address import check_reachable
from pipeline.execute.crew import Call, WorkerLostError, WorkerRaisedError, first_line
from pipeline.execute.dispatch import PLACEMENT_TIMEOUT_S, Arrived, Dispatcher
from pipeline.execute.events import Event
from pipeline.execute.fit_worker import FitWorker, Make, make_worker
from pipeline.execute.job import Batch, Progress, SegmentJob, WorkerSettings
from pipeline.execute.pool import Node, Place, asked_cpus, available_cores
from pipeline.execute.preflight import Preflight, UnfitError, Visit
from pipeline.execute.queue import Queue
from pipeline.execute.roster import Roster, first_nodes
from pipeline.workspace import appears

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Of a worker's process. OpenMP's threads wait by spinning; where anything else wants the cores, two processes that
do so stand in each other's way until both are ten times slower."""

NODE_LABEL = "ray.io/node-id"
"""Ray's own label of every machine, with its name for it."""

OBJECT_STORE_BYTES = 100 * 2**20  # Ray's least is 75 MiB; only records pass
QUIET: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}

ANSWER_S = 180
"""Of a machine that is asked whether it is fit: a first Python there may take a minute, torch another."""


class Farm:
    """A Ray cluster, ours or a running one, with workers on it. Use it with `with`.

    Where this process is connected to Ray already, that is used, and left connected.
    """

    def __init__(
        self,
        execution: Execution,
        settings: WorkerSettings,
        most: int,
        make: Make = make_worker,
        arrived: Arrived = appears,
        preflight: Preflight | None = None,
        stop: Callable[[], bool] = lambda: False,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        """`most`: how many segments and batches there are at most, since more workers than that are of no use.

        `preflight`, entered already, is asked whether machines can do the job, before they are given any of it. Once
        `stop()` is true, no machine is waited for any longer; `say` is told what is waited for.
        """
        self._stop, self._say = stop, say
        self._execution, self._preflight = execution, preflight
        self._is_guest = ray.is_initialized()
        self._crew = _RayCrew(execution, settings, most, make, None if preflight is None else preflight.visit)
        self._dispatcher = Dispatcher(self._crew, execution.hang_timeout_s, arrived)

    def __enter__(self) -> Self:
        """Connect, or start Ray here; `ClusterError` where there is no such cluster or it is too small.

        Where it was asked to stop before there was any machine, there are no workers, and `stylize` is to stop at once.
        """
        if not self._is_guest:
            _connect(self._execution)
        try:
            has_machines = self._crew.measure(self._stop, self._say)
            if has_machines and self._preflight is not None:
                self._preflight.check(self._crew.machines(), ask_nodes)
        except BaseException:
            self._leave()
            raise
        return self

    @property
    def idle_machines(self) -> int:
        """How many machines get no worker, since others have GPUs and they have none, or there is too little to do."""
        return len(_nodes()) - len(self._crew.machines())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dispatcher.close()
        self._leave()

    def _leave(self) -> None:
        if not self._is_guest:
            ray.shutdown()

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        """Work off a queue, as `Dispatcher.stylize`."""
        return self._dispatcher.stylize(queue, stop)


class _RayCrew:
    """Actors of a cluster, see `crew.Crew`."""

    def __init__(
        self, execution: Execution, settings: WorkerSettings, most: int, make: Make, visit: Visit | None
    ) -> None:
        self._settings, self._make, self._visit = settings, make, visit
        self._roster = Roster(execution, most)
        self._hands: list[_RayHand] = []

    def measure(self, stop: Callable[[], bool], say: Callable[[str], object]) -> bool:
        """Size the pool for the machines that are there; `ClusterError` where they are too few or too small.

        A cluster in a cloud has a head first, which gives nothing away; its first machine is waited for, unless `stop`,
        whether there is one.
        """
        nodes = first_nodes(_nodes, stop, say)
        if nodes:
            self._roster.measure(nodes)
        return bool(nodes)

    def machines(self) -> dict[str, Node]:
        """Those that get workers, as `employed`."""
        return self._roster.machines(_nodes())

    def places(self) -> int:
        return self._roster.recount(_nodes())

    def hire(self) -> _RayHand:
        self.places()
        free = self._free_places()
        self._hands.append(self._hire_at(max(free, key=free.__getitem__)) if free else self._hire_anywhere())
        return self._hands[-1]

    def _free_places(self) -> dict[Place, int]:
        """Where workers are wanting, and how many."""
        self._hands = [hand for hand in self._hands if not hand.is_killed]
        return self._roster.free(Counter(hand.node for hand in self._hands))

    def _hire_at(self, place: Place) -> _RayHand:
        pinned = NodeAffinitySchedulingStrategy(place.node, soft=True)  # soft: it may have left this moment
        options = ACTOR.options(num_cpus=place.cpus, num_gpus=place.gpus, scheduling_strategy=pinned)
        settings = replace(self._settings, threads=place.threads, gpu_share=place.gpu_share)
        return _RayHand(options.remote(self._make, settings, self._visit, place.gpus), place.node)

    def _hire_anywhere(self) -> _RayHand:
        """One that waits for a machine to join, other than those that cannot do this job."""
        pool, unfit = self._roster.pool, self._roster.unfit
        others = {"label_selector": {NODE_LABEL: f"!in({','.join(unfit)})"}} if unfit else {}
        options = ACTOR.options(num_cpus=pool.cpus, num_gpus=pool.gpus, **others)
        settings = replace(self._settings, threads=pool.threads, gpu_share=pool.gpu_share)
        return _RayHand(options.remote(self._make, settings, self._visit, pool.gpus))

    def wait(self, calls: Sequence[Call], timeout_s: float) -> Sequence[Call]:
        if not calls:
            time.sleep(timeout_s)
            return ()
        ready, others = ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        if ready and others:
            ready += ray.wait(others, num_returns=len(others), timeout=0)[0]
        return ready  # type: ignore[no-any-return]

    def result(self, call: Call) -> Any:
        try:
            return ray.get(call)
        except RayTaskError as error:
            if isinstance(error.cause, UnfitError):  # its machine joined later, and cannot do this job
                self._roster.unfit[error.cause.node] = str(error.cause)
                raise WorkerLostError(str(error.cause)) from error
            raise WorkerRaisedError(error.cause if isinstance(error.cause, Exception) else error) from error
        except RayError as error:  # its death, in one of many forms
            raise WorkerLostError(first_line(error)) from error

    def now_s(self) -> float:
        return time.monotonic()

    def shortage(self) -> str | None:
        is_full = not self._free_places()
        if self._roster.unfit and is_full and any(not hand.node for hand in self._hands):
            *_, why = self._roster.unfit.values()
            return f"no machine that can do this job has a place for another worker; the last to join: {why}"
        pool, free = self._roster.pool, ray.available_resources()
        if free.get("CPU", 0) >= pool.cpus and free.get("GPU", 0) >= pool.gpus:
            return None
        return (
            f"the cluster has found no place for a worker with {pool.cpus} CPUs and {pool.gpus:g} GPUs in "
            f"{PLACEMENT_TIMEOUT_S} s; free now: {_free()}"
        )


class _RayHand:
    """One actor, see `crew.Hand`, and the machine that it was meant for."""

    def __init__(self, actor: Any, node: str = "") -> None:
        self._actor, self.node, self.is_killed = actor, node, False

    def set_up(self) -> Call:
        return self._actor.set_up.remote()

    def stylize_frame(self, index: int, job: SegmentJob | None) -> Call:
        return self._actor.stylize_frame.remote(index, job)

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> Call:
        return self._actor.paint_pictures.remote(missing, batch)

    def progress(self) -> Call:
        return self._actor.progress.remote()

    def kill(self) -> None:
        self.is_killed = True
        ray.kill(self._actor, no_restart=True)


class _Actor(FitWorker):
    """The plain class as a Ray actor that answers `progress` beside its work, and that Ray never restarts."""

    def __init__(self, make: Make, settings: WorkerSettings, visit: Visit | None, gpus: float) -> None:
        super().__init__(make, settings, visit, gpus, _own_node)

    @ray.method(concurrency_group="watch")  # type: ignore[untyped-decorator]
    def progress(self) -> Progress | None:
        return super().progress()


ACTOR: Any = ray.remote(
    max_restarts=0,
    max_task_retries=0,
    concurrency_groups={"watch": 1},
    runtime_env={"env_vars": ENVIRONMENT},
)(_Actor)


def ask_nodes(function: Callable[[Any], Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Call a function on some machines at once: by Ray's name for each, what it returned, or the error that it raised.

    Reserves nothing there. One that does not answer in `ANSWER_S` has a `TimeoutError`; one that has left meanwhile
    is not in the result.
    """
    task = ray.remote(num_cpus=0, max_retries=0)(function)
    asked = {
        node: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
            argument
        )
        for node, argument in arguments.items()
    }
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=ANSWER_S)
    answers = {node: _answer(reference) for node, reference in asked.items()}
    alive = {node.name for node in _nodes()}
    return {node: answer for node, answer in answers.items() if node in alive}


def _answer(reference: Any) -> Any:
    try:
        return ray.get(reference, timeout=0)
    except GetTimeoutError:
        return TimeoutError(f"no answer in {ANSWER_S} s")
    except RayTaskError as error:
        return error.cause if isinstance(error.cause, Exception) else error
    except RayError as error:
        return error


def _nodes() -> list[Node]:
    """The machines of the cluster that give anything away."""
    nodes = [
        Node(
            node["Resources"].get("CPU", 0),
            node["Resources"].get("GPU", 0),
            node["NodeID"],
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    return [node for node in nodes if node.cpus or node.gpus]


def _own_node() -> str:
    """Ray's name for the machine that this runs on."""
    return str(ray.get_runtime_context().get_node_id())


def start_and_stop() -> str:
    """Start Ray on this machine, say what it sees, and stop it; raises what keeps it from starting."""
    _connect(Execution())
    try:
        return _free()
    finally:
        ray.shutdown()


def _connect(execution: Execution) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    logging.getLogger("ray").setLevel(
        logging.ERROR
    )  # before Ray, too, which warns of not getting all signals
    if execution.address is None:
        _start(max(available_cores(), asked_cpus(execution)))
    else:
        _join(execution.address)


def _start(cpus: int) -> None:
    options = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init("local", num_cpus=cpus, **options, **QUIET)
    except Exception as error:  # Ray raises that very class where the machine is too busy to start it in time
        raise ClusterError(
            f"Ray does not start on this machine: {first_line(error)}; where it is only busy, run again, nothing "
            "is lost; else try: stylize doctor"
        ) from error


def _join(address: str) -> None:
    check_reachable(address)
    try:
        ray.init(address, **QUIET)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError, RayError) as error:
        raise ClusterError(
            f"execution.address {address}: no Ray cluster answers there ({first_line(error)}); "
            "start one (ray start --head), or leave the address out to work on this machine"
        ) from error


def _free() -> str:
    free = ray.available_resources()
    return f"{free.get('CPU', 0):g} CPUs, {free.get('GPU', 0):g} GPUs"
