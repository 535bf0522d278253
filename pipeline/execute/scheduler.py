"""Runs segments on Ray actors: hands out frames, collects records, and replaces workers that die.

The only module that imports Ray. A dead worker is replaced by us, not by Ray: a restarted actor would come back
with its state silently gone. Nothing but small records passes through Ray.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.config import Execution
from pipeline.errors import ClusterError, FrameError, PipelineError, UnableError
from pipeline.execute.address import check_reachable
from pipeline.execute.events import (
    Event,
    FrameFinished,
    Pulse,
    SegmentFailed,
    SegmentFinished,
    Todo,
    WorkerLost,
    WorkerState,
)
from pipeline.execute.job import Progress, SegmentJob, WorkerInfo, WorkerSettings
from pipeline.execute.pool import Node, Pool, available_cores, size_pool
from pipeline.execute.worker import Worker
from pipeline.workspace import FrameRecord, is_there

SEGMENT_DEATHS = 3
"""A frame that kills this many workers in a row has its segment set aside."""

SLOT_DEATHS = 4
"""A place whose workers die this many times in a row while they are set up is given up. Deaths over a frame count
against its segment, so that bad segments never cost a place."""

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Of a worker's process. OpenMP's threads wait by spinning; where anything else wants the cores, two processes that
do so stand in each other's way until both are ten times slower."""

PULSE_S = 0.5
IDLE_S = 0.05  # between two looks where no worker has anything to do, and something is still to begin
PLACEMENT_TIMEOUT_S = 60
OBJECT_STORE_BYTES = 100 * 2**20  # Ray's least is 75 MiB; only records pass


Choose = Callable[[Iterator[Todo]], Todo | None]


def _first(ready: Iterator[Todo]) -> Todo | None:
    return next(ready, None)


@dataclass
class _Slot:
    """A place for a worker: the actor that fills it now, and what it was asked last."""

    actor: Any
    pending: Any  # the reference to the answer, None while idle
    info: WorkerInfo | None = None  # None until it is set up
    todo: Todo | None = None
    deaths: int = 0
    asked: Any = None  # the reference to the answer to `progress`
    progress: Progress | None = None
    opened: SegmentJob | None = None  # the segment that the actor has open
    since: float = 0.0  # when the actor was asked for
    is_placed: bool = False  # its process lives


