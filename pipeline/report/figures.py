"""records.jsonl → figures per frame, and totals. Line by line: an archive's journal may have gigabytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.records import FrameRecord, is_of_picture, to_record

MOST = 1e12
"""No figure of a record or a run is as large; one that is comes of damage. So sums stay finite, and times are dates."""


def is_likely(value: float) -> bool:
    """Whether a record or a run may have such a figure.

    >>> [is_likely(value) for value in (3, float("nan"), 1e308)]
    [True, False, False]
    """
    return abs(value) < MOST


@dataclass(frozen=True, slots=True)
class FrameFigures:
    """What is drawn of one frame. `low` and `high`: the least and the greatest loss on its way."""

    frame: int
    start: str
    iterations: int
    loss: float
    low: float
    high: float
    warp_error: float | None
    brightness: float | None
    saturation: float | None
    sharpness: float | None


@dataclass
class Figures:
    """The frames of films by source and index, and what all records come to."""

    films: dict[str, dict[int, FrameFigures]] = field(default_factory=dict)
    pages: int = 0  # of photographs
    frames: int = 0
    iterations: int = 0
    megapixel_iterations: float = 0.0


def read_figures(records: Path) -> Figures:
    """Everything that the journal tells; a damaged line is passed over."""
    found = Figures()
    for line in _lines(records):
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            if is_of_picture(line):
                _count_picture(found, line)
            elif isinstance(entry := json.loads(line), dict):
                _add_frame(found, to_record(FrameRecord, entry))
    return found


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with path.open("rb") as file:
            yield from file


def _count_picture(found: Figures, line: bytes) -> None:
    """Add up a photograph's line without parsing it: it is mostly trace, and there may be a million."""
    iterations = int(_number(line, b"iterations"))
    megapixels = _number(line, b"megapixel_iterations")
    found.pages += 1
    found.iterations += iterations
    found.megapixel_iterations += megapixels


def _number(line: bytes, name: bytes) -> float:
    """The number under a name; within a text every quote is escaped, so none can be taken for it.

    >>> _number(b'{"source":"a,\\\\"seconds\\\\":9","seconds":1.5}', b"seconds")
    1.5
    """
    _, found, rest = line.partition(b',"' + name + b'":')
    if not found:
        raise ValueError(name)
    number = float(rest[:40].split(b",")[0].split(b"}")[0])
    if not is_likely(number):
        raise ValueError(name)
    return number


def _add_frame(found: Figures, record: FrameRecord) -> None:
    """Take a frame in; ValueError where its figures are not those of one."""
    if not all(is_likely(value) for value in vars(record).values() if isinstance(value, int | float)):
        raise ValueError(record.frame)
    found.frames += 1
    found.iterations += record.iterations
    found.megapixel_iterations += record.megapixel_iterations
    trace = [value for value in (*record.trace, record.loss) if is_likely(value)]
    found.films.setdefault(record.source, {})[record.frame] = FrameFigures(
        record.frame,
        record.start,
        record.iterations,
        record.loss,
        min(trace),
        max(trace),
        record.warp_error,
        record.brightness,
        record.saturation,
        record.sharpness,
    )
