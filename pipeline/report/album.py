"""Photographs as the page shows them: a sample before and after, and how many there are in each folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.archive.findings import max_pixels
from pipeline.archive.index import PictureIndex
from pipeline.archive.table import Row
from pipeline.config import Config
from pipeline.report.films import Pair, edge_px, sample
from pipeline.report.inputs import file_of, result_of
from pipeline.report.thumbnails import photograph
from pipeline.report.words import shown
from pipeline.storage.places import url_of
from pipeline.workspace import Workspace

SAMPLE = 24
MOST_FOLDERS = 40
DEPTH = 2
"""Folders are counted down to this depth, so that their number stays small."""


@dataclass(frozen=True)
class Folder:
    """A folder of the archive, and how many photographs are in it."""

    name: str
    pictures: int


@dataclass(frozen=True)
class Album:
    """The section of the photographs."""

    pictures: int
    pages: int
    pixels: int
    pairs: tuple[Pair, ...]
    folders: tuple[Folder, ...]
    more_folders: int
    notes: tuple[tuple[str, int], ...]


def album_of(config: Config, space: Workspace) -> Album | None:
    """What was painted of photographs; None where there are none. The table is walked through twice, row by row."""
    if not has_pictures(space):
        return None
    with PictureIndex(space, writable=False) as index:
        counts = _count(index.rows())
        if not counts.pictures:
            return None
        chosen = set(sample(0, counts.pictures, SAMPLE))
        rows = [row for place, row in enumerate(index.rows()) if place in chosen]
    folders = counts.folders.most_common(MOST_FOLDERS)
    return Album(
        counts.pictures,
        counts.pages,
        counts.pixels,
        tuple(_pairs(rows, config, space)),
        tuple(Folder(shown(name) or "the input folder itself", amount) for name, amount in sorted(folders)),
        len(counts.folders) - len(folders),
        tuple((shown(note), amount) for note, amount in counts.notes.most_common(8)),
    )


def has_pictures(space: Workspace) -> bool:
    """Whether photographs may have been painted. Behind a URL there is no table of them, but it is made anew."""
    return space.index.exists() or (url_of(space.output) is not None and space.records.exists())


class _Counts:
    def __init__(self) -> None:
        self.pictures = self.pages = self.pixels = 0
        self.folders: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()


def _count(rows: Iterator[Row]) -> _Counts:
    counts = _Counts()
    for row in rows:
        counts.pictures += 1
        counts.pages += row.pages
        counts.pixels += row.width_px * row.height_px * row.pages
        counts.folders["/".join(row.name.split("/")[:-1][:DEPTH])] += 1
        if len(counts.notes) < 1000:
            counts.notes.update(row.notes)
    return counts


def _pairs(rows: Sequence[Row], config: Config, space: Workspace) -> Iterator[Pair]:
    """One after the other, so that one picture at a time is in memory."""
    longest_px, most = edge_px(len(rows)), max_pixels(config)
    for row in rows:
        path = file_of(row.name, config, (row.source_bytes, row.source_mtime_ns))
        before = None if path is None else photograph(path, longest_px, most)
        result = result_of(row.output, space)
        after = None if result is None else photograph(result, longest_px, most)
        if before or after:
            yield Pair(shown(row.name), before, after)
