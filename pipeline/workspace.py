"""The run folder, `<output>/.stylize/`: every path in it, atomic commits, the journal, the lock.

    .stylize/
    ├── lock                     held while a run works here
    ├── plan.json                what the last run set out to do, with every segment's fingerprint
    ├── probes.json              what decoding found, by digest of the source, so that it is done once
    ├── records.jsonl            one line per finished frame of the plan, rebuilt from the segments' own
    ├── outputs.jsonl            what was assembled from which segments, the last line of a name counts
    ├── pictures.sqlite          of each photograph, what it was painted from and into; an index of records.jsonl
    ├── looks.json               what the photographs were painted with, by fingerprint
    ├── pictures/<token>.jsonl   lines of photographs that are not in records.jsonl yet, a file per batch in work
    ├── events.jsonl             who worked when, who died, what failed, see `chronicle`
    ├── report.html              the page that shows the run, see `report`
    ├── status.json              how far the run is, or was, for `stylize status`
    ├── preview/                 partial videos that a person asked for
    └── segments/<source>/<first>-<stop>-<fingerprint>/
        ├── 00000012.png         a finished frame: complete, or not there
        ├── records-<writer>.jsonl
        ├── frames-<token>.mkv   finished frames in one file, instead of those above, see `disk.packs`
        ├── packs.jsonl          which frames such a file holds
        └── dropped.jsonl        records of frames that were finished, and were thrown away to make room

A finished frame is a file, or in one. Its record is written first, so that a frame never lacks one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO, Any

from pipeline.disk.packed import packed_frames
from pipeline.durable import (
    append_journal,
    append_line,
    line_of,
    link,
    no_link,
    read_journal,
    replace,
    rewrite,
    size_of,
    sync_folder,
    write_synced,
    writing,
)
from pipeline.errors import ResumeError
from pipeline.places import refuse_links
from pipeline.records import FrameRecord, PictureRecord, is_of_picture, to_record
from pipeline.shelf import shelf_of

__all__ = [
    "FOLDER",
    "FrameRecord",
    "PictureRecord",
    "Workspace",
    "appears",
    "append_journal",
    "commit_frame",
    "drop_frames",
    "dropped_frames",
    "finished_frames",
    "frame_path",
    "read_journal",
    "rebuild_journal",
    "replace",
    "writing",
]

FOLDER = ".stylize"


class Workspace:
    """The paths of one run folder, and what is in its small files."""

    def __init__(self, output: Path) -> None:
        self.output, self.shelf = output, shelf_of(output)
        self.root = output / FOLDER
        self.plan = self.root / "plan.json"
        self.status = self.root / "status.json"
        self.events = self.root / "events.jsonl"
        self.report = self.root / "report.html"
        self.probes = self.root / "probes.json"
        self.records = self.root / "records.jsonl"
        self.outputs = self.root / "outputs.jsonl"
        self.index = self.root / "pictures.sqlite"
        self.looks = self.root / "looks.json"
        self.pictures = self.root / "pictures"
        self.segments = self.root / "segments"
        self.previews = self.root / "preview"

    def segment(self, source: str, first: int, stop: int, fingerprint: str) -> Path:
        """The folder of one segment; another fingerprint is another folder, so nothing stale can get in."""
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", source)[-40:]
        key = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return self.segments / f"{slug}-{key}" / f"{first:08d}-{stop:08d}-{fingerprint[:16]}"

    def preview(self, name: str) -> Path:
        """The partial video of a source: an MP4, whatever the output will be."""
        return self.previews / (name if name.lower().endswith(".mp4") else f"{name}.mp4")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run folder, creating it if need be; `ResumeError` where another run does, or where links are in it.

        What was created is removed again where the run ends in an error before it has kept anything.
        """
        with self.shelf.held(), self._locked_here():
            yield

    @contextmanager
    def _locked_here(self) -> Iterator[None]:
        with writing(self.root):
            created = [path for path in (self.root, self.output, *self.output.parents) if not path.exists()]
            self.root.mkdir(parents=True, exist_ok=True)
            refuse_links(self.root, self.segments)
            descriptor = no_link(self.root / "lock", os.O_RDWR | os.O_APPEND | os.O_CREAT)
            file = os.fdopen(descriptor, "a+", encoding="utf-8")
        with file:
            self._hold(file)
            try:
                yield
            except BaseException:
                if created and not self._holds_work():
                    _remove_created(created)
                raise
            finally:
                file.truncate(0)

    def _holds_work(self) -> bool:
        """Whether anything may have been finished: frames, or photographs, which without their lines are strangers'."""
        return self.segments.exists() or self.index.exists() or any(self.pictures.glob("*.jsonl"))

    def _hold(self, file: IO[str]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ResumeError(
                f"another run is working in {self.output} ({holder}); wait for it, or stop it first"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename} since {time.strftime('%F %T')}\n")
        file.flush()

    def read(self, path: Path) -> dict[str, Any]:
        """A small JSON file of the run folder; empty where it is missing or torn, since all can be redone."""
        try:
            data = json.loads(path.read_text("utf-8")) if path.is_file() else {}  # a pipe would be waited for
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def write(self, path: Path, data: Mapping[str, Any]) -> None:
        """Replace a small JSON file of the run folder in one step."""
        replace(path, json.dumps(data, separators=(",", ":")).encode())


def _remove_created(folders: list[Path]) -> None:
    """Remove a run folder, innermost first, and the folders around it that were made for it and are empty."""
    run_folder, *others = folders
    shutil.rmtree(run_folder, ignore_errors=True)
    with suppress(OSError):
        for folder in others:
            folder.rmdir()


def frame_path(segment: Path, index: int) -> Path:
    """Where the finished frame `index`, counted from 0 in its source, is."""
    return segment / f"{index:08d}.png"


def appears(path: Path, patience_s: float = 10.0) -> bool:
    """Whether a file that another process wrote is to be seen here; a network's folder may take a while."""
    deadline_s = time.monotonic() + patience_s
    while not path.exists():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.1)
    return True


