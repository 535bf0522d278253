"""Photographs ↔ files: pages as upright sRGB with all their depth and opacity, and what the files say beside them.

Files come in, bytes go out; where those are written, and how safely, is up to others. Called from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ImageFile

from pipeline.errors import MediaError
from pipeline.media.deep_stills import is_deep, read_deep
from pipeline.media.geometry import fit
from pipeline.media.photo_formats import PhotoFormat, no_pillow_limit, open_picture, suffix_for
from pipeline.media.photo_metadata import Metadata, for_size, read_metadata
from pipeline.media.photo_writing import HOLDS_ALPHA, HOLDS_DEPTH, Coding, Pixels, encode_pictures
from pipeline.media.stills import reading_picture, to_srgb_and_alpha, upright, upright_size
from pipeline.storage.hand import opened

__all__ = [
    "EncodedPhoto", "Metadata", "Page", "Photo", "PhotoFormat", "PhotoHeader", "encode_photo", "read_photo",
    "read_photo_header", "suffix_for",
]  # fmt: skip

Floats = npt.NDArray[np.float32]

MOST_PAGES = 2000

_BYTES = "the picture"  # what a photograph without a path is called
_SUBFILE_TYPE, _NO_PAGE = 254, 0b101  # of a TIFF: a smaller version of another page, or a mask of one


@dataclass(frozen=True)
class PhotoHeader:
    """What is known of a photograph before a pixel is decoded."""

    width_px: int  # of the first page, upright
    height_px: int
    pages: int  # of a TIFF; of everything else the first picture counts
    format: str  # by content, as Pillow names it: JPEG (an MPO is one), PNG, WEBP, TIFF, BMP, GIF, AVIF, HEIF
    is_animated: bool  # a GIF or WebP of several frames: an animation and no photograph


@dataclass(frozen=True)
class Page:
    """One picture, uint16 if the source has more than 8 bits a channel, else uint8."""

    rgb: Pixels  # (h, w, 3), upright sRGB; what is transparent shows white
    alpha: Pixels | None  # (h, w); None: opaque


@dataclass(frozen=True)
class Photo:
    """A photograph, its pages at the size they are painted at."""

    header: PhotoHeader
    pages: tuple[Page, ...]
    metadata: Metadata
    is_deep: bool  # 16 bits a channel, on one page at least
    is_lossless: bool = True  # coded so that no pixel changes
    notes: tuple[str, ...] = ()  # what was left out or changed in reading


@dataclass(frozen=True)
class EncodedPhoto:
    """A file's bytes, and a sentence for everything that it could not hold."""

    data: bytes
    notes: tuple[str, ...]


def read_photo_header(path: Path, max_pixels: int) -> PhotoHeader:
    """Size, pages and format of a photograph; decodes no pixel.

    Raises MediaError if it is no photograph, is damaged, or has more than `max_pixels` on all pages together.
    """
    with reading_picture(path), _opened(path) as file:
        return _header(open_picture(file, str(path)), str(path), max_pixels)


def read_photo(file: Path | bytes, size_of: Callable[[int, int], tuple[int, int]], max_pixels: int) -> Photo:
    """A photograph, each page fitted to `size_of(width, height)` px as `geometry.fit` does.

    Gray, palette and CMYK become RGB, an ICC profile is converted to sRGB, opacity is kept apart.
    Raises MediaError as `read_photo_header` does, and where the file is cut off or damaged anywhere.
    """
    name = _BYTES if isinstance(file, bytes) else str(file)
    with reading_picture(name), _opened(file) as stream:
        picture = open_picture(stream, name)
        header = _header(picture, name, max_pixels)
        found = [_read_page(stream, name, index, size_of) for index in _page_indices(picture)]
        metadata, notes = read_metadata(found[0][2])
        if header.format != "TIFF" and (count := getattr(picture, "n_frames", 1)) > 1:
            notes += (f"only the first of the {count} pictures in it is painted",)
        if picture.mode == "CMYK":
            notes += ("CMYK becomes RGB",)
        lossless = header.format not in ("JPEG", "AVIF", "HEIF") and not _is_lossy_webp(stream, header.format)
    pages = tuple(page for page, *_ in found)
    notes += tuple(note for _, said, _ in found for note in said)
    deep = any(page.rgb.dtype == np.uint16 for page in pages)
    return Photo(header, pages, metadata, deep, lossless, tuple(dict.fromkeys(notes)))


def encode_photo(painted: Sequence[Floats], photo: Photo, wish: PhotoFormat) -> EncodedPhoto:
    """The file of a painted photograph: `painted` is (h, w, 3), 0–1, for every page.

    The opacity of each page, EXIF, XMP and the like come back as far as the format holds them. What is returned has
    been decoded again and is as it should be. Raises MediaError if the format cannot hold the picture.
    """
    if len(painted) != len(photo.pages):
        raise MediaError(
            f"{len(painted)} painted pages for a photograph of {len(photo.pages)}; paint all of them"
        )
    kind = photo.header.format if wish.format == "source" else _PILLOW_NAMES[wish.format]
    notes = [*photo.notes, *_lost(photo, kind)]
    pages = photo.pages if kind == "TIFF" else photo.pages[:1]
    pictures = [_merged(values, page, kind) for values, page in zip(painted, pages, strict=False)]
    metadata = photo.metadata if wish.metadata == "keep" else Metadata(has_profile=photo.metadata.has_profile)
    height, width = pictures[0].shape[:2]
    coding = Coding(
        kind, wish.quality, wish.chroma, is_lossless=photo.is_lossless and kind == photo.header.format
    )
    data, left_out = encode_pictures(pictures, coding, for_size(metadata, width, height))
    return EncodedPhoto(data, tuple(dict.fromkeys([*notes, *left_out])))


