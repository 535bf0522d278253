"""The photographs of one job: what is known of them, what they are painted with, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.archive.findings import Finding, findings
from pipeline.archive.index import PictureIndex
from pipeline.archive.looks import Looks
from pipeline.archive.stream import Stream
from pipeline.assemble import written
from pipeline.config import Config
from pipeline.media.listing import Entry, list_inputs
from pipeline.survey import Brief
from pipeline.workspace import Workspace


@contextmanager
def stream_of(config: Config, space: Workspace, brief: Brief) -> Iterator[Stream]:
    """The stream of a run, which holds the run folder."""
    looks = Looks(config, brief.judges)
    with PictureIndex(space, writable=True) as index:
        found = findings(config, space, index, looks, written(space).by_source)
        listing = list_inputs(
            config.input, folders=config.folders, exclude=config.output, places=config.origin.inputs
        )
        census = (item for item in listing if isinstance(item, Entry))
        with Stream(config, space, index, looks, found, census) as stream:
            yield stream


@contextmanager
def findings_of(config: Config, space: Workspace, brief: Brief) -> Iterator[Iterator[Finding]]:
    """The same for a look that touches nothing, one by one."""
    looks = Looks(config, brief.judges)
    with PictureIndex(space, writable=False) as index:
        yield findings(config, space, index, looks, written(space).by_source)
