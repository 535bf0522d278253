"""How the files of an output folder are asked for and given their names; those behind a URL are `storage.shelf`'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.durable import append_journal
from pipeline.execute.meeting import Meeting
from pipeline.records import FrameRecord, PictureRecord, State, state_of
from pipeline.storage.hand import at_hand
from pipeline.storage.places import url_of


@dataclass(frozen=True)
class Elsewhere:
    """What a worker needs to know of an output behind a URL: where the run has its files, and what it has sent.

    `root`: the run's place, of which nothing is there for the worker. `luggage`: a folder behind a URL, see
    `storage.luggage`.
    """

    root: Path
    luggage: str | None


class Shelf:
    """The files of an output folder on this machine, or on a disk that all machines share."""

    can_pack = True
    """Whether frames may be packed, and how much room there is for them matters."""

    elsewhere: Elsewhere | None = None

    meeting: Meeting | None = None
    """Where the machines of a cluster meet; None: in the run folder, which they share."""

    arrived: Callable[[Path], bool] | None = None
    """See `dispatch.Arrived`; None: the dispatcher's own, which looks for the file here."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run folder against runs on other machines, and keep it up to date; `ResumeError` where one does."""
        yield

    def refresh(self) -> None:
        """Bring what is known of the run folder up to date."""

    def state_of(self, path: Path) -> State | None:
        """The state of a result; None: there is none."""
        return state_of(path)

    def exists(self, path: Path) -> bool:
        """Whether there is a file or a folder."""
        return path.exists()

    def pictures_in(self, folder: Path) -> Mapping[str, State] | None:
        """The states of the pictures in a folder, by name; None: there is no such folder."""
        if not folder.is_dir():
            return None
        states = ((picture, picture.stat()) for picture in sorted(folder.glob("*.png")))
        return {picture.name: (state.st_size, state.st_mtime_ns) for picture, state in states}

    def at_hand(self, paths: Sequence[Path]) -> AbstractContextManager[None]:
        """While this lasts, sources and results can be read here."""
        return at_hand(paths)

    def put(self, partial: Path, target: Path) -> None:
        """Give a finished result its name, in the place of an earlier one."""
        partial.replace(target)

    def remove(self, target: Path) -> None:
        """Remove a result, if there is one."""
        target.unlink(missing_ok=True)

    def note(self, journal: Path, entry: Mapping[str, Any]) -> None:
        """Add a line to a journal; it is kept when this returns."""
        append_journal(journal, entry)

    def catch_up(self, journal: Path) -> None:
        """Take over the lines that a run elsewhere has added to a journal, if one works at the same time."""

    def share(self, path: Path) -> None:
        """Let other machines see a small file of the run folder as it is now."""

    def publish(self, path: Path) -> None:
        """The same of one that has to be there when this returns; raises `StorageError`, `SpaceError`."""

    def fetch(self, path: Path) -> None:
        """Have a small file of the run folder as other machines see it."""

    def fetched(self, segment: Path, indices: Iterable[int]) -> Iterator[int]:
        """The indices, each when its frame can be read; when the next is asked for, it has been."""
        yield from indices

    def discard(self, segment: Path, indices: Iterable[int]) -> None:
        """Make frames that are damaged, and are gone from here, vanish for all machines."""

    def took(self, segment: Path, record: FrameRecord) -> None:
        """Take down that a worker has finished a frame."""

    def settle(self, segment: Path) -> None:
        """Make what was thrown away of a segment's frames vanish for all machines."""

    def journals_of(self, journal: Path) -> Iterable[Path]:
        """The journals of one batch: each worker that had a part of it has its own."""
        return journal.parent.glob(f"{journal.stem}-*.jsonl")

    def confirmed(self, output: Path, pages: tuple[PictureRecord, ...]) -> tuple[PictureRecord, ...] | None:
        """The pages of a picture as a journal has them, if its result is that very file; None: it is not."""
        found = state_of(output / pages[0].output) == (pages[0].bytes, pages[0].mtime_ns)
        return pages if found else None

    def is_carried(self, path: Path) -> bool:
        """Whether workers get a file with their work, so that it need not be on their machines."""
        return url_of(path) is not None

    def carry(self, *things: object) -> None:
        """Take along the files that settings, directions and the like name, for workers that do not have them."""


def shelf_of(output: Path) -> Shelf:
    """The shelf of an output folder."""
    url = url_of(output)
    if url is None:
        return Shelf()
    from pipeline.storage.shelf import RemoteShelf

    return RemoteShelf(output, url)