def commit_frame(segment: Path, record: FrameRecord, data: bytes) -> bool:
    """Make a frame finished: its record first, then the file, complete or not at all.

    True where this call did it; False where the frame was there already, which then stays: the first wins.
    Raises `SpaceError` where the disk is full or not writable.
    """
    with writing(segment):
        segment.mkdir(parents=True, exist_ok=True)
        append_line(segment / f"records-{record.worker}.jsonl", asdict(record))
        temporary = segment / f".{record.frame:08d}-{secrets.token_hex(6)}.tmp"
        try:
            write_synced(temporary, (data,))
            return link(temporary, frame_path(segment, record.frame))
        finally:
            temporary.unlink(missing_ok=True)
            sync_folder(segment)


def finished_frames(segment: Path, *, clean: bool = True) -> dict[int, FrameRecord]:
    """The records of all finished frames of a segment, by index.

    A frame counts if its file is there, as long as one of its records says (a writer that came too late left a
    record too), or if a pack holds it. What does not count is removed if `clean`, as is what a killed worker left
    behind, and a file whose frame has been packed.
    """
    if not segment.is_dir():
        return {}
    records = {
        (record.frame, record.bytes): record
        for path in sorted(segment.glob("records-*.jsonl"))
        for record in _records(path)
    }
    packed = packed_frames(segment)
    found = {i: records[i, one.bytes] for i, one in packed.items() if (i, one.bytes) in records}
    needed = {packed[index].pack for index in found}
    by_name = {frame_path(segment, record.frame).name: record.frame for record in records.values()}
    for path in segment.iterdir():
        index = by_name.get(path.name)
        record = None if index is None or index in found else records.get((index, size_of(path)))
        if record:
            found[record.frame] = record
        elif clean and path.suffix in (".png", ".tmp", ".mkv") and path not in needed:
            path.unlink(missing_ok=True)
    if len(found) < len({index for index, _ in records}):  # packed between the two looks, perhaps
        again = packed_frames(segment)
        found |= {i: records[i, one.bytes] for i, one in again.items() if (i, one.bytes) in records}
    return dict(sorted(found.items()))


def drop_frames(segment: Path, frames: Iterable[int] | None = None) -> int:
    """Throw finished frames away, all of them or those given, and keep their records; the bytes that this freed.

    Frames that are packed go only all together.
    """
    finished = finished_frames(segment, clean=False)
    packed = packed_frames(segment)
    chosen = set(finished) if frames is None else set(frames) & (finished.keys() - packed.keys())
    paths = [frame_path(segment, index) for index in sorted(chosen)]
    paths += {one.pack for one in packed.values()} if frames is None else ()
    if not chosen and not paths:
        return 0
    dropped = {**dropped_frames(segment), **{index: finished[index] for index in chosen}}
    replace(segment / "dropped.jsonl", b"".join(line_of(asdict(record)) for record in dropped.values()))
    freed = sum(size_of(path) for path in paths)
    with writing(segment):
        for path in paths:
            path.unlink(missing_ok=True)
        sync_folder(segment)
    return freed


def dropped_frames(segment: Path) -> dict[int, FrameRecord]:
    """The records of frames that were finished, and were thrown away, by index."""
    return {record.frame: record for record in _records(segment / "dropped.jsonl")}


def rebuild_journal(path: Path, records: Iterable[FrameRecord]) -> None:
    """Make the run's journal hold one line for each of `records`; one that does already stays untouched.

    The lines of photographs are not its business, and stay as they are; they may be millions, and pass one by one.
    """
    lines = [line_of(asdict(record)) for record in records]
    there = sorted(line for line in _lines(path) if not is_of_picture(line))
    if there != sorted(lines) or not path.is_file():
        rewrite(path, chain(lines, (line for line in _lines(path) if is_of_picture(line))))


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with path.open("rb") as file:
            yield from file


def _records(path: Path) -> Iterator[FrameRecord]:
    for entry in read_journal(path):
        with suppress(KeyError, TypeError, ValueError):
            yield to_record(FrameRecord, entry)
