"""EXIF as it lies in a file: a TIFF without pixels. Changed in place, so that what it does not understand survives.

Pillow would write it anew, which moves the maker's notes, whose offsets then point nowhere, and fails at a broken tag.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
_ORIENTATION, _WIDTH, _HEIGHT = 274, 40962, 40963
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 513, 514
_SUB_IFDS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_SHORT, _LONG = 3, 4
_HEAD = b"Exif\0\0"


@dataclass(frozen=True)
class Exif:
    """The bytes from "II" or "MM" on, upright and without a thumbnail; and how many tags were broken."""

    data: bytes
    broken_tags: int = 0


def upright_exif(raw: bytes) -> Exif:
    """EXIF with orientation 1, without its thumbnail and without tags that point out of it.

    Raises ValueError where it cannot be understood at all.
    """
    data = bytearray(raw.removeprefix(_HEAD).removeprefix(_HEAD))
    try:
        order = _order(data)
        (first,) = struct.unpack_from(order + "L", data, 4)
        data = _without_thumbnail(data, order, first)
        broken = _mend(data, order, first, depth=0)
        _write_numbers(data, order, first, {_ORIENTATION: 1})
        return Exif(bytes(data), broken)
    except (struct.error, IndexError) as error:
        raise ValueError("it is cut off") from error


def resized_exif(data: bytes, width_px: int, height_px: int) -> bytes:
    """The same EXIF for another size in px; `data` is one of `upright_exif`, or empty."""
    if not data:
        return data
    changed = bytearray(data)
    order = _order(changed)
    (first,) = struct.unpack_from(order + "L", changed, 4)
    for at, tag, _, _ in _entries(changed, order, first):
        if tag == EXIF_IFD:
            (offset,) = struct.unpack_from(order + "L", changed, at + 8)
            _write_numbers(changed, order, offset, {_WIDTH: width_px, _HEIGHT: height_px})
    return bytes(changed)


def _order(data: bytearray) -> Literal["<", ">"]:
    """The byte order, as `struct` names it."""
    match bytes(data[:4]):
        case b"II*\0":
            return "<"
        case b"MM\0*":
            return ">"
    raise ValueError("it begins neither with II nor with MM")


def _entries(data: bytearray, order: str, offset: int) -> list[tuple[int, int, int, int]]:
    """(where, tag, type, count) of all entries of the directory at `offset`."""
    (count,) = struct.unpack_from(order + "H", data, offset)
    places = range(offset + 2, offset + 2 + 12 * count, 12)
    return [(at, *struct.unpack_from(order + "HHL", data, at)) for at in places]


def _mend(data: bytearray, order: str, offset: int, depth: int) -> int:
    """Takes broken entries out of a directory and of those below it; returns how many."""
    entries = _entries(data, order, offset)
    kept, broken = [], 0
    for at, tag, kind, count in entries:
        below = _mend_below(data, order, at, depth) if tag in _SUB_IFDS else 0
        if below is None or not _is_whole(data, order, at, kind, count):
            broken += 1
        else:
            broken += below
            kept.append(bytes(data[at : at + 12]))
    if len(kept) < len(entries):
        end = offset + 2 + 12 * len(entries)
        rest = struct.pack(order + "H", len(kept)) + b"".join(kept) + data[end : end + 4]
        data[offset : end + 4] = rest.ljust(end + 4 - offset, b"\0")
    return broken


def _mend_below(data: bytearray, order: str, at: int, depth: int) -> int | None:
    """What `_mend` found in the directory that an entry points to; None if there is no such directory."""
    (offset,) = struct.unpack_from(order + "L", data, at + 8)
    try:
        return _mend(data, order, offset, depth + 1) if depth < 2 else None
    except struct.error:
        return None


def _is_whole(data: bytearray, order: str, at: int, kind: int, count: int) -> bool:
    """Whether an entry's type exists, and its value lies within the data."""
    length = _BYTES.get(kind, 0) * count
    if kind not in _BYTES:
        return False
    return length <= 4 or struct.unpack_from(order + "L", data, at + 8)[0] + length <= len(data)


def _write_numbers(data: bytearray, order: str, offset: int, values: dict[int, int]) -> None:
    """Overwrites single whole numbers of a directory, where it has them."""
    for at, tag, kind, _ in _entries(data, order, offset):
        if tag in values and kind == _SHORT:
            struct.pack_into(order + "HH", data, at + 8, min(values[tag], 65535), 0)
        elif tag in values and kind == _LONG:
            struct.pack_into(order + "L", data, at + 8, values[tag])


def _without_thumbnail(data: bytearray, order: str, first: int) -> bytearray:
    """Cuts the second directory off the first, and its picture off the data if it ends them, else blanks it."""
    link = first + 2 + 12 * len(_entries(data, order, first))
    if link + 4 > len(data):
        return data  # ends with its last entry, as some do
    (second,) = struct.unpack_from(order + "L", data, link)
    struct.pack_into(order + "L", data, link, 0)
    try:
        found = {
            tag: struct.unpack_from(order + "L", data, at + 8)[0]
            for at, tag, _, _ in (_entries(data, order, second) if second else ())
        }
    except struct.error:
        return data
    start, length = found.get(_THUMBNAIL_AT, 0), found.get(_THUMBNAIL_BYTES, 0)
    if start <= second or not length or start >= len(data):
        return data
    if start + length >= len(data) - 1:
        return data[:start]
    data[start : start + length] = bytes(length)
    return data
