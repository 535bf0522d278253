"""An output folder behind a URL, as the run sees it: its run folder is here in small, its results are there.

What a run has in its run folder is fetched when it begins, but for the finished frames: of each there is a file here
that is as long as the frame, and empty; it may not be read (its mode says so) until the frame itself is fetched. So all
that counts frames works as with a folder of this machine. What the run writes is put at once where something depends
on it, else every `lease.BEAT_S`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipeline.durable import append_journal, append_lines, read_journal
from pipeline.errors import MediaError, PipelineError
from pipeline.records import FrameRecord, PictureRecord, State, digest_of
from pipeline.shelf import Elsewhere, Shelf
from pipeline.storage.journals import Journals
from pipeline.storage.lease import LOCK, Lease, repeating
from pipeline.storage.luggage import luggage_name, paths_in
from pipeline.storage.meeting import RemoteMeeting
from pipeline.storage.places import here, make_place, url_of
from pipeline.storage.remote import Remote, Thing

RUN_FOLDER = ".stylize"
REPORT = "report.html"

AHEAD = 16
"""Frames that are fetched before their turn."""

_FOLDERS = 8
"""Folders of results whose listings are kept while an archive is looked through."""

_HOLLOW = stat.S_IWUSR


class RemoteShelf(Shelf):
    """The files of an output folder behind a URL; see `Shelf`. May be used by several threads."""

    can_pack = False

    def __init__(self, output: Path, url: str) -> None:
        self._output, self._root = output, output / RUN_FOLDER
        self._remote = Remote(url)
        self._run_folder = Remote(f"{url}/{RUN_FOLDER}")
        self._journals = Journals(self._root, self._run_folder)
        self._listed: OrderedDict[str, dict[str, State]] = OrderedDict()
        self._lock = threading.RLock()
        self._carried: set[Path] = set()
        self._token = secrets.token_hex(8)
        self.arrived = self._has_arrived
        self.meeting = RemoteMeeting(f"{url}/{RUN_FOLDER}/preflight")
        self.elsewhere = Elsewhere(here(), f"{url}/{RUN_FOLDER}/luggage/{self._token}")

    # --- the run folder ---

    @contextmanager
    def held(self) -> Iterator[None]:
        lease = Lease(self._run_folder)
        lease.take()
        try:
            with repeating(lease.beat):  # on its own, since a journal may take minutes
                if lease.is_alone:
                    self._run_folder.remove(thing.name for thing in self._run_folder.below("luggage"))
                self.refresh()
                with self._kept_there():
                    yield
        finally:
            lease.leave()

    @contextmanager
    def _kept_there(self) -> Iterator[None]:
        """Put what is written here while this lasts, and all of it at the end."""
        try:
            with repeating(self._journals.push):
                yield
        finally:
            self._journals.push(everything=True)
            self._run_folder.remove(f"luggage/{self._token}/{luggage_name(path)}" for path in self._carried)

    def refresh(self) -> None:
        make_place(here())
        shutil.rmtree(self._root, ignore_errors=True)
        self._listed.clear()
        small: list[Thing] = []
        for thing in self._run_folder.below():
            path = self._root / thing.name
            if thing.name.startswith((LOCK, "luggage/", "preview/", "preflight/")):
                continue
            if path.suffix == ".png":
                hollow(path, thing.bytes)
            elif thing.name == REPORT:  # nobody reads it, and when it was made is all that matters
                hollow(path, thing.bytes)
                os.utime(path, (thing.modified_s, thing.modified_s))
            else:
                small.append(thing)
        with ThreadPoolExecutor(AHEAD) as pool:
            list(pool.map(self._journals.fetch, small))

    # --- results ---

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._output))

    def state_of(self, path: Path) -> State | None:
        """As of a listing of its folder, which is made once: an archive asks for all of its results."""
        folder, _, name = self._name(path).rpartition("/")
        with self._lock:
            if folder not in self._listed:
                things = (one for one in self._remote.within(folder) if isinstance(one, Thing))
                self._listed[folder] = {one.name.rpartition("/")[2]: one.state for one in things}
                while len(self._listed) > _FOLDERS:
                    self._listed.popitem(last=False)
            self._listed.move_to_end(folder)
            return self._listed[folder].get(name)

    def _forget(self, path: Path) -> None:
        with self._lock:
            self._listed.pop(self._name(path).rpartition("/")[0], None)

    def exists(self, path: Path) -> bool:
        name = self._name(path)
        return self._remote.state(name) is not None or self._remote.is_folder(name)

    def pictures_in(self, folder: Path) -> Mapping[str, State] | None:
        things = [one for one in self._remote.within(self._name(folder)) if isinstance(one, Thing)]
        found = {one.name.rpartition("/")[2]: one.state for one in things if one.name.endswith(".png")}
        return found if things else None

    def put(self, partial: Path, target: Path) -> None:
        """The same; only over what is there now."""
        name = self._name(target)
        there = self._remote.state(name)
        done = (
            self._remote.replace(name, partial, over=there) if there else self._remote.create(name, partial)
        )
        self._forget(target)
        if not done and not self._is_put(partial, target):
            raise MediaError(f"{url_of(target)} was changed by someone else just now; run again")
        partial.unlink()

    def _is_put(self, partial: Path, target: Path) -> bool:
        """Whether the refused result is there: of a put whose answer was lost, its repetition is refused."""
        there = self._remote.state(self._name(target))
        if there is None or there.bytes != partial.stat().st_size:
            return False
        with partial.open("rb") as ours:
            return hashlib.file_digest(ours, "sha256").hexdigest() == digest_of(target)

    def remove(self, target: Path) -> None:
        self._remote.remove([self._name(target)])
        self._forget(target)

    # --- what is written down ---

    def note(self, journal: Path, entry: Mapping[str, Any]) -> None:
        append_journal(journal, entry)
        self._journals.put(journal)

    def catch_up(self, journal: Path) -> None:
        self._journals.catch_up(journal)

    def share(self, path: Path) -> None:
        with suppress(PipelineError, OSError):  # told again later, or not at all
            self._journals.put(path)

    def publish(self, path: Path) -> None:
        self._journals.put(path)

    def fetch(self, path: Path) -> None:
        make_place(here())
        self._run_folder.fetch(str(path.relative_to(self._root)), path)

    def journals_of(self, journal: Path) -> Iterable[Path]:
        return self._journals.fetch_of_batch(journal)

    def confirmed(self, output: Path, pages: tuple[PictureRecord, ...]) -> tuple[PictureRecord, ...] | None:
        """The same, dated as the result is: its line was written before it was there, see `courier`."""
        page = pages[0]
        there = self._remote.state(page.output)
        if there is None or there.bytes != page.bytes:
            return None
        if page.mtime_ns != there.version and digest_of(output / page.output) != page.digest:
            return None
        return tuple(replace(one, mtime_ns=there.version) for one in pages)

    # --- frames ---

    def fetched(self, segment: Path, indices: Iterable[int]) -> Iterator[int]:
        waiting: deque[tuple[int, Future[None]]] = deque()
        left = iter(indices)
        with ThreadPoolExecutor(AHEAD) as pool:
            try:
                while True:
                    for index in left:
                        waiting.append((index, pool.submit(self._bring, self._frame(segment, index))))
                        if len(waiting) >= AHEAD:
                            break
                    if not waiting:
                        return
                    index, fetching = waiting.popleft()
                    fetching.result()
                    yield index
                    self._make_hollow(self._frame(segment, index))
            finally:
                for index, fetching in waiting:
                    if not fetching.cancel():
                        fetching.exception()
                        self._make_hollow(self._frame(segment, index))

    def discard(self, segment: Path, indices: Iterable[int]) -> None:
        frames = (self._frame(segment, index) for index in indices)
        self._run_folder.remove(str(path.relative_to(self._root)) for path in frames)

    def _frame(self, segment: Path, index: int) -> Path:
        return segment / f"{index:08d}.png"

    def _bring(self, path: Path) -> None:
        """Have a frame itself instead of a hollow file; where it is gone, nothing, and whoever reads it says so."""
        if not self._run_folder.fetch(str(path.relative_to(self._root)), path):
            path.unlink(missing_ok=True)

    def _make_hollow(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            hollow(path, path.stat().st_size)

    def took(self, segment: Path, record: FrameRecord) -> None:
        segment.mkdir(parents=True, exist_ok=True)
        append_lines(segment / f"records-{record.worker}.jsonl", [asdict(record)], synced=False)
        hollow(self._frame(segment, record.frame), record.bytes)

    def settle(self, segment: Path) -> None:
        dropped = segment / "dropped.jsonl"
        if dropped.exists():
            self._journals.put(dropped)
        gone = (self._frame(segment, int(entry.get("frame", -1))) for entry in read_journal(dropped))
        self._run_folder.remove(str(path.relative_to(self._root)) for path in gone if not path.exists())

    def is_carried(self, path: Path) -> bool:
        return super().is_carried(path) or path in self._carried

    def carry(self, *things: object) -> None:
        for path in paths_in(things):
            if path not in self._carried and url_of(path) is None:
                self._run_folder.replace(f"luggage/{self._token}/{luggage_name(path)}", path)
                self._carried.add(path)

    def _has_arrived(self, path: Path) -> bool:
        """Whether a frame or a result is there."""
        return self._remote.state(self._name(path)) is not None


def hollow(path: Path, size: int) -> None:
    """A file that is as long as another one, and takes no room; nobody should read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}.hollow")
    with temporary.open("wb") as file:
        file.truncate(size)
    temporary.chmod(_HOLLOW)
    temporary.replace(path)
