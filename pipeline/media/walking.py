"""A folder or a pattern → items, folder by folder: of a million files, never more than one folder's names are held.

Hidden entries, links to folders and the output folder are left out; a link to a file counts where it stays within.
"""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISREG

from pipeline.media.items import Item, Refused, Skipped, is_in, printable, to_item
from pipeline.media.sources import (
    Folders,
    Source,
    kind_by_name,
    look_like_frames,
    may_move,
    moves,
    natural,
    numbering,
)
from pipeline.storage.hand import State
from pipeline.storage.places import url_of
from pipeline.storage.remote import Remote

States = frozenset[int]
"""Which parts of a pattern the next name may match; as many as there are parts: it is matched already."""


@dataclass(frozen=True)
class _Walk:
    """What is the same in all folders of one input; paths are real where they say so."""

    root: str
    real_root: str
    real_exclude: str
    folders: Folders
    pattern: tuple[str, ...]  # parts below the root; none: everything


@dataclass
class _Folder:
    """The names in one folder that are asked for; no DirEntry is kept, which takes 5 times the memory."""

    path: str
    below: str  # below the root, with a slash at its end where it is not empty
    files: list[str] = field(default_factory=list)  # sorted; regular files, and links to whatever
    links: set[str] = field(default_factory=set)
    states: dict[str, State] = field(
        default_factory=dict
    )  # of files behind a URL, which come with their names
    others: list[str] = field(default_factory=list)  # sorted; sockets, devices and the like
    folders: list[tuple[str, States]] = field(default_factory=list)  # in reverse


def walk_folder(root: Path, exclude: Path, folders: Folders) -> Iterator[Item]:
    """Everything below a folder: files sorted within each folder, and then its folders. `exclude` is real."""
    yield from _walk(_Walk(str(root), os.path.realpath(root), str(exclude), folders, ()))


def walk_pattern(pattern: str, exclude: Path, folders: Folders) -> Iterator[Item]:
    """The files that a pattern matches, and everything below the folders that it matches."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = str(Path(*parts[:fixed]))
    if url_of(Path(root)) or os.path.isdir(root):  # noqa: PTH112
        yield from _walk(_Walk(root, os.path.realpath(root), str(exclude), folders, parts[fixed:]))


def is_reached(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a pattern, in parts, leads to a name, in parts, that counts from the same folder; () is that folder.

    >>> is_reached(("**", "*.png"), ("a", "b.png")), is_reached(("*.png",), ("a", "b.png")), is_reached((), (".a", "b"))
    (True, False, False)
    """
    states = _reach(tuple(pattern), {0})
    for part in parts:
        states = _step(tuple(pattern), states, part)
    return len(pattern) in states


def _walk(walk: _Walk) -> Iterator[Item]:
    pending = [("", _reach(walk.pattern, {0}))]
    if is_in(walk.real_root, walk.real_exclude):
        return
    while pending:
        below, states = pending.pop()
        folder = _Folder(os.path.join(walk.root, below), below)  # noqa: PTH118
        try:
            _scan(walk, folder, states)
        except OSError as error:
            why = f"the folder cannot be searched: {error.strerror}; give yourself the right to read it"
            yield Refused(printable(below.rstrip("/") or walk.root), why)
        yield from _items(walk, folder)
        pending += [(f"{below}{name}/", inner) for name, inner in folder.folders]


def _reach(pattern: tuple[str, ...], states: Collection[int]) -> States:
    """The states, and those behind each ** in them, which may stand for nothing."""
    found = set(states)
    for state in sorted(states):
        while state < len(pattern) and pattern[state] == "**":
            state += 1
            found.add(state)
    return frozenset(found)


def _step(pattern: tuple[str, ...], states: States, name: str) -> States:
    """The states behind a name; none of them: it does not match. A hidden name is matched by a dot alone."""
    if len(pattern) in states:
        return states if name[0] != "." else frozenset()
    found = set()
    for state in states:
        part = pattern[state]
        if part == "**" and name[0] != ".":
            found.add(state)
        elif part != "**" and (name[0] != "." or part[0] == ".") and fnmatchcase(name, part):
            found.add(state + 1)
    return _reach(pattern, found)


def _scan(walk: _Walk, folder: _Folder, states: States) -> None:
    """Sort what a folder holds, without asking for more than the folder itself tells."""
    if (url := url_of(Path(folder.path))) is not None:
        _scan_remote(walk, folder, states, url)
        return
    with os.scandir(folder.path) as entries:
        for entry in entries:
            behind = _step(walk.pattern, states, entry.name)
            if behind and entry.is_dir(follow_symlinks=False):
                if f"{walk.real_root.rstrip('/')}/{folder.below}{entry.name}" != walk.real_exclude:
                    folder.folders.append((entry.name, behind))
            elif len(walk.pattern) in behind:
                if entry.is_symlink():
                    folder.links.add(entry.name)
                is_file = entry.name in folder.links or entry.is_file(follow_symlinks=False)
                (folder.files if is_file else folder.others).append(entry.name)
    folder.files.sort()
    folder.others.sort()
    folder.folders.sort(reverse=True)


