"""Pictures of 16 bits a channel, which Pillow reads as 8: it keeps one byte of the two, and which one can be said.

So each picture is decoded twice, once for the upper and once for the lower bytes, by Pillow's own decoders, with all
they know of compressions and of damage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from pipeline.media.icc import apply_profile, parse_profile
from pipeline.media.photo_formats import no_pillow_limit
from pipeline.media.stills import deep_gray, is_deep_gray, orientation_of, to_srgb

Deep = npt.NDArray[np.uint16]

_WHITE = 65535
_BITS, _PLANAR = 258, 284  # tags of a TIFF
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # takes the lower byte
_GRAY_AND_ALPHA = "LA;16B"


@dataclass(frozen=True)
class DeepPixels:
    """sRGB uint16 (h, w, 3), upright and laid over white; opacity (h, w) or None; what a person should know."""

    rgb: Deep
    alpha: Deep | None
    notes: tuple[str, ...] = ()


def is_deep(picture: ImageFile.ImageFile) -> bool:
    """Whether a picture, opened and not yet decoded, has more than 8 bits a channel.

    Raises ValueError for a TIFF whose 16-bit channels lie apart: Pillow gives the wrong bytes of it.
    """
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_PLANAR) == 2 and 16 in tags.get(_BITS, ()) and picture.mode in ("RGB", "RGBA", "CMYK"):
        raise ValueError("its 16-bit channels lie one after the other; save it with interleaved ones")
    return is_deep_gray(picture) or (picture.mode in ("RGB", "RGBA") and ";16" in _raw_mode(picture))


def read_deep(picture: ImageFile.ImageFile, open_page: Callable[[], ImageFile.ImageFile]) -> DeepPixels:
    """A deep picture, just opened; `open_page` opens it anew. Raises what Pillow raises."""
    turn, profile = orientation_of(picture), picture.info.get("icc_profile", b"")
    if picture.format == "TIFF":
        turn = 1  # Pillow turns a TIFF as it decodes it
    channels = deep_codes(picture, open_page)
    rgb, alpha = channels[..., :3], channels[..., 3] if channels.shape[2] == 4 else None
    rgb, notes = _in_srgb(rgb, profile)
    if alpha is not None:
        rgb = _over_white(rgb, alpha)
    if alpha is not None:
        alpha = np.ascontiguousarray(_turned(alpha, turn))
    return DeepPixels(np.ascontiguousarray(_turned(rgb, turn)), alpha, notes)


def _over_white(rgb: Deep, alpha: Deep) -> Deep:
    """Colors (h, w, 3) of 16 bits with opacity (h, w), seen over white."""
    opacity = alpha[..., None].astype(np.float32) / _WHITE
    return np.rint(rgb * opacity + _WHITE * (1 - opacity)).astype(np.uint16)


def deep_codes(picture: ImageFile.ImageFile, open_page: Callable[[], ImageFile.ImageFile]) -> Deep:
    """The codes of the file as they lie in it, (h, w, 3 or 4): neither upright nor in sRGB."""
    raw, key = _raw_mode(picture), picture.info.get("transparency")
    if is_deep_gray(picture):
        gray = np.rint(65535 * deep_gray(_decoded(picture))).astype(np.uint16)
        return _with_key(np.repeat(gray[..., None], 3, axis=2), key)
    if raw == _GRAY_AND_ALPHA:
        four = np.array(_decoded(picture, "RGBA"))  # its four bytes, as if they were four channels
        return four.view(">u2").astype(np.uint16)[..., [0, 0, 0, 1]]
    premultiplied = raw.startswith("RGBa")
    raw = raw.replace("RGBa", "RGBA")
    upper = np.asarray(_decoded(picture, raw)).astype(np.uint16)
    lower = np.asarray(_decoded(open_page(), raw[:-1] + _OTHER[raw[-1]]))
    codes = upper << 8 | lower
    return _divided(codes) if premultiplied else _with_key(codes, key)


def _with_key(rgb: Deep, key: object) -> Deep:
    """Adds opacity to a PNG in which one color, `key`, is transparent."""
    if not isinstance(key, int | tuple) or rgb.shape[2] == 4:
        return rgb
    hidden = (rgb == np.array(key, np.uint16)).all(axis=-1, keepdims=True)
    return np.concatenate([rgb, np.where(hidden, 0, 65535).astype(np.uint16)], axis=-1)


def _divided(codes: Deep) -> Deep:
    """Colors that were multiplied by their opacity, as they were before; where that is 0, black."""
    alpha = codes[..., 3:].astype(np.float64)
    rgb = np.divide(65535.0 * codes[..., :3], alpha, out=np.zeros(codes[..., :3].shape), where=alpha > 0)
    return np.concatenate([np.rint(np.clip(rgb, 0, 65535)).astype(np.uint16), codes[..., 3:]], axis=-1)


def _decoded(picture: ImageFile.ImageFile, raw_mode: str | None = None) -> Image.Image:
    """The picture, its bytes taken as `raw_mode` says."""
    if raw_mode is not None:
        picture.tile = [
            tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *(tile.args or ())[1:]))
            for tile in picture.tile
        ]
    with no_pillow_limit():
        picture.load()
    return picture


def _raw_mode(picture: ImageFile.ImageFile) -> str:
    """How the bytes of the file become those in memory, in Pillow's words; "" if that is up to a library."""
    args = picture.tile[0].args if picture.tile else ""
    found = args[0] if isinstance(args, tuple) and args else args
    return found if isinstance(found, str) else ""


def _in_srgb(rgb: Deep, profile: bytes) -> tuple[Deep, tuple[str, ...]]:
    """The colors that the profile means; one of tables is applied with 8 bits, since LittleCMS is asked then."""
    if not profile:
        return rgb, ()
    matrix = parse_profile(profile)
    if matrix is not None:
        return apply_profile(rgb, matrix), ()
    shallow = Image.fromarray((rgb >> 8).astype(np.uint8))
    shallow.info["icc_profile"] = profile
    return np.asarray(to_srgb(shallow)).astype(np.uint16) * 257, ("its color profile is applied with 8 bits",)


def _turned(values: Deep, orientation: int) -> Deep:
    """Upright, from an EXIF orientation."""
    match orientation:
        case 2:
            return values[:, ::-1]
        case 3:
            return values[::-1, ::-1]
        case 4:
            return values[::-1]
        case 5:
            return values.swapaxes(0, 1)
        case 6:
            return np.rot90(values, -1)
        case 7:
            return values[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(values)
    return values
