"""A folder behind a URL: what is in it, its files to this machine and back; a file is whole or not there.

Where to, how and with which credentials is the environment's business (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
FSSPEC_S3_…), never a config's. What one kind of file system can and another cannot is in `systems`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from glob import has_magic
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import SpaceError, StorageError
from pipeline.storage.places import is_safe
from pipeline.storage.systems import (
    CONDITIONAL,
    MATCHING,
    NO_ROOM,
    PAGE,
    file_system,
    is_refusal,
    one_page,
    s3_pages,
    why,
)

IN_PARTS_BYTES = 64 << 20
"""Files from about this size on are put in parts, for which s3fs passes no such condition on: we look first."""

BLOCK_BYTES = 1 << 17
_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True)
class Thing:
    """A file as it was listed. `version` plays the part of a time of change in ns: it differs where the bytes do.

    `tag`: the file system's own name for these bytes; `modified_s`: when they came, by the server's clock.
    """

    name: str  # below the folder
    bytes: int
    version: int
    tag: str | None = None
    modified_s: float = 0.0

    @property
    def state(self) -> tuple[int, int]:
        """As `records.State`."""
        return self.bytes, self.version


class Remote:
    """A folder of a file system that fsspec has. Names are below it. Raises `StorageError` where it cannot."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.scheme = url.partition("://")[0]

    @cached_property
    def _fs(self) -> Any:
        return file_system(self.url)

    @cached_property
    def _root(self) -> str:
        return str(self._fs._strip_protocol(self.url)).rstrip("/")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    # --- looking ---

    def state(self, name: str) -> Thing | None:
        """A file; None where there is none."""
        with self._asking(name):
            try:
                info = self._fs.info(self._path(name))
            except FileNotFoundError as error:
                self._raise_without_bucket(error)
                return None
            return self._thing(info) if info["type"] == "file" else None

    def is_folder(self, name: str = "") -> bool:
        """Whether there is anything below a name."""
        return next(self.within(name), None) is not None

    def within(self, name: str = "") -> Iterator[Thing | str]:
        """What is in a folder, page by page: its files, and the names of its folders; nothing where it is not there.

        What has a name that is no path is left out.
        """
        for info in self._pages(self._path(name)):
            thing = self._thing(info)
            if thing.name == name or not is_safe(thing.name):
                continue
            yield thing if info["type"] == "file" else thing.name

    def starting(self, start: str) -> Iterator[Thing]:
        """The files of one folder whose names, the folder's included, start so."""
        folder, _, stem = start.rpartition("/")
        things = (
            self._thing(info) for info in self._pages(self._path(folder), stem) if info["type"] == "file"
        )
        yield from (thing for thing in things if thing.name.startswith(start) and is_safe(thing.name))

    def below(self, name: str = "") -> Iterator[Thing]:
        """Every file below a folder."""
        with self._asking(name):
            try:
                found = self._fs.find(self._path(name), detail=True)
            except FileNotFoundError as error:
                self._raise_without_bucket(error)
                return
        things = (self._thing(info) for info in found.values() if info["type"] == "file")
        yield from (thing for thing in things if is_safe(thing.name))

    def _pages(self, path: str, stem: str = "") -> Iterator[dict[str, Any]]:
        pages = s3_pages(self._fs, path, stem) if self.scheme in MATCHING else one_page(self._fs, path)
        while True:
            with self._asking(path):
                try:
                    page = next(pages, None)
                except FileNotFoundError as error:
                    self._raise_without_bucket(error)
                    return
            if page is None:
                return
            yield from page

    def _thing(self, info: dict[str, Any]) -> Thing:
        name = str(info["name"]).rstrip("/").removeprefix(self._root).lstrip("/")
        tag = next((str(info[key]).strip('"') for key in _TAGS if info.get(key)), None)
        modified = next((info[key] for key in _TIMES if info.get(key)), 0.0)
        modified_s = _seconds(modified)
        size = int(info.get("size") or 0)
        return Thing(name, size, _version(tag or f"{modified_s} {size}"), tag, modified_s)

    # --- fetching ---

    def open(self, name: str, block_bytes: int = BLOCK_BYTES) -> BinaryIO:
        """A file to read parts of; `OSError` where it is not there."""
        with self._asking(name):
            file: BinaryIO = self._fs.open(
                self._path(name), "rb", block_size=block_bytes, cache_type="readahead"
            )
            return file

    def read(self, name: str) -> bytes | None:
        """All of a small file; None where there is none."""
        with self._asking(name):
            try:
                return bytes(self._fs.cat_file(self._path(name)))
            except FileNotFoundError as error:
                self._raise_without_bucket(error)
                return None

    def fetch(self, name: str, path: Path, version: int | None = None) -> bool:
        """Copy a file to this machine, whole or not at all, dated `version`; whether it was there."""
        temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with self._asking(name):
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._fs.get_file(self._path(name), str(temporary))
                except FileNotFoundError as error:
                    self._raise_without_bucket(error)
                    return False
            if version is not None:
                os.utime(temporary, ns=(version, version))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    # --- putting ---

    def create(self, name: str, source: Path | bytes) -> bool:
        """Put a file where there is none; whether there was none. In one step where the file system can."""
        if self.scheme not in CONDITIONAL and self.state(name) is not None:
            return False
        mode = {"mode": "create"} if self.scheme in CONDITIONAL else {}
        with self._asking(name):
            try:
                self._put(name, source, **mode)
            except FileExistsError:
                return False
            except FileNotFoundError as error:
                self._raise_without_bucket(error)
                raise
            except OSError as error:
                if is_refusal(error):
                    return False
                raise
        return True

    def replace(self, name: str, source: Path | bytes, over: Thing | None = None) -> bool:
        """Put a file in the place of whatever is there, or only of `over`; whether it was that."""
        condition = {}
        if over is not None:
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            if self.scheme in MATCHING and over.tag and size < IN_PARTS_BYTES:
                condition = {"IfMatch": over.tag}
            elif (there := self.state(name)) is None or there.state != over.state:
                return False
        with self._asking(name):
            try:
                self._put(name, source, **condition)
            except FileNotFoundError as error:  # what was to be replaced is gone
                self._raise_without_bucket(error)
                return False
            except OSError as error:
                if condition and is_refusal(error):
                    return False
                raise
        return True

    def _put(self, name: str, source: Path | bytes, **options: str) -> None:
        if isinstance(source, bytes):
            self._fs.pipe_file(self._path(name), source, **options)
        else:
            self._fs.put_file(str(source), self._path(name), **options)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already do not matter."""
        paths = [self._path(name) for name in names]
        # S3 alone is known to pass over missing names in bulk; `rm` takes names with wildcards for patterns.
        bulk = [path for path in paths if self.scheme in MATCHING and not has_magic(path)]
        with self._asking(""):
            for start in range(0, len(bulk), PAGE):
                with suppress(FileNotFoundError):
                    self._fs.rm(bulk[start : start + PAGE])
            for path in set(paths).difference(bulk):
                with suppress(FileNotFoundError):
                    self._fs.rm_file(path)

    # --- what goes wrong ---

    def _raise_without_bucket(self, error: FileNotFoundError) -> None:
        if "bucket does not exist" in str(error):
            raise StorageError(f"{self.url}: there is no such bucket; make it, or correct the URL") from error

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        """Turn what a file system raises into one sentence; that a file is not there is left as it is."""
        try:
            yield
        except (FileNotFoundError, FileExistsError, StorageError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and is_refusal(error):
                raise
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                where = "make room, or set TMPDIR to another disk"
                raise SpaceError(f"{self.url}/{name} cannot be fetched: {error.strerror}; {where}") from error
            raise StorageError(f"{self.url}: {why(error, self.scheme)}") from error


def _version(text: str) -> int:
    """A number for a tag that a file's time of change may be set to, in ns: before 2007, as every disk can hold."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 4


def _seconds(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float):
        return float(value)
    with suppress(ValueError):
        return datetime.fromisoformat(str(value)).timestamp()
    return 0.0
