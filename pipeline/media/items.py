"""What a listing is made of: photographs to be, films, and what cannot be used, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.media.sources import WRITABLE_SUFFIXES, Source, moves
from pipeline.settings.sections import StyleImage
from pipeline.storage.hand import State


@dataclass(frozen=True)
class Own:
    """What one entry of a manifest has of its own, instead of the job's; None: nothing."""

    style: tuple[StyleImage, ...] | None = None  # paths are absolute
    strength: float | None = None  # times transfer.style_weight; finite, 0 or more
    mask: Path | None = None  # absolute; where its content counts, as the config's content_mask


@dataclass(frozen=True)
class Entry:
    """A photograph to be, by its suffix; what it is, is only known when it is read."""

    path: Path  # absolute
    name: str  # below the output folder, posix style
    bytes: int
    mtime_ns: int
    own: Own | None = None


@dataclass(frozen=True)
class Refused:
    """What was found, or named, and cannot be used. Both texts can be printed: odd characters are escaped."""

    name: str  # below the input's folder, posix style; in a manifest "photos.csv:17"
    reason: str  # a sentence for a person


@dataclass(frozen=True)
class Skipped:
    """A file that is neither video nor picture by its suffix, or no file that can be read: a socket, a device."""

    path: Path


Item = Entry | Source | Refused | Skipped


def to_item(path: str, name: str, kind: Literal["video", "still"], state: State) -> Entry | Source:
    """A regular file as what it is to be; of a picture that may move, the header is read.

    A video in a container that cannot be written with exact timestamps is to become Matroska.
    """
    file = Path(path)
    if kind == "still" and moves(file):
        return Source("animation", file, name, (file,))
    if kind == "still":
        return Entry(file, name, *state)
    is_writable = file.suffix.lower() in WRITABLE_SUFFIXES
    return Source("video", file, name if is_writable else f"{name}.mkv", (file,))


def printable(text: str) -> str:
    r"""The text with everything escaped that a terminal or UTF-8 would choke on.

    >>> printable("a\n\udcff.jpg")
    'a\\n\\udcff.jpg'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def blamed(source: str, error: str) -> str:
    """A failure as a sentence: whose it is and why, without the source's path where the error begins with it.

    >>> blamed("a.png", "/usr/a.png cannot be read"), blamed("a.png", "/usr/a.png is there already")
    ('a.png cannot be read', 'a.png: /usr/a.png is there already')
    """
    for name in (source, source.removesuffix(".mkv")):  # see `to_item`
        folder, found, why = error.partition(f"/{name} ")
        if found and why.startswith(_OF_A_SOURCE) and Path(folder or "/").is_dir():
            return f"{source} {why}"
    return f"{source}: {error}"


_OF_A_SOURCE = (
    "cannot be opened", "cannot be read", "has ", "is cut off", "is damaged", "is empty", "is in a video format",
    "is no film", "is too large",
)  # fmt: skip
"""How sentences about a source go on; others that begin with a path may be about its output."""


def is_in(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it; both are real paths."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
