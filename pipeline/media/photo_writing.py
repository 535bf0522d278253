"""Pixels → the bytes of a picture file, and the proof that they can be read again."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageFile

from pipeline.errors import MediaError
from pipeline.media.deep_stills import deep_codes, is_deep
from pipeline.media.photo_formats import no_pillow_limit, open_picture
from pipeline.media.photo_metadata import Metadata, photoshop_block
from pipeline.media.png_writing import png_bytes
from pipeline.media.stills import to_palette
from pipeline.media.tiff_writing import tiff_bytes

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

HOLDS_ALPHA = ("PNG", "WEBP", "TIFF", "GIF", "AVIF", "HEIF")
HOLDS_DEPTH = ("PNG", "TIFF")
_HOLDS = {  # of what a photograph says of itself
    "JPEG": ("exif", "xmp", "iptc", "comment"), "PNG": ("exif", "xmp", "text"), "WEBP": ("exif", "xmp"),
    "TIFF": ("exif", "xmp", "iptc"), "AVIF": ("exif", "xmp"), "HEIF": ("exif", "xmp"), "GIF": ("comment",), "BMP": (),
}  # fmt: skip
_LOSSLESS = ("PNG", "TIFF", "BMP", "GIF")
_SPOKEN = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "comment": "a comment", "text": "text"}
_JPEG_SEGMENT_BYTES = {"exif": 65533 - 6, "xmp": 65533 - 29, "iptc": 65533 - 27, "comment": 65533}
_PALETTE_BYTES = 768
_OPAQUE_FROM = 128  # in a GIF, where a pixel is seen or not
_UNWRITABLE = (OSError, ValueError, RuntimeError, OverflowError, struct.error, SyntaxError)
_PROFILE_DATE = struct.pack(
    ">6H", 2000, 1, 1, 0, 0, 0
)  # LittleCMS would write the present, another each time


@dataclass(frozen=True)
class Coding:
    """How pictures are coded: a format as Pillow names it, a quality from 1 to 100 where that is lossy."""

    format: str
    quality: int
    chroma: Literal["444", "420"]
    is_lossless: bool  # of a WebP, which can be either


def encode_pictures(
    pictures: Sequence[Pixels], coding: Coding, metadata: Metadata
) -> tuple[bytes, tuple[str, ...]]:
    """The file of pictures (h, w, 3 or 4), and a sentence for what it cannot say. Several only as TIFF; 16 bits only
    as TIFF or PNG.

    Raises MediaError if the format cannot hold them, or if what was coded reads differently.
    """
    told, notes = _tellable(metadata, coding.format)
    try:
        data, expected = _encoded(pictures, coding, told)
    except ImportError as error:
        raise MediaError(
            "HEIC cannot be written without the package pillow-heif; pip install pillow-heif"
        ) from error
    except _UNWRITABLE as error:
        raise MediaError(
            f"{_size(pictures[0])} px cannot be written as {coding.format} ({error}); choose another archive.format"
        ) from error
    _check(data, expected, coding)
    return data, notes


@cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, the same bytes at any time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = _PROFILE_DATE
    profile[84:100] = bytes(16)  # a checksum, 0: none
    return bytes(profile)


def _tellable(metadata: Metadata, kind: str) -> tuple[Metadata, tuple[str, ...]]:
    """What of the metadata fits into the format, and a sentence if something does not."""
    lost = {name: type(getattr(metadata, name))() for name in _SPOKEN if name not in _HOLDS[kind]}
    if kind == "JPEG":
        lost |= {
            name: b"" for name, most in _JPEG_SEGMENT_BYTES.items() if len(getattr(metadata, name)) > most
        }
    spoken = [_SPOKEN[name] for name in lost if getattr(metadata, name)]
    notes = (f"{', '.join(spoken)} left out: {kind} cannot hold it",) if spoken else ()
    return replace(metadata, **lost), notes


def _encoded(pictures: Sequence[Pixels], coding: Coding, told: Metadata) -> tuple[bytes, Sequence[Pixels]]:
    """The bytes, and the pixels that they must give again if the format is lossless."""
    profile = srgb_profile() if told.has_profile else b""
    match coding.format:
        case "TIFF":
            return tiff_bytes(pictures, told, profile), pictures
        case "PNG":
            return png_bytes(pictures[0], told, profile), pictures[:1]
    picture = _in_palette(pictures[0]) if coding.format == "GIF" else Image.fromarray(pictures[0])
    shown = np.asarray(picture.convert("RGBA" if "transparency" in picture.info else "RGB"))
    target = BytesIO()
    if coding.format == "HEIF":
        _save_heif(picture, target, coding, told, profile)
    else:
        picture.save(target, coding.format, **_options(coding, told, profile))
    return target.getvalue(), [shown if coding.format == "GIF" else pictures[0]]


def _options(coding: Coding, told: Metadata, profile: bytes) -> dict[str, Any]:
    """How Pillow is to save one picture."""
    common = {"exif": told.exif, "xmp": told.xmp, "icc_profile": profile}
    dpi = {"dpi": told.dpi} if told.dpi else {}
    match coding.format:
        case "JPEG":
            head = {"exif": b"Exif\0\0" + told.exif if told.exif else b"", "comment": told.comment}
            extra = {"extra": photoshop_block(told.iptc)} if told.iptc else {}
            subsampling = 0 if coding.chroma == "444" else 2
            return common | dpi | head | extra | {"quality": coding.quality, "subsampling": subsampling}
        case "WEBP":
            lossless = {"lossless": True, "exact": True, "quality": 75} if coding.is_lossless else {}
            return common | {"quality": coding.quality, "method": 4} | lossless
        case "AVIF":
            return common | {"quality": coding.quality, "subsampling": ":".join(coding.chroma)}
        case "GIF":
            return {"comment": told.comment} if told.comment else {}
    return dpi


def _save_heif(picture: Image.Image, target: BytesIO, coding: Coding, told: Metadata, profile: bytes) -> None:
    """Saves one picture as HEIC."""
    import pillow_heif

    heif = pillow_heif.from_pillow(picture)
    said = {"exif": told.exif or None, "xmp": told.xmp or None, "icc_profile": profile or None}
    heif.info.update({key: value for key, value in said.items() if value})
    heif.save(target, quality=coding.quality, chroma="420", **said)  # phones decode no other


def _in_palette(pixels: Pixels) -> Image.Image:
    """A picture in 256 colors of its own; where some of it is not seen, in 255, and the last is no color."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    hidden = pixels[..., 3:] < _OPAQUE_FROM
    if not hidden.any():
        return to_palette(picture)
    indexed = to_palette(picture, colors=255)
    # Pillow mixes up the colors of a shorter palette.
    indexed.putpalette(bytes(indexed.getpalette() or ()).ljust(_PALETTE_BYTES, b"\0"))
    indexed.paste(255, mask=Image.fromarray(np.where(hidden[..., 0], 255, 0).astype(np.uint8)))
    indexed.info["transparency"] = 255
    return indexed


