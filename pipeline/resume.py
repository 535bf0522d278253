"""What earlier runs left that this plan can use, what has to be made again, and why.

Reads the run folder. A frame is used again if its segment's fingerprint is the same, which is to say everything
that changes a pixel of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.execute.events import Todo
from pipeline.execute.job import SegmentJob
from pipeline.plan import Plan, Segment, SourcePlan, changes
from pipeline.workspace import FrameRecord, Workspace, finished_frames


@dataclass(frozen=True)
class Stock:
    """What is there: the finished frames' records by segment's key, and why a source has to be made again."""

    finished: Mapping[str, Mapping[int, FrameRecord]]
    reasons: Mapping[str, tuple[str, ...]]

    @property
    def reused(self) -> int:
        """The number of frames that need not be made again."""
        return sum(len(records) for records in self.finished.values())

    @property
    def records(self) -> Iterator[FrameRecord]:
        """The records of all finished frames, in the order of the plan."""
        return (record for records in self.finished.values() for record in records.values())

    def open_segments(self, source: SourcePlan) -> int:
        """How many of a source's segments have frames missing."""
        return sum(len(self.finished[s.key]) < s.stop - s.first for s in source.segments)


def take_stock(plan: Plan, space: Workspace, *, clean: bool = True) -> Stock:
    """Look up what is finished of the plan; what a killed worker left behind is removed, if `clean`."""
    finished = {s.key: finished_frames(folder_of(s, space), clean=clean) for s in plan.segments}
    before = _parts_before(space)
    reasons = {}
    for source in plan.sources:
        found = [
            change
            for segment in source.segments
            if len(finished[segment.key]) < segment.stop - segment.first
            and (parts := before.get((source.name, segment.first))) is not None
            for change in changes(parts, segment.parts)
        ]
        if found:
            reasons[source.name] = tuple(dict.fromkeys(found))
    return Stock(finished, reasons)


def _parts_before(space: Workspace) -> dict[tuple[str, int], dict[str, Any]]:
    """The parts of the segments of the last plan, by source and first frame; none where it cannot be understood."""
    try:
        return {(s["source"], s["frames"][0]): s["parts"] for s in space.read(space.plan)["segments"]}
    except (KeyError, TypeError, IndexError):
        return {}


def todos(plan: Plan, stock: Stock, space: Workspace) -> list[Todo]:
    """The segments with frames missing, as the scheduler wants them."""
    found = []
    for source in plan.sources:
        for segment in source.segments:
            done = stock.finished[segment.key]
            missing = deque(i for i in range(segment.first, segment.stop) if i not in done)
            if missing:
                found.append(Todo(_job(source, segment, space), missing))
    return found


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as it is kept in the run folder, to tell the next run what changed."""
    segments = [
        {
            "source": s.source,
            "frames": [s.first, s.stop],
            "fingerprint": s.fingerprint,
            "parts": dict(s.parts),
        }
        for s in plan.segments
    ]
    return {"segments": segments}


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
    )
