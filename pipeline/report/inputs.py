"""Which files a job's page may show: those that its input leads to, whatever the run folder says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipeline.config import Config
from pipeline.config_paths import root_of
from pipeline.media.items import is_in
from pipeline.media.listing import list_inputs
from pipeline.media.manifest import MANIFEST_SUFFIXES
from pipeline.media.sources import Source
from pipeline.places import leads_out
from pipeline.records import State, state_of


def sources_of(config: Config, sources: Iterable[Source]) -> tuple[Source, ...]:
    """Those of some films that lie where the input says, or that one of its manifests names.

    One that is not where it was, and is there under the same name, has been moved with the job.
    """
    found, others = [], {}
    for source in sources:
        if any(_leads_to(text, source.path) for text in config.input):
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
        is_it = path.is_file() if state is None else state_of(path) == state
        if is_it and (is_listed or _leads_to(text, path)):
            return path
    return None


def _leads_to(text: str, path: Path) -> bool:
    """Whether a file lies in an input that is a folder or a pattern, or is the input; not of manifests."""
    if _is_manifest(text):
        return False
    return path == Path(text) if Path(text).is_file() else is_in(os.path.normpath(path), str(root_of(text)))


def _is_manifest(text: str) -> bool:
    return Path(text).suffix.lower() in MANIFEST_SUFFIXES
