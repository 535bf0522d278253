"""What lies around a job that is about to be written: videos, pictures, a painting to learn from, a GPU.

Looks at one folder and the folders directly in it, at names and at no more of them than a few thousand. Knows nothing
of the YAML.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from glob import escape
from importlib.metadata import PackageNotFoundError, version
from itertools import count, islice
from os.path import normpath
from pathlib import Path

from pipeline.media.sources import kind_by_name, natural, numbering
from pipeline.settings.paths import image_trouble

FEW = 4  # names that are listed one by one
_MOST_NAMES = 2000  # of one folder
_MOST_FOLDERS = 50
_MOST_OPENED = 10  # pictures that are read to find one that can be
_MOST_TEXT = 65536  # characters of a YAML file
_OUTPUT = re.compile(r"^output:([^#\n]+)", re.MULTILINE)
_STYLE_WORDS = re.compile(r"(?<![a-z])(styles?|paintings?|art|artworks?)(?![a-z])")


@dataclass(frozen=True)
class Folder:
    """The names in one folder that can be painted, in natural order."""

    below: str  # of the folder that is looked at: "" for that itself, else "clips/"
    videos: tuple[str, ...]
    pictures: tuple[str, ...]
    holds_output: bool = False  # of an earlier job, in a folder of its own

    @property
    def is_for_styles(self) -> bool:
        """Whether its name says that what is in it is to be learned from."""
        return _is_like_a_style(self.below)


@dataclass(frozen=True)
class Subject:
    """What there is to paint: the texts for `input`, and what they are."""

    names: tuple[str, ...]
    what: str  # "3 videos"
    folders: tuple[Folder, ...]  # that hold it


def look_around(folder: Path) -> tuple[Folder, ...]:
    """The folder itself, and each folder in it that is neither hidden nor the output of a job."""
    files, below = _scan(folder)
    names = (name for name in sorted(below, key=natural)[:_MOST_FOLDERS] if not _is_output(folder / name))
    return (_sorted("", files), *(_below(folder, name) for name in names))


def _below(root: Path, name: str) -> Folder:
    files, folders = _scan(root / name)
    outputs = any(_is_output(root / name / inner) for inner in folders[:_MOST_FOLDERS])
    return _sorted(f"{name}/", files, holds_output=outputs)


def _is_output(folder: Path) -> bool:
    return (folder / ".stylize").exists()


def _scan(folder: Path) -> tuple[list[str], list[str]]:
    """The names of files and of folders, without hidden ones and those that no YAML can hold."""
    files: list[str] = []
    folders: list[str] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_NAMES):
            if entry.name.startswith(".") or entry.name == "~" or not is_text(entry.name):
                continue  # in a YAML ~/ is the home folder
            with suppress(OSError):  # a link in a circle
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    return files, folders


def is_text(name: str) -> bool:
    """Whether a name is valid Unicode; on Linux it may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sorted(below: str, names: Sequence[str], *, holds_output: bool = False) -> Folder:
    kinds = {name: kind_by_name(name) for name in sorted(names, key=natural)}
    videos, pictures = (
        tuple(n for n, kind in kinds.items() if kind == wanted) for wanted in ("video", "still")
    )
    return Folder(below, videos, pictures, holds_output)


def without(folders: Sequence[Folder], texts: Collection[str]) -> tuple[Folder, ...]:
    """The folders without what was named, by a path or a pattern: that is chosen already."""

    def is_named(path: str) -> bool:
        return any(path == normpath(text) or fnmatchcase(path, text) for text in texts)

    def left(folder: Folder, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if not is_named(folder.below + name))

    return tuple(
        replace(one, videos=left(one, one.videos), pictures=left(one, one.pictures)) for one in folders
    )


def find_subject(folders: Sequence[Folder]) -> Subject | None:
    """What to paint: videos, here or else in the folders below; else pictures, wherever there are several.

    A single picture here is a subject only where there is nothing else. A folder for styles holds pictures to learn
    from; its videos are a subject only where there is nothing else.
    """
    here, *others = (one for one in folders if not one.is_for_styles)
    if holding := [here] if here.videos else [one for one in others if one.videos]:
        return _subject([(one, one.videos, one.pictures) for one in holding], "video")
    below = [one for one in others if one.pictures]
    holding = below if below and len(here.pictures) < 2 else [here]
    found = [(one, _without_styles(one), (*one.videos, *_styles(one))) for one in holding]
    if pictures := _subject([one for one in found if one[1]], "picture"):
        return pictures
    in_styles = [one for one in folders if one.is_for_styles and one.videos]
    return _subject([(one, one.videos, one.pictures) for one in in_styles], "video")


