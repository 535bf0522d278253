"""Makes room in a run folder: packs what is finished, and throws away what nothing needs, the cheapest loss first.

Knows what is finished and which outputs are written; nothing of what may begin. All of it is done in one thread, the
encoder's, see `keeper`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

from pipeline.assemble import current_outputs
from pipeline.config import Disk
from pipeline.disk.budget import Budget
from pipeline.disk.packs import pack_frames
from pipeline.disk.room import is_packable
from pipeline.durable import bytes_below
from pipeline.errors import MediaError, SpaceError
from pipeline.plan import Plan, SourcePlan
from pipeline.resume import folder_of
from pipeline.shots.segments import Segment
from pipeline.workspace import Workspace, drop_frames, finished_frames

RESERVE = 0.1
"""Of the budget, freed beyond what is asked for, so that not every picture of an archive asks anew."""

Places = Mapping[str, tuple[SourcePlan, Segment]]
"""By its key a segment, and the source it is of."""


class Clearing:
    """Packs and throws away. `finished`: keys of segments; `written`: names of sources whose outputs are there."""

    def __init__(
        self,
        plan: Plan,
        places: Places,
        folders: Collection[Path],
        finished: set[str],
        space: Workspace,
        disk: Disk,
        budget: Budget,
    ) -> None:
        """`folders`: those of the plan's segments; all others are of earlier settings."""
        self._places, self._folders, self.finished = places, folders, finished
        self._space, self._disk, self._budget = space, disk, budget
        self.written = set(current_outputs(plan.sources, space))
        self._waiters: dict[str, set[str]] = defaultdict(set)  # by key, the segments that are made from one
        for segment in plan.segments:
            for draft in segment.needs:
                self._waiters[draft.key].add(segment.key)
        self._swept: set[str] = set()  # sources whose drafts have been looked through
        self._settled: set[str] = set()  # segments that are packed, or that no pack makes smaller
        self._gone: set[str] = set()  # segments whose frames have been thrown away
        self._stale: list[Path] | None = None  # folders of earlier settings, once they have been looked for

    def reopen(self, keys: Collection[str]) -> None:
        """Take back that segments are finished."""
        self.finished.difference_update(keys)
        self._settled.difference_update(keys)

    def make_room(self, wanted: int) -> None:
        """Pack and throw away until so many bytes fit, or until there is nothing left to do that with."""
        assert self._budget.most is not None
        before = self._budget.changes
        target = min(wanted + int(RESERVE * self._budget.most), self._budget.most) if wanted else 0
        for step in self._steps():
            if self._budget.fits(target):
                return
            step()
        self._budget.run_dry(wanted, before)

    def _steps(self) -> Iterator[Callable[[], object]]:
        """Everything that makes room, the cheapest loss first."""
        if self._stale is None:
            # Of sources in the plan only: one on a disk that is not there this time may be back the next.
            ours = {folder.parent for folder in self._folders}
            found = set(self._space.segments.glob("*/*")).difference(self._folders)
            self._stale = sorted(folder for folder in found if folder.parent in ours)
        while self._stale:
            yield partial(self._change, self._stale.pop(), _drop_all)
        finished = [self._places[key] for key in sorted(self.finished)]
        if self._disk.pack != "never":
            yield from (partial(self.pack, segment) for _, segment in finished)
        if self._disk.keep != "all":
            for source, segment in finished:
                if source.name in self.written and segment.key not in self._gone:
                    yield partial(self.drop, segment)

    def pack(self, segment: Segment) -> None:
        """Pack a segment's frames, if there is room for the pack beside them, or too little room already."""
        folder = folder_of(segment, self._space)
        if segment.key in self._settled or not is_packable(segment) or not folder.exists():
            return
        if self._budget.reserve({f"pack {segment.key}": bytes_below(folder)}, anyway=True):
            try:
                self._change(folder, pack_frames)
            except (MediaError, SpaceError):
                pass  # its files are still there; one that is damaged is found when it is encoded
            finally:
                self._budget.drop(f"pack {segment.key}")
            self._settled.add(segment.key)

    def drop(self, segment: Segment) -> None:
        """Throw away a segment's frames."""
        self._change(folder_of(segment, self._space), drop_frames)
        self._gone.add(segment.key)

    def drop_drafts(self, source: SourcePlan, finished: Segment) -> None:
        """Throw away what later stages have made again, once those are finished, of which `finished` is one.

        The first time all of the source: a run that was killed may have left some.
        """
        chosen_from = (finished, *finished.needs) if source.name in self._swept else source.segments
        self._swept.add(source.name)
        for segment in chosen_from:
            first, stop = source.own.get(segment.key, (0, 0))
            drafts = [index for index in segment.order if not first <= index < stop]
            if drafts and segment.key in self.finished and self._waiters[segment.key] <= self.finished:
                chosen = None if len(drafts) == len(segment.order) else drafts
                self._change(folder_of(segment, self._space), partial(drop_frames, frames=chosen))

    def _change(self, folder: Path, change: Callable[[Path], object]) -> None:
        """Pack or throw away in one folder, and count what that freed."""
        if self._budget.most is None:
            change(folder)
            self._space.shelf.settle(folder)
            return
        before = bytes_below(folder)
        try:
            change(folder)
            self._space.shelf.settle(folder)
        finally:
            self._budget.count(bytes_below(folder) - before)


def _drop_all(folder: Path) -> None:
    """Throw away what earlier settings made, and what killed workers left there."""
    finished_frames(folder)
    drop_frames(folder)
