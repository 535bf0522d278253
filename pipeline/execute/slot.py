"""A place for a worker, as the dispatcher sees it: who fills it, what it was asked last, and how it comes forward.

Knows nothing of queues, of other places, and of what becomes of a worker that fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.execute.crew import Call, Crew, Hand, WorkerLostError, WorkerRaisedError
from pipeline.execute.events import BatchTodo, Todo, WorkerState
from pipeline.execute.job import Batch, Progress, SegmentJob, WorkerInfo
from pipeline.workspace import FrameRecord

MEASURED = 5  # iterations that tell a worker's speed; of fewer the time goes into reading and writing


@dataclass(eq=False)
class Slot:
    """A place for a worker: who fills it now, and what it was asked last."""

    hand: Hand
    pending: Call | None  # None while idle
    since_s: float  # when the worker was asked for
    heard_s: float  # when it last gave an answer, or was seen to come forward
    asked: Call | None = None  # for its progress
    info: WorkerInfo | None = None  # None until it is set up
    todo: Todo | BatchTodo | None = None
    deaths: int = 0
    progress: Progress | None = None
    opened: SegmentJob | Batch | None = None  # what the worker has open
    speed: float | None = None  # megapixel-iterations a second, a moving mean
    frames: int = 0  # that it has finished of what it has open
    is_placed: bool = False  # its process lives
    is_let_go: bool = False  # it was asked for what it has in work, and gets nothing more
    is_near: bool = False  # what it writes is seen here

    def assign(self, todo: Todo | BatchTodo, now_s: float) -> None:
        """Ask the worker for the next missing frame of a segment, or for some of a batch's missing pictures."""
        if isinstance(todo, Todo):
            job = None if self.opened is todo.job else todo.job
            self.pending = self.hand.stylize_frame(todo.missing[0], job)
        else:
            batch = None if self.opened is todo.job else todo.job
            self.pending = self.hand.paint_pictures(tuple(todo.missing), batch)
        self.frames = self.frames if self.opened is todo.job else 0
        self.todo, self.opened, self.progress = todo, todo.job, None
        self.heard_s = now_s

    def waits_for_writing(self) -> bool:
        """Ask the worker, before it is let go, for the pictures that it has painted and is still writing."""
        if not isinstance(self.todo, BatchTodo) or self.is_let_go:
            return False
        self.is_let_go = True
        self.pending = self.hand.paint_pictures((), None)
        return True

    def state(self, crew: Crew) -> WorkerState:
        """What the worker is at, from its latest answer; asks again without waiting."""
        if self.asked is not None and crew.wait([self.asked], 0):
            self._hear(crew, self.asked)
            self.asked = None
        if self.asked is None and self.todo is not None:
            self.asked = self.hand.progress()
        name, device = (self.info.name, self.info.device) if self.info else ("", "")
        return WorkerState(name, device, self.todo is not None, self.progress)

    def _hear(self, crew: Crew, call: Call) -> None:
        try:
            progress = crew.result(call)
        except (WorkerLostError, WorkerRaisedError):  # the call in flight will tell
            return
        if not self.is_placed or progress != self.progress:
            self.heard_s = crew.now_s()
        self.progress, self.is_placed = progress, True

    def measure(self, record: FrameRecord) -> None:
        """Bring what is known of the worker's speed up to date."""
        if record.seconds > 0 and record.iterations >= MEASURED:
            speed = record.megapixel_iterations / record.seconds
            self.speed = speed if self.speed is None else 0.8 * self.speed + 0.2 * speed
