"""Jobs that are painted at once, for pages about them, and records without any job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pipeline.execute.events import Event, FrameFinished, SegmentFailed, SegmentFinished, Todo, WorkerLost
from pipeline.execute.queue import Queue
from pipeline.records import FrameRecord
from tests.farms import TextureFarm, paint


def figured(record: FrameRecord) -> FrameRecord:
    """A record with all figures that a painted frame has."""
    rng = np.random.default_rng(record.frame)
    end = float(1.2 + 0.2 * rng.random())
    is_cold = record.start == "cold"
    return replace(
        record,
        iterations=60 if is_cold else 12,
        loss=end,
        trace=tuple(float(v) for v in np.geomspace(40 if is_cold else 2, end, 12)),
        warp_error=None if is_cold else float(0.002 + 0.001 * rng.random()),
        brightness=float(0.45 + 0.01 * rng.random()),
        saturation=float(0.3 + 0.01 * rng.random()),
        sharpness=float(0.08 + 0.004 * rng.random()),
    )


class FiguredFarm(TextureFarm):
    """A farm whose records have all figures; in which, of two workers, one dies once."""

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        place, names = 0, dict[str, str]()
        for event in super().stylize(queue, stop):
            if isinstance(event, FrameFinished):
                place += 1
                worker = names.setdefault(event.job.name, f"host-{1 + len(names) % 2}")
                job, index = event.job, event.record.frame
                start = "cold" if job.kind == "paint" and index == job.first else "warm"
                event = replace(
                    event, record=replace(figured(replace(event.record, start=start)), worker=worker)
                )
                if place == 5:
                    yield WorkerLost(worker, "killed by the kernel", job.name, index, 2, 3)
                    names[event.job.name] = "host-3"
            yield event


class FailingFarm(TextureFarm):
    """A farm in which the second segment of every source fails at its second frame."""

    ERROR = "the frame cannot be read; replace the file"

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        while isinstance(todo := queue.take(1), Todo):
            if todo.job.first:
                yield SegmentFailed(todo.job, todo.job.first + 1, self.ERROR)
                queue.drop_source(todo.job.source.name)
                continue
            for index in todo.missing:
                yield FrameFinished(paint(todo.job, index), todo.job)
            queue.finish(todo)
            yield SegmentFinished(todo.job)


def write_records(path: Path, records: Iterator[FrameRecord]) -> None:
    """A journal of frames, as runs write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.writelines(json.dumps(asdict(record), separators=(",", ":")) + "\n" for record in records)
