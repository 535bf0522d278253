"""The run folder, `<output>/.stylize/`: every path in it, atomic commits, the journal, the lock.

    .stylize/
    ├── lock                     held while a run works here
    ├── plan.json                what the last run set out to do, with every segment's fingerprint
    ├── probes.json              what decoding found, by digest of the source, so that it is done once
    ├── records.jsonl            one line per finished frame of the plan, rebuilt from the segments' own
    ├── outputs.jsonl            what was assembled from which segments, the last line of a name counts
    └── segments/<source>/<first>-<stop>-<fingerprint>/
        ├── 00000012.png         a finished frame: complete, or not there
        └── records-<writer>.jsonl

A finished frame is a file. Its record is written first, so that a frame never lacks one.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import ResumeError, SpaceError

FOLDER = ".stylize"


@dataclass(frozen=True)
class FrameRecord:
    """What became of one frame. `trace` is the loss at each evaluation, `bytes` the size of the frame's file.

    `tile`: the longest side in px of the tiles that it was evaluated in; None, also in records of before there were
    tiles: in one piece. `temporal_loss`: what of the loss holds the frame to its neighbors. `settled`: the loss at
    which the chain settled last. `draft`: a later stage has its own version of the frame. The last three: see
    `motion.measures.Look`.
    """

    source: str
    frame: int
    segment: str
    start: str  # "cold", "warm", or "skipped": left as it is in the source
    iterations: int
    loss: float
    trace: tuple[float, ...]
    megapixel_iterations: float
    warp_error: float | None
    seconds: float
    worker: str
    bytes: int
    tile: int | None = None
    temporal_loss: float = 0.0
    settled: float | None = None
    draft: bool = False
    brightness: float | None = None
    saturation: float | None = None
    sharpness: float | None = None

    @property
    def base_loss(self) -> float:
        """The loss without what holds the frame to its neighbors: what a cold frame's is made of."""
        return self.loss - self.temporal_loss


class Workspace:
    """The paths of one run folder, and what is in its small files."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.root = output / FOLDER
        self.plan = self.root / "plan.json"
        self.probes = self.root / "probes.json"
        self.records = self.root / "records.jsonl"
        self.outputs = self.root / "outputs.jsonl"
        self.segments = self.root / "segments"

    def segment(self, source: str, first: int, stop: int, fingerprint: str) -> Path:
        """The folder of one segment; another fingerprint is another folder, so nothing stale can get in."""
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", source)[-40:]
        key = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return self.segments / f"{slug}-{key}" / f"{first:08d}-{stop:08d}-{fingerprint[:16]}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run folder, creating it if need be; `ResumeError` where another run does.

        What was created is removed again where the run ends in an error before it has kept anything.
        """
        created = [path for path in (self.root, self.output, *self.output.parents) if not path.exists()]
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / "lock").open("a+", encoding="utf-8")
        with file:
            self._hold(file)
            try:
                yield
            except BaseException:
                if created and not self.segments.exists():
                    _remove_created(created)
                raise
            finally:
                file.truncate(0)

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
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
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


def is_there(segment: Path, index: int, patience_s: float = 10.0) -> bool:
    """Whether a frame that another process committed is to be seen here; a network's folder may take a while."""
    deadline_s = time.monotonic() + patience_s
    while not frame_path(segment, index).exists():
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
        _append(segment / f"records-{record.worker}.jsonl", asdict(record))
        temporary = segment / f".{record.frame:08d}-{secrets.token_hex(6)}.tmp"
        try:
            _write_synced(temporary, data)
            return _link(temporary, frame_path(segment, record.frame))
        finally:
            temporary.unlink(missing_ok=True)
            _sync_folder(segment)


def finished_frames(segment: Path, *, clean: bool = True) -> dict[int, FrameRecord]:
    """The records of all finished frames of a segment, by index.

    A frame counts if its file is there, as long as one of its records says: a writer that came too late left a
    record too. What does not count is removed if `clean`, as is what a killed worker left behind.
    """
    if not segment.is_dir():
        return {}
    records = {
        (frame_path(segment, record.frame), record.bytes): record
        for path in sorted(segment.glob("records-*.jsonl"))
        for record in _records(path)
    }
    found = {}
    for path in segment.iterdir():
        record = records.get((path, path.stat().st_size)) if path.suffix == ".png" else None
        if record:
            found[record.frame] = record
        elif clean and path.suffix in (".png", ".tmp"):
            path.unlink(missing_ok=True)
    return dict(sorted(found.items()))


def rebuild_journal(path: Path, records: Iterable[FrameRecord]) -> None:
    """Make the run's journal hold one line for each of `records`; one that does already stays untouched."""
    lines = [_line(asdict(record)) for record in records]
    there = path.read_bytes().splitlines(keepends=True) if path.is_file() else None
    if there is None or sorted(there) != sorted(lines):
        replace(path, b"".join(lines))


def append_journal(path: Path, entry: Mapping[str, Any]) -> None:
    """Add one line to a journal, whole and synced."""
    with writing(path.parent):
        _append(path, entry)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; one that a killed writer cut off is passed over, as is a missing file."""
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def replace(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees all of the old or all of the new."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(6)}.tmp")
        try:
            _write_synced(temporary, data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's refusal to write into a `SpaceError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise SpaceError(
            f"cannot write in {folder}: {error.strerror or error}; make room or change the rights, then run again"
        ) from error


def _records(path: Path) -> Iterator[FrameRecord]:
    for entry in read_journal(path):
        with suppress(KeyError, TypeError):
            yield FrameRecord(**{**entry, "trace": tuple(entry["trace"])})


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _append(path: Path, entry: Mapping[str, Any]) -> None:
    """One write of one line, after a line break where a killed writer left half a line."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" * torn + _line(entry))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link(temporary: Path, final: Path) -> bool:
    try:
        os.link(temporary, final)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: not atomic against a second writer, but complete
        if final.exists():
            return False
        temporary.rename(final)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
