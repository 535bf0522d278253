"""Runs segments on Ray actors: hands out frames, collects records, and replaces workers that die.

The only module that imports Ray. A dead worker is replaced by us, not by Ray: a restarted actor would come back
with its state silently gone. Nothing but small records passes through Ray.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from pipeline.config import Execution
from pipeline.errors import ClusterError, FrameError, PipelineError, UnableError
from pipeline.execute.address import check_reachable
from pipeline.execute.events import (
    BatchTodo,
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    Pulse,
    SegmentFailed,
    SegmentFinished,
    Todo,
    WorkerLost,
    WorkerState,
)
from pipeline.execute.job import Batch, Painted, Progress, SegmentJob, WorkerInfo, WorkerSettings
from pipeline.execute.pool import Node, Pool, available_cores, size_pool
from pipeline.execute.queue import Queue
from pipeline.workspace import FrameRecord, appears, is_there

SEGMENT_DEATHS = 3
"""A frame that kills this many workers in a row has its segment set aside, and so has a picture."""

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


Make = Callable[[WorkerSettings], Any]
"""Makes a worker, or what stands in for one, in the process that is to be it."""


def make_worker(settings: WorkerSettings) -> Any:
    """The plain class; imported only where it works, since torch alone takes half a gigabyte."""
    from pipeline.execute.worker import Worker

    return Worker(settings)


@dataclass
class _Slot:
    """A place for a worker: the actor that fills it now, and what it was asked last."""

    actor: Any
    pending: Any  # the reference to the answer, None while idle
    info: WorkerInfo | None = None  # None until it is set up
    todo: Todo | BatchTodo | None = None
    deaths: int = 0
    asked: Any = None  # the reference to the answer to `progress`
    progress: Progress | None = None
    opened: SegmentJob | Batch | None = None  # what the actor has open
    since: float = 0.0  # when the actor was asked for
    is_placed: bool = False  # its process lives
    is_let_go: bool = False  # it was asked for what it has in work, and gets nothing more
    is_near: bool = False  # what it writes is seen here


class Farm:
    """A Ray cluster, ours or a running one, with a pool of workers on it. Use it with `with`.

    Where this process is connected to Ray already, that is used, and left connected.
    """

    def __init__(
        self, execution: Execution, settings: WorkerSettings, most: int, make: Make = make_worker
    ) -> None:
        """`most`: how many segments and batches there are at most, since more workers than that are of no use."""
        self._execution, self._settings, self._most, self._make = execution, settings, most, make
        self._is_guest = ray.is_initialized()
        self._slots: list[_Slot] = []
        self._pool = Pool(0, 0, 0, 0)
        self._queue = Queue(())

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
            self._pool = size_pool(self._execution, [n for n in nodes if n.cpus or n.gpus], self._most)
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

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        """Work off a queue, and say what happens as it happens; may be called again with another one.

        Once `stop()` is true, every worker finishes what it has in work and gets nothing more. Raises `UnableError`
        where the workers say that this environment cannot do it, `ClusterError` where no worker is left.
        """
        self._queue = queue
        if not self._slots:
            self._slots = [self._hire(_Slot(None, None)) for _ in range(self._pool.workers)]
        pulsed_s = 0.0
        while not queue.is_over or any(slot.todo for slot in self._slots):
            if stopping := stop():
                queue.clear()
            for slot in self._slots:
                if slot.pending is None and stopping and not self._waits_for_writing(slot):
                    slot.todo = None
                elif slot.pending is None and (todo := slot.todo or queue.take(len(self._slots))):
                    self._assign(slot, todo)
            waiting = {slot.pending: slot for slot in self._slots if slot.pending is not None}
            ready = ray.wait(list(waiting), num_returns=1, timeout=self._patience_s())[0] if waiting else ()
            if not waiting and not queue.is_over:
                time.sleep(IDLE_S)
            for reference in ready:
                yield from self._collect(waiting[reference])
            self._check_placement()
            if time.monotonic() - pulsed_s >= PULSE_S:
                pulsed_s = time.monotonic()
                yield Pulse(tuple(self._state(slot) for slot in self._slots))

    def _waits_for_writing(self, slot: _Slot) -> bool:
        """Ask a worker, before it is let go, for the pictures that it has painted and is still writing."""
        if not isinstance(slot.todo, BatchTodo) or slot.is_let_go:
            return False
        slot.is_let_go = True
        slot.pending = slot.actor.paint_pictures.remote((), None)
        return True

    def _patience_s(self) -> float:
        """How long to wait for an answer: a worker without work looks soon again whether there is some."""
        is_idle = any(slot.pending is None for slot in self._slots) and not self._queue.is_over
        return IDLE_S if is_idle else PULSE_S

    def _hire(self, slot: _Slot) -> _Slot:
        options = ACTOR.options(num_cpus=self._pool.cpus, num_gpus=self._pool.gpus)
        settings = replace(self._settings, threads=self._pool.threads, gpu_share=self._pool.gpu_share)
        slot.actor = options.remote(self._make, settings)
        slot.pending, slot.since = slot.actor.set_up.remote(), time.monotonic()
        slot.info = slot.opened = slot.progress = None
        slot.asked, slot.is_placed, slot.is_near = self._ask(slot), False, False
        return slot

    def _ask(self, slot: _Slot) -> Any:
        """Ask for a worker's progress, which it answers beside its work, and as soon as its process lives."""
        return slot.actor.progress.remote()

    def _assign(self, slot: _Slot, todo: Todo | BatchTodo) -> None:
        """Ask a worker for the next missing frame of a segment, or for some of a batch's missing pictures."""
        if isinstance(todo, Todo):
            job = None if slot.opened is todo.job else todo.job
            slot.pending = slot.actor.stylize_frame.remote(todo.missing[0], job)
        else:
            batch = None if slot.opened is todo.job else todo.job
            slot.pending = slot.actor.paint_pictures.remote(tuple(todo.missing), batch)
        slot.todo, slot.opened, slot.progress = todo, todo.job, None

    def _collect(self, slot: _Slot) -> Iterator[Event]:
        """Take a worker's answer, be it records, an error, or its death."""
        reference, slot.pending = slot.pending, None
        try:
            answer = ray.get(reference)
        except RayTaskError as error:
            yield from self._blame(slot, error)
        except RayError as error:  # its death, in one of many forms
            yield from self._replace(slot, _first_line(error))
        else:
            if isinstance(answer, WorkerInfo):
                slot.info, slot.deaths = answer, 0
            elif isinstance(answer, Painted):
                yield from self._finish_pictures(slot, answer)
            else:
                yield from self._finish_frame(slot, answer)

    def _finish_frame(self, slot: _Slot, record: FrameRecord) -> Iterator[Event]:
        todo = slot.todo
        assert isinstance(todo, Todo)
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
            self._queue.finish(todo)
            yield SegmentFinished(todo.job)

    def _finish_pictures(self, slot: _Slot, painted: Painted) -> Iterator[Event]:
        todo = slot.todo
        assert isinstance(todo, BatchTodo)
        todo.deaths = 0
        for index, records in painted.records.items():
            todo.missing.remove(index)
            if not slot.is_near:
                slot.is_near = _check_near(todo.job.output / records[0].output, records[0])
            yield PictureFinished(todo.job, index, records)
        for failed in painted.failed:
            todo.missing.remove(failed.index)
            yield PictureFailed(todo.job, failed.index, failed.error)
        if not todo.missing:
            slot.todo = slot.progress = None

    def _replace(self, slot: _Slot, reason: str) -> Iterator[Event]:
        """Bury a dead worker, put what it had first in the queue or aside, and start another worker."""
        todo, slot.todo = slot.todo, None
        yield WorkerLost(slot.info.name if slot.info else "a worker that was starting", reason)
        ray.kill(slot.actor, no_restart=True)
        if todo is not None:
            todo.deaths += 1
            if todo.deaths < SEGMENT_DEATHS:
                self._queue.put_back(todo)
            else:
                what = "it" if isinstance(todo, BatchTodo) else f"frame {todo.missing[0]}"
                message = f"{what} killed {todo.deaths} workers in a row; the last died of: {reason}"
                yield from self._give_up(todo, todo.missing[0], message)
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

    def _blame(self, slot: _Slot, error: RayTaskError) -> Iterator[Event]:
        """An error that a living worker raised: its segment's, the whole environment's, or of unknown reach.

        The unknown may have left the worker unfit, as a broken CUDA context does, so it counts as its death.
        """
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, UnableError):
            raise cause
        if slot.todo is None:
            raise ClusterError(f"a worker cannot be set up: {_first_line(cause)}") from error
        if not isinstance(cause, PipelineError):
            yield from self._replace(slot, f"{type(cause).__name__}: {_first_line(cause)}")
            return
        todo, slot.todo = slot.todo, None
        frame = cause.frame if isinstance(cause, FrameError) else todo.missing[0]
        yield from self._give_up(todo, frame, str(cause))

    def _give_up(self, todo: Todo | BatchTodo, frame: int, message: str) -> Iterator[Event]:
        """Set a segment aside with all of its source that has not begun, or what is left of a batch."""
        if isinstance(todo, BatchTodo):
            yield from (PictureFailed(todo.job, index, message) for index in todo.missing)
            return
        yield SegmentFailed(todo.job, frame, message)
        self._queue.drop_source(todo.job.source.name)

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


def _check_near(path: Path, record: FrameRecord) -> bool:
    """Whether a worker's result is to be seen here; raises `ClusterError` where it is not."""
    if not appears(path):
        raise ClusterError(
            f"worker {record.worker} painted {path}, and it is not there here; the output folder has to be shared by "
            "all machines, under the same path"
        )
    return True


class _Actor:
    """The plain class as a Ray actor that answers `progress` beside its work, and that Ray never restarts."""

    def __init__(self, make: Make, settings: WorkerSettings) -> None:
        self._worker = make(settings)

    def set_up(self) -> WorkerInfo:
        return self._worker.set_up()  # type: ignore[no-any-return]

    def stylize_frame(self, index: int, job: SegmentJob | None) -> FrameRecord:
        return self._worker.stylize_frame(index, job)  # type: ignore[no-any-return]

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> Painted:
        return self._worker.paint_pictures(missing, batch)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="watch")  # type: ignore[untyped-decorator]
    def progress(self) -> Progress | None:
        return self._worker.progress()  # type: ignore[no-any-return]


ACTOR: Any = ray.remote(
    max_restarts=0,
    max_task_retries=0,
    concurrency_groups={"watch": 1},
    runtime_env={"env_vars": ENVIRONMENT},
)(_Actor)


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
