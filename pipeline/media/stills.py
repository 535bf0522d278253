"""Single pictures ↔ files: whatever a file holds becomes upright sRGB, 8 bits a channel, and back.

The only module that knows of EXIF orientation, ICC profiles, palettes and alpha.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from pipeline.errors import MediaError
from pipeline.media.photo_formats import EMPTY, UNREADABLE, open_limited
from pipeline.media.writing import writing

_EXIF_ORIENTATION = 274
_SIDEWAYS = (5, 6, 7, 8)  # orientations that swap the sides
_TURN_DEG = {3: 180, 6: 90, 8: 270}  # clockwise; the others mirror
# By the number alone: Pillow's own exif_transpose writes the EXIF anew, and fails where a tag of it is broken.
_TRANSPOSE: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WHITE = (255, 255, 255, 255)
_BROKEN_EXIF = (
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OSError,
    OverflowError,
    struct.error,
)
_OBJECT = re.compile(r" <[^<>]* at 0x[0-9a-f]+>")  # how Pillow calls a file in memory
# Odd EXIF or 100 Mpx are no reason to speak, and `catch_warnings` is not safe among threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
_JPEG_QUALITY, _WEBP_QUALITY = 95, 95


def read_header(path: Path) -> tuple[int, int, int]:
    """Width and height in px of the upright picture, and the clockwise turn in degrees that makes it so.

    Decodes pixels only of a PNG without EXIF before them. Raises MediaError if the header cannot be read, or promises
    an absurd size.
    """
    with reading_picture(path), open_limited(path) as picture:
        width, height = upright_size(picture)
        return width, height, _TURN_DEG.get(orientation_of(picture), 0)


def read_still(path: Path) -> npt.NDArray[np.uint8]:
    """The upright picture as sRGB uint8 (height, width, 3), C-contiguous.

    Gray, palette and CMYK become RGB; 16 bits are scaled to 8; an embedded ICC profile is converted to sRGB;
    transparency is laid over white. Of an animation, the first picture.
    Raises MediaError if the file is cut off, damaged, no picture, or absurdly large.
    """
    with reading_picture(path), open_limited(path) as picture:
        return np.array(to_srgb(upright(picture)), dtype=np.uint8)


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, of a picture just opened; 1 where its EXIF is broken or says nothing."""
    if picture.format == "PNG" and "exif" not in picture.info:
        picture.load()  # EXIF may stand behind the pixels; raises where those are cut off
    try:
        orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
    except _BROKEN_EXIF:
        return 1
    return orientation if orientation in range(1, 9) else 1


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Width and height in px of a picture just opened, once it is upright; Pillow has turned those of a TIFF."""
    width, height = picture.size
    turned = picture.format != "TIFF" and orientation_of(picture) in _SIDEWAYS
    return (height, width) if turned else (width, height)


def upright(picture: Image.Image) -> Image.Image:
    """A picture just opened, decoded and upright; Pillow turns a TIFF as it decodes it."""
    picture.load()  # a PNG's EXIF may stand behind its pixels
    turn = None if picture.format == "TIFF" else _TRANSPOSE.get(orientation_of(picture))
    return picture if turn is None else picture.transpose(turn)


def to_srgb(picture: Image.Image) -> Image.Image:
    """Any picture as opaque sRGB of 8 bits a channel; what is transparent shows white."""
    return to_srgb_and_alpha(picture)[0]


def to_srgb_and_alpha(picture: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The same, and the opacity of each pixel (mode L) where the picture has one."""
    converted = _to_srgb(_to_8_bits(picture), picture.info.get("icc_profile"))
    if not converted.has_transparency_data:
        return converted.convert("RGB"), None
    deep = converted.convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", deep.size, _WHITE), deep)
    return opaque.convert("RGB"), deep.getchannel("A")


def write_still(rgb: npt.NDArray[np.uint8], target: Path) -> None:
    """Writes uint8 (height, width, 3) sRGB in the format of the suffix of `target`.

    JPEG and WebP at quality 95, JPEG without chroma subsampling, TIFF with LZW, GIF in 256 colors of its own.
    Raises SpaceError without room or permission, MediaError for a suffix that names no format.
    """
    options: dict[str, Any] = {}
    match target.suffix.lower():
        case ".jpg" | ".jpeg":
            options = {"quality": _JPEG_QUALITY, "subsampling": 0}
        case ".webp":
            options = {"quality": _WEBP_QUALITY, "method": 4}
        case ".tif" | ".tiff":
            options = {"compression": "tiff_lzw"}
    with writing(target):
        Image.fromarray(rgb).save(target, **options)


def to_palette(picture: Image.Image, colors: int = 256) -> Image.Image:
    """An RGB picture in its own best colors (median cut), dithered by Floyd and Steinberg's method."""
    palette = picture.quantize(colors)
    return picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


@contextmanager
def reading_picture(path: Path | str) -> Iterator[None]:
    """Turns what Pillow raises into a MediaError."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path} is too large to be a picture ({error}); scale it down first") from error
    except UNREADABLE as error:
        reason = _OBJECT.sub("", " ".join(str(error).split()))
        if reason == EMPTY:
            raise MediaError(f"{path} is empty; replace it, or take it out of the input") from error
        raise MediaError(
            f"{path} cannot be read as a picture ({reason}); it is cut off, damaged or no picture. "
            "Replace it, or take it out of the input"
        ) from error


def is_deep_gray(picture: Image.Image) -> bool:
    """Whether a picture is gray of more than 8 bits: 16 or 32, or floats."""
    return picture.mode.startswith("I;16") or picture.mode in ("I", "F")


def deep_gray(picture: Image.Image) -> npt.NDArray[np.float64]:
    """Gray of more than 8 bits as (height, width), 0–1: scaled, not clipped as Pillow does."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float64))  # NaN as a code would be anything
    brightest = values.max(initial=0)
    top = 65535.0 if brightest > 255 or picture.mode.startswith("I;16") else 255.0
    if picture.mode == "F" and brightest <= 1:
        top = 1.0
    return np.clip(values / top, 0, 1)


def _to_8_bits(picture: Image.Image) -> Image.Image:
    """The same picture in a mode of 8 bits a channel."""
    if is_deep_gray(picture):
        return Image.fromarray(np.rint(deep_gray(picture) * 255).astype(np.uint8))
    if picture.mode == "P":
        return picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    if picture.mode in ("L", "RGB") and "transparency" in picture.info:
        return picture.convert("RGBA")
    return picture.convert("L") if picture.mode == "1" else picture


def _to_srgb(picture: Image.Image, icc_profile: bytes | None) -> Image.Image:
    """The colors that the embedded profile means, in sRGB; without one, or with a broken one, as they are."""
    if not icc_profile or picture.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
        converted = ImageCms.profileToProfile(
            picture, embedded, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError):
        return picture  # a profile for another mode, or a damaged one: every viewer ignores it as well
    return picture if converted is None else converted