def _check(data: bytes, expected: Sequence[Pixels], coding: Coding) -> None:
    """Decodes what was coded; raises MediaError if it is not what it was made from."""
    try:
        with no_pillow_limit():
            found = list(_decoded(data))
    except _UNWRITABLE as error:
        raise MediaError(f"the {coding.format} cannot be read back ({error}); please report this") from error
    if [pixels.shape for pixels in found] != [pixels.shape for pixels in expected]:
        raise MediaError(
            f"the {coding.format} reads back as {[pixels.shape for pixels in found]}; please report this"
        )
    if coding.format in _LOSSLESS or coding.is_lossless:
        for got, wanted in zip(found, expected, strict=True):
            if got.dtype != wanted.dtype or not np.array_equal(_seen(got, coding), _seen(wanted, coding)):
                raise MediaError(f"the {coding.format} reads back with other pixels; please report this")


def _seen(pixels: Pixels, coding: Coding) -> Pixels:
    """The pixels; of a GIF without the colors of those that are not seen, which share one of any color."""
    if coding.format != "GIF" or pixels.shape[2] == 3:
        return pixels
    return np.where(pixels[..., 3:] > 0, pixels, np.zeros_like(pixels))


def _decoded(data: bytes) -> Iterator[Pixels]:
    """The pixels of all pages as they lie in the file, (h, w, 3 or 4)."""
    for index in range(getattr(_page(data, 0), "n_frames", 1)):
        picture = _page(data, index)
        if is_deep(picture):
            yield deep_codes(picture, partial(_page, data, index))
        else:
            picture.load()
            yield np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def _page(data: bytes, index: int) -> ImageFile.ImageFile:
    """A page of a file in memory, opened."""
    picture = open_picture(BytesIO(data), "the result")
    picture.seek(index)
    return picture


def _size(pixels: Pixels) -> str:
    """Width and height for a person."""
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
