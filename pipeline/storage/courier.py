"""Photographs behind a URL to a worker, and its results to an output folder behind a URL.

As `execute.delivery`: a line in the worker's journal of the batch, and then the result, only where there is none, or
only over the one that it replaces. How a result will be dated there nobody knows before, so its line has no date yet;
whoever finds it after a kill compares the bytes, see `shelf.RemoteShelf.confirmed`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.durable import line_of
from pipeline.errors import MediaError
from pipeline.execute.delivery import Courier, Ready
from pipeline.execute.job import Batch, Painted, Picture, Unpainted
from pipeline.records import PictureRecord, records_in
from pipeline.storage.hand import fetch_source
from pipeline.storage.journals import entries_of
from pipeline.storage.places import is_safe
from pipeline.storage.remote import Remote

AT_ONCE = 8

Records = tuple[PictureRecord, ...]


class RemoteCourier(Courier):
    """Serves one worker. `url_of`: the URL of a path here, None where it stands for itself; `name`: the worker's."""

    heals = True

    def __init__(self, url_of: Callable[[Path], str | None], name: str) -> None:
        self._url_of, self._name = url_of, name
        self._openings = 0
        self._lines: list[bytes] = []

    def open(self) -> None:
        """Begin a journal of another batch: an object is written by one worker, and grows while it has the batch."""
        self._openings, self._lines = self._openings + 1, []

    @contextmanager
    def at_hand(self, picture: Picture) -> Iterator[None]:
        url = self._url_of(picture.path)
        if url is None:
            yield
            return
        fetch_source(url, picture.path, (picture.bytes, picture.mtime_ns))
        try:
            yield
        finally:
            picture.path.unlink(missing_ok=True)

    def deliver(self, batch: Batch, ready: Sequence[Ready]) -> Painted:
        url = self._url_of(batch.output)
        if url is None:
            return super().deliver(batch, ready)
        if not ready:
            return Painted({}, ())
        remote, run_folder = Remote(url), Remote(f"{url}/{batch.journal.parent.parent.name}")
        self._lines += [line_of(asdict(page)) for one in ready for page in one.records]
        name = f"pictures/{batch.journal.stem}-{self._name}-{self._openings}.jsonl"
        run_folder.replace(name, b"".join(self._lines))

        def give(one: Ready) -> Records | Unpainted:
            try:
                return _give_name(remote, run_folder, batch, one)
            except MediaError as error:
                return Unpainted(one.index, str(error))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            told = list(zip(ready, pool.map(give, ready), strict=True))
        done = {one.index: found for one, found in told if not isinstance(found, Unpainted)}
        return Painted(done, tuple(found for _, found in told if isinstance(found, Unpainted)))


def _give_name(remote: Remote, run_folder: Remote, batch: Batch, one: Ready) -> Records:
    """The records of the result that is there in the end: this one's, or those of a worker that was faster."""
    picture = batch.pictures[one.index]
    if not is_safe(picture.output):
        raise MediaError(f"{picture.output} is no name for a result; rename the picture")
    there = remote.state(picture.output) if picture.replaces else None
    if there is None:
        done = remote.create(picture.output, one.data)
    else:
        done = there.state == picture.replaces and remote.replace(picture.output, one.data, over=there)
    if done:
        return _dated(remote, picture, one.records)
    return _made_by_another(remote, run_folder, batch, one)


def _dated(remote: Remote, picture: Picture, records: Records) -> Records:
    there = remote.state(picture.output)
    if there is None:
        raise MediaError(f"{remote.url}/{picture.output} was written, and is gone again; run again")
    return tuple(replace(page, mtime_ns=there.version) for page in records)


def _made_by_another(remote: Remote, run_folder: Remote, batch: Batch, one: Ready) -> Records:
    """The records of a result that is there already: the same bytes as ours, or those that another's journal tells."""
    picture = batch.pictures[one.index]
    digest = hashlib.sha256(remote.read(picture.output) or b"").hexdigest()
    if digest == one.records[0].digest:  # also a put of ours whose answer was lost
        return _dated(remote, picture, one.records)
    for thing in run_folder.starting("pictures/"):
        lines = (run_folder.read(thing.name) or b"").splitlines()
        pages = tuple(page for page in records_in(entries_of(lines)) if page.source == picture.name)
        if pages and (pages[0].digest, pages[0].look) == (digest, batch.look):
            return _dated(remote, picture, pages)
    raise MediaError(
        f"{remote.url}/{picture.output} is there already, and no run here made it; move it away, or choose another "
        "output"
    )
