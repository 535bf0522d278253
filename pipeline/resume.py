"""What earlier runs left that this plan can use, what has to be made again, and why.

Reads the run folder. A frame is used again if its segment's fingerprint is the same, which is to say everything
that changes a pixel of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pipeline.config import Transfer
from pipeline.errors import ConfigError
from pipeline.execute.events import Todo
from pipeline.execute.job import SegmentJob, Stretch
from pipeline.forecasting.costs import todo_cost
from pipeline.media.sources import Kind, Source
from pipeline.originals import Original
from pipeline.parts import Inspected, changes
from pipeline.plan import Plan, SourcePlan
from pipeline.shots.segments import Segment
from pipeline.storage.places import path_of, with_urls
from pipeline.workspace import FrameRecord, Workspace, dropped_frames, finished_frames

AROUND = 64
"""Pictures of a sequence before and after a segment of it that its frames may be compared with."""

THROWN_AWAY = "its frames were thrown away to save room, and its output is not as they made it"


@dataclass(frozen=True)
class Stock:
    """What is there: the finished frames' records by segment's key, and why a source has to be made again.

    Whether a record is a draft's is what this plan says, not the one that it was made for: with one pass more, what
    was the result is a draft, and the other way round. The frames of a written output count as finished, though they
    may have been thrown away.
    """

    finished: Mapping[str, Mapping[int, FrameRecord]]
    reasons: Mapping[str, tuple[str, ...]]

    @property
    def reused(self) -> int:
        """The number of frames of the result that need not be made again."""
        return sum(not record.draft for records in self.finished.values() for record in records.values())

    def reused_of(self, source: SourcePlan) -> int:
        """The number of frames of a source's result that need not be made again."""
        return sum(not record.draft for s in source.segments for record in self.finished[s.key].values())

    @property
    def records(self) -> Iterator[FrameRecord]:
        """The records of all finished frames of the result, in the order of the plan."""
        return (r for records in self.finished.values() for r in records.values() if not r.draft)

    def without_traces(self) -> Stock:
        """The same, without the loss at each evaluation: half of what a record takes, for as long as the run does."""
        finished = {
            key: {index: replace(record, trace=()) for index, record in records.items()}
            for key, records in self.finished.items()
        }
        return replace(self, finished=finished)

    def missing(self, source: SourcePlan) -> dict[str, tuple[int, ...]]:
        """By segment's key, the frames that have yet to be made, in the order in which they will be.

        Drafts that nothing needs any more are not missed: a pack or a person may have thrown them away.
        """
        found: dict[str, tuple[int, ...]] = {}
        wanted: set[str] = set()  # segments of whose drafts something is yet to be made
        for segment in reversed(source.segments):
            done, (first, stop) = self.finished[segment.key], source.own.get(segment.key, (0, 0))
            missing = tuple(index for index in segment.order if index not in done)
            if segment.key not in wanted and all(not first <= index < stop for index in missing):
                missing = ()
            if missing:
                found[segment.key] = missing
                wanted |= {other.key for other in segment.needs}
        return found


def take_stock(plan: Plan, space: Workspace, *, clean: bool = True, written: Collection[str] = ()) -> Stock:
    """Look up what is finished of the plan; what a killed worker left behind is removed, if `clean`.

    `written`: the names of the sources whose outputs are there, and as their frames make them.
    """
    finished: dict[str, Mapping[int, FrameRecord]] = {}
    for source in plan.sources:
        for segment in source.segments:
            folder = folder_of(segment, space)
            there = finished_frames(folder, clean=clean)
            if source.name in written:
                there = dict(sorted({**dropped_frames(folder), **there}.items()))
            finished[segment.key] = {i: _as_planned(r, source, segment) for i, r in there.items()}
    stock = Stock(finished, {})
    before = _parts_before(space)
    reasons = {}
    for source in plan.sources:
        missing = stock.missing(source)
        found = list(_reasons(source, missing, before)) if missing else []
        if not found and any(
            _was_dropped(source, s, space, missing[s.key]) for s in source.segments if s.key in missing
        ):
            found = [THROWN_AWAY]
        if found:
            reasons[source.name] = tuple(dict.fromkeys(found))
    return Stock(finished, reasons)


def _as_planned(record: FrameRecord, source: SourcePlan, segment: Segment) -> FrameRecord:
    is_draft = source.is_draft(segment, record.frame)
    return record if record.draft == is_draft else replace(record, draft=is_draft)


def _was_dropped(source: SourcePlan, segment: Segment, space: Workspace, missing: Collection[int]) -> bool:
    """Whether frames of the result are missing because they were thrown away; drafts always may be."""
    dropped = dropped_frames(folder_of(segment, space))
    return any(index in missing and not source.is_draft(segment, index) for index in dropped)


Place = tuple[str, str, int, int]
"""What tells the segments of a plan apart, whatever they are made with: source, kind, first frame, pass."""


def _place(source: str, kind: str, first: int, parts: Mapping[str, Any]) -> Place:
    """The place of a segment; frames that are left as they are take that of a painting."""
    return source, "paint" if kind == "skip" else kind, first, parts.get("pass", 0)


