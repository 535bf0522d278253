"""What is written down of finished frames and photographs: the lines of `records.jsonl`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from sys import intern
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from pipeline.errors import MediaError
from pipeline.places import leads_out
from pipeline.storage.hand import opened, state_at

_LISTS, _NAMES = ("trace", "notes"), ("source", "segment", "output")
_SHARED = ("source", "segment", "start", "worker")  # what many records say alike is kept once

State = tuple[int, int]
"""A file's size in bytes and its time of change in ns: what tells at a glance whether it is the one that it was."""


@dataclass(frozen=True)
class FrameRecord:
    """What became of one frame. `trace` is the loss at each evaluation, `bytes` the size of the frame's file.

    `digest`: of the bytes of that file, see `frame_digest`; empty in records of before there were any.
    `tile`: the longest side in px of the tiles that it was evaluated in; None, also in records of before there were
    tiles: in one piece. `temporal_loss`: what of the loss its neighbors add: what holds the frame to them, and the
    style once more where something was uncovered. `settled`: the loss at which the chain settled last. `draft`: a
    later stage has its own version of the frame, by the plan that it was made for, see `resume`. `brightness`,
    `saturation`, `sharpness`: see `motion.measures.Look`.
    """

    source: str
    frame: int
    segment: str
    start: str  # "cold", "warm", or "skipped": left as it is in the source
    iterations: int
    loss: float
    trace: tuple[float, ...]
    megapixel_iterations: float
    warp_error: float | None
    seconds: float
    worker: str
    bytes: int
    tile: int | None = None
    temporal_loss: float = 0.0
    settled: float | None = None
    draft: bool = False
    brightness: float | None = None
    saturation: float | None = None
    sharpness: float | None = None
    digest: str = ""

    @property
    def base_loss(self) -> float:
        """The loss without what its neighbors add: what a cold frame's is made of."""
        return self.loss - self.temporal_loss


@dataclass(frozen=True)
class PictureRecord(FrameRecord):
    """What became of one page of a photograph; of most there is one.

    `output`: the result's path below the output folder; `bytes`, `mtime_ns` and `digest` (SHA-256) are that file's.
    `look`: the fingerprint of what it was painted with. `source_bytes`, `source_mtime_ns` and, by choice,
    `source_digest`: the source as it was read. `width_px`, `height_px`: of the page as painted. `pages`: how many
    there are. `notes`: what had to be left out.
    """

    output: str = ""
    look: str = ""
    source_bytes: int = 0
    source_mtime_ns: int = 0
    source_digest: str | None = None
    mtime_ns: int = 0
    width_px: int = 0
    height_px: int = 0
    pages: int = 1
    notes: tuple[str, ...] = ()


Record = TypeVar("Record", bound=FrameRecord)


def is_of_picture(line: bytes) -> bool:
    """Whether a line of the journal is a photograph's, without parsing it."""
    return b'"look":"' in line


def records_in(entries: Iterable[dict[str, Any]]) -> Iterator[PictureRecord]:
    """The photographs' records among a journal's entries; one whose result would lie elsewhere is damaged."""
    for entry in entries:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if "look" in entry and not leads_out(entry["output"]):
                yield to_record(PictureRecord, entry)


def to_record(kind: type[Record], entry: Mapping[str, Any]) -> Record:
    """The record that an entry of a journal is; raises KeyError, TypeError or ValueError where it is damaged."""
    lists = {name: tuple(entry[name]) for name in _LISTS if name in entry}
    shared = {name: intern(entry[name]) for name in _SHARED if type(entry.get(name)) is str}
    record = kind(**{**entry, **lists, **shared})
    for name, types in _TYPES[kind].items():
        value = getattr(record, name)
        if type(value) not in types or not _is_sound(value, is_name=name in _NAMES):
            raise ValueError(f"{name} cannot be {value!r}")
    return record


def _types(kind: type[FrameRecord]) -> Mapping[str, frozenset[type]]:
    """The types that each field may have, as JSON has them: a whole number may stand for a float, a bool for neither.

    >>> sorted(one.__name__ for one in _types(FrameRecord)["settled"])
    ['NoneType', 'float', 'int']
    """
    found = {}
    for name, hint in get_type_hints(kind).items():
        types = {
            get_origin(one) or one for one in (get_args(hint) if isinstance(hint, UnionType) else [hint])
        }
        found[name] = frozenset(types | {int} if float in types else types)
    return found


_TYPES: Mapping[Any, Mapping[str, frozenset[type]]] = {
    kind: _types(kind) for kind in (FrameRecord, PictureRecord)
}


def _is_sound(value: object, *, is_name: bool) -> bool:
    """Whether SQLite takes a number or a text, the system takes a name, and a list has nothing but such values.

    Raises ValueError for a text that cannot be encoded; names of files need not be UTF-8.
    """
    if isinstance(value, str):
        return "\0" not in value and (
            value.isascii() or bool(os.fsencode(value) if is_name else value.encode())
        )
    if isinstance(value, tuple):
        return all(type(one) in (int, float, str) and _is_sound(one, is_name=True) for one in value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def state_of(path: Path) -> State | None:
    """The state of a file; None: there is none."""
    try:
        return state_at(path)
    except OSError:
        return None


def frame_digest(data: bytes) -> str:
    """What a finished frame's file is known by: the first 32 hexadecimal digits of the SHA-256 of its bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes; `MediaError` where it cannot be read."""
    try:
        with opened(path, block_bytes=8 << 20) as file:
            return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
