"""Keeps a run folder within its budget: what may begin, and when room is made.

A source is begun only if all that is to come of it has room, its output included, so whatever is begun can be
finished. One that never would have room is made alone, segment by segment, each packed as it is finished. Where room
is asked for, it is made, in this order, until there is enough: frames of earlier settings are thrown away, finished
segments are packed, and frames whose outputs are written and verified are thrown away. All of that is done in the
encoder's thread, so nothing is packed or thrown away while an output is being made of it; workers that read at the
same time find a frame in its pack.

How room is made is in `clearing`, what is taken and set aside in `budget`. The previews that a person asks for are not
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pipeline.config import Config
from pipeline.disk.budget import Budget
from pipeline.disk.clearing import Clearing
from pipeline.disk.room import all_bytes, budget_bytes, frames_bytes, is_packable, output_bytes, ways_out
from pipeline.durable import bytes_below, line_of, size_of
from pipeline.errors import MediaError, SpaceError
from pipeline.execute.events import Event, FrameFinished, SegmentFailed, SegmentFinished, Todo
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import Stock, folder_of
from pipeline.shots.segments import Segment
from pipeline.workspace import Workspace


class Keeper:
    """Admits segments and makes room. `choose` and `note` belong to the run's thread, the rest to the encoder's."""

    def __init__(
        self,
        plan: Plan,
        stock: Stock,
        space: Workspace,
        config: Config,
        encoder: ThreadPoolExecutor,
    ) -> None:
        self._disk = config.disk if space.shelf.can_pack else config.disk.model_copy(update={"pack": "never"})
        self._transfer, self._space, self._encoder = config.transfer, space, encoder
        most = budget_bytes(config.disk)
        used = 0 if most is None else bytes_below(space.root, besides=space.previews)
        self._budget = Budget(most, used)
        self._running: set[str] = set()
        self._alone: str | None = None  # the source that is made alone, since it never fits as a whole
        self._jobs: list[Future[Any]] = []
        self._places = {s.key: (source, s) for source in plan.sources for s in source.segments}
        self._by_folder = {folder_of(s, space): s for s in plan.segments}
        self._missing = {
            key: frames for source in plan.sources for key, frames in stock.missing(source).items()
        }
        finished = {s.key for s in plan.segments if s.key not in self._missing}
        folders = self._by_folder.keys()
        self._clearing = Clearing(plan, self._places, folders, finished, space, self._disk, self._budget)
        if not self._budget.fits(0):  # the budget has been lowered
            self.submit(self._clearing.make_room, 0)

    # --- what the run's thread asks and tells ---

    def choose(self, ready: Iterator[Todo]) -> Todo | None:
        """The next segment to begin of those that are ready; None: wait for room.

        Raises `SpaceError` where nothing is at work, and nothing would make room for more.
        """
        if self._budget.most is None:
            return next(ready, None)
        self._raise_what_failed()
        blocked: Todo | None = None
        refused: set[str] = set()  # sources without room as a whole: a long film has thousands of segments
        for todo in ready:
            name = self._places[todo.key][0].name
            if name not in refused and self._admit(todo):
                self._running.add(todo.key)
                return todo
            if self._alone is None:
                refused.add(name)
            if blocked is None and self._alone in (None, name):
                blocked = todo
        if blocked is not None and all(job.done() for job in self._jobs):
            self._unblock(blocked)
        return None

    def note(self, event: Event) -> None:
        """Count what has come, and have it packed, or drafts thrown away, where it is time for that."""
        match event:
            case FrameFinished(record, job) if self._budget.most is not None:
                size = record.bytes + 2 * len(line_of(vars(record)))
                self._count_frame(self._by_folder[job.folder], size)
            case SegmentFinished(job):
                self._finish(self._by_folder[job.folder])
            case SegmentFailed(job):
                source, segment = self._places[self._by_folder[job.folder].key]
                self._running.discard(segment.key)
                self._close_source(source)

    def reopen(self, missing: Mapping[str, tuple[int, ...]]) -> None:
        """Take back segments, by key, of which finished frames turned out damaged: those frames are yet to come."""
        self._missing.update(missing)
        self._clearing.reopen(missing.keys())

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have something done in the encoder's thread; as long as it is not, room may still come."""
        future = self._encoder.submit(function, *args)
        self._jobs = [job for job in self._jobs if not job.done() or job.exception()] + [future]
        return future

    # --- admission ---

    def _admit(self, todo: Todo) -> bool:
        source, segment = self._places[todo.key]
        if todo.key in self._budget:  # of a source that has begun, or back after its worker died
            return True
        if self._alone is None:
            return self._budget.reserve(self._whole(source))
        return self._alone == source.name and self._budget.reserve(
            {todo.key: self._by_itself(source, segment)}
        )

    def _whole(self, source: SourcePlan) -> dict[str, int]:
        """What is still to come of a source, and its output."""
        left = {
            s.key: frames_bytes(source, s, self._missing[s.key], self._transfer)
            for s in source.segments
            if s.key in self._missing and s.key not in self._clearing.finished
        }
        return {**left, source.name: output_bytes(source)}

    def _by_itself(self, source: SourcePlan, segment: Segment) -> int:
        """What is still to come of a segment, and its pack beside it."""
        packing = self._disk.pack != "never" and is_packable(segment)
        left = frames_bytes(source, segment, self._missing[segment.key], self._transfer)
        return left + (all_bytes(source, segment, self._transfer) if packing else 0)

    def _unblock(self, todo: Todo) -> None:
        """Have room made for a segment; where none can be, and nothing runs, make its source alone, or give up."""
        source, segment = self._places[todo.key]
        wanted = (
            sum(self._whole(source).values()) if self._alone is None else self._by_itself(source, segment)
        )
        assert self._budget.most is not None
        if not self._budget.is_dry and wanted <= self._budget.most:
            self.submit(self._clearing.make_room, wanted)
        elif not self._running and self._alone is None:
            self._alone = source.name
        elif not self._running:
            raise self._budget.refusal(f"the next part of {source.name}", wanted, ways_out(self._disk))

    def _raise_what_failed(self) -> None:
        for job in self._jobs:
            if job.done() and isinstance(error := job.exception(), SpaceError):
                raise error

    def close(self) -> None:
        """Wait for what is still to be done, and raise what went wrong in it, but for what concerns one source."""
        for job in self._jobs:
            error = job.exception()
            if error is not None and not isinstance(error, MediaError):
                raise error

    # --- counting ---

    def _count_frame(self, segment: Segment, size: int) -> None:
        source, _ = self._places[segment.key]
        at_most = frames_bytes(source, segment, [segment.stop], self._transfer)
        self._budget.count(size, segment.key, at_most)

    def _finish(self, segment: Segment) -> None:
        source, _ = self._places[segment.key]
        self._running.discard(segment.key)
        self._clearing.finished.add(segment.key)
        self._budget.finish([segment.key])
        if self._budget.most is not None:
            self.submit(self._clearing.drop_drafts, source, segment)
        if self._alone == source.name or (self._disk.pack == "always" and self._disk.keep != "none"):
            self.submit(self._clearing.pack, segment)

    def _close_source(self, source: SourcePlan) -> None:
        """Nothing more will begin of a source."""
        self._budget.finish([source.name, *(s.key for s in source.segments if s.key not in self._running)])
        if self._alone == source.name:
            self._alone = None

    # --- what the encoder's thread does ---

    @contextmanager
    def output(self, source: SourcePlan) -> Iterator[None]:
        """The room in which an output is written; `SpaceError` where there is none. Its frames may go afterward."""
        wanted, before = output_bytes(source), size_of(self._space.outputs)
        if source.name not in self._budget and not self._budget.reserve({source.name: wanted}):
            self._clearing.make_room(wanted)
            if not self._budget.reserve({source.name: wanted}):
                raise self._budget.refusal(f"the output of {source.name}", wanted, ways_out(self._disk))
        try:
            yield
            self._clearing.written.add(source.name)
        finally:
            self._budget.count(size_of(self._space.outputs) - before)
            self._close_source(source)
        if self._disk.keep == "none":
            for segment in source.segments:
                self._clearing.drop(segment)
