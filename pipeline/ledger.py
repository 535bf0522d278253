"""The ledger of a run: what is finished, what failed, what it took; has each source assembled once it is complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.archive.index import SeenPictures
from pipeline.archive.stream import Stream
from pipeline.archive.tally import Tally
from pipeline.assemble import Output, assemble, current_outputs
from pipeline.config import Transfer
from pipeline.disk.keeper import Keeper
from pipeline.disk.packs import throw_away_damaged
from pipeline.encoding import Encoding
from pipeline.errors import DamagedFrameError, MediaError
from pipeline.execute.events import Event, FrameFinished, SegmentFailed, SegmentFinished, Todo
from pipeline.plan import Failure, Plan, SourcePlan
from pipeline.resume import Stock, folder_of, take_stock, todos
from pipeline.storage.places import with_urls
from pipeline.workspace import Workspace, append_journal


class Watcher:
    """Sees what happens in a run; every method may be overridden.

    `encoding` and `assembled` are called from another thread.
    """

    def looking_at(self, source: str) -> None:
        """A source's turn to be probed has come."""

    def planned(self, plan: Plan, stock: Stock, archive: Tally) -> None:
        """It is clear what there is to do with films, and what is there already; `archive` grows as it is listed."""

    def warned(self, text: str) -> None:
        """Something may keep the run from being finished, and a person could do something about it."""

    def happened(self, event: Event) -> None:
        """The scheduler says something."""

    def encoding(self, encoding: Encoding | None) -> None:
        """So far an output is that is being written, told now and then; None: none is any more."""

    def assembled(self, output: Output) -> None:
        """A source's output has been written and verified."""

    def ended(self, status: str) -> None:
        """The run is over, and still holds its folder: done, incomplete, interrupted or error."""


class Watchers(Watcher):
    """Several watchers as one, told in their order."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def looking_at(self, source: str) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.looking_at(source)

    def planned(self, plan: Plan, stock: Stock, archive: Tally) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.planned(plan, stock, archive)

    def warned(self, text: str) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.warned(text)

    def happened(self, event: Event) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.happened(event)

    def encoding(self, encoding: Encoding | None) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.encoding(encoding)

    def assembled(self, output: Output) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.assembled(output)

    def ended(self, status: str) -> None:
        """Told to all."""
        for watcher in self._watchers:
            watcher.ended(status)


@dataclass(frozen=True)
class Outputs:
    """The finished outputs: of films, and then of photographs, which are looked up as one walks through them."""

    films: tuple[Output, ...]
    pictures: SeenPictures
    folder: Path

    def __iter__(self) -> Iterator[Output]:
        yield from self.films
        yield from (Output(p.name, self.folder / p.output, p.pages, p.notes) for p in self.pictures)


@dataclass(frozen=True)
class Summary:
    """What a run did. `status`: done, incomplete (some sources failed), or interrupted.

    `frames`: of films, and pages of photographs, those left out that failed. `sources`: how many films and photographs
    there are, all of them.
    """

    status: str
    outputs: Outputs
    failures: tuple[Failure, ...]
    frames: Mapping[str, int]  # total, stylized, reused
    sources: Mapping[str, int]  # films, photographs
    iterations: int
    megapixel_iterations: float
    wall_s: float
    recomputed: Mapping[
        str, tuple[str, ...]
    ]  # by source: why its earlier frames were of no use; of the first ones

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints; its outputs are an iterator, since they may be millions."""
        return {
            "status": self.status,
            "outputs": ({**asdict(output), "output": str(output.output)} for output in self.outputs),
            "failures": [asdict(failure) for failure in self.failures],
            "frames": dict(self.frames),
            "sources": dict(self.sources),
            "iterations": self.iterations,
            "megapixel_iterations": self.megapixel_iterations,
            "wall_s": round(self.wall_s, 3),
            "recomputed": dict(self.recomputed),
        }