def _parts_before(space: Workspace) -> dict[Place, dict[str, Any]]:
    """The parts of the segments of the last plan, by place; those that cannot be understood are passed over."""
    segments, found = space.read(space.plan).get("segments"), {}
    for one in segments if isinstance(segments, list) else ():
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            first, stop = one["frames"]
            place = _place(one["source"], one["kind"], first, one["parts"])
            if tuple(map(type, (*place, stop))) == (str, str, int, int, int):
                found[place] = {**one["parts"], "frames": [first, stop]}
    return found


def _reasons(
    source: SourcePlan, missing: Collection[str], before: Mapping[Place, Mapping[str, Any]]
) -> Iterator[str]:
    """What differs between a source's segments that have frames missing and those of the last plan at their places."""
    places = [(_place(s.source, s.kind, s.first, s.parts), s) for s in source.segments]
    for place, segment in places:
        if segment.key in missing and (parts := before.get(place)) is not None:
            yield from changes(_told(segment.kind, parts), _told(segment.kind, segment.parts))
    was = max((place[3] + 1 for place in before if place[0] == source.name), default=0)
    now = max((place[3] + 1 for place, _ in places), default=0)
    if was and was != now:
        yield f"video.passes: {was} → {now}"


def _told(kind: str, parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parts of a segment as reasons: a later stage's drafts have reasons of their own, and seams are many."""
    if kind in ("paint", "skip"):
        return parts
    first, stop = parts["frames"]
    told = {name: value for name, value in parts.items() if name not in ("drafts", "frames")}
    return {**told, "frames of a blend": stop - first} if kind == "blend" else told


def todos(plan: Plan, stock: Stock, space: Workspace, transfer: Transfer) -> list[Todo]:
    """The segments with frames missing, as the scheduler wants them; `transfer`: what they cost by."""
    found = []
    for source in plan.sources:
        missing = stock.missing(source)
        for segment in source.segments:
            if segment.key in missing:
                needs = frozenset(other.key for other in segment.needs if other.key in missing)
                frames = missing[segment.key]
                work = todo_cost(source, segment, frames, transfer)
                found.append(Todo(_job(source, segment, space), deque(frames), 0, segment.key, needs, work))
    return found


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as it is kept in the run folder, to tell the next run what changed."""
    segments = [
        {
            "source": s.source,
            "kind": s.kind,
            "frames": [s.first, s.stop],
            "fingerprint": s.fingerprint,
            "parts": dict(s.parts),
        }
        for s in plan.segments
    ]
    return {
        "sources": [_source_to_json(source.inspected.source) for source in plan.sources],
        "segments": segments,
    }


def _source_to_json(source: Source) -> dict[str, Any]:
    """Where a source is; of a sequence the names of its pictures, which lie in its folder."""
    path = with_urls(str(source.path))
    told = {"kind": source.kind, "path": path, "name": source.name, "output": source.output}
    return {**told, "files": [path.name for path in source.files] if source.kind == "sequence" else None}


def planned_sources(space: Workspace) -> tuple[Source, ...] | None:
    """The films of the last plan, as they were found; None: no run here has written down any.

    The run folder may be a stranger's: whoever reads these files makes sure that they are the job's.
    """
    try:
        return tuple(_source_from_json(one) for one in space.read(space.plan)["sources"])
    except (ConfigError, KeyError, TypeError, ValueError):
        return None


def _source_from_json(told: Mapping[str, Any]) -> Source:
    kind, path, name, output, files = (told[key] for key in ("kind", "path", "name", "output", "files"))
    texts = (path, name, *([] if output is None else [output]), *(files or ()))
    if kind not in get_args(Kind) or not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise ValueError(f"no source: {told!r}")
    if any(Path(file).name != file for file in files or ()):
        raise ValueError("pictures of a sequence lie in its folder")
    folder = path_of(path)
    return Source(
        kind, folder, name, tuple(folder / file for file in files) if files else (folder,), None, output
    )


def folder_of(segment: Segment, space: Workspace) -> Path:
    """Where a segment's finished frames are kept."""
    return space.segment(segment.source, segment.first, segment.stop, segment.fingerprint)


def _job(source: SourcePlan, segment: Segment, space: Workspace) -> SegmentJob:
    found = source.inspected
    return SegmentJob(
        name=segment.name,
        source=found.source,
        probe=found.probe,
        first=segment.first,
        stop=segment.stop,
        size=source.size,
        folder=folder_of(segment, space),
        kind=segment.kind,
        step=segment.step,
        effort=segment.effort,
        drafts=tuple(Stretch(h.first, h.stop, folder_of(h.segment, space)) for h in segment.drafts),
        own=source.own.get(segment.key, (segment.first, segment.first)),
        direction=source.direction(segment),
        digest=found.digest,
        originals=_originals(found, segment),
    )


def _originals(found: Inspected, segment: Segment) -> dict[Path, Original]:
    """The files that a segment's frames are read from, as they were: of a sequence its own, and those around."""
    files = zip(found.source.files, found.originals, strict=False)
    if found.source.kind != "sequence":
        return dict(files)
    around = range(segment.first - AROUND, segment.stop + AROUND)
    return {path: one for index, (path, one) in enumerate(files) if index in around}
