"""Which format a photograph has by its content, how it is opened, and what a person may ask its result to be.

Only the formats of photographs are opened, by their own readers and whatever their names say: no file can start
Pillow's rarer plugins, of which that for EPS runs Ghostscript. So nothing else of the pipeline opens a picture by
Pillow. Knows headers, never pixels.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from PIL import Image, ImageCms, ImageFile, features

from pipeline.errors import MediaError
from pipeline.media.formats import PhotoName
from pipeline.settings.paths import kind_of

_SUFFIXES = {
    "jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif", "avif": ".avif", "heic": ".heic",
}  # fmt: skip
_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),  # of an MPO too: its first picture
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif.as_plugin", "HeifImageFile"),
}
_STARTS = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"), (b"BM", "BMP"),
    (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
)  # fmt: skip
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_HEAD_BYTES = 64
MOST_PIXELS = 2 * 89_478_485
UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError, RuntimeError,
    struct.error, zlib.error, ImageCms.PyCMSError,
)  # fmt: skip
"""What Pillow raises, by format, for a file that is cut off or damaged."""


@dataclass(frozen=True)
class PhotoFormat:
    """What the results for photographs are to be, as a person asks for it; nothing here changes what is painted."""

    format: PhotoName = "source"
    quality: int = 95  # 1 to 100, of JPEG, WebP, AVIF and HEIC
    chroma: Literal["444", "420"] = "444"
    metadata: Literal["keep", "none"] = "keep"


def suffix_for(name: str, wish: PhotoFormat) -> str:
    """The name of the result for the photograph `name`.

    >>> suffix_for("a.b.PNG", PhotoFormat(format="jpeg")), suffix_for("a.PNG", PhotoFormat())
    ('a.b.jpg', 'a.PNG')
    """
    if wish.format == "source":
        return name
    path = PurePosixPath(name)
    return name[: len(name) - len(path.suffix)] + _SUFFIXES[wish.format]


EMPTY = "the file is empty"


def sniff(head: bytes) -> str:
    """Pillow's name of the format that begins with `head`; raises ValueError for anything else.

    >>> sniff(b"GIF89a")
    'GIF'
    """
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in range(8, min(len(head), int.from_bytes(head[:4], "big")), 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    if not head:
        raise ValueError(EMPTY)
    raise ValueError("it begins like no JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or HEIC")


def open_picture(file: BinaryIO, name: str) -> ImageFile.ImageFile:
    """The picture in an open file, its header read and nothing decoded; the first one where there are several.

    Raises MediaError if the package that reads the format is not installed, and what Pillow raises.
    """
    file.seek(0)
    kind = sniff(file.read(_HEAD_BYTES))
    file.seek(0)
    if kind == "AVIF" and not features.check("avif"):
        raise MediaError(
            f"{name} is an AVIF picture, which this Pillow cannot read; pip install 'pillow>=11.3'"
        )
    reader = _reader(kind, name)
    if kind == "WEBP":  # Pillow's decoder is given its canvas as it is opened
        with no_pillow_limit():
            return reader(file, name)
    picture = reader(file, name)
    if kind == "PNG" and "exif" not in picture.info:
        picture.info["exif"] = _odd_exif(picture, file)
    return picture


def open_limited(file: Path | BinaryIO, *formats: str) -> ImageFile.ImageFile:
    """The same of styles, masks, stills and animations; HEIC is not among them.

    Of `MOST_PIXELS` at most, Pillow's own limit. `formats`: by Pillow's names, those that it may have; none: all of
    them. Raises what Pillow raises.
    """
    if isinstance(file, Path) and kind_of(file) == "special":
        raise OSError("it is a device or a pipe")
    picture = Image.open(file, formats=formats or _plain_formats())
    pixels = picture.width * picture.height
    if pixels > MOST_PIXELS:  # Pillow's own look at that may be off, see `no_pillow_limit`
        picture.close()
        raise Image.DecompressionBombError(f"{pixels / 1e6:.0f} megapixels")
    return picture


@cache
def _plain_formats() -> tuple[str, ...]:
    """The formats that Pillow itself reads, by its names, their plugins loaded."""
    names = tuple(name for name in _READERS if name != "HEIF")
    for name in names:
        import_module(_READERS[name][0])
    return names


def _odd_exif(picture: ImageFile.ImageFile, file: BinaryIO) -> bytes:
    """EXIF of a PNG as text, as ImageMagick wrote it, or behind the pixels; for that, Pillow would decode them."""
    text = picture.info.get("Raw profile type exif")
    if isinstance(text, str):
        try:
            return bytes.fromhex("".join(text.split("\n")[3:]))
        except ValueError:
            return b""
    here = file.tell()
    try:
        return _chunk(file, b"eXIf")
    finally:
        file.seek(here)


def _chunk(file: BinaryIO, wanted: bytes) -> bytes:
    """The data of the first chunk of one name in a PNG, b"" if there is none."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        size = int.from_bytes(head[:4], "big")
        if head[4:] == wanted:
            return file.read(size)
        file.seek(size + 4, 1)
    return b""


def _reader(kind: str, name: str) -> type[ImageFile.ImageFile]:
    """The class that reads pictures of one format."""
    module, title = _READERS[kind]
    try:
        found: type[ImageFile.ImageFile] = getattr(import_module(module), title)
    except ImportError as error:
        raise MediaError(
            f"{name} is a HEIC picture, and the package that reads those is missing; pip install pillow-heif"
        ) from error
    return found


class _PillowLimit:
    """Pillow's limit of pixels, one for the whole process: off while any thread needs it off, then as it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved: int | None = None

    def enter(self) -> None:
        with self._lock:
            if not self._users:
                self._saved, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                Image.MAX_IMAGE_PIXELS = self._saved


_LIMIT = _PillowLimit()


@contextmanager
def no_pillow_limit() -> Iterator[None]:
    """Inside, Pillow reads pictures of any size: our own limit has been checked, or is about to be."""
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
