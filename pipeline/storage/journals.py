"""The small files of a run folder behind a URL: fetched when a run begins, put when they have changed.

Journals grow by lines, which an object cannot; so they are put whole, and only if they have grown by a share, so that
all in all no more than a few times their final size travels. What a worker's journal tells of photographs is removed
only after the run's own journal, which has it by then, has been put.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.durable import append_lines
from pipeline.storage.remote import Remote, Thing

SHARE = 4
"""A journal is put while a run goes on when it has grown by one part in so many."""

_SMALL = ("plan.json", "probes.json", "looks.json", "status.json", "outputs.jsonl")
_RECORDS = "records.jsonl"
_GROWING = (_RECORDS, "events.jsonl")
_TRIES = 5

_Seen = tuple[int, int, int]


class Journals:
    """The small files of one run folder; `root` is where they are on this machine."""

    def __init__(self, root: Path, remote: Remote) -> None:
        self._root, self._remote = root, remote
        self._lock = threading.RLock()
        self._put: dict[str, _Seen] = {}  # by name, the file as it was put or fetched
        self._there: dict[str, Thing | None] = {}  # by name, what it became there, so far as known
        self._of_workers: set[str] = set()  # names of journals of photographs that were fetched

    def fetch(self, thing: Thing) -> None:
        """Fetch a small file, dated as it is there."""
        path = self._root / thing.name
        if self._remote.fetch(thing.name, path):
            if thing.modified_s:
                os.utime(path, (thing.modified_s, thing.modified_s))
            with self._lock:
                self._put[thing.name], self._there[thing.name] = _seen(path), thing
                if path.parent.name == "pictures":
                    self._of_workers.add(thing.name)

    def fetch_of_batch(self, journal: Path) -> Iterator[Path]:
        """The journals that workers have of one batch, fetched one after the other."""
        start = f"pictures/{journal.stem}-"
        for thing in self._remote.starting(start):
            path = self._root / thing.name
            self.fetch(thing)
            if path.exists():
                yield path

    def push(self, *, everything: bool = False) -> None:
        """Put what has changed: small files always, records and events only where they have grown by a share."""
        with self._lock:
            settled = [
                name for name in self._of_workers if not any(p.exists() for p in _both(self._root / name))
            ]
            for name in _SMALL:
                if self._has_changed(name):
                    self.put(self._root / name)
            for name in _GROWING:
                if self._has_changed(name) and (everything or self._has_grown(name)):
                    self.put(self._root / name)
            if settled and not self._has_changed(_RECORDS):  # it has their lines
                self._remote.remove(settled)
                self._of_workers -= set(settled)

    def put(self, path: Path) -> None:
        """Put one of them, with the lines of a run that was faster, if it is a journal of the run's own."""
        with self._lock:
            name = str(path.relative_to(self._root))
            for _ in range(_TRIES):
                seen, there = _seen(path), self._there.get(name)
                if path.suffix != ".jsonl" or path.parent != self._root:
                    done = self._remote.replace(name, path)
                elif there is None:
                    done = self._remote.create(name, path)
                else:
                    done = self._remote.replace(name, path, over=there)
                self._there[name] = self._remote.state(name) if path.parent == self._root else None
                if done:
                    self._put[name] = seen
                    return
                self._merge(name, path)

    def catch_up(self, path: Path) -> None:
        """Take over what another run has added to a journal."""
        with self._lock:
            self._merge(str(path.relative_to(self._root)), path)

    def _merge(self, name: str, path: Path) -> None:
        """Take over the lines of another run."""
        theirs = (self._remote.read(name) or b"").splitlines()
        ours = set(path.read_bytes().splitlines()) if path.exists() else set()
        append_lines(path, entries_of(line for line in theirs if line not in ours))

    def _has_changed(self, name: str) -> bool:
        path = self._root / name
        return path.exists() and _seen(path) != self._put.get(name)

    def _has_grown(self, name: str) -> bool:
        before = self._put.get(name, (0, 0, 0))[0]
        return (self._root / name).stat().st_size > before + before // SHARE


def _both(path: Path) -> Iterable[Path]:
    """A journal of photographs, and what it is called while it is read."""
    return path, path.with_name(f"left-{path.name}")


def entries_of(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The entries of a journal's lines that are whole."""
    for line in lines:
        with suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def _seen(path: Path) -> _Seen:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino
