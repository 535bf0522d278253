"""The bytes of a TIFF of 8 or 16 bits and any number of pages, with what is told beside them.

Pillow writes no color of 16 bits. The format: TIFF 6.0 with Adobe's deflate (Photoshop TIFF technical notes, 2002).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from pipeline.media.photo_metadata import Metadata, tiff_tags

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_HEAD = b"II*\0" + struct.pack("<L", 8)
_STRIP_BYTES = 2**18
_DEFLATE, _RGB, _DIFFERENCES, _UNASSOCIATED, _INCHES = 8, 2, 2, 2, 2
_DPI_STEPS = 1000
_LEVEL = 6
_XMP, _IPTC, _ICC = 700, 33723, 34675


def tiff_bytes(pages: Sequence[Pixels], told: Metadata, profile: bytes) -> bytes:
    """The file of pages (h, w, 3 or 4), uint8 or uint16; the first page tells of the photograph.

    Raises struct.error beyond 4 GiB.
    """
    parts, at = [_HEAD], len(_HEAD)
    for index, pixels in enumerate(pages):
        tags = _tags_of_page(told, profile) | (_tags_of_photo(told) if index == 0 else {})
        part = _page(pixels, tags, at, is_last=index == len(pages) - 1)
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _page(pixels: Pixels, tags: Mapping[int, Any], at: int, *, is_last: bool) -> bytes:
    """A directory that begins at byte `at`, and behind it the strips of its page."""
    height, width, channels = pixels.shape
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.itemsize))
    strips = [_strip(pixels[top : top + rows]) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    starts = [0, *accumulate(sizes[:-1])]  # Pillow adds where the directory ends
    directory = ImageFileDirectory_v2(_HEAD)
    for tag, value in tags.items():
        directory[tag] = value
    directory.update({
        256: width, 257: height, 258: (8 * pixels.itemsize,) * channels, 259: _DEFLATE, 262: _RGB, 273: tuple(starts),
        277: channels, 278: rows, 279: tuple(sizes), 284: 1, 317: _DIFFERENCES,
    })  # fmt: skip
    if channels == 4:
        directory[338] = _UNASSOCIATED
    head = bytearray(directory.tobytes(at))
    body = b"".join(strips)
    body += b"\0" * ((len(head) + len(body)) % 2)
    if not is_last:
        link = 2 + 12 * len(directory)
        head[link : link + 4] = struct.pack("<L", at + len(head) + len(body))
    return bytes(head) + body


def _strip(rows: Pixels) -> bytes:
    """Some rows, each pixel as its difference to the one left of it, compressed."""
    differences = rows.copy()
    differences[:, 1:] = rows[:, 1:] - rows[:, :-1]  # modulo 256 or 65536
    return zlib.compress(differences.astype(rows.dtype.newbyteorder("<")).tobytes(), _LEVEL)


def _tags_of_page(told: Metadata, profile: bytes) -> dict[int, Any]:
    """What every page says: its resolution and its colors."""
    tags: dict[int, Any] = {}
    if profile:
        tags[_ICC] = profile
    if told.dpi:
        across, down = (IFDRational(round(_DPI_STEPS * dpi), _DPI_STEPS) for dpi in told.dpi)
        tags |= {282: across, 283: down, 296: _INCHES}
    return tags


def _tags_of_photo(told: Metadata) -> dict[int, Any]:
    """What the first page says of the photograph."""
    tags: dict[int, Any] = {_XMP: told.xmp, _IPTC: told.iptc}
    return tiff_tags(told.exif) | {tag: value for tag, value in tags.items() if value}
