"""What happens in a run that no record of a frame tells: who worked when, who died, what failed. `events.jsonl`.

A line each, with `what` and `at`, in seconds since 1970:

    started   command, settings, versions: a run has something to do
    worked    worker, source, segment, began, frames: so long a worker was at one segment; of photographs, at some
    lost      worker, reason, segment (that it was at, or null; of photographs, the photograph or the batch), frame
              (of a segment), attempt (that comes next; null: none), attempts (at most)
    failed    source, path, frames (the first and the stop of its segment, or null), frame, error
    ended     status, frames, iterations, megapixel_iterations, wall_s, failures (how many)

A run that gets nothing done, and in which nothing fails but what failed in the last one, writes nothing. What cannot
be written is not told: no run stops for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from pipeline.durable import append_journal, read_journal, rewrite
from pipeline.errors import PipelineError, SpaceError
from pipeline.execute.events import (
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    SegmentFailed,
    WorkerLost,
)
from pipeline.ledger import Summary, Watcher
from pipeline.plan import Failure
from pipeline.storage.places import throughout
from pipeline.workspace import Workspace

MOST_LINES = 20_000
"""Of one run; its end is told in any case."""

MOST_FAILURES = 1000

MOST_BYTES = 16 * 2**20
"""A file that is larger when a run begins loses its older half."""

FIRST_PIECE_S, PART_OF_RUN = 60.0, 0.05
"""A stint is written down after so long, or so much of the run, and goes on as another: a killed run loses only that,
and the lines of a long run grow with the logarithm of its length."""

PICTURES = ""
"""Stands for a source where photographs are meant."""


@dataclass
class _Stint:
    """So long a worker was at one segment; times in seconds since 1970."""

    source: str
    segment: str
    began_s: float
    ended_s: float
    frames: int = 0


class Chronicle(Watcher):
    """Writes down a run as it goes on; use it with `with`, so that a run that ends in an error is told, too.

    `started`: what is to be said of the run once it has something to do.
    """

    def __init__(self, space: Workspace, started: Mapping[str, Any]) -> None:
        self._space, self._started = space, started
        self._began_s = time.time()
        self._is_begun = self._is_over = False
        self._lines = 0
        self._stints: dict[str, _Stint] = {}
        self._failed: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_begun and not self._is_over and error is not None:
            told = str(error) if isinstance(error, PipelineError) else type(error).__name__
            self._end({"status": "error", "error": told, "wall_s": round(time.time() - self._began_s, 3)})

    def happened(self, event: Event) -> None:
        """Take down what is worth it."""
        match event:
            case FrameFinished(record, job):
                self._worked(record.worker, job.source.name, job.name, record.seconds)
            case PictureFinished(_, _, records):
                self._worked(records[0].worker, PICTURES, PICTURES, sum(one.seconds for one in records))
            case WorkerLost():
                self._close(event.worker)
                self._tell("lost", **asdict(event))
            case SegmentFailed(job, frame, error):
                self._fail(
                    Failure(job.source.name, frame, error), str(job.source.path), (job.first, job.stop)
                )
            case PictureFailed(batch, index, error):
                picture = batch.pictures[index]
                self._fail(Failure(picture.name, None, error), str(picture.path))

    def conclude(self, summary: Summary) -> None:
        """Take down how the run ended, and what failed without any work."""
        self._is_over = True
        known = {(one["source"], one["error"]) for one in self._failed}
        for failure in summary.failures:
            if (failure.source, failure.error) not in known:
                self._fail(failure)
        if not self._is_begun and _keys(self._failed) == _keys(last_failures(self._space)):
            return
        self._end(
            {
                "status": summary.status,
                "frames": dict(summary.frames),
                "iterations": summary.iterations,
                "megapixel_iterations": summary.megapixel_iterations,
                "wall_s": round(summary.wall_s, 3),
                "failures": len(summary.failures),
            }
        )

    def _worked(self, worker: str, source: str, segment: str, seconds: float) -> None:
        self._begin()
        now_s = time.time()
        if worker in self._stints and self._stints[worker].segment != segment:
            self._close(worker)
        stint = self._stints.get(worker)
        if stint is None:
            began_s = max(self._began_s, now_s - seconds)
            stint = self._stints[worker] = _Stint(source, segment, began_s, now_s)
        stint.ended_s, stint.frames = now_s, stint.frames + 1
        if now_s - stint.began_s > max(FIRST_PIECE_S, PART_OF_RUN * (now_s - self._began_s)):
            self._close(worker)

    def _close(self, worker: str) -> None:
        """Write down what a worker was at."""
        stint = self._stints.pop(worker, None)
        if stint is not None:
            self._tell(
                "worked",
                at=round(stint.ended_s, 3),
                worker=worker,
                source=stint.source,
                segment=stint.segment,
                began=round(stint.began_s, 3),
                frames=stint.frames,
            )

    def _fail(self, failure: Failure, path: str | None = None, frames: tuple[int, int] | None = None) -> None:
        """Tell a failure; one that comes before any work waits for it, since it may be that of the last run again."""
        if len(self._failed) == MOST_FAILURES:
            return
        told = {"source": failure.source, "frame": failure.frame, "error": failure.error}
        self._failed.append(throughout({**told, "path": path, "frames": frames}))
        if self._is_begun:
            self._tell("failed", **self._failed[-1])

    def _end(self, told: Mapping[str, Any]) -> None:
        for worker in list(self._stints):
            self._close(worker)
        self._lines = 0
        self._tell("ended", **told)

    def _begin(self) -> None:
        """Say that there is something to do; once."""
        if not self._is_begun:
            self._is_begun = True
            with suppress(SpaceError):
                _shorten(self._space)
            self._append({"what": "started", "at": round(self._began_s, 3), **self._started})
            for failed in self._failed:
                self._tell("failed", **failed)

    def _tell(self, what: str, **more: Any) -> None:
        self._begin()
        if self._lines < MOST_LINES:
            self._lines += 1
            self._append({"what": what, "at": round(time.time(), 3), **more})

    def _append(self, entry: Mapping[str, Any]) -> None:
        with suppress(SpaceError):  # who notices that there is no room is who writes frames
            append_journal(self._space.events, throughout(entry), synced=False)  # it is for eyes only


def _keys(failed: Iterable[Mapping[str, Any]]) -> set[tuple[str, ...]]:
    """What tells failures apart."""
    return {tuple(str(one.get(name)) for name in ("source", "frame", "error")) for one in failed}


def last_failures(space: Workspace) -> list[dict[str, Any]]:
    """The lines `failed` of the last run that told anything, as they stand in a journal that may be damaged."""
    found: list[dict[str, Any]] = []
    for entry in read_journal(space.events):
        if entry.get("what") == "started":
            found = []
        elif entry.get("what") == "failed":
            found.append(entry)
    return found


def _shorten(space: Workspace) -> None:
    """Let the older half of a long file go."""
    try:
        size = os.path.getsize(space.events)  # noqa: PTH202
    except OSError:
        return
    if size > MOST_BYTES:
        with space.events.open("rb") as file:
            file.seek(size // 2)
            file.readline()  # the rest of a line
            rewrite(space.events, file)
