"""What is on disk → sources: which files of the input are videos, animations, numbered sequences or single pictures.

Owns the suffixes, the guess whether a folder of pictures is one sequence, and the names of the outputs.
It looks at names and at the headers of pictures, never at pixels, and knows nothing of decoding.
"""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image

from pipeline.errors import ConfigError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv")
)
STILL_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"))
_MAY_MOVE = frozenset((".gif", ".webp"))
# The containers that take H.264 (or VP9) with the source's own timestamps; every other becomes .mkv.
WRITABLE_SUFFIXES = frozenset((".mp4", ".mov", ".m4v", ".mkv", ".webm", ".ts"))

Folders = Literal["auto", "archive", "sequence"]
Kind = Literal["video", "animation", "sequence", "still"]

_LEAST_SEQUENCE = 3  # two pictures that happen to be called 1 and 2 are no film
_EXIF_MAKE, _EXIF_MODEL = 271, 272


@dataclass(frozen=True)
class Source:
    """One input: a video, an animated GIF or WebP, a numbered image sequence, or a still image."""

    kind: Kind
    path: Path  # absolute; the file, or the folder of a sequence
    name: str  # below the output folder, posix style: "a/clip.mp4"; the same whatever it is encoded as
    files: tuple[Path, ...]  # the pictures of a sequence in order; else (path,)
    guess: str | None = None  # of a folder in `auto`: why it was taken as a sequence
    output: str | None = None  # the output's own name, where its container is another one; None: `name`


@dataclass(frozen=True)
class Listing:
    """The sources in a fixed order, and the files that are neither video nor picture by their suffix."""

    sources: tuple[Source, ...]
    skipped: tuple[Path, ...]


@dataclass(frozen=True)
class _Found:
    """A file that an input leads to."""

    path: Path
    below: PurePosixPath  # the path that the output mirrors
    explicit: bool  # named by the person, so a source whatever its suffix
    folder_name: str  # what a sequence made of its folder is called

    @cached_property
    def kind(self) -> Literal["video", "animation", "still"] | None:
        """What it is by its suffix, and of pictures that may move by their header; None if it is neither."""
        kind = _kind(self.path)
        return "animation" if kind == "still" and _moves(self.path) else kind


def list_sources(inputs: Sequence[str | Path], *, folders: Folders, exclude: Path) -> Listing:
    """Turns files, folders and globs, all absolute, into sources with unique names.

    Folders are searched recursively, without hidden entries, without links that lead to folders and without
    `exclude`, the output folder. The order is that of `inputs`, and sorted within each; a file that two
    inputs lead to is one source. `folders` says what a folder of pictures is.

    Raises ConfigError for an input that is missing, or that leads to nothing usable.
    """
    exclude = exclude.resolve()
    sources: list[Source] = []
    skipped: list[Path] = []
    seen: set[Path] = set()
    for entry in inputs:
        found = list(_find(str(entry), exclude))
        usable = [f for f in found if f.explicit or f.kind is not None]
        if not usable:
            raise ConfigError(
                f"input {entry} holds no video and no picture ({len(found)} other files); "
                f"known suffixes: {' '.join(sorted(VIDEO_SUFFIXES | STILL_SUFFIXES))}"
            )
        new = [f for f in found if f.path not in seen]
        seen.update(f.path for f in new)
        skipped += [f.path for f in new if not f.explicit and f.kind is None]
        sources += _group([f for f in new if f.explicit or f.kind is not None], folders)
    return Listing(tuple(_with_unique_names(sources)), tuple(dict.fromkeys(skipped)))