class Farm:
    """A Ray cluster, ours or a running one, with a pool of workers on it. Use it with `with`.

    Where this process is connected to Ray already, that is used, and left connected.
    """

    def __init__(
        self, execution: Execution, settings: WorkerSettings, segments: int, worker: type = Worker
    ) -> None:
        self._execution, self._settings, self._segments = execution, settings, segments
        self._actor = _as_actor(worker)
        self._is_guest = ray.is_initialized()
        self._slots: list[_Slot] = []
        self._pool = Pool(0, 0, 0, 0)
        self._unfinished: set[str] = set()  # keys of the segments that are not
        self._choose: Choose = _first

    def __enter__(self) -> Self:
        """Connect, or start Ray here; `ClusterError` where there is no such cluster or it is too small."""
        if not self._is_guest:
            _connect(self._execution)
        try:
            nodes = [
                Node(node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
                for node in ray.nodes()
                if node["Alive"]
            ]
            self._pool = size_pool(self._execution, [n for n in nodes if n.cpus or n.gpus], self._segments)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for slot in self._slots:
            ray.kill(slot.actor, no_restart=True)
        self._leave()

    def _leave(self) -> None:
        if not self._is_guest:
            ray.shutdown()

    def stylize(
        self, todos: Sequence[Todo], stop: Callable[[], bool], choose: Choose = _first
    ) -> Iterator[Event]:
        """Work off all segments, largest first, and say what happens as it happens.

        `choose` takes the next one of those that wait for no other; None: none may begin as yet. Once `stop()` is
        true, every worker finishes its frame and gets no other. Raises `UnableError` where the workers say that this
        environment cannot do it, `ClusterError` where no worker is left.
        """
        queue = deque(
            sorted(todos, key=lambda todo: -len(todo.missing) * todo.job.size[0] * todo.job.size[1])
        )
        self._unfinished, self._choose = {todo.key for todo in todos}, choose
        self._slots = [self._hire(_Slot(None, None)) for _ in range(self._pool.workers)]
        pulsed_s = 0.0
        while queue or any(slot.todo for slot in self._slots):
            if stopping := stop():
                queue.clear()
            for slot in self._slots:
                if slot.pending is None and stopping:
                    slot.todo = None
                elif slot.pending is None and (todo := slot.todo or self._next(queue)):
                    self._assign(slot, todo)
            waiting = {slot.pending: slot for slot in self._slots if slot.pending is not None}
            ready = ray.wait(list(waiting), num_returns=1, timeout=PULSE_S)[0] if waiting else ()
            if queue and not waiting:
                time.sleep(IDLE_S)
            for reference in ready:
                yield from self._collect(waiting[reference], queue)
            self._check_placement()
            if time.monotonic() - pulsed_s >= PULSE_S:
                pulsed_s = time.monotonic()
                yield Pulse(tuple(self._state(slot) for slot in self._slots))

    def _hire(self, slot: _Slot) -> _Slot:
        options = self._actor.options(num_cpus=self._pool.cpus, num_gpus=self._pool.gpus)
        settings = replace(self._settings, threads=self._pool.threads, gpu_share=self._pool.gpu_share)
        slot.actor = options.remote(settings)
        slot.pending, slot.since = slot.actor.set_up.remote(), time.monotonic()
        slot.info = slot.opened = slot.progress = None
        slot.asked, slot.is_placed = self._ask(slot), False
        return slot

    def _ask(self, slot: _Slot) -> Any:
        """Ask for a worker's progress, which it answers beside its work, and as soon as its process lives."""
        return slot.actor.progress.remote()

    def _next(self, queue: deque[Todo]) -> Todo | None:
        """Take a segment from the queue that waits for no other."""
        todo = self._choose(todo for todo in queue if not todo.needs & self._unfinished)
        if todo is not None:
            queue.remove(todo)
        return todo

    def _assign(self, slot: _Slot, todo: Todo) -> None:
        """Ask a worker for the next missing frame of a segment."""
        job = None if slot.opened is todo.job else todo.job
        slot.pending = slot.actor.stylize_frame.remote(todo.missing[0], job)
        slot.todo, slot.opened, slot.progress = todo, todo.job, None

    def _collect(self, slot: _Slot, queue: deque[Todo]) -> Iterator[Event]:
        """Take a worker's answer, be it a record, an error, or its death."""
        reference, slot.pending = slot.pending, None
        try:
            answer = ray.get(reference)
        except RayTaskError as error:
            yield from self._blame(slot, error, queue)
        except RayError as error:  # its death, in one of many forms
            yield from self._replace(slot, _first_line(error), queue)
        else:
            if isinstance(answer, WorkerInfo):
                slot.info, slot.deaths = answer, 0
            else:
                yield from self._finish_frame(slot, answer)

    def _finish_frame(self, slot: _Slot, record: FrameRecord) -> Iterator[Event]:
        todo = slot.todo
        assert todo is not None
        todo.missing.popleft()
        todo.deaths = 0
        if not is_there(todo.job.folder, record.frame):
            raise ClusterError(
                f"worker {record.worker} finished a frame that is not in {todo.job.folder} here; "
                "the output folder has to be shared by all machines, under the same path"
            )
        yield FrameFinished(record, todo.job)
        if not todo.missing:
            slot.todo = slot.progress = None
            self._unfinished.discard(todo.key)
            yield SegmentFinished(todo.job)

    def _replace(self, slot: _Slot, reason: str, queue: deque[Todo]) -> Iterator[Event]:
        """Bury a dead worker, put its segment first in the queue or aside, and start another worker."""
        todo, slot.todo = slot.todo, None
        yield WorkerLost(slot.info.name if slot.info else "a worker that was starting", reason)
        ray.kill(slot.actor, no_restart=True)
        if todo is not None:
            todo.deaths += 1
            if todo.deaths < SEGMENT_DEATHS:
                queue.appendleft(todo)
            else:
                frame = todo.missing[0]
                message = f"frame {frame} killed {todo.deaths} workers in a row; the last died of: {reason}"
                yield from self._give_up(todo, frame, message, queue)
        else:
            slot.deaths += 1
        if slot.deaths < SLOT_DEATHS:
            self._hire(slot)
            return
        self._slots.remove(slot)
        if not self._slots:
            raise ClusterError(
                f"{slot.deaths} workers in a row died, and no other is left; the last of: {reason}"
            )

    def _blame(self, slot: _Slot, error: RayTaskError, queue: deque[Todo]) -> Iterator[Event]:
        """An error that a living worker raised: its segment's, the whole environment's, or of unknown reach.

        The unknown may have left the worker unfit, as a broken CUDA context does, so it counts as its death.
        """
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, UnableError):
            raise cause
        if slot.todo is None:
            raise ClusterError(f"a worker cannot be set up: {_first_line(cause)}") from error
        if not isinstance(cause, PipelineError):
            yield from self._replace(slot, f"{type(cause).__name__}: {_first_line(cause)}", queue)
            return
        todo, slot.todo = slot.todo, None
        frame = cause.frame if isinstance(cause, FrameError) else todo.missing[0]
        yield from self._give_up(todo, frame, str(cause), queue)

    def _give_up(self, todo: Todo, frame: int, message: str, queue: deque[Todo]) -> Iterator[Event]:
        """Set a segment aside, and all of its source that has not begun: no output can come of it."""
        yield SegmentFailed(todo.job, frame, message)
        others = [other for other in queue if other.job.source.name != todo.job.source.name]
        queue.clear()
        queue.extend(others)

    def _check_placement(self) -> None:
        """No silent hang: an actor that the cluster has no place for is given up where none works."""
        latest_s = time.monotonic() - PLACEMENT_TIMEOUT_S
        late = all(not slot.is_placed and slot.since < latest_s for slot in self._slots)
        if late and not self._has_room():  # with room, it is only slow to start
            raise ClusterError(
                f"the cluster has found no place for a worker with {self._pool.cpus} CPUs and "
                f"{self._pool.gpus:g} GPUs in {PLACEMENT_TIMEOUT_S} s; free now: {_free()}"
            )

    def _has_room(self) -> bool:
        free = ray.available_resources()
        return bool(free.get("CPU", 0) >= self._pool.cpus and free.get("GPU", 0) >= self._pool.gpus)

    def _state(self, slot: _Slot) -> WorkerState:
        """What a worker is at, from its latest answer; asks again without waiting."""
        if slot.asked is not None and ray.wait([slot.asked], timeout=0)[0]:
            with suppress(RayError):
                slot.progress = ray.get(slot.asked)
            slot.asked, slot.is_placed = None, True
        if slot.asked is None and slot.todo is not None:
            slot.asked = self._ask(slot)
        name, device = (slot.info.name, slot.info.device) if slot.info else ("", "")
        return WorkerState(name, device, slot.todo is not None, slot.progress)


