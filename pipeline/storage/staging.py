"""One segment's files where a worker is, of an output behind a URL: fetched before they are asked for, put after.

A worker has at any time the frames around the one that it makes, in its segment and in the stage before, with their
records; what it makes is there as soon as it is put. What is there, a listing says when the segment is opened, and from
then on what the worker itself puts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pipeline.disk.packs import read_frame
from pipeline.durable import line_of, read_journal
from pipeline.errors import DamagedFrameError
from pipeline.execute.job import SegmentJob
from pipeline.records import FrameRecord, frame_digest, to_record
from pipeline.seals import Seals
from pipeline.storage.hand import bring
from pipeline.storage.remote import Remote
from pipeline.workspace import frame_path

LINES = 32
"""Records in one object: each frame puts it anew, and whoever resumes fetches it once."""

BLOCK = 33
"""Pictures of a sequence that are at hand around the frame in work; a decoder reads 32 at once in reverse."""


class Folder:
    """A segment's folder on both sides. `path`: here."""

    def __init__(self, path: Path, url: str) -> None:
        self.path, self._remote = path, Remote(url)
        self._there: set[int] = set()
        self._seals = Seals(path)

    def look(self, *, with_records: bool) -> None:
        """List what is there, and fetch its records."""
        for thing in self._remote.below():
            if thing.name.endswith(".png") and thing.name[:-4].isdecimal():
                self._there.add(int(thing.name[:-4]))
            elif with_records and thing.name.startswith("records-"):
                self._remote.fetch(thing.name, self.path / thing.name)

    def have(self, indices: Sequence[int]) -> None:
        """Have those of some frames here that are there; one that is damaged is removed there and raised, see
        `disk.packs.read_frame`."""
        for index in self._there.intersection(indices):
            path = frame_path(self.path, index)
            if not path.exists() and self._remote.fetch(path.name, path):
                self._check(index, path)

    def _check(self, index: int, path: Path) -> None:
        try:
            read_frame(self.path, index, self._seals)
        except DamagedFrameError:
            self._remote.remove([path.name])
            self._there.discard(index)
            path.unlink(missing_ok=True)
            raise

    def keep(self, first: int, last: int) -> None:
        """Remove all frames from here but those first … last."""
        for path in self.path.glob("*.png"):
            if not first <= int(path.stem) <= last:
                path.unlink()

    def put(self, record: FrameRecord, lines: bytes, name: str) -> FrameRecord | None:
        """Put a frame that is finished here, its record first; the record of the frame that is there in the end.

        None: another writer was faster, and its frame has other bytes, which are those that count.
        """
        path = frame_path(self.path, record.frame)
        self._remote.replace(f"records-{name}.jsonl", lines)
        if self._remote.create(path.name, path) or self._remote.read(path.name) == path.read_bytes():
            self._there.add(record.frame)
            return record
        return None

    def winner(self, record: FrameRecord) -> FrameRecord | None:
        """The record of the frame that is there instead of ours; None: it has none, and ours takes its place."""
        path = frame_path(self.path, record.frame)
        there = self._remote.state(path.name)
        data = self._remote.read(path.name) or b""
        for one in self._records() if there else ():
            is_of_frame = (one.frame, one.bytes) == (record.frame, len(data)) and one.worker != record.worker
            if is_of_frame and one.digest in ("", frame_digest(data)):  # of before there were digests: none
                return one
        self._remote.replace(path.name, path, over=there)
        return None

    def _records(self) -> Iterator[FrameRecord]:
        for thing in self._remote.starting("records-"):
            path = self.path / thing.name
            self._remote.fetch(thing.name, path)
            for entry in read_journal(path):
                with suppress(KeyError, TypeError, ValueError):
                    yield to_record(FrameRecord, entry)


class Staging:
    """One segment in work. `job`: with paths here. `url_of`: the URL of such a path; None: it stands for itself, on a
    disk that all machines share."""

    def __init__(self, job: SegmentJob, url_of: Callable[[Path], str | None], reach: int) -> None:
        self.job, self._url_of, self._reach = job, url_of, reach
        self._held: set[Path] = set()  # sources that are here
        self._own = self._folder(job.folder)
        drafts = map(self._folder, dict.fromkeys(stretch.folder for stretch in job.drafts))
        self._drafts = [folder for folder in drafts if folder]
        self._lines: list[bytes] = []
        self._chunk = 0
        if self._own:
            self._own.look(with_records=job.kind == "paint")
        for folder in self._drafts:
            folder.look(with_records=True)

    def prepare(self, index: int, backs: Sequence[int]) -> None:
        """Have here what frame `index` is made from."""
        self._have_sources(index)
        if self._own:
            behind = [index - self.job.step, *(index - back for back in backs if self.job.kind == "paint")]
            self._own.have(behind)
        for folder in self._drafts:
            folder.have([index - 1, index, index + 1])
        for folder in self._folders:
            folder.keep(index - self._reach - 1, index + self._reach + 1)

    def _folder(self, path: Path) -> Folder | None:
        return Folder(path, url) if (url := self._url_of(path)) else None

    @property
    def _folders(self) -> list[Folder]:
        return [*([self._own] if self._own else []), *self._drafts]

    def _have_sources(self, index: int) -> None:
        files = self.job.source.files
        first, stop = (max(0, index - BLOCK - self._reach), index + BLOCK + 1) if len(files) > 1 else (0, 1)
        near = {path: url for path in files[first:stop] if (url := self._url_of(path))}
        for path in near.keys() - self._held:
            bring(near[path], path)
        for path in self._held - near.keys():
            path.unlink(missing_ok=True)
        self._held = set(near)

    def finish(self, record: FrameRecord, writer: str) -> FrameRecord | None:
        """Put a frame that was finished here; as `Folder.put`."""
        if self._own is None:  # on a disk that all share
            return record
        if len(self._lines) == LINES:
            self._lines, self._chunk = [], self._chunk + 1
        self._lines.append(line_of(asdict(record)))
        return self._own.put(record, b"".join(self._lines), f"{writer}-{self._chunk}")

    def settle(self, record: FrameRecord) -> FrameRecord:
        """The record that counts where another writer was faster, with other bytes."""
        return (self._own and self._own.winner(record)) or record

    def close(self) -> None:
        """Remove everything from here; sources are kept elsewhere."""
        for path in self._held:
            path.unlink(missing_ok=True)
        self._held = set()
        for folder in self._folders:
            shutil.rmtree(folder.path, ignore_errors=True)
