"""The journal's lines that tell of photographs: read, grouped into pictures, and held against what is known.

Knows nothing of SQLite; what the table has is a `Row`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from pipeline.archive.table import Row
from pipeline.records import PictureRecord, is_of_picture, records_in


def pictures_in(lines: Iterable[bytes]) -> Iterator[tuple[PictureRecord, ...]]:
    """The pages of each picture that the journal's lines tell of; a line that was cut off tells nothing."""
    return by_picture(_parsed(line for line in lines if is_of_picture(line) and line.endswith(b"\n")))


def by_picture(records: Iterable[PictureRecord]) -> Iterator[tuple[PictureRecord, ...]]:
    """The pages of each picture, which stand together; some that were cut off are none."""
    for _, group in groupby(records, key=lambda record: (record.source, record.mtime_ns, record.digest)):
        pages = tuple(group)
        if len(pages) == pages[0].pages:
            yield pages


def record_of(line: bytes) -> PictureRecord | None:
    """The record in a line; None where it is damaged."""
    return next(_parsed([line]), None)


def is_known(row: Row | None, page: PictureRecord) -> bool:
    """Whether a line tells nothing new; one that was written before its result had a date is known by its bytes."""
    if row is None or row.bytes != page.bytes:
        return False
    return (
        row.written_ns == page.mtime_ns
        if page.mtime_ns
        else (row.digest, row.look) == (page.digest, page.look)
    )


def is_last(row: Row | None, page: PictureRecord) -> bool:
    """Whether no later line replaces this one; of a picture that was painted alike again only the time differs."""
    written = (page.look, page.digest, page.mtime_ns)
    return row is not None and (row.look, row.digest, row.written_ns) == written


def aside(path: Path) -> Path:
    """A journal under a name of its own, so that nobody writes into it any more while it is read."""
    if path.name.startswith("left-"):
        return path
    return path.rename(path.with_name(f"left-{path.name}"))


def _parsed(lines: Iterable[bytes]) -> Iterator[PictureRecord]:
    for line in lines:
        with suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield from records_in([entry])
