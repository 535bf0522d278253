"""URLs and the local paths that stand for them: `s3://bucket/a.jpg` is `<scratch>/<process>/s3/bucket/a.jpg`.

Every process has a place of its own, so a path of one means nothing to another; what a job names is translated, see
`worker`. A place is a name first: most of the files that it stands for are never there, and those that are come and
go. All of the code that knows nothing of URLs works with places as with any other path.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, SpaceError

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_LONGEST_NAME_BYTES = 255
_LEFT_S = 3600.0
"""A process's place is removed by a later one if the process is gone and its place is this old: another may be about to
take hold of it."""


def is_url(text: str) -> bool:
    """Whether a text is a URL, and no path.

    >>> is_url("s3://bucket/in"), is_url("clips/a.mp4"), is_url("C:/in")
    (True, False, False)
    """
    return _URL.fullmatch(text) is not None


def is_safe(name: str) -> bool:
    """Whether a key may stand for a path below a folder: nothing in it leads elsewhere, or has no name here.

    >>> [is_safe(name) for name in ("a/b.jpg", "../b.jpg", "/etc/b", "a//b", "a/./b", "")]
    [True, False, False, False, False, False]
    """
    parts = name.split("/")
    return "\0" not in name and all(
        part not in ("", ".", "..") and len(os.fsencode(part)) <= _LONGEST_NAME_BYTES for part in parts
    )


def place_of(url: str) -> Path:
    """The path that stands for a URL in this process; `ConfigError` for a URL that leads nowhere."""
    match = _URL.fullmatch(url)
    assert match is not None, "is_url comes first"
    scheme, name = match[1], match[2].strip("/")
    if not is_safe(name):
        raise ConfigError(
            f"{url} is no place for files; write it as {scheme}://bucket/folder, without .. or //"
        )
    return here() / scheme / name


def url_of(path: Path) -> str | None:
    """The URL that a path stands for in this process; None: it stands for itself."""
    below = below_of(path, here())
    return None if below is None else _to_url(below)


def below_of(path: Path, root: Path) -> str | None:
    """Where a path is below a process's place; None where it is elsewhere."""
    text, start = str(path), f"{root}/"
    return text.removeprefix(start) if text.startswith(start) else None


def url_below(path: Path, root: Path) -> str | None:
    """The URL that a path stands for below another process's place."""
    below = below_of(path, root)
    return None if below is None else _to_url(below)


def _to_url(below: str) -> str | None:
    scheme, slash, name = below.partition("/")
    return f"{scheme}://{name}" if slash else None


def with_urls(text: str) -> str:
    """The text with URLs where it names places, of whichever process."""
    try:
        scratch_path = str(_scratch_path())
    except (
        OSError
    ):  # without a folder for temporary files there are no places, and errors are told all the same
        return text
    if scratch_path not in text:
        return text
    return re.sub(rf"{re.escape(scratch_path)}/\d+(?:-[0-9a-f]+)?/([a-z][a-z0-9+.-]*)/", r"\1://", text)


def throughout(value: Any) -> Any:
    """Plain data with URLs in all its texts, see `with_urls`."""
    if isinstance(value, str):
        return with_urls(value)
    if isinstance(value, Mapping):
        return {key: throughout(one) for key, one in value.items()}
    return [throughout(one) for one in value] if isinstance(value, list | tuple) else value


def path_of(text: str) -> Path:
    """The path that a text means, be it a URL or a path; `ConfigError` for a URL that leads nowhere."""
    return place_of(text) if is_url(text) else Path(text)


def only_files(what: str, inputs: Sequence[str], output: Path) -> None:
    """Raise `ConfigError` where an input or the output is behind a URL, and `what` works with files only."""
    places = [*inputs, str(output)]
    if url := next((url for place in places if (url := url_of(Path(place)))), None):
        raise ConfigError(
            f"{what} takes files of this machine, got {url}; fetch some, and name them: "
            "--set input=FOLDER --set output=FOLDER"
        )


def here() -> Path:
    """This process's place; nothing is made yet."""
    return _scratch_path() / str(os.getpid())


def _scratch_path() -> Path:
    return Path(os.path.realpath(tempfile.gettempdir())) / f"stylize-{os.getuid()}"


def scratch() -> Path:
    """The folder of all places of this user, which is made and must be nobody else's; `SpaceError` where it is."""
    folder = _scratch_path()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
    except OSError as error:
        raise SpaceError(
            f"cannot make {folder}: {error.strerror or error}; set TMPDIR to a folder of yours"
        ) from error
    if state.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink() or state.st_mode & 0o022:
        raise SpaceError(f"{folder} is not yours alone; remove it, or set TMPDIR to a folder of yours")
    return folder


@cache
def make_place(place: Path) -> Path:
    """Make a process's place, which goes when the process ends, and remove those of processes that were killed."""
    sweep(scratch())
    place.mkdir(mode=0o700, exist_ok=True)
    _hold(place)
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def sweep(folder: Path) -> None:
    """Remove the places of processes that are gone."""
    for path in folder.iterdir():
        number = re.fullmatch(r"(\d+)(?:-[0-9a-f]+)?", path.name)
        with suppress(OSError):
            is_old = path.stat().st_mtime < time.time() - _LEFT_S
            if number and is_old and not _is_alive(int(number[1])) and not _is_held(path):
                shutil.rmtree(path, ignore_errors=True)


def _hold(place: Path) -> None:
    """Lock a place until this process ends: to another container its number says nothing."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # never closed
    with suppress(OSError):  # some file systems cannot; then the number has to do
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.utime(place)  # it may be that of an earlier process


def _is_held(place: Path) -> bool:
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it cannot be known here
        return False
    finally:
        os.close(descriptor)
    return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
