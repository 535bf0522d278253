"""How far a run is, for another terminal: a small file for `stylize status`.

It is `status.json` in the run folder. It is a courtesy: nothing depends on it, and a disk that takes no more
does not end a run over it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

from pipeline.durable import no_link
from pipeline.encoding import Encoding
from pipeline.ledger import Watcher
from pipeline.live.progress import Meter, Snapshot, lost_line, worker_line
from pipeline.media.items import blamed
from pipeline.settings.yaml_lines import one_line
from pipeline.workspace import Workspace

EVERY_S = 2.0
"""The file is written this often."""

LATEST_S = 1e11
"""No time of a run is later: then a year has five digits."""

SILENT_S = 120.0
"""A run that has not written for so long is taken for dead; it writes every `EVERY_S`, whatever it is at."""


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
    if abs(time.time() - _number(found.get("updated"))) >= SILENT_S:  # its process may be another's by now
        return False
    if found.get("host") != os.uname().nodename:
        return True
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
