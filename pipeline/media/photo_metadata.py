"""What a photograph says of itself beside its pixels, and what of that its result says too."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pipeline.media.exif import EXIF_IFD, GPS_IFD, INTEROP_IFD, Exif, resized_exif, upright_exif

_PHOTOSHOP_IPTC = 0x0404
_X_RESOLUTION, _IPTC_TAG, _XMP_TAG = 282, 33723, 700
_OF_PIXELS = {  # tags of a TIFF that tell how its pixels lie, or that are kept apart
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 288, 289,
    290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347,
    512, 513, 514, 529, 530, 531, 532, _XMP_TAG, _IPTC_TAG, 34675, 34377, 37724, 50838, 50839,
}  # fmt: skip
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_NO_TEXT = ("XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type xmp", "Raw profile type APP1")
_BROKEN = (
    SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, OverflowError, AttributeError,
    ZeroDivisionError, struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """What is told about a photograph; upright, and without a thumbnail of what it showed before."""

    exif: bytes = b""  # from "II" or "MM" on
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""  # of a JPEG or a GIF
    text: tuple[tuple[str, str], ...] = ()  # of a PNG
    dpi: tuple[float, float] | None = None
    has_profile: bool = False


def read_metadata(picture: ImageFile.ImageFile) -> tuple[Metadata, tuple[str, ...]]:
    """What a picture, just opened or just decoded, says of itself; and a sentence for all that is broken in it."""
    info: Mapping[Any, Any] = picture.info
    exif, notes = _exif_of(picture)
    comment = info.get("comment", b"")
    text = getattr(picture, "text", {}) if picture.format == "PNG" else {}
    metadata = Metadata(
        exif=exif,
        xmp=_XMP_ORIENTATION.sub(rb"\g<1>1", _bytes(info.get("xmp") or info.get("XML:com.adobe.xmp"))),
        iptc=_iptc_of(picture),
        comment=_bytes(comment),
        text=tuple((key, str(value)) for key, value in text.items() if key not in _NO_TEXT),
        dpi=_dpi_of(picture),
        has_profile=bool(info.get("icc_profile")),
    )
    return metadata, notes


def for_size(metadata: Metadata, width_px: int, height_px: int) -> Metadata:
    """The same of a picture that now has another size."""
    return replace(metadata, exif=resized_exif(metadata.exif, width_px, height_px))


def tiff_tags(exif: bytes) -> dict[int, Any]:
    """EXIF as tags of a TIFF, those of camera and place as dictionaries, without what Pillow cannot write."""
    parsed = Image.Exif()
    try:
        parsed.load(exif)
    except _BROKEN:
        return {}
    return _writable_tags(parsed)


def _exif_of(picture: ImageFile.ImageFile) -> tuple[bytes, tuple[str, ...]]:
    """EXIF, upright, and a sentence if some of it is broken."""
    try:
        raw = _tiff_exif(picture) if picture.format == "TIFF" else picture.info.get("exif", b"")
        found = upright_exif(raw) if raw else Exif(b"")
    except _BROKEN as error:
        return b"", (f"broken EXIF is left out ({error})",)
    notes = (f"broken EXIF tags are left out: {found.broken_tags}",) if found.broken_tags else ()
    return found.data, notes


def _tiff_exif(picture: ImageFile.ImageFile) -> bytes:
    """EXIF out of the tags of a TIFF, where it lies among those of the pixels."""
    kept = Image.Exif()
    for tag, value in _writable_tags(picture.getexif()).items():
        kept[tag] = value
    return kept.tobytes() if len(kept) else b""


def _writable_tags(exif: Image.Exif) -> dict[int, Any]:
    """All tags that are not about how pixels lie, as far as Pillow is able to read and to write them."""
    tags: dict[int, Any] = {}
    for tag in set(exif) - _OF_PIXELS:
        try:
            value = exif.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else exif[tag]
        except _BROKEN:
            continue
        if isinstance(value, dict):
            value = {t: v for t, v in value.items() if t != INTEROP_IFD and _can_write(t, v, group=tag)}
        if value != {} and _can_write(tag, value):
            tags[tag] = value
    return tags


def _can_write(tag: int, value: object, group: int | None = None) -> bool:
    """Whether Pillow finds a way to write a tag."""
    directory = ImageFileDirectory_v2(b"II*\0\b\0\0\0", group=group)
    try:
        directory[tag] = value
        directory.tobytes()
    except _BROKEN:
        return False
    return True


def _dpi_of(picture: ImageFile.ImageFile) -> tuple[float, float] | None:
    """Dots per inch across and down, if the file says so; Pillow says 72 or 1 where it says nothing."""
    info = picture.info
    if picture.format == "JPEG" and info.get("jfif_unit") not in (1, 2):
        return None  # that of EXIF stays in EXIF
    if picture.format == "TIFF" and _X_RESOLUTION not in getattr(picture, "tag_v2", {}):
        return None
    try:
        across, down = (float(value) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 <= across < 65536 and 1 <= down < 65536 else None


def _iptc_of(picture: ImageFile.ImageFile) -> bytes:
    """Captions and keywords as agencies write them: IPTC-IIM."""
    if picture.format == "TIFF":
        return _bytes(getattr(picture, "tag_v2", {}).get(_IPTC_TAG))
    blocks = picture.info.get("photoshop")
    return _bytes(blocks.get(_PHOTOSHOP_IPTC)) if isinstance(blocks, dict) else b""


def photoshop_block(iptc: bytes) -> bytes:
    """IPTC as the segment APP13 of a JPEG."""
    head = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHL", _PHOTOSHOP_IPTC, 0, len(iptc))
    block = head + iptc + b"\0" * (len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", 2 + len(block)) + block


def _bytes(value: object) -> bytes:
    """Bytes out of what Pillow gives for one and the same thing."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return value if isinstance(value, bytes) else b""
