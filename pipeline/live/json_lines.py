"""A run for a program: JSON lines, each an object with `event` and `at`. docs/report.md says what is in them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.assemble import Output
from pipeline.encoding import Clock, Encoding, NowAndThen
from pipeline.execute.events import (
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    SegmentFailed,
    SegmentFinished,
    WorkerLost,
)
from pipeline.ledger import Summary, Watcher
from pipeline.live.progress import Meter
from pipeline.storage.places import with_urls

EVERY_S = 2.0
"""A line of progress comes this often, and one at the end."""


class JsonLines(Watcher):
    """Tells a run as JSON lines, each an object with `event` and `at`, the time in seconds since 1970.

    `frame`, `picture`, `segment`, `output`, `worker_lost`, `failed` and `warning` come as they happen, `progress`, a
    snapshot, every two seconds and when the work is over, as often `encoding`, while an output is being written, and
    `ended` last.
    """

    def __init__(self, meter: Meter, write: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self.meter, self._write = meter, write
        self._told_s, self._began_s = float("-inf"), time.monotonic()
        self._is_encoding_told = NowAndThen(EVERY_S, clock)

    def _tell(self, event: str, **data: Any) -> None:
        self._write(json.dumps({"event": event, "at": round(time.time(), 3), **data}))

    def planned(self, *_: object) -> None:
        """What there is to do."""
        self._tell("planned", **self.meter.snapshot().to_json())

    def warned(self, text: str) -> None:
        """Something that a person could do something about."""
        self._tell("warning", text=text)

    def happened(self, event: Event) -> None:
        """One line, or none."""
        match event:
            case FrameFinished(record, _):
                told = {key: value for key, value in asdict(record).items() if key != "trace"}
                self._tell("frame", **told)
            case PictureFinished(batch, index, records):
                picture = batch.pictures[index]
                self._tell("picture", source=picture.name, output=picture.output, pages=len(records))
            case SegmentFinished(job):
                self._tell("segment", source=job.source.name, segment=job.name)
            case SegmentFailed(job, frame, error):
                self._tell("failed", source=job.source.name, frame=frame, error=error)
            case PictureFailed(batch, index, error):
                self._tell("failed", source=batch.pictures[index].name, frame=None, error=error)
            case WorkerLost():
                self._tell("worker_lost", **asdict(event))
        if time.monotonic() - self._told_s >= EVERY_S:
            self._told_s = time.monotonic()
            self._tell_progress()

    def encoding(self, encoding: Encoding | None) -> None:
        """An output is being written."""
        if encoding is not None and self._is_encoding_told():
            self._tell("encoding", **asdict(encoding))

    def assembled(self, output: Output) -> None:
        """An output is there."""
        self._tell("output", source=output.source, output=str(output.output), frames=output.frames)

    def ended(self, status: str) -> None:
        """How far it came; the report is still to be made."""
        if self.meter.is_working:
            self._tell_progress()

    def concluded(self, summary: Summary, report: Path | None) -> None:
        """Nothing more will come; `report`: where the page is, if there is one."""
        data = summary.to_json()
        kept = ("failures", "iterations", "megapixel_iterations", "wall_s")
        frames, now = summary.frames, self.meter.snapshot()
        self._tell(
            "ended",
            status=summary.status,
            done=frames["stylized"] + frames["reused"],
            total=max(now.total, frames["total"]),
            **{name: data[name] for name in kept},
            report=None if report is None else with_urls(str(report)),
        )

    def broke_off(self, error: str, status: str) -> None:
        """Nothing more will come, since an error ended it, or somebody before there was any work."""
        now = self.meter.snapshot()
        self._tell(
            "ended",
            status=status,
            error=error,
            done=now.done,
            total=now.total,
            failures=[asdict(failure) for failure in now.failures],
            iterations=self.meter.iterations,
            megapixel_iterations=now.megapixel_iterations,
            wall_s=round(time.monotonic() - self._began_s, 3),
            report=None,
        )

    def _tell_progress(self) -> None:
        self._tell("progress", **self.meter.snapshot().to_json())