def _subject(found: Sequence[tuple[Folder, Sequence[str], Sequence[str]]], noun: str) -> Subject | None:
    """Of folders, each with the names in it that are wanted and those that are not."""
    if not found:
        return None
    number = sum(len(wanted) for _, wanted, _ in found)
    is_sequence = noun == "picture" and len(found) == 1 and numbering(found[0][1]) is not None
    what = f"{number} {'numbered ' * is_sequence}{noun}{'s' * (number > 1)}"
    names = tuple(name for one, wanted, unwanted in found for name in _names(one, wanted, unwanted))
    return Subject(names, what, tuple(one for one, _, _ in found))


def _names(folder: Folder, wanted: Sequence[str], unwanted: Sequence[str]) -> Sequence[str]:
    """The shortest way to name what is wanted of a folder, and nothing else of it: files, the folder, or patterns."""
    files = [folder.below + name for name in wanted]
    if len(files) == 1 or (len(files) <= FEW and not folder.below):
        return files
    if folder.below and not unwanted and not folder.holds_output:
        return [folder.below]
    suffixes = sorted({Path(name).suffix for name in wanted})
    if {Path(name).suffix for name in unwanted} & set(suffixes):  # a painting among pictures
        return files
    patterns = [f"{escape(folder.below)}*{suffix}" for suffix in suffixes]
    return files if set(files) & set(patterns) else patterns  # a file of that name would be all that is meant


def find_style(root: Path, folders: Sequence[Folder], subject: Subject | None) -> str | None:
    """A picture to learn from, by its name below `root`: in a folder for styles, or beside what is to be painted."""
    readable = (
        name
        for name in islice(_like_paintings(folders, subject), _MOST_OPENED)
        if not image_trouble(root / name)
    )
    return next(readable, None)


def _like_paintings(folders: Sequence[Folder], subject: Subject | None) -> Iterator[str]:
    for one in folders:
        if one.is_for_styles:
            yield from (one.below + name for name in one.pictures)
    taken = subject.names if subject else ()
    beside = (folders[0], *(subject.folders if subject else ()))
    for one in dict.fromkeys(beside):
        named = _styles(one)
        alone = one.pictures if len(one.pictures) == 1 else ()
        left = (one.below + name for name in one.pictures if name in named or name in alone)
        yield from (name for name in left if name not in taken)


def _without_styles(folder: Folder) -> tuple[str, ...]:
    """The pictures but for one called style.jpg or the like; all, where they are too many to be named one by one."""
    if len(folder.pictures) > FEW + 1:
        return folder.pictures
    return tuple(name for name in folder.pictures if not _is_like_a_style(Path(name).stem))


def _styles(folder: Folder) -> set[str]:
    """The other pictures."""
    return set(folder.pictures) - set(_without_styles(folder))


def _is_like_a_style(name: str) -> bool:
    return bool(_STYLE_WORDS.search(name.lower()))


def left_out(folders: Sequence[Folder], subject: Subject) -> str:
    """How many videos or pictures, as the subject is, lie in folders that it leaves out; empty: none."""
    noun = "video" if "video" in subject.what else "picture"
    others = [one for one in folders if one not in subject.folders and not one.is_for_styles]
    counts = [number for one in others if (number := len(one.videos if noun == "video" else one.pictures))]
    if not counts:
        return ""
    number, where = sum(counts), "1 folder" if len(counts) == 1 else f"{len(counts)} folders"
    return f"{number} more {noun}{'s' * (number > 1)} in {where}"


def outputs_named(folder: Path) -> set[str]:
    """The names that YAML files in `folder` have for their outputs: two jobs with one output undo each other's work."""
    found = set[str]()
    with suppress(OSError):
        for path in islice(sorted(folder.glob("*.y*ml")), _MOST_FOLDERS):
            with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
                found |= {name.strip("'\" ").rstrip("/") for name in _OUTPUT.findall(file.read(_MOST_TEXT))}
    return found


def unused(folder: Path, name: str, suffix: str = "", taken: Collection[str] = ()) -> str:
    """The first of name, name-2, name-3 and so on that nothing in `folder` is called, and that is not taken."""
    names = (f"{name}{f'-{number}' if number > 1 else ''}{suffix}" for number in count(1))
    return next(one for one in names if one not in taken and not os.path.lexists(folder / one))


def has_gpu() -> bool:
    """Whether torch will find an NVIDIA GPU: asks the driver itself, since to import torch takes seconds.

    Others are not looked for: on one of Apple's nothing is painted.
    """
    try:
        if version("torch").endswith("+cpu"):
            return False
        driver = ctypes.CDLL("libcuda.so.1")
    except (OSError, PackageNotFoundError):
        return False
    number = ctypes.c_int(0)
    return driver.cuInit(0) == driver.cuDeviceGetCount(ctypes.byref(number)) == 0 and number.value > 0
