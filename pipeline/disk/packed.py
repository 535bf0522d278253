"""Which frames of a segment are in a pack. What a pack is, and how it is read and written, is in `packs`."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.durable import read_journal, size_of

_PACK_NAME = re.compile(
    r"frames-\w+\.mkv"
)  # what a damaged line names may be removed one day: never another file


class Packed(NamedTuple):
    """A finished frame in a pack: the `place` it has there, from 0, its own file's size, and its pixels' digest."""

    pack: Path
    place: int
    bytes: int
    digest: str


def packs_of(segment: Path) -> Path:
    """The journal of a segment's packs: a line per pack with `pack`, `bytes`, and `frames`: index, bytes, digest."""
    return segment / "packs.jsonl"


def packed_frames(segment: Path) -> dict[int, Packed]:
    """The frames that are in a pack, by index; a pack that is not as long as its line says is none."""
    while (
        True
    ):  # a pack that is replaced between its line and its file is in a longer journal, under another name
        length = size_of(packs_of(segment))
        found = _packed_frames(segment)
        if size_of(packs_of(segment)) == length:
            return found


def _packed_frames(segment: Path) -> dict[int, Packed]:
    found: dict[int, Packed] = {}
    for entry in read_journal(packs_of(segment)):
        with suppress(KeyError, TypeError, ValueError, OSError):
            pack = segment / entry["pack"]
            if _PACK_NAME.fullmatch(entry["pack"]) and pack.stat().st_size == entry["bytes"]:
                found |= _frames_of(pack, entry["frames"])
    return found


def _frames_of(pack: Path, frames: list[tuple[int, int, str]]) -> dict[int, Packed]:
    """The frames of one pack; ValueError where its line is damaged."""
    if any(tuple(map(type, frame)) != (int, int, str) for frame in frames):
        raise ValueError(f"no frames: {frames}")
    return {index: Packed(pack, place, size, digest) for place, (index, size, digest) in enumerate(frames)}
