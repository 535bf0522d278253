"""The readers of media: photographs and films, tried with small ones that are made here."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image, ImageCms

from pipeline.errors import MediaError
from pipeline.media.photos import read_photo, read_photo_header
from pipeline.media.probe import probe
from pipeline.media.sources import Source, look_like_frames, moves
from pipeline.media.stills import read_header, read_still
from pipeline.settings.paths import image_trouble

from .cases import Case, Target, WrongError
from .damage import damaged_bytes

MOST_PIXELS = 1_000_000
WIDTH_PX, HEIGHT_PX = 24, 16
FRAMES = 6

_PHOTO_TOKENS = (
    b"\xff\xd8", b"\xff\xda", b"\xff\xe1", b"IHDR", b"IDAT", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"VP8X",
    b"VP8L", b"ANIM",
    b"EXIF", b"Exif\0\0", b"II*\0", b"MM\0*", b"8BIM", b"ftyp", b"meta", b"iloc", b"ipco", b"\x21\xf9",
    b"\x2c", b"\0\0\0\0",
    b"\xff\xff\xff\xff",
)  # fmt: skip
_FILM_TOKENS = (
    b"moov", b"trak", b"stts", b"stsz", b"stco", b"ctts", b"elst", b"mdat", b"avcC", b"tkhd", b"free",
    b"\x1a\x45\xdf\xa3",
    b"\x1f\x43\xb6\x75", b"\xa3", b"\0\0\0\1", b"\0\0\1\xb3", b"RIFF", b"LIST", b"idx1", b"OggS", b"FLV",
    b"\x47", b"ANMF", b"\x21\xf9\4",
    b"\0\0\0\0", b"\xff\xff\xff\xff",
)  # fmt: skip

Pixels = npt.NDArray[np.uint8]


def _picture(index: int = 0) -> Pixels:
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    return np.stack([x * 9 + index * 20, y * 12, (x + y) * 5 + index], axis=-1).astype(np.uint8)


# --- photographs ---


@cache
def photos() -> tuple[tuple[str, bytes], ...]:
    """Small photographs of every format and of most ways to write one, by name."""
    rgb = Image.fromarray(_picture())
    rgba = Image.fromarray(np.dstack([_picture(), _picture()[..., 0]]))
    exif = Image.Exif()
    exif.update({271: "a camera", 274: 6, 36867: "2001:02:03 04:05:06"})
    exif.get_ifd(34853).update({1: "N", 2: (48.0, 51.0, 30.0)})
    told: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": _profile()}
    found = [
        ("a.jpg", _saved(rgb, "JPEG", **told, dpi=(300, 300))), ("p.jpg", _saved(rgb, "JPEG", progressive=True)),
        ("cmyk.jpg", _saved(rgb.convert("CMYK"), "JPEG")),
        ("m.jpg", _saved(rgb, "MPO", save_all=True, append_images=[rgb])),
        ("a.png", _saved(rgb, "PNG", **told)), ("rgba.png", _saved(rgba, "PNG")),
        ("p.png", _saved(rgb.quantize(16), "PNG")),
        ("16.png", _deep(".png")), ("16.tif", _deep(".tif")), ("a.tif", _saved(rgb, "TIFF", exif=told["exif"])),
        ("lzw.tif", _saved(rgba, "TIFF", compression="tiff_lzw")), ("f.tif", _saved(rgb.convert("F"), "TIFF")),
        ("two.tif", _saved(rgb, "TIFF", save_all=True, append_images=[rgba, rgb.convert("CMYK")])),
        ("a.gif", _saved(rgb, "GIF")), ("a.bmp", _saved(rgb, "BMP")), ("a.webp", _saved(rgb, "WEBP", **told)),
        ("l.webp", _saved(rgba, "WEBP", lossless=True)), ("a.avif", _saved(rgb, "AVIF", **told)),
        ("a.heic", _heic(rgb)),
    ]  # fmt: skip
    return tuple(found)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _deep(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, _picture().astype(np.uint16) * 257)[1])


def _heic(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    pillow_heif.from_pillow(picture).save(target, quality=90)
    return target.getvalue()


def _photo(rng: Random) -> Case:
    name, data = rng.choice(photos())
    return Case({f"photos/{name}": damaged_bytes(rng, data, _PHOTO_TOKENS)})


def _read_photo(folder: Path, case: Case) -> Iterator[str]:
    (name,) = case.files
    path = folder / name
    moves(path)
    look_like_frames([path])
    header = read_photo_header(path, MOST_PIXELS)  # of what is larger, no pixel is decoded
    said = [message for reader in (_decode, _look) if (message := _reason(reader, path))]
    if header.width_px < 1 or header.height_px < 1 or header.pages < 1:
        raise WrongError(f"a photograph of nothing: {header}")
    yield from said


def _reason(reader: Callable[[Path], str], path: Path) -> str:
    """What the reader says, or why it refuses."""
    try:
        return reader(path)
    except MediaError as error:
        return str(error)


def _decode(path: Path) -> str:
    photo = read_photo(path, lambda width, height: (min(width, 32), min(height, 32)), MOST_PIXELS)
    if any(page.rgb.shape[2] != 3 for page in photo.pages):
        raise WrongError("a page without three channels")
    return "; ".join(photo.notes)


def _look(path: Path) -> str:
    """As a style or a still is read."""
    if trouble := image_trouble(path):
        return trouble
    read_header(path)
    read_still(path)
    return ""


# --- films ---


@cache
def films() -> tuple[tuple[str, bytes], ...]:
    """Small films and animations in every container that is read, by name."""
    codecs = {
        "a.mp4": "libx264", "a.mkv": "libx264", "a.mov": "mpeg4", "a.webm": "libvpx-vp9", "a.avi": "mpeg4",
        "a.ts": "mpeg2video",
        "a.flv": "flv1", "a.mpg": "mpeg1video", "ffv1.mkv": "ffv1",
    }  # fmt: skip
    found = [(name, _film(name, codec)) for name, codec in codecs.items()]
    frames = [Image.fromarray(_picture(index)) for index in range(FRAMES)]
    moving: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40, "loop": 0}
    return (
        *found,
        ("a.gif", _saved(frames[0], "GIF", **moving)),
        ("a.webp", _saved(frames[0], "WEBP", **moving)),
    )


def _film(name: str, codec: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with av.open(str(path), "w") as out:
            stream: Any = out.add_stream(codec, rate=Fraction(25))
            stream.width, stream.height = 2 * WIDTH_PX, 2 * HEIGHT_PX
            stream.pix_fmt = "yuv420p"
            for index in range(FRAMES):
                large = np.repeat(np.repeat(_picture(index), 2, axis=0), 2, axis=1)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(large, format="rgb24")))
            out.mux(stream.encode(None))
        return path.read_bytes()


def _damaged_film(rng: Random) -> Case:
    name, data = rng.choice(films())
    return Case({f"films/{name}": damaged_bytes(rng, data, _FILM_TOKENS)})


def _probe(folder: Path, case: Case) -> Iterator[str]:
    (name,) = case.files
    path = folder / name
    kind: Any = "animation" if path.suffix in (".gif", ".webp") else "video"
    found = probe(Source(kind, path, path.name, (path,)), rate=Fraction(25))
    if found.frames < 1 or any(a >= b for a, b in zip(found.pts, found.pts[1:], strict=False)):
        raise WrongError(f"no times of frames: {found.pts[:20]}")
    if found.width_px < 1 or found.height_px < 1 or found.rate <= 0 or found.time_base <= 0:
        raise WrongError(
            f"no film: {found.width_px}x{found.height_px} px, {found.rate} fps, {found.time_base} s"
        )
    with suppress(OverflowError):
        float(found.time_s(found.frames - 1))
    yield from found.notes


MEDIA = (
    Target("photo", _photo, _read_photo, MediaError),
    Target("prober", _damaged_film, _probe, MediaError),
)