def _scan_remote(walk: _Walk, folder: _Folder, states: States, url: str) -> None:
    """The same of a folder behind a URL, where there are no links."""
    for found in Remote(url).within():
        name = found if isinstance(found, str) else found.name
        behind = _step(walk.pattern, states, name)
        if isinstance(found, str):
            if behind and f"{walk.real_root.rstrip('/')}/{folder.below}{name}" != walk.real_exclude:
                folder.folders.append((name, behind))
        elif len(walk.pattern) in behind:
            folder.files.append(name)
            folder.states[name] = found.state
    folder.files.sort()
    folder.folders.sort(reverse=True)


def _items(walk: _Walk, folder: _Folder) -> Iterator[Item]:
    """What the files of one folder are: one sequence, where its pictures are one, and each of the others."""
    for name in folder.others:
        yield Skipped(Path(folder.path, name))
    sequence = _sequence(walk, folder)
    members = {path.name for path in sequence.files} if sequence else ()
    for name in folder.files:
        if name not in members:
            yield _item(walk, folder, name)
        elif sequence:
            yield sequence
            sequence = None


def _item(walk: _Walk, folder: _Folder, name: str) -> Item:
    """One file; a picture or video that cannot be used, with the reason."""
    path = f"{folder.path.rstrip('/')}/{name}"
    kind = kind_by_name(name)
    if kind is None:
        return Skipped(Path(path))
    if name in folder.states:
        return to_item(path, folder.below + name, kind, folder.states[name])
    is_link = name in folder.links
    try:
        state = os.stat(path, follow_symlinks=is_link)  # noqa: PTH116
    except OSError as error:
        reason = _dangling(path, error) if is_link else f"cannot be read: {error.strerror}"
        return Refused(printable(folder.below + name), printable(reason))
    if not S_ISREG(state.st_mode):
        return Skipped(Path(path))
    if is_link and (reason := _astray(walk, path)):
        return Refused(printable(folder.below + name), printable(reason))
    return to_item(path, folder.below + name, kind, (state.st_size, state.st_mtime_ns))


def _dangling(path: str, error: OSError) -> str:
    """Why a link leads nowhere."""
    if error.errno == errno.ELOOP:
        return "is a link that leads in a circle; remove it, or put the file itself there"
    target = os.readlink(path)  # noqa: PTH115
    there = "which is not there" if error.errno == errno.ENOENT else f"which cannot be read: {error.strerror}"
    return f"is a link to {target}, {there}; remove it, or put the file itself there"


def _astray(walk: _Walk, path: str) -> str:
    """Why a link is not followed; nothing where it stays within the input."""
    target = os.path.realpath(path)
    if is_in(target, walk.real_exclude):
        return f"is a link that leads into the output folder, to {target}; remove it"
    if is_in(target, walk.real_root):
        return ""
    remedy = "name its target's folder as an input, or put the file itself there"
    return f"is a link that leads out of the input, to {target}; {remedy}"


def _sequence(walk: _Walk, folder: _Folder) -> Source | None:
    """The pictures of a folder as one sequence, where they are to be one, or look like one."""
    if walk.folders == "archive":
        return None
    stills = [name for name in folder.files if kind_by_name(name) == "still"]
    if walk.folders == "auto":
        guess = _guess(walk, folder, stills)
        return None if guess is None else _to_source(walk, folder, *guess)
    fixed = [name for name in stills if not moves(Path(folder.path, name)) and _stays(walk, folder, name)]
    return _to_source(walk, folder, sorted(fixed, key=natural), None) if fixed else None


def _guess(walk: _Walk, folder: _Folder, stills: list[str]) -> tuple[list[str], str] | None:
    """The frames of a sequence in order, and why they are taken as one; None if they rather are an archive.

    They are one if there are at least 3, their names differ in one number only that counts up without a gap,
    their sizes in px are equal, and no camera has left its make or model in their EXIF. Names come first:
    they cost nothing, and headers of a million photographs do.
    """
    moving = [name for name in stills if may_move(name)]
    frames = [name for name in stills if not may_move(name)] or moving
    if (found := numbering(frames)) is None:
        return None
    pattern, ordered = found
    if len(frames) < len(stills) and not all(moves(Path(folder.path, name)) for name in moving):
        return None
    if not all(_stays(walk, folder, name) for name in ordered if name in folder.links):
        return None
    if not look_like_frames(Path(folder.path, name) for name in ordered):
        return None
    return ordered, f"{len(ordered)} files named {pattern}, same size, no gaps"


def _stays(walk: _Walk, folder: _Folder, name: str) -> bool:
    """Whether a name is a file, or a link to one within the input."""
    path = os.path.join(folder.path, name)  # noqa: PTH118
    return name not in folder.links or (os.path.isfile(path) and not _astray(walk, path))  # noqa: PTH113


def _to_source(walk: _Walk, folder: _Folder, ordered: list[str], guess: str | None) -> Source:
    """The sequence, named after its folder."""
    above = folder.below.rstrip("/") or Path(walk.root).name
    files = tuple(Path(folder.path, name) for name in ordered)
    return Source("sequence", Path(folder.path), f"{above}.mp4", files, guess)