def _kind(path: Path) -> Literal["video", "still"] | None:
    """What a file is by its suffix; None if it is neither."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "still" if suffix in STILL_SUFFIXES else None


def _moves(path: Path) -> bool:
    """Whether a picture has more than one frame; one that cannot be read has not."""
    if path.suffix.lower() not in _MAY_MOVE:
        return False
    try:
        with Image.open(path) as picture:
            return bool(getattr(picture, "is_animated", False))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return False


def _find(entry: str, exclude: Path) -> Iterator[_Found]:
    """Every file that one input leads to, in a fixed order; a name that exists is never read as a glob."""
    path = Path(entry)
    if path.is_file():
        yield _Found(path, PurePosixPath(path.name), True, path.parent.name)
    elif path.is_dir():
        yield from _walk(path, path, exclude)
    elif glob.has_magic(entry):
        yield from _match(entry, exclude)
    else:
        raise ConfigError(
            f"input {entry} does not exist; check the path (relative ones start at the YAML file)"
        )


def _match(pattern: str, exclude: Path) -> Iterator[_Found]:
    """The files that a glob matches, and everything below the folders that it matches."""
    parts = Path(pattern).parts
    root = Path(*parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))])
    matches = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207 (hides hidden files)
    visible = [p for p in matches if not _is_below(p, exclude) and not _is_linked(p, root)]
    if not visible:
        raise ConfigError(f"input {pattern} matches no file; check the pattern, ** reaches into subfolders")
    done: set[Path] = set()
    for match in visible:
        found = [_found(match, root)] if match.is_file() else _walk(match, root, exclude)
        for item in found:
            if item.path not in done:
                done.add(item.path)
                yield item


def _walk(folder: Path, root: Path, exclude: Path) -> Iterator[_Found]:
    """The visible files below `folder`, sorted; links to folders are not followed."""
    for place, subfolders, files in os.walk(folder):
        here = Path(place)
        subfolders[:] = sorted(
            s for s in subfolders if not s.startswith(".") and not _is_below(here / s, exclude)
        )
        if not _is_below(here, exclude):
            visible = (here / name for name in sorted(files) if not name.startswith("."))
            yield from (_found(path, root) for path in visible if not path.exists() or path.is_file())


def _found(path: Path, root: Path) -> _Found:
    """A file below the folder whose tree the output mirrors."""
    return _Found(path, PurePosixPath(path.relative_to(root).as_posix()), False, path.parent.name)


def _is_below(path: Path, folder: Path) -> bool:
    """Whether `path`, its links followed, is `folder` or lies in it."""
    real = path.resolve()
    return real == folder or folder in real.parents


def _is_linked(path: Path, root: Path) -> bool:
    """Whether a link to a folder lies between `root` and `path`."""
    return any(p.is_symlink() for p in path.parents if root in p.parents)


def _group(found: Iterable[_Found], folders: Folders) -> Iterator[Source]:
    """Sources of the files of one input: videos, and per folder either one sequence or single pictures."""
    units: dict[Path, list[_Found]] = defaultdict(list)
    for item in found:
        shared = item.kind == "still" and not item.explicit
        units[item.path.parent if shared else item.path].append(item)
    for items in units.values():
        if items[0].kind == "animation":
            yield Source("animation", items[0].path, str(items[0].below), (items[0].path,))
        elif items[0].kind != "still":
            yield _video(items[0])
        elif items[0].explicit:
            yield _still(items[0])
        else:
            yield from _pictures(items, folders)


def _video(item: _Found) -> Source:
    """A video; in a container that cannot be written with exact timestamps it is to become Matroska."""
    name = str(item.below)
    name = name if item.path.suffix.lower() in WRITABLE_SUFFIXES else f"{name}.mkv"
    return Source("video", item.path, name, (item.path,))


def _still(item: _Found) -> Source:
    """One picture on its own."""
    return Source("still", item.path, str(item.below), (item.path,))


def _pictures(items: list[_Found], folders: Folders) -> list[Source]:
    """The pictures of one folder: one sequence, or each on its own."""
    ordered = sorted(items, key=lambda item: _natural(item.path.name))
    paths = tuple(item.path for item in ordered)
    guess = sequence_guess(paths) if folders == "auto" else None
    if folders == "archive" or (folders == "auto" and guess is None):
        return [_still(item) for item in items]
    above = items[0].below.parent
    name = f"{above}.mp4" if above.name else f"{items[0].folder_name}.mp4"
    return [Source("sequence", items[0].path.parent, name, paths, guess)]


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that puts frame9 before frame10; equal keys (9 and 09) are told apart by the name itself."""
    parts = re.split(r"(\d+)", name.lower())
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts], name


def sequence_guess(paths: tuple[Path, ...]) -> str | None:
    """Why the pictures of one folder, in natural order, are one sequence; None if they rather are an archive.

    They are if there are at least 3, their names differ in one number only that counts up without a gap,
    their sizes in px are equal, and no camera has left its make or model in their EXIF.
    """
    if len(paths) < _LEAST_SEQUENCE:
        return None
    pattern = _numbering([path.name for path in paths])
    if pattern is None or not _same_size_without_camera(paths):
        return None
    return f"{len(paths)} files named {pattern}, same size, no gaps"


def _numbering(names: Sequence[str]) -> str | None:
    """The printf pattern of names that differ in one consecutive number: frame_%04d.png; else None."""
    split = [re.split(r"(\d+)", name) for name in names]
    if len({len(parts) for parts in split}) != 1:
        return None
    differing = [i for i, column in enumerate(zip(*split, strict=True)) if len(set(column)) > 1]
    if len(differing) != 1 or differing[0] % 2 == 0:  # re.split puts the numbers at odd places
        return None
    place = differing[0]
    digits = [parts[place] for parts in split]
    first = int(digits[0])
    if [int(d) for d in digits] != list(range(first, first + len(digits))):
        return None
    padded = len({len(d) for d in digits}) == 1 and len(digits[0]) > 1
    parts = [part.replace("%", "%%") for part in split[0]]
    return "".join([*parts[:place], f"%0{len(digits[0])}d" if padded else "%d", *parts[place + 1 :]])


def _same_size_without_camera(paths: Iterable[Path]) -> bool:
    """Whether all headers can be read, give one size in px, and none names a camera."""
    sizes = set()
    for path in paths:
        try:
            with Image.open(path) as picture:
                sizes.add(picture.size)
                exif = picture.getexif()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return False
        if len(sizes) > 1 or exif.get(_EXIF_MAKE) or exif.get(_EXIF_MODEL):
            return False
    return True


def _with_unique_names(sources: Iterable[Source]) -> Iterator[Source]:
    """The same sources; a name that is taken gets -2, -3, … before its suffixes, in order."""
    taken: set[str] = set()
    for source in sources:
        name = numbered(source.name, lambda name: name.casefold() in taken)
        taken.add(name.casefold())  # casefold: two names that differ in case are one file on some disks
        yield replace(source, name=name)


def numbered(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, or where it is taken the first free one with -2, -3, … before its suffixes.

    >>> numbered("a/clip.avi.mkv", {"a/clip.avi.mkv"}.__contains__)
    'a/clip-2.avi.mkv'
    """
    path, found, count = PurePosixPath(name), name, 1
    stem, dot, suffixes = path.name.partition(".") if path.suffix == ".mkv" else (path.stem, "", path.suffix)
    while is_taken(found):
        count += 1
        found = str(path.with_name(f"{stem}-{count}{dot}{suffixes}"))
    return found
