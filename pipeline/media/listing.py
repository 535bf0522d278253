"""Inputs → what there is to paint, as a stream: a file, a folder, a pattern or a manifest at a time.

Names of results are given here. A listing of a million files is never held, only 16 bytes of each name.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from os.path import realpath
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from pipeline.errors import ConfigError
from pipeline.media.items import Entry, Item, Own, Refused, Skipped, to_item
from pipeline.media.manifest import MANIFEST_SUFFIXES, read_manifest
from pipeline.media.naming import Hashes, Names
from pipeline.media.sources import STILL_SUFFIXES, VIDEO_SUFFIXES, Folders, Source, kind_by_name
from pipeline.media.walking import walk_folder, walk_pattern
from pipeline.settings.paths import meant
from pipeline.storage.hand import State, remote_state
from pipeline.storage.places import url_of
from pipeline.storage.remote import Remote

__all__ = ["Entry", "Item", "Listing", "Own", "Refused", "Skipped", "list_inputs", "list_sources"]


@dataclass(frozen=True)
class Listing:
    """All sources in a fixed order, the files that are neither video nor picture, and what cannot be used."""

    sources: tuple[Source, ...]
    skipped: tuple[Path, ...]
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True)
class _Found:
    """What one input leads to. What a manifest names is never left out, since it may have its own style."""

    text: str
    items: Iterator[Item]
    at: str  # where it is written, for messages
    is_manifest: bool = False


def list_inputs(
    inputs: Sequence[str | Path], *, folders: Folders, exclude: Path, places: Sequence[str] = ()
) -> Iterator[Item]:
    """What files, folders, patterns and manifests, all absolute, lead to, with unique names, as it is found.

    Folders are searched recursively, without hidden entries, without links that lead to folders and without
    `exclude`, the output folder. The order is that of `inputs`, and sorted within each; a file that two
    inputs lead to comes once. `folders` says what a folder of pictures is. A source is a video, an animation
    or a sequence; single pictures are entries. `places`: where each input is written, for messages.

    Raises ConfigError at the first step for an input that is missing, and in the end of one that leads to nothing
    usable; also for a manifest whose header is wrong.
    """
    real_exclude = Path(realpath(exclude))  # which, other than resolve, takes a link to itself, too
    ats = chain((f" ({place})" for place in places), repeat(""))
    found = [_open(str(text), folders, real_exclude, at) for text, at in zip(inputs, ats, strict=False)]
    names, seen = Names(), Hashes() if len(found) > 1 else None
    for one in found:
        for item in _usable(one):
            if seen is None or _is_new(item, seen) or one.is_manifest:
                yield _named(item, names)


def list_sources(
    inputs: Sequence[str | Path], *, folders: Folders, exclude: Path, places: Sequence[str] = ()
) -> Listing:
    """The same all at once, single pictures as sources; what an entry of a manifest has of its own is not told."""
    sources: list[Source] = []
    skipped: list[Path] = []
    refused: list[Refused] = []
    for item in list_inputs(inputs, folders=folders, exclude=exclude, places=places):
        match item:
            case Source():
                sources.append(item)
            case Entry():
                sources.append(Source("still", item.path, item.name, (item.path,)))
            case Skipped():
                skipped.append(item.path)
            case Refused():
                refused.append(item)
    return Listing(tuple(sources), tuple(skipped), tuple(refused))


def _open(text: str, folders: Folders, exclude: Path, at: str) -> _Found:
    """What an input leads to; a name that exists is never read as a pattern."""
    path = Path(text)
    if (url := url_of(path)) is not None:
        return _open_url(path, url, folders, exclude, at)
    try:
        state = path.stat()
    except (OSError, ValueError):
        if glob.has_magic(text):
            return _Found(text, walk_pattern(text, exclude, folders), at)
        remedy = meant(path, _is_usable) or "; check the path (relative ones start at the YAML file)"
        raise ConfigError(f"input {text} does not exist{at}{remedy}") from None
    if S_ISDIR(state.st_mode):
        return _Found(text, walk_folder(path, exclude, folders), at)
    if not S_ISREG(state.st_mode):
        raise ConfigError(f"input {text} is neither a file nor a folder{at}; name one of these")
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        return _Found(text, read_manifest(path, exclude), at, is_manifest=True)
    if path.suffix.lower() in (".yaml", ".yml"):
        raise ConfigError(
            f"input {text} is a YAML file, not what is to be painted{at}; name a video, a picture or a folder"
        )
    return _Found(text, _single(path, (state.st_size, state.st_mtime_ns)), at)


def _is_usable(name: str) -> bool:
    """Whether a name may be that of an input: of a video, a picture, a manifest, or, without a suffix, a folder."""
    suffix = Path(name).suffix.lower()
    return not suffix or suffix in MANIFEST_SUFFIXES or kind_by_name(name) is not None


def _open_url(path: Path, url: str, folders: Folders, exclude: Path, at: str) -> _Found:
    """What a URL leads to: a file, a folder, or what a pattern matches."""
    if (state := remote_state(url)) is not None:
        if path.suffix.lower() in MANIFEST_SUFFIXES:
            raise ConfigError(
                f"input {url} is a manifest, which must be a file of this machine{at}; fetch it first"
            )
        return _Found(url, _single(path, state), at)
    if Remote(url).is_folder():
        return _Found(url, walk_folder(path, exclude, folders), at)
    if glob.has_magic(url):
        return _Found(url, walk_pattern(str(path), exclude, folders), at)
    raise ConfigError(
        f"input {url} does not exist{at}; check the URL, and the credentials in the environment"
    )


def _single(path: Path, state: State) -> Iterator[Item]:
    """A file that the person named: without a suffix that says else, it is a video."""
    yield to_item(str(path), path.name, kind_by_name(path.name) or "video", state)


def _usable(found: _Found) -> Iterator[Item]:
    """The items of one input; raises ConfigError if none was usable."""
    counts: Counter[type] = Counter()
    first_refused: Refused | None = None
    for item in found.items:
        counts[type(item)] += 1
        if isinstance(item, Refused):
            first_refused = first_refused or item
        yield item
    if counts[Entry] or counts[Source]:
        return
    if not counts and glob.has_magic(found.text) and not Path(found.text).exists():
        raise ConfigError(
            f"input {found.text} matches no file{found.at}; check the pattern, ** reaches into subfolders"
        )
    if first_refused:
        one = f"{first_refused.name} {first_refused.reason}"
        raise ConfigError(
            f"input {found.text} holds nothing usable ({counts[Refused]} refused, first: {one}){found.at}"
        )
    others = f"{counts[Skipped]} other file{'s' * (counts[Skipped] != 1)}"
    raise ConfigError(
        f"input {found.text} holds no video and no picture ({others}){found.at}; "
        f"known suffixes: {' '.join(sorted(VIDEO_SUFFIXES | STILL_SUFFIXES))}"
    )


def _is_new(item: Item, seen: Hashes) -> bool:
    """Whether no input before led to any of an item's files, which are seen from now on."""
    if isinstance(item, Refused):
        return True
    paths = item.files if isinstance(item, Source) else (item.path,)
    return sum(seen.add(str(path)) for path in paths) > 0  # all are added, not only up to the first new one


def _named(item: Item, names: Names) -> Item:
    """What is to be painted with a name of its own; most have one already, and are not made anew."""
    if isinstance(item, Refused | Skipped):
        return item
    name = names.unique(item.name)
    return item if name == item.name else replace(item, name=name)
