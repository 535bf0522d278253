"""Which files a job's page may show: those that its input leads to, and results, whatever the run folder says.

As a run does, it reads a link where that stays within the input or the output folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from glob import has_magic
from pathlib import Path

from pipeline.config import Config
from pipeline.media.items import is_in
from pipeline.media.listing import list_inputs
from pipeline.media.manifest import MANIFEST_SUFFIXES
from pipeline.media.sources import Source
from pipeline.places import leads_out
from pipeline.records import State, state_of
from pipeline.settings.paths import root_of
from pipeline.storage.places import url_of
from pipeline.workspace import Workspace


def sources_of(config: Config, sources: Iterable[Source]) -> tuple[Source, ...]:
    """Those of some films that lie where the input says, or that one of its manifests names.

    One that is not where it was, and is there under the same name, has been moved with the job.
    """
    found, others = [], {}
    for source in sources:
        if any(_leads_to(text, *source.files) for text in config.input):
            found.append(source)
        elif source.kind != "sequence" and (moved := file_of(source.name, config)):
            found.append(replace(source, path=moved, files=(moved,)))
        else:
            others[source.path] = source
    manifests = [text for text in config.input if _is_manifest(text)]
    if others and manifests:
        listed = list_inputs(manifests, folders=config.folders, exclude=config.output)
        named = {item.path for item in listed if isinstance(item, Source)}
        found += [source for path, source in others.items() if path in named]
    return tuple(found)


def file_of(name: str, config: Config, state: State | None = None) -> Path | None:
    """The file of the input that goes by a name, and is in a state, if one is given."""
    if leads_out(name):
        return None
    for text in config.input:
        path = root_of(text) / name
        is_listed = state is not None and _is_manifest(text)  # what lies elsewhere is not found
        if (is_listed or _leads_to(text, path)) and _is_there(path, state):
            return path
    return None


def _is_there(path: Path, state: State | None) -> bool:
    """Whether a file is there, and in a state, if one is given."""
    is_file = url_of(path) is not None or path.is_file()  # behind a URL only a file has a state
    found = state_of(path) if is_file else None
    return found is not None and state in (None, found)


def result_of(name: str, space: Workspace) -> Path | None:
    """The result that goes by a name below the output folder, a file or a folder of frames; at hand, it can be read."""
    path, shelf = space.output / name, space.shelf
    if not _stays_in(space.output, path):
        return None
    return path if shelf.state_of(path) is not None or shelf.exists(path) else None


def _leads_to(text: str, *paths: Path) -> bool:
    """Whether files lie in an input that is a folder or a pattern, or are the input; not of manifests."""
    if _is_manifest(text):
        return False
    if url_of(Path(text)) is not None and not has_magic(text):
        return _stays_in(Path(text), *paths)
    return paths == (Path(text),) if Path(text).is_file() else _stays_in(root_of(text), *paths)


def _stays_in(folder: Path, *paths: Path) -> bool:
    real = os.path.realpath(folder)
    return all(is_in(os.path.realpath(path), real) for path in paths)


def _is_manifest(text: str) -> bool:
    return Path(text).suffix.lower() in MANIFEST_SUFFIXES