def _as_actor(worker: type) -> Any:
    """The plain class as a Ray actor that answers `progress` beside its work, and that Ray never restarts."""

    class Actor(worker):  # type: ignore[misc]  # a class that is only known at run time
        @ray.method(concurrency_group="watch")  # type: ignore[untyped-decorator]
        def progress(self) -> Progress | None:
            return super().progress()  # type: ignore[no-any-return]

    return ray.remote(
        max_restarts=0,
        max_task_retries=0,
        concurrency_groups={"watch": 1},
        runtime_env={"env_vars": ENVIRONMENT},
    )(Actor)


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
    common = {"logging_level": "ERROR", "log_to_driver": False}
    if execution.address is None:
        cpus = max(available_cores(), _asked_cpus(execution))
        options = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        try:
            ray.init("local", num_cpus=cpus, **options, **common)
        except (
            Exception
        ) as error:  # Ray raises that very class where the machine is too busy to start it in time
            raise ClusterError(
                f"Ray does not start on this machine: {_first_line(error)}; where it is only busy, run again, nothing "
                "is lost; else try: stylize doctor"
            ) from error
        return
    check_reachable(execution.address)
    try:
        ray.init(execution.address, **common)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError, RayError) as error:
        raise ClusterError(
            f"execution.address {execution.address}: no Ray cluster answers there ({_first_line(error)}); "
            "start one (ray start --head), or leave the address out to work on this machine"
        ) from error


def _asked_cpus(execution: Execution) -> int:
    workers = 1 if execution.workers == "auto" else execution.workers
    threads = 1 if execution.threads_per_worker == "auto" else execution.threads_per_worker
    return int(workers * threads)


def _free() -> str:
    free = ray.available_resources()
    return f"{free.get('CPU', 0):g} CPUs, {free.get('GPU', 0):g} GPUs"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
