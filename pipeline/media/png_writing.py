"""The bytes of a PNG of 8 or 16 bits, with what is told beside the pixels. Pillow writes no color of 16 bits.

The format: ISO/IEC 15948, and for EXIF the third edition of the W3C's PNG specification.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.media.photo_metadata import Metadata

_MAGIC = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES = 33  # the magic and the chunk IHDR
_COLOR_TYPES = {3: 2, 4: 6}  # by channels
_UP = 2  # the filter: each row as its difference to the one above
_METERS_PER_INCH = 0.0254
_LEVEL = 6


def png_bytes(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], told: Metadata, profile: bytes
) -> bytes:
    """The file of (h, w, 3 or 4) codes, uint8 or uint16."""
    bare = _deep(pixels) if pixels.dtype == np.uint16 else _shallow(pixels)
    return b"".join([bare[:_HEAD_BYTES], *_telling(told, profile), bare[_HEAD_BYTES:]])


def _shallow(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """8 bits, by Pillow."""
    target = BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def _deep(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """16 bits, each row filtered by the one above it."""
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels.astype(">u2")).view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0], filtered[0, 1:] = _UP, rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]
    head = struct.pack(">LLBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), _LEVEL)
    return _MAGIC + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _telling(told: Metadata, profile: bytes) -> Iterator[bytes]:
    """The chunks that stand before the pixels."""
    if profile:
        yield _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
    if told.dpi:
        across, down = (round(dpi / _METERS_PER_INCH) for dpi in told.dpi)
        yield _chunk(b"pHYs", struct.pack(">LLB", across, down, 1))
    if told.exif:
        yield _chunk(b"eXIf", told.exif)
    text = PngInfo()
    if told.xmp:
        text.add_itxt("XML:com.adobe.xmp", told.xmp.decode("utf-8", "replace"))
    for key, value in told.text:
        text.add_text(key, value)
    yield from (_chunk(name, data) for name, data, *_ in text.chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    """One chunk: its length, name, data and checksum."""
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(data, zlib.crc32(name)))
