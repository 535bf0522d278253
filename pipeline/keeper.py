"""Keeps a run folder within its budget: what may begin, what is packed, what is thrown away, and when.

A source is begun only if all that is to come of it has room, its output included, so whatever is begun can be
finished. One that never would have room is made alone, segment by segment, each packed as it is finished. Where room
is asked for, it is made, in this order, until there is enough: frames of earlier settings are thrown away, finished
segments are packed, and frames whose outputs are written and verified are thrown away. All of that is done in the
encoder's thread, so nothing is packed or thrown away while an output is being made of it; workers that read at the
same time find a frame in its pack.

The previews that a person asks for are not counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline.assemble import current_outputs
from pipeline.config import Config
from pipeline.durable import bytes_below, line_of, size_of
from pipeline.errors import MediaError, SpaceError
from pipeline.execute.events import Event, FrameFinished, SegmentFailed, SegmentFinished, Todo
from pipeline.packs import pack_frames
from pipeline.plan import Plan, SourcePlan
from pipeline.reservations import Reservations
from pipeline.resume import Stock, folder_of
from pipeline.room import GIB, all_bytes, budget_bytes, frames_bytes, is_packable, output_bytes, ways_out
from pipeline.segments import Segment
from pipeline.workspace import Workspace, drop_frames, finished_frames

RESERVE = 0.1
"""Of the budget, freed beyond what is asked for, so that not every picture of an archive asks anew."""


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
        self._budget = budget_bytes(config.disk)
        self._lock = Lock()
        self._used = 0 if self._budget is None else bytes_below(space.root, besides=space.previews)
        self._reserved = Reservations()  # for a segment, by its key, or an output, by its source
        self._running: set[str] = set()
        self._alone: str | None = None  # the source that is made alone, since it never fits as a whole
        self._is_dry = False  # there is nothing left that could be packed or thrown away
        self._changes = 0  # how often something came that could be
        self._written = set(current_outputs(plan.sources, space))
        self._jobs: list[Future[Any]] = []
        self._places = {s.key: (source, s) for source in plan.sources for s in source.segments}
        self._by_folder = {folder_of(s, space): s for s in plan.segments}
        self._missing = {
            key: frames for source in plan.sources for key, frames in stock.missing(source).items()
        }
        self._finished = {s.key for s in plan.segments if s.key not in self._missing}
        self._waiters: dict[str, set[str]] = defaultdict(set)  # by key, the segments that are made from one
        for segment in plan.segments:
            for draft in segment.needs:
                self._waiters[draft.key].add(segment.key)
        self._swept: set[str] = set()  # sources whose drafts have been looked through
        self._settled: set[str] = set()  # segments that are packed, or that no pack makes smaller
        self._gone: set[str] = set()  # segments whose frames have been thrown away
        self._stale: list[Path] | None = None  # folders of earlier settings, once they have been looked for
        if not self._fits(0):  # the budget has been lowered
            self.submit(self._make_room, 0)

    # --- what the run's thread asks and tells ---

    def choose(self, ready: Iterator[Todo]) -> Todo | None:
        """The next segment to begin of those that are ready; None: wait for room.

        Raises `SpaceError` where nothing is at work, and nothing would make room for more.
        """
        if self._budget is None:
            return next(ready, None)
        self._raise_what_failed()
        blocked: Todo | None = None
        refused: set[str] = (
            set()
        )  # sources that have no room as a whole: a long film has thousands of segments
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
            case FrameFinished(record, job) if self._budget is not None:
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
        self._finished -= missing.keys()
        self._settled -= missing.keys()

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Have something done in the encoder's thread; as long as it is not, room may still come."""
        future = self._encoder.submit(function, *args)
        self._jobs = [job for job in self._jobs if not job.done() or job.exception()] + [future]
        return future

    # --- admission ---

    def _admit(self, todo: Todo) -> bool:
        source, segment = self._places[todo.key]
        if todo.key in self._reserved:  # of a source that has begun, or back after its worker died
            return True
        if self._alone is None:
            return self._reserve(self._whole(source))
        return self._alone == source.name and self._reserve({todo.key: self._by_itself(source, segment)})

    def _whole(self, source: SourcePlan) -> dict[str, int]:
        """What is still to come of a source, and its output."""
        left = {
            s.key: frames_bytes(source, s, self._missing[s.key], self._transfer)
            for s in source.segments
            if s.key in self._missing and s.key not in self._finished
        }
        return {**left, source.name: output_bytes(source)}

    def _by_itself(self, source: SourcePlan, segment: Segment) -> int:
        """What is still to come of a segment, and its pack beside it."""
        packing = self._disk.pack != "never" and is_packable(segment)
        left = frames_bytes(source, segment, self._missing[segment.key], self._transfer)
        return left + (all_bytes(source, segment, self._transfer) if packing else 0)

    def _reserve(self, wanted: dict[str, int], *, anyway: bool = False) -> bool:
        with self._lock:
            fits = self._fits(sum(wanted.values())) or (anyway and not self._fits(0))
            if fits:
                self._reserved.take(wanted)
            return fits

    def _fits(self, wanted: int) -> bool:
        return self._budget is None or self._used + self._reserved.total + wanted <= self._budget

    def _unblock(self, todo: Todo) -> None:
        """Have room made for a segment; where none can be, and nothing runs, make its source alone, or give up."""
        source, segment = self._places[todo.key]
        wanted = (
            sum(self._whole(source).values()) if self._alone is None else self._by_itself(source, segment)
        )
        assert self._budget is not None
        if not self._is_dry and wanted <= self._budget:
            self.submit(self._make_room, wanted)
        elif not self._running and self._alone is None:
            self._alone = source.name
        elif not self._running:
            raise self._no_room(f"the next part of {source.name}", wanted)

    def _no_room(self, what: str, wanted: int) -> SpaceError:
        assert self._budget is not None
        return SpaceError(
            f"disk.budget_gib {self._budget / GIB:.4g} leaves no room: {self._used / 1e6:.1f} MB are taken, and {what} "
            f"needs up to {wanted / 1e6:.1f} MB; {ways_out(self._disk)}, then run again"
        )

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
        with self._lock:
            self._used += size
            self._reserved.lower(segment.key, frames_bytes(source, segment, [segment.stop], self._transfer))

    def _finish(self, segment: Segment) -> None:
        source, _ = self._places[segment.key]
        self._running.discard(segment.key)
        self._finished.add(segment.key)
        with self._lock:
            self._is_dry, self._changes = False, self._changes + 1
            self._reserved.drop(segment.key)
        if self._budget is not None:
            self.submit(self._drop_drafts, source, segment)
        if self._alone == source.name or (self._disk.pack == "always" and self._disk.keep != "none"):
            self.submit(self._pack, segment)

    def _close_source(self, source: SourcePlan) -> None:
        """Nothing more will begin of a source."""
        with self._lock:
            for key in (source.name, *(s.key for s in source.segments if s.key not in self._running)):
                self._reserved.drop(key)
            self._is_dry, self._changes = False, self._changes + 1
        if self._alone == source.name:
            self._alone = None

    # --- what the encoder's thread does ---

    @contextmanager
    def output(self, source: SourcePlan) -> Iterator[None]:
        """The room in which an output is written; `SpaceError` where there is none. Its frames may go afterward."""
        wanted, before = output_bytes(source), size_of(self._space.outputs)
        if source.name not in self._reserved and not self._reserve({source.name: wanted}):
            self._make_room(wanted)
            if not self._reserve({source.name: wanted}):
                raise self._no_room(f"the output of {source.name}", wanted)
        try:
            yield
            self._written.add(source.name)
        finally:
            with self._lock:
                self._used += size_of(self._space.outputs) - before
            self._close_source(source)
        if self._disk.keep == "none":
            for segment in source.segments:
                self._drop(segment)

    def _make_room(self, wanted: int) -> None:
        assert self._budget is not None
        before = self._changes
        target = min(wanted + int(RESERVE * self._budget), self._budget) if wanted else 0
        for step in self._steps():
            with self._lock:
                if self._fits(target):
                    return
            step()
        with self._lock:
            self._is_dry = not self._fits(wanted) and self._changes == before

    def _steps(self) -> Iterator[Callable[[], object]]:
        """Everything that makes room, the cheapest loss first."""
        if self._stale is None:
            # Of sources in the plan only: one on a disk that is not there this time may be back the next.
            ours = {folder.parent for folder in self._by_folder}
            found = set(self._space.segments.glob("*/*")) - self._by_folder.keys()
            self._stale = sorted(folder for folder in found if folder.parent in ours)
        while self._stale:
            yield partial(self._change, self._stale.pop(), _drop_all)
        finished = [self._places[key] for key in sorted(self._finished)]
        if self._disk.pack != "never":
            yield from (partial(self._pack, segment) for _, segment in finished)
        if self._disk.keep != "all":
            for source, segment in finished:
                if source.name in self._written and segment.key not in self._gone:
                    yield partial(self._drop, segment)

    def _pack(self, segment: Segment) -> None:
        """Pack a segment's frames, if there is room for the pack beside them, or too little room already."""
        folder = folder_of(segment, self._space)
        if segment.key in self._settled or not is_packable(segment) or not folder.exists():
            return
        if self._reserve({f"pack {segment.key}": bytes_below(folder)}, anyway=True):
            try:
                self._change(folder, pack_frames)
            except (MediaError, SpaceError):
                pass  # its files are still there; one that is damaged is found when it is encoded
            finally:
                with self._lock:
                    self._reserved.drop(f"pack {segment.key}")
            self._settled.add(segment.key)

    def _drop(self, segment: Segment) -> None:
        self._change(folder_of(segment, self._space), drop_frames)
        self._gone.add(segment.key)

    def _drop_drafts(self, source: SourcePlan, finished: Segment) -> None:
        """Throw away what later stages have made again, once those are finished, of which `finished` is one.

        The first time all of the source: a run that was killed may have left some.
        """
        chosen_from = (finished, *finished.needs) if source.name in self._swept else source.segments
        self._swept.add(source.name)
        for segment in chosen_from:
            first, stop = source.own.get(segment.key, (0, 0))
            drafts = [index for index in segment.order if not first <= index < stop]
            if drafts and segment.key in self._finished and self._waiters[segment.key] <= self._finished:
                chosen = None if len(drafts) == len(segment.order) else drafts
                self._change(folder_of(segment, self._space), partial(drop_frames, frames=chosen))

    def _change(self, folder: Path, change: Callable[[Path], object]) -> None:
        """Pack or throw away in one folder, and count what that freed."""
        if self._budget is None:
            change(folder)
            self._space.shelf.settle(folder)
            return
        before = bytes_below(folder)
        try:
            change(folder)
            self._space.shelf.settle(folder)
        finally:
            freed = before - bytes_below(folder)
            with self._lock:
                self._used -= freed


def _drop_all(folder: Path) -> None:
    """Throw away what earlier settings made, and what killed workers left there."""
    finished_frames(folder)
    drop_frames(folder)
