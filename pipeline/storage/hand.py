"""Sources behind a URL, where this process reads them: at hand as files, or opened where they are.

A path that stands for itself is at hand already. Films and the pictures of a sequence are kept for all processes of a
user on this machine, up to `kept_bytes`, the last used ones; a process has links to what it uses, so whatever is
forgotten stays as long as somebody reads it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import MediaError
from pipeline.storage.places import here, make_place, scratch, url_of

MOST_KEPT_BYTES = 16 << 30
"""Of sources, on one machine; at most half of what is free."""

_LEFT_S = 6 * 3600.0
"""A part of a download that has not grown for so long, or a lock that nobody has taken, is nobody's."""

State = tuple[int, int]


def state_at(path: Path) -> State:
    """The size of a file and its time of change in ns, or what stands for that behind a URL; `OSError` without one."""
    url = url_of(path)
    if url is None:
        state = path.stat()
        return state.st_size, state.st_mtime_ns
    if (found := remote_state(url)) is None:
        raise FileNotFoundError(errno.ENOENT, "it is not there", url)
    return found


def remote_state(url: str) -> State | None:
    """The same of a URL."""
    from pipeline.storage.remote import Remote

    folder, _, name = url.rpartition("/")
    thing = Remote(folder).state(name)
    return None if thing is None else thing.state


def opened(path: Path, block_bytes: int = 1 << 17) -> BinaryIO:
    """A file, open for reading; of one behind a URL only what is read is fetched, in blocks of so many bytes."""
    url = url_of(path)
    if url is None:
        return path.open("rb")
    from pipeline.storage.remote import Remote

    folder, _, name = url.rpartition("/")
    return Remote(folder).open(name, block_bytes)


@contextmanager
def at_hand(paths: Sequence[Path]) -> Iterator[None]:
    """While this lasts, these sources are files here; `MediaError` where one is not there."""
    fetched = []
    try:
        for path in paths:
            url = url_of(path)
            if url is not None and not path.exists():
                make_place(here())
                bring(url, path)
                fetched.append(path)
        yield
    finally:
        for path in fetched:
            path.unlink(missing_ok=True)


def bring(url: str, path: Path) -> State:
    """Make a source a file here, out of what is kept where it is; its state. `MediaError` where it is not there."""
    state = remote_state(url)
    if state is None:
        raise MediaError(f"{url} is not there any more; run again")
    kept = _kept(url, state)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        os.link(kept, path)
    except OSError:  # no hard links here, or forgotten just now
        fetch_source(url, path, state)
    return state


def fetch_source(url: str, path: Path, state: State) -> None:
    """Fetch a source as it was listed; `MediaError` where it has changed since, or gone."""
    from pipeline.storage.remote import Remote

    folder, _, name = url.rpartition("/")
    remote = Remote(folder)
    if not remote.fetch(name, path, state[1]) or (path.stat().st_size, remote_state(url)) != (
        state[0],
        state,
    ):
        path.unlink(missing_ok=True)
        raise MediaError(f"{url} has changed since it was listed; run again")


def _kept(url: str, state: State) -> Path:
    """A source among those that are kept, fetched if need be, and taken down as used."""
    folder = scratch() / "sources"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(f"{url} {state}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    kept = folder / name
    with kept.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers of this machine want the same film
        if not kept.exists():
            fetch_source(url, kept, state)
            _forget(folder, besides=kept)
    with suppress(FileNotFoundError):
        os.utime(kept, ns=(time.time_ns(), state[1]))  # read last, and changed
    return kept


def kept_bytes(used: int, folder: Path) -> int:
    """How much is kept at most, where so much is."""
    return min(MOST_KEPT_BYTES, (used + shutil.disk_usage(folder).free) // 2)


def _forget(folder: Path, besides: Path) -> None:
    """Remove what was used longest ago, until the rest is within bounds, and what killed processes left behind."""
    states = list(_states(folder))
    for path, state in states:
        if (
            "." in path.name and state.st_mtime < time.time() - _LEFT_S
        ):  # no download that is going on, nor its lock
            path.unlink(missing_ok=True)
    kept = sorted((one for one in states if "." not in one[0].name), key=lambda one: one[1].st_atime)
    used = sum(state.st_size for _, state in kept)
    most = kept_bytes(used, folder)
    for path, state in kept:
        if used <= most:
            return
        if path != besides:
            path.unlink(missing_ok=True)
            used -= state.st_size


def _states(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process has removed it
            yield path, path.stat()
