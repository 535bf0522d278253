"""Painted photographs → results in the output folder: whole or not there, nothing of anyone else's touched.

A result is written beside the run's other files and synced, then its line goes into the batch's journal, then it gets
its name. So a result never lacks its line, and one that a killed worker had finished is known as ours.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.durable import append_lines, link, read_journal, sync_folder, write_synced
from pipeline.errors import MediaError, SpaceError
from pipeline.execute.job import Batch, Painted, Picture, Unpainted
from pipeline.media.writing import writing
from pipeline.places import place_of
from pipeline.records import PictureRecord, State, records_in, state_of


@dataclass(frozen=True)
class Ready:
    """A picture of a batch, by its place there, as the bytes of its file, with the records of its pages."""

    index: int
    data: bytes
    records: tuple[PictureRecord, ...]


@dataclass(frozen=True)
class _Written:
    ready: Ready
    path: Path
    records: tuple[PictureRecord, ...]


def deliver(batch: Batch, ready: Sequence[Ready]) -> Painted:
    """Give finished pictures their names; those that cannot have them are in `failed`, with the reason.

    Raises `SpaceError` where the disk is full or may not be written to.
    """
    with ExitStack() as stack, writing(batch.journal):
        batch.journal.parent.mkdir(parents=True, exist_ok=True)
        written = [_write(batch, one) for one in ready]
        for one in written:
            stack.callback(one.path.unlink, missing_ok=True)
        if written:
            pages = [page for one in written for page in one.records]
            append_lines(_journal(batch.journal, pages[0].worker), [asdict(page) for page in pages])
        done: dict[int, tuple[PictureRecord, ...]] = {}
        failed: list[Unpainted] = []
        for one in written:
            try:
                done[one.ready.index] = _give_name(batch, one)
            except MediaError as error:
                failed.append(Unpainted(one.ready.index, str(error)))
            except SpaceError as error:
                if getattr(error.__cause__, "errno", None) not in (errno.EACCES, errno.EPERM):
                    raise
                failed.append(Unpainted(one.ready.index, str(error)))  # the next folder may be open to us
        for folder in {(batch.output / pages[0].output).parent for pages in done.values()}:
            with suppress(OSError):  # some file systems cannot; the results are there all the same
                sync_folder(folder)
    return Painted(done, tuple(failed))


class Courier:
    """Brings photographs to who paints them, and results to the output folder: here, from one disk to another."""

    heals = False
    """Whether it is the business of whoever fetches a segment's frames to have damaged ones made again."""

    @contextmanager
    def at_hand(self, picture: Picture) -> Iterator[None]:
        """While this lasts, a photograph can be read; `MediaError` where it is not what was listed."""
        yield

    def deliver(self, batch: Batch, ready: Sequence[Ready]) -> Painted:
        """As `deliver`."""
        return deliver(batch, ready)


def _journal(path: Path, worker: str) -> Path:
    return path.with_name(f"{path.stem}-{worker}.jsonl")


def _write(batch: Batch, ready: Ready) -> _Written:
    path = batch.journal.with_name(f"{batch.journal.stem}-{ready.index}-{secrets.token_hex(4)}.partial")
    write_synced(path, (ready.data,))
    state = path.stat()
    return _Written(ready, path, tuple(replace(page, mtime_ns=state.st_mtime_ns) for page in ready.records))


def _give_name(batch: Batch, one: _Written) -> tuple[PictureRecord, ...]:
    """The records of the result that is there in the end: this one's, or those of a worker that was faster."""
    picture = batch.pictures[one.ready.index]
    target = place_of(batch.output, picture.output)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        there = state_of(target)
        if there is None and link(one.path, target):
            return one.records
        if there is not None and there == picture.replaces:
            one.path.replace(target)
            return one.records
        return _made_by_another(batch, picture, target)


def _made_by_another(batch: Batch, picture: Picture, target: Path) -> tuple[PictureRecord, ...]:
    """The records of a result that another worker, taken for dead, finished; raises MediaError for a stranger's."""
    there = state_of(target)
    for path in sorted(batch.journal.parent.glob("*.jsonl")):
        pages = tuple(page for page in _of(picture, path, there) if page.look == batch.look)
        if pages:
            return pages
    raise MediaError(
        f"{target} is there already, and no run here made it; move it away, or choose another output"
    )


def _of(picture: Picture, journal: Path, state: State | None) -> Iterator[PictureRecord]:
    for page in records_in(read_journal(journal)):
        if page.source == picture.name and (page.bytes, page.mtime_ns) == state:
            yield page