class Ledger:
    """Takes the events of a run in order; `close` waits for the encoder and sums up."""

    def __init__(
        self, plan: Plan, stock: Stock, space: Workspace, watcher: Watcher, keeper: Keeper, stream: Stream
    ) -> None:
        self._plan, self._stock, self._space, self._watcher = plan, stock, space, watcher
        self._keeper, self._stream = keeper, stream
        self._sources = {source.name: source for source in plan.sources}
        self._failures = list(plan.failures)
        self._stylized, self._reused, self._iterations = 0, stock.reused, 0
        self._megapixel_iterations = 0.0
        self._open = {name: len(stock.missing(source)) for name, source in self._sources.items()}
        self._current = current_outputs(plan.sources, space)
        self._assembling: dict[str, Future[Output]] = {}
        self._mended: set[str] = set()  # sources of which damaged frames have been made again
        for name, count in self._open.items():
            if not count and name not in self._current:
                self._have_assembled(name)

    def note(self, event: Event) -> None:
        """Take down what happened."""
        if isinstance(event, FrameFinished):  # a frame that was there already may be of another plan
            is_draft = event.job.is_draft(event.record.frame)
            if event.record.draft != is_draft:
                event = replace(event, record=replace(event.record, draft=is_draft))
        self._watcher.happened(event)
        self._keeper.note(event)
        self._stream.note(event)
        match event:
            case FrameFinished(record, job):
                self._space.shelf.took(job.folder, record)
                self._iterations += record.iterations
                self._megapixel_iterations += record.megapixel_iterations
                if not record.draft:
                    self._stylized += 1
                    # Not synced, since a run begins by rebuilding it: some ms in which no worker gets its next frame.
                    append_journal(self._space.records, vars(record), synced=False)
            case SegmentFinished(job):
                name = job.source.name
                self._open[name] -= 1
                if not self._open[name]:
                    self._have_assembled(name)
            case SegmentFailed(job, frame, error):
                self._failures.append(Failure(job.source.name, frame, error))

    def mend(self, transfer: Transfer) -> list[Todo]:
        """What has to be made again since finished frames were found damaged as their output was written.

        `transfer`: what that costs by. Waits for the encoder. Each source has one chance; what is damaged once more
        then has failed.
        """
        again = list[Todo]()
        for name, future in list(self._assembling.items()):
            if isinstance(future.exception(), DamagedFrameError) and name not in self._mended:
                self._mended.add(name)
                again += self._reopen(self._sources[name], transfer)
        return again

    def _reopen(self, source: SourcePlan, transfer: Transfer) -> list[Todo]:
        """Have the frames of a source made again that are not there any more, and it assembled after that.

        At once where there are none, since all were sound when they were looked at a second time.
        """
        del self._assembling[source.name]
        alone = Plan((source,))
        stock = take_stock(alone, self._space, clean=False)  # the encoder may be packing there
        missing = stock.missing(source)
        for segment in source.segments:
            for index in missing.get(segment.key, ()):
                was_there = index in self._stock.finished[segment.key]
                counts = not source.is_draft(segment, index)
                self._reused -= counts and was_there
                self._stylized -= counts and not was_there
        self._open[source.name] = len(missing)
        self._keeper.reopen(missing)
        if not missing:
            self._have_assembled(source.name)
        return todos(alone, stock, self._space, transfer)

    def close(self, *, interrupted: bool, wall_s: float) -> Summary:
        """Wait until what is being assembled is, and sum up; raises what keeps every output from being written."""
        outputs = dict(self._current)
        for name, future in self._assembling.items():
            try:
                outputs[name] = future.result()
            except MediaError as error:
                self._failures.append(Failure(name, None, with_urls(str(error))))
        self._keeper.close()
        missing = len(self._sources) - len(outputs)
        tally = self._stream.tally
        failures = (*self._failures, *tally.failures)
        assert interrupted or self._stream.is_done, "a run ends when everything is painted, or has failed"
        unfinished = interrupted and (missing > 0 or not self._stream.is_done)
        films = tuple(outputs[name] for name in self._sources if name in outputs)
        return Summary(
            status="interrupted" if unfinished else "incomplete" if failures else "done",
            outputs=Outputs(films, self._stream.seen(), self._space.output),
            failures=failures,
            frames={
                "total": self._plan.frames + tally.paintable,
                "stylized": self._stylized + tally.painted,
                "reused": self._reused + tally.reused,
            },
            sources={
                "films": len(self._sources) + len(self._plan.failures),
                "photographs": max(tally.files, tally.listed or 0),
            },
            iterations=self._iterations + tally.iterations,
            megapixel_iterations=round(self._megapixel_iterations + tally.megapixel_iterations, 6),
            wall_s=wall_s,
            recomputed={**self._stock.reasons, **tally.reasons},
        )

    def _have_assembled(self, name: str) -> None:
        self._assembling[name] = self._keeper.submit(self._assemble, self._sources[name])

    def _assemble(self, source: SourcePlan) -> Output:
        with self._keeper.output(source):
            try:
                output = assemble(source, self._space, self._watcher.encoding)
            except DamagedFrameError:
                self._throw_away_damaged(source)
                raise
            finally:
                self._watcher.encoding(None)
        self._watcher.assembled(output)
        return output

    def _throw_away_damaged(self, source: SourcePlan) -> None:
        shelf = self._space.shelf
        for first, stop, segment in source.homes:
            folder = folder_of(segment, self._space)
            shelf.discard(folder, throw_away_damaged(folder, shelf.fetched(folder, range(first, stop))))
