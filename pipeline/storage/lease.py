"""The lock of a run folder behind a URL: an object that says who works there, and that they still do.

It is written anew every `BEAT_S`. Whoever finds it older than `STALE_S`, by the server's clock, or written by a process
of this machine that is gone, takes it over. Two runs at once would do double work and nothing worse, since results are
put where there are none; so a lock that was lost in between is no error.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import ResumeError, StorageError
from pipeline.storage.remote import Remote, Thing

BEAT_S = 10.0
STALE_S = 60.0

LOCK = "lock"


class Lease:
    """One run's claim on a run folder. `is_alone`: nobody held it before, so nobody else is at work there."""

    def __init__(self, remote: Remote) -> None:
        self._remote, self._token, self._beats = remote, secrets.token_hex(8), 0
        self.is_alone = False

    def take(self) -> None:
        """Take the lock, or raise `ResumeError` where another run holds it."""
        if self._remote.create(LOCK, self._claim()):
            self.is_alone = True
            return
        if self._is_ours():  # the answer was lost, and the put repeated
            self.is_alone = True
            return
        held = self._remote.state(LOCK)
        holder = _read(self._remote)
        if held is None or not (_is_gone(holder) or self._is_stale(held)):
            who = f"process {holder.get('process')} on {holder.get('host')} since {holder.get('since')}"
            raise ResumeError(
                f"another run is working in {self._remote.url} ({who}); wait for it, or stop it first. "
                f"One that died counts as dead {STALE_S:g} s after its last sign of life"
            )
        if not self._remote.replace(LOCK, self._claim(), over=held) and not self._is_ours():
            raise ResumeError(
                f"another run has just begun in {self._remote.url}; wait for it, or stop it first"
            )

    def beat(self) -> None:
        """Say that the run is alive, unless another has taken over; a silent server is asked again later."""
        with suppress(StorageError):
            if _read(self._remote).get("token") in (self._token, None):
                self._beats += 1
                self._remote.replace(LOCK, self._claim())

    def leave(self) -> None:
        """Let the run folder go."""
        if self._is_ours():
            self._remote.remove([LOCK])

    def _is_ours(self) -> bool:
        return bool(_read(self._remote).get("token") == self._token)

    def _claim(self) -> bytes:
        who = {"token": self._token, "process": os.getpid(), **_machine()}
        return json.dumps({**who, "since": _SINCE, "beats": self._beats}).encode()

    def _is_stale(self, held: Thing) -> bool:
        """Whether the lock is old, by the clock that dated it: that of the server, which dates a file of ours, too."""
        name = f"{LOCK}-{self._token}"
        self._remote.replace(name, b"what time is it?")
        try:
            asked = self._remote.state(name)
        finally:
            self._remote.remove([name])
        return asked is not None and asked.modified_s - held.modified_s > STALE_S


@contextmanager
def repeating(do: Callable[[], object]) -> Iterator[None]:
    """While this lasts, have something done every `BEAT_S` in a thread of its own, whatever it raises."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(BEAT_S):
            with suppress(Exception):  # tried again; nobody would hear of a thread that has ended
                do()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


_SINCE = time.strftime("%F %T")


def _read(remote: Remote) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(remote.read(LOCK) or b"{}")
        return found if isinstance(found, dict) else {}
    return {}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine, and is no more."""
    ours = _machine()
    if not ours["boot"] or any(holder.get(key) != value for key, value in ours.items()):
        return False
    try:
        os.kill(int(holder["process"]), 0)
    except (ProcessLookupError, KeyError, TypeError, ValueError):
        return True
    except OSError:
        return False
    return False


def _machine() -> dict[str, Any]:
    """Where a process's number means that process: containers may have the same host name, and a kernel in common."""
    numbers = None
    with suppress(OSError):
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    return {"host": socket.gethostname(), "boot": _boot(), "numbers": numbers}


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""
