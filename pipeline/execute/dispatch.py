"""Hands out segments and batches, collects what comes of them, and replaces workers that die, hang or leave.

Knows nothing of Ray, of processes and of files but their paths: who works is a `Crew`. A dead worker is replaced by
us, never by what runs it: a restarted process would come back with its state silently gone. What is known of a single
worker is in `slot`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.errors import ClusterError, FrameError, PipelineError, SpaceError, StorageError, UnableError
from pipeline.execute.crew import Crew, WorkerLostError, WorkerRaisedError, first_line
from pipeline.execute.events import (
    STARTING,
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
)
from pipeline.execute.job import Painted, WorkerInfo
from pipeline.execute.queue import Queue
from pipeline.execute.slot import Slot
from pipeline.workspace import FrameRecord, appears, frame_path

SEGMENT_DEATHS = 3
"""A frame that kills this many workers in a row has its segment set aside, and so has a picture."""

SLOT_DEATHS = 4
"""A place whose workers die this many times in a row while they are set up is given up. Deaths over a frame count
against its segment, so that bad segments never cost a place."""

PULSE_S = 0.5
IDLE_S = 0.05  # between two looks where a worker has nothing to do, and something is still to begin
GROWTH_S = 5.0  # between two looks for machines that have joined
PLACEMENT_TIMEOUT_S = 180  # a busy machine takes a minute to start a process that imports torch
FASTER = 1.5
"""A worker without work takes over the segment of one that is slower than it by this factor; measured speeds vary."""

STAY = 4
"""Frames that a segment stays with a worker, since another has to open it anew."""

Arrived = Callable[[Path], bool]
"""Whether a file that a worker has written is there, too, where the run is."""


class Dispatcher:
    """Keeps a crew at work on one queue after another."""

    def __init__(self, crew: Crew, hang_timeout_s: float | None = None, arrived: Arrived = appears) -> None:
        """`hang_timeout_s`: a worker that neither answers nor comes forward for so long is taken for dead."""
        self._crew, self._hang_timeout_s, self._arrived = crew, hang_timeout_s, arrived
        self._slots: list[Slot] = []
        self._queue = Queue(())
        self._given_up = 0  # places whose workers always die
        self._unable = set[str]()  # machines whose workers could not read or write
        self._is_stopping = False
        self._grown_s = self._pulsed_s = float("-inf")

    def close(self) -> None:
        """Let everybody go, at once."""
        for slot in self._slots:
            slot.hand.kill()
        self._slots = []

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        """Work off a queue, and say what happens as it happens; may be called again with another one.

        Once `stop()` is true, every worker finishes what it has in work and gets nothing more. Raises `UnableError`
        where the workers say that this environment cannot do it, `ClusterError` where no worker is left.
        """
        self._queue = queue
        while not queue.is_over or any(slot.todo for slot in self._slots):
            self._is_stopping = stop()
            if self._is_stopping:
                queue.clear()
            else:
                self._grow()
            self._hand_out()
            waiting = {slot.pending: slot for slot in self._slots if slot.pending is not None}
            if waiting or not queue.is_over:
                for call in self._crew.wait(list(waiting), self._patience_s()):
                    yield from self._collect(waiting[call])
            self._check_placement()
            if self._crew.now_s() - self._pulsed_s >= PULSE_S:
                self._pulsed_s = self._crew.now_s()
                yield Pulse(tuple(slot.state(self._crew) for slot in self._slots))
                yield from self._replace_hung()

    # --- workers come and go ---

    def _grow(self) -> None:
        """Hire for every place that has none, now and then: machines may join while a job runs."""
        if self._crew.now_s() - self._grown_s < GROWTH_S:
            return
        wanted = self._crew.places() - self._given_up
        self._slots += [self._hire() for _ in range(wanted - len(self._slots))]
        self._grown_s = self._crew.now_s()

    def _hire(self, deaths: int = 0) -> Slot:
        hand, now_s = self._crew.hire(), self._crew.now_s()
        return Slot(hand, hand.set_up(), now_s, now_s, asked=hand.progress(), deaths=deaths)

    def _replace(self, slot: Slot, reason: str, *, blames_place: bool = False) -> Iterator[Event]:
        """Bury a dead worker, put what it had first in the queue or aside, and hire another one.

        It died of what it was at, if that was anything, unless its place is to blame.
        """
        todo, name = slot.todo, slot.info.name if slot.info else STARTING
        slot.hand.kill()
        if todo is not None and not blames_place:
            todo.deaths += 1
        yield todo.lost(name, reason, SEGMENT_DEATHS) if todo else WorkerLost(name, reason)
        if todo is not None and todo.deaths >= SEGMENT_DEATHS:
            what = "it" if isinstance(todo, BatchTodo) else f"frame {todo.missing[0]}"
            message = f"{what} killed {todo.deaths} workers in a row; the last died of: {reason}"
            yield from self._give_up(todo, todo.missing[0], message)
        elif todo is not None:
            self._queue.put_back(todo)
        self._fill(slot, slot.deaths + (blames_place or todo is None), reason)

    def _fill(self, slot: Slot, deaths: int, reason: str) -> None:
        """Hire for the place of a dead worker, unless too many died of the place itself."""
        place = self._slots.index(slot)
        if deaths < SLOT_DEATHS:
            self._slots[place] = self._hire(deaths)
            return
        del self._slots[place]
        self._given_up += 1
        if not self._slots:
            raise ClusterError(f"{deaths} workers in a row died, and no other is left; the last of: {reason}")

    def _replace_hung(self) -> Iterator[Event]:
        """Take those for dead who were asked for something and have not come forward for too long."""
        if self._hang_timeout_s is None:
            return
        latest_s = self._crew.now_s() - self._hang_timeout_s
        for slot in [s for s in self._slots if s.pending is not None and s.heard_s < latest_s]:
            if slot.is_placed or self._crew.shortage() is None:  # else it waits for a place
                reason = (
                    f"it hung: no sign of progress in {self._hang_timeout_s:g} s (execution.hang_timeout_s)"
                )
                yield from self._replace(slot, reason)

    def _check_placement(self) -> None:
        """No silent hang: where no worker of all has found a place for long, and there is none, it ends."""
        latest_s = self._crew.now_s() - PLACEMENT_TIMEOUT_S
        if any(slot.is_placed or slot.since_s >= latest_s for slot in self._slots):
            return
        if shortage := self._crew.shortage():  # else it is only slow to start
            raise ClusterError(shortage)

    # --- what they are asked ---

    def _hand_out(self) -> None:
        """Give everybody who waits the next frame or batch; once nothing can be begun, nobody else is asked for."""
        is_there_more = True
        for slot in [slot for slot in self._slots if slot.pending is None]:
            if self._is_stopping and not slot.waits_for_writing():
                slot.todo = None
            elif slot.pending is None:
                todo = slot.todo or (self._queue.take(len(self._slots)) if is_there_more else None)
                if todo is None:
                    is_there_more = False
                else:
                    slot.assign(todo, self._crew.now_s())

    def _patience_s(self) -> float:
        """How long to wait for an answer: a worker without work looks soon again whether there is some."""
        is_idle = any(slot.pending is None for slot in self._slots) and not self._queue.is_over
        return IDLE_S if is_idle else PULSE_S

    def _hand_over(self, slot: Slot, todo: Todo) -> None:
        """Give the rest of a segment to a worker that is idle, and faster; every frame is whoever's comes by."""
        if self._is_stopping or slot.frames < STAY:
            return
        idle = [s for s in self._slots if s.pending is None and s.todo is None and s.speed is not None]
        fastest = max(idle, key=lambda s: s.speed or 0.0, default=None)
        if fastest is not None and slot.speed and (fastest.speed or 0.0) > FASTER * slot.speed:
            # Should the segment come back to it, others have worked on it meanwhile.
            slot.todo = slot.progress = slot.opened = None
            fastest.assign(todo, self._crew.now_s())

    # --- what they answer ---

    def _collect(self, slot: Slot) -> Iterator[Event]:
        """Take a worker's answer, be it records, an error, or its death."""
        if slot.pending is None or slot not in self._slots:
            return
        call, slot.pending, slot.heard_s = slot.pending, None, self._crew.now_s()
        try:
            answer = self._crew.result(call)
        except WorkerRaisedError as error:
            yield from self._blame(slot, error.cause)
        except WorkerLostError as error:
            yield from self._replace(slot, str(error))
        else:
            if isinstance(answer, WorkerInfo):
                slot.info = answer
            elif isinstance(answer, Painted):
                yield from self._finish_pictures(slot, answer)
            else:
                yield from self._finish_frame(slot, answer)

    def _finish_frame(self, slot: Slot, record: FrameRecord) -> Iterator[Event]:
        todo = slot.todo
        assert isinstance(todo, Todo)
        todo.missing.popleft()
        todo.deaths = slot.deaths = 0
        slot.frames += 1
        self._check_arrived(frame_path(todo.job.folder, record.frame), record.worker)
        slot.measure(record)
        yield FrameFinished(record, todo.job)
        if todo.missing:
            self._hand_over(slot, todo)
            return
        slot.todo = slot.progress = None
        self._queue.finish(todo)
        yield SegmentFinished(todo.job)

    def _finish_pictures(self, slot: Slot, painted: Painted) -> Iterator[Event]:
        todo = slot.todo
        assert isinstance(todo, BatchTodo)
        todo.deaths = slot.deaths = 0
        for index, records in painted.records.items():
            todo.missing.remove(index)
            if not slot.is_near:
                self._check_arrived(todo.job.output / records[0].output, records[0].worker)
                slot.is_near = True
            yield PictureFinished(todo.job, index, records)
        for failed in painted.failed:
            todo.missing.remove(failed.index)
            yield PictureFailed(todo.job, failed.index, failed.error, failed.is_unreadable)
        if not todo.missing:
            slot.todo = slot.progress = None

    def _check_arrived(self, path: Path, worker: str) -> None:
        """Raise `ClusterError` where what a worker has written is not to be seen here."""
        if not self._arrived(path):
            raise ClusterError(
                f"worker {worker} has written {path}, and it is not there here; the output folder has to be shared by "
                "all machines, under the same path"
            )

    def _blame(self, slot: Slot, cause: Exception) -> Iterator[Event]:
        """An error that a living worker raised: its segment's, the whole environment's, or of unknown reach.

        The unknown may have left the worker unfit, as a broken CUDA context does, so it counts as its death.
        """
        if isinstance(cause, StorageError | SpaceError) and self._is_alone_with_it(slot):
            yield from self._replace(slot, first_line(cause), blames_place=True)
            return
        if isinstance(cause, UnableError):
            raise cause
        if slot.todo is None:
            raise ClusterError(f"a worker cannot be set up: {first_line(cause)}") from cause
        if not isinstance(cause, PipelineError):
            yield from self._replace(slot, f"{type(cause).__name__}: {first_line(cause)}")
            return
        todo, slot.todo = slot.todo, None
        frame = cause.frame if isinstance(cause, FrameError) else todo.missing[0]
        yield from self._give_up(todo, frame, str(cause))

    def _is_alone_with_it(self, slot: Slot) -> bool:
        """Whether, of several machines, this one is the only that cannot read or write: its network, its disk."""
        here = slot.info.machine if slot.info else ""
        self._unable.add(here)
        return self._unable == {here} and any(s.info and s.info.machine != here for s in self._slots)

    def _give_up(self, todo: Todo | BatchTodo, frame: int, message: str) -> Iterator[Event]:
        """Set a segment aside with all of its source that has not begun, or what is left of a batch."""
        if isinstance(todo, BatchTodo):
            yield from (PictureFailed(todo.job, index, message) for index in todo.missing)
            return
        yield SegmentFailed(todo.job, frame, message)
        self._queue.drop_source(todo.job.source.name)
