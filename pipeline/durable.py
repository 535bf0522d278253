"""Writes to files that are whole or not there, whenever the process is killed, and journals of JSON lines.

Knows nothing of what is written.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import SpaceError

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "change the rights, or choose another output"),
    **dict.fromkeys(
        (
            errno.EROFS,
            errno.ENOENT,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.EISDIR,
            errno.ELOOP,
            errno.ENAMETOOLONG,
        ),
        "choose another output",
    ),
}
"""What helps where the system refuses to write, by its reason."""


def append_journal(path: Path, entry: Mapping[str, Any], *, synced: bool = True) -> None:
    """Add one line to a journal, whole and, but for one that can be rebuilt, synced."""
    with writing(path.parent):
        append_lines(path, [entry], synced=synced)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; what is no JSON is passed over, such as one that a killed writer cut off.

    Of a missing file there are none.
    """
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        with suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def replace(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees all of the old or all of the new."""
    rewrite(path, (data,))


def rewrite(path: Path, parts: Iterable[bytes]) -> None:
    """The same, of what comes in parts, which may be read from the old file."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(6)}.tmp")
        try:
            write_synced(temporary, parts)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the system's refusal to write into a `SpaceError` that names the folder."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "make room or change the rights")
        raise SpaceError(
            f"cannot write in {folder}: {error.strerror or error}; {remedy}, then run again"
        ) from error


def bytes_below(folder: Path, besides: Path | None = None) -> int:
    """The size of all files below a folder, without those below `besides`; others may be writing there."""
    total = 0
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(place, name) != besides]
        total += sum(size_of(Path(place, name)) for name in files)
    return total


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0 where there is none, or none any more."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def line_of(entry: Mapping[str, Any]) -> bytes:
    """An entry as a line of a journal."""
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """One write of one line, after a line break where a killed writer left half a line."""
    append_lines(path, [entry])


def append_lines(path: Path, entries: Iterable[Mapping[str, Any]], *, synced: bool = True) -> None:
    """One write of some lines; the same."""
    descriptor = no_link(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        with os.fdopen(os.dup(descriptor), "ab") as file:  # writes all of it, where os.write may write a part
            file.write(b"\n" * torn + b"".join(line_of(entry) for entry in entries))
        if synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def no_link(path: Path | str, flags: int) -> int:
    """Open a file by its descriptor, unless its name is a link's; OSError where it is."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def write_synced(path: Path, parts: Iterable[bytes]) -> None:
    """Write a new file; its bytes are on the disk when this returns."""
    with path.open("xb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def link(temporary: Path, final: Path) -> bool:
    """Give a whole file its final name, unless that is taken; whether it was not."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: not atomic against a second writer, but complete
        if final.exists():
            return False
        temporary.rename(final)
    return True


def sync_folder(folder: Path) -> None:
    """What was linked, renamed or removed in a folder stays so when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