_PILLOW_NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "avif": "AVIF", "heic": "HEIF"}


@contextmanager
def _opened(file: Path | bytes) -> Iterator[BinaryIO]:
    """The file, open for reading, whether it is on disk or in memory."""
    if isinstance(file, bytes):
        yield BytesIO(file)
    else:
        with opened(file) as stream:
            yield stream


def _header(picture: ImageFile.ImageFile, name: str, max_pixels: int) -> PhotoHeader:
    """What the header of an open picture says; checks how many pixels it promises."""
    width, height = upright_size(picture)
    kind = picture.format or ""
    pages, pixels = 0, 0
    for _ in _page_indices(picture):
        pages, pixels = pages + 1, pixels + picture.size[0] * picture.size[1]
        if pixels > max_pixels:
            raise MediaError(
                f"{name} has {pixels / 1e6:.4g} megapixels, more than archive.max_megapixels allows "
                f"({max_pixels / 1e6:g}); raise it if you trust the file"
            )
    animated = kind in ("GIF", "WEBP") and bool(getattr(picture, "is_animated", False))
    return PhotoHeader(width, height, pages, kind, animated)


def _page_indices(picture: ImageFile.ImageFile) -> Iterator[int]:
    """The pages, the picture showing each in turn: of a TIFF all but thumbnails and masks, else the first picture."""
    yield 0
    if picture.format != "TIFF":
        return
    count = getattr(picture, "n_frames", 1)
    if count > MOST_PAGES:  # each is looked for from the first on
        raise ValueError(f"it has {count} pages, and at most {MOST_PAGES} are painted")
    for index in range(1, count):
        picture.seek(index)
        if not getattr(picture, "tag_v2", {}).get(_SUBFILE_TYPE, 0) & _NO_PAGE:
            yield index


def _read_page(
    stream: BinaryIO, name: str, index: int, size_of: Callable[[int, int], tuple[int, int]]
) -> tuple[Page, tuple[str, ...], ImageFile.ImageFile]:
    """One page, fitted; what a person should know of it; and the picture as it was decoded."""

    def opened() -> ImageFile.ImageFile:
        picture = open_picture(stream, name)
        if index:
            picture.seek(index)
        return picture

    picture = opened()
    size = size_of(*upright_size(picture))
    if is_deep(picture):
        pixels = read_deep(picture, opened)
        alpha = None if pixels.alpha is None else fit(pixels.alpha, size)
        return Page(fit(pixels.rgb, size), alpha), pixels.notes, picture
    with no_pillow_limit():
        rgb, opacity = to_srgb_and_alpha(upright(picture))
    alpha8 = None if opacity is None else fit(np.array(opacity), size)
    return Page(fit(np.array(rgb), size), alpha8), (), picture


def _is_lossy_webp(stream: BinaryIO, kind: str) -> bool:
    """Whether a WebP has no picture coded without loss: its chunk VP8L comes within the first ones."""
    if kind != "WEBP":
        return False
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        if head[:4] in (b"VP8L", b"VP8 "):
            return head[:4] == b"VP8 "
        size = int.from_bytes(head[4:], "little")
        stream.seek(size + size % 2, 1)
    return True


def _lost(photo: Photo, kind: str) -> Iterator[str]:
    """What the format `kind` cannot hold of the pictures."""
    if len(photo.pages) > 1 and kind != "TIFF":
        yield f"of {len(photo.pages)} pages the first is kept: {kind} holds one"
    if photo.is_deep and kind not in HOLDS_DEPTH:
        yield f"16 bits become 8: {kind} is written with 8"
    if photo.pages[0].alpha is not None and kind not in HOLDS_ALPHA:
        yield f"transparency is laid over white: {kind} holds none"


def _merged(values: Floats, page: Page, kind: str) -> Pixels:
    """Painted values and the opacity of their page as (h, w, 3 or 4), 16 bits where both source and format have them.

    What was painted was seen over white, so what the file holds is the color that looks like the painting there.
    """
    if values.shape != page.rgb.shape:
        raise MediaError(
            f"a painted page is {values.shape[:2]} instead of {page.rgb.shape[:2]} (height, width)"
        )
    deep = page.rgb.dtype == np.uint16 and kind in HOLDS_DEPTH
    colors, alpha = values, page.alpha
    if alpha is not None:
        opacity = (alpha / np.float32(np.iinfo(alpha.dtype).max)).astype(np.float32)[..., None]
        if kind in HOLDS_ALPHA:
            colors = np.concatenate([_off_white(values, opacity), opacity], axis=-1)
        else:  # what shows nothing of the picture stays white, and is not painted
            colors = np.where(opacity > 0, values, np.float32(1))
    codes: Floats = np.rint(np.clip(colors, 0, 1) * np.float32(65535 if deep else 255))
    return codes.astype(np.uint16) if deep else codes.astype(np.uint8)


def _off_white(values: Floats, opacity: Floats) -> Floats:
    """The colors that with this opacity over white give `values`, as near as they exist; unseen ones as they are."""
    colors: Floats = np.divide(values - (1 - opacity), opacity, out=values.copy(), where=opacity > 0)
    return colors
