"""How far a run is, for others than its own terminal: JSON lines for a program, a small file for `stylize status`.

The file is `status.json` in the run folder. It is a courtesy: nothing depends on it, and a disk that takes no more
does not end a run over it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

from pipeline.assemble import Output
from pipeline.durable import no_link
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
from pipeline.ledger import Watcher
from pipeline.live.progress import Meter, Snapshot, lost_line, worker_line
from pipeline.media.items import blamed
from pipeline.settings.yaml_lines import one_line
from pipeline.workspace import Workspace

EVERY_S = 2.0
"""The file is written this often, and a line of progress comes."""

LATEST_S = 1e11
"""No time of a run is later: then a year has five digits."""

SILENT_S = 120.0
"""A run on another machine that has not written for so long is taken for dead."""


class JsonLines(Watcher):
    """Tells a run as JSON lines, each an object with `event` and `at`, the time in seconds since 1970.

    `frame`, `picture`, `segment`, `output`, `worker_lost`, `failed` and `warning` come as they happen, `progress`, a
    snapshot, every two seconds, and as often `encoding`, while an output is being written.
    """

    def __init__(self, meter: Meter, write: Callable[[str], None], clock: Clock = time.monotonic) -> None:
        self._meter, self._write = meter, write
        self._told_s = float("-inf")
        self._is_encoding_told = NowAndThen(EVERY_S, clock)

    def _tell(self, event: str, **data: Any) -> None:
        self._write(json.dumps({"event": event, "at": round(time.time(), 3), **data}))

    def planned(self, *_: object) -> None:
        """What there is to do."""
        self._tell("planned", **self._meter.snapshot().to_json())

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
            self._tell("progress", **self._meter.snapshot().to_json())

    def encoding(self, encoding: Encoding | None) -> None:
        """An output is being written."""
        if encoding is not None and self._is_encoding_told():
            self._tell("encoding", **asdict(encoding))

    def assembled(self, output: Output) -> None:
        """An output is there."""
        self._tell("output", source=output.source, output=str(output.output), frames=output.frames)


class StatusFile(Watcher):
    """Keeps `status.json` up to date while a run goes on, and says how it ended.

    By a thread of its own: another machine tells by the file alone that the run lives, also where nothing happens for
    an hour, as while a long output is encoded. A run that finds nothing to do leaves the file as it is.
    """

    def __init__(self, meter: Meter, space: Workspace) -> None:
        self._meter, self._space = meter, space
        self._began = time.time()
        self._is_ours = False  # this run has something to say
        self._lock, self._is_over = Lock(), Flag()

    def planned(self, *_: object) -> None:
        """The run holds its folder now, so the file is its own."""
        if not self._meter.snapshot().is_painted:
            self._begin()

    def encoding(self, encoding: Encoding | None) -> None:
        """A run that has only outputs to write has something to say, too."""
        if encoding is not None:
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._is_ours or self._is_over.is_set():
                return
            self._keep("running")
        Thread(target=self._keep_on, name="status", daemon=True).start()

    def ended(self, status: str) -> None:
        """Say how the run ended; one that never began has nothing to say."""
        with self._lock:
            self._is_over.set()  # the thread writes no more
            if self._meter.is_working and (
                self._is_ours or self._space.read(self._space.status).get("status") != status
            ):
                self._keep(status)
                self._space.shelf.share(self._space.status)

    def _keep_on(self) -> None:
        while not self._is_over.wait(EVERY_S):
            with self._lock:
                if not self._is_over.is_set():
                    self._keep("running")

    def _keep(self, status: str) -> None:
        self._is_ours = True
        entry = {
            "status": status,
            "process": os.getpid(),
            "host": os.uname().nodename,
            "began": self._began,
            "updated": time.time(),
            **self._meter.snapshot().to_json(),
        }
        path = self._space.status
        temporary = path.with_suffix(".tmp")  # one is enough, as the run folder is held
        with suppress(OSError):  # not synced: after a power cut it would be wrong anyway
            with os.fdopen(no_link(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
                file.write(json.dumps(entry))
            temporary.replace(path)


def read_status(space: Workspace) -> dict[str, Any] | None:
    """What the run that works here says of itself, or the last one said; None where none ever did.

    `status` is running, done, incomplete, interrupted or error as the run wrote it, or `dead` where it was running
    and is not any more.
    """
    space.shelf.fetch(space.status)
    found = space.read(space.status)
    if not isinstance(found.get("status"), str):
        return None
    if found["status"] == "running" and not _lives(found):
        found["status"] = "dead"
    return found


def is_running(space: Workspace) -> bool:
    """Whether a run is at work here."""
    return (read_status(space) or {}).get("status") == "running"


def _lives(found: dict[str, Any]) -> bool:
    """Whether the process that wrote this still works."""
    if found.get("host") != os.uname().nodename:
        return abs(time.time() - _number(found.get("updated"))) < SILENT_S
    process = int(_number(found.get("process")))
    try:
        if process < 1:  # those are groups of processes
            return False
        os.kill(process, 0)
    except PermissionError:  # another user's
        return True
    except (OSError, OverflowError):
        return False
    return True


def _number(value: object) -> float:
    """A time or a number of a process; 0 where the file is damaged."""
    return value if isinstance(value, int | float) and abs(value) < LATEST_S else 0.0


TOLD = {
    "dead": "stopped without a word; run again to go on, nothing that was finished is lost",
    "interrupted": "interrupted; run again to go on",
    "incomplete": "finished, but some sources failed; run again to try them again",
    "done": "done",
    "error": "ended by an error; run again to go on",
}


def lines(found: dict[str, Any], columns: int = 58) -> Iterator[str]:
    """A status for a person, with workers in so many columns."""
    since = time.strftime("%F %T", time.localtime(_number(found.get("began"))))
    ago = max(0, round(time.time() - _number(found.get("updated"))))
    if found["status"] == "running":
        who = one_line(f"process {found.get('process')} on {found.get('host')}")
        yield f"running since {since}, {who}, seen {ago} s ago"
    else:
        ended = TOLD.get(found["status"], one_line(found["status"]))
        yield f"{ended} (begun {since}, last seen {ago} s ago)"
    with suppress(ValueError):  # of another version of us: the first line is enough
        now = Snapshot.from_json(found)
        if found["status"] == "running":
            yield from now.lines
            yield from (worker_line(worker, columns) for worker in now.workers)
        else:
            yield from now.lines_at_the_end
        yield from (one_line(lost_line(loss)) for loss in now.losses)
        for failure in now.failures:
            yield one_line(f"failed: {blamed(failure.source, failure.error)}")
