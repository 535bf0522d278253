"""A folder of photographs that go wrong elsewhere: every format and mode, every way up, odd names, and broken files.

What each of them is, and what must become of it, is told with it; the files are written by Pillow, OpenCV, tifffile
and by hand, never by the code under test. All pictures that are large enough show the same scene: red at the upper
left, green at the upper right, blue at the lower left, gray at the lower right, once they are upright.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pillow_heif
import tifffile
from PIL import Image, ImageCms

WIDTH, HEIGHT = 60, 40
CAMERA, CAPTION, PLACE = "Torture Camera", "a caption", (48.0, 51.0, 30.0)
CORNERS = ((220, 30, 30), (30, 180, 40), (30, 40, 210), (128, 128, 128))
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="torture"/></rdf:RDF>
</x:xmpmeta>"""
LONG_NAME = "a" * 246 + ".jpg"  # 250 bytes
BOMB_SIDE = 60_000

Shallow = npt.NDArray[np.uint8]
_STORED_AS = {  # how an upright picture lies in a file of each orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


@dataclass(frozen=True)
class Good:
    """A photograph that must be read, painted and written."""

    width_px: int = WIDTH  # upright
    height_px: int = HEIGHT
    format: str = "JPEG"
    pages: int = 1
    is_deep: bool = False
    has_alpha: bool = False
    has_scene: bool = True
    has_camera: bool = False  # EXIF, with the camera's name
    has_place: bool = False  # EXIF, with GPS
    dpi: int | None = None
    has_profile: bool = False
    has_note: bool = False  # something must be said of it


@dataclass(frozen=True)
class TortureFolder:
    """What was written. Names are relative to `folder`, with forward slashes."""

    folder: Path
    good: Mapping[str, Good]
    broken: Mapping[str, str]  # with a word that the reason must contain
    skipped: tuple[
        str, ...
    ]  # no photographs, and not to be read: other files, and links that lead to nothing of ours
    outside: Path  # the picture that a link out of the folder leads to
    links: Mapping[str, str] = field(default_factory=dict)  # links that lead to a picture of the folder


def make_torture_folder(folder: Path) -> TortureFolder:
    """Fills `folder`, which it makes; beside it, a folder "outside" with one picture."""
    folder.mkdir(parents=True)
    good: dict[str, Good] = {}
    for write in (_jpegs, _pngs, _tiffs, _others, _oriented, _odd_sizes, _odd_names, _odd_exif):
        good |= write(folder)
    broken = _broken(folder)
    (folder / "notes.txt").write_text("not a photograph", "utf-8")
    outside = folder.parent / f"{folder.name}-outside" / "secret.jpg"
    outside.parent.mkdir()
    _scene().save(outside)
    (folder / "link-out.jpg").symlink_to(outside)
    (folder / "link-to-nothing.jpg").symlink_to("missing.jpg")
    (folder / "link-within.jpg").symlink_to("rgb.jpg")
    skipped = ("notes.txt", "link-out.jpg", "link-to-nothing.jpg")
    return TortureFolder(folder, good, broken, skipped, outside, {"link-within.jpg": "rgb.jpg"})


def scene(width_px: int = WIDTH, height_px: int = HEIGHT) -> Shallow:
    """Four fields of one color each, uint8 (h, w, 3)."""
    picture = np.empty((height_px, width_px, 3), np.uint8)
    middle_y, middle_x = (height_px + 1) // 2, (width_px + 1) // 2
    picture[:middle_y, :middle_x], picture[:middle_y, middle_x:] = CORNERS[0], CORNERS[1]
    picture[middle_y:, :middle_x], picture[middle_y:, middle_x:] = CORNERS[2], CORNERS[3]
    return picture


def deep_scene() -> npt.NDArray[np.uint16]:
    """The same with 16 bits, of which the lower 8 matter: a ramp from left to right."""
    ramp = np.linspace(0, 200, WIDTH).astype(np.uint16)
    return scene().astype(np.uint16) * 257 // 256 * 256 + ramp[None, :, None]


def alpha() -> Shallow:
    """Opacity: none in a corner, half in another, full elsewhere."""
    opacity = np.full((HEIGHT, WIDTH), 255, np.uint8)
    opacity[-8:, :8], opacity[-8:, -8:] = 0, 128
    return opacity


def shows_scene(rgb: npt.NDArray[Any], tolerance: float = 0.1) -> bool:
    """Whether (h, w, 3) shows the scene upright, in the middle of each field."""
    top = np.iinfo(rgb.dtype).max
    height, width = rgb.shape[:2]
    places = ((1, 1), (1, 3), (3, 1), (3, 3))
    seen = np.array([rgb[height * y // 4, width * x // 4] for y, x in places]) / top
    return bool(np.abs(seen - np.array(CORNERS) / 255).max() <= tolerance)


def exif_bytes(orientation: int = 1) -> bytes:
    """EXIF with a camera, a place, sizes, a maker's note, and a thumbnail; written by hand, since Pillow drops some."""
    gps = [(1, 2, b"N\0"), (2, 5, b"".join(struct.pack("<LL", round(value), 1) for value in PLACE))]
    camera = [
        (36867, 2, b"2001:02:03 04:05:06\0"), (37500, 7, b"the maker's note"),
        (40962, 4, struct.pack("<L", WIDTH)), (40963, 3, struct.pack("<H", HEIGHT)),
    ]  # fmt: skip
    thumbnail = io.BytesIO()
    _scene(16, 12).save(thumbnail, "JPEG")
    main = [(271, 2, CAMERA.encode() + b"\0"), (274, 3, struct.pack("<H", orientation))]
    data = bytearray(b"II*\0" + struct.pack("<L", 8))
    data += _directory([*main, (34665, 4, bytes(4)), (34853, 4, bytes(4))], len(data))
    for tag, below in ((34665, camera), (34853, gps)):
        _set(data, tag, len(data))
        data += _directory(below, len(data))
    struct.pack_into("<L", data, 8 + 2 + 12 * 4, len(data))
    size = struct.pack("<L", len(thumbnail.getvalue()))
    start = len(data) + 2 + 12 * 3 + 4
    data += _directory([(259, 3, b"\6\0"), (513, 4, struct.pack("<L", start)), (514, 4, size)], len(data))
    return b"Exif\0\0" + bytes(data) + thumbnail.getvalue()


def _directory(entries: list[tuple[int, int, bytes]], at: int) -> bytes:
    """A directory of tags that begins at byte `at`, its values behind it."""
    head, values = struct.pack("<H", len(entries)), b""
    end = at + 2 + 12 * len(entries) + 4
    for tag, kind, data in entries:
        count = len(data) // {2: 1, 3: 2, 4: 4, 5: 8, 7: 1}[kind]
        if len(data) <= 4:
            head += struct.pack("<HHL", tag, kind, count) + data.ljust(4, b"\0")
        else:
            head += struct.pack("<HHLL", tag, kind, count, end + len(values))
            values += data + b"\0" * (len(data) % 2)
    return head + bytes(4) + values


def _set(data: bytearray, tag: int, value: int) -> None:
    """Overwrites the value of a tag of the first directory."""
    (count,) = struct.unpack_from("<H", data, 8)
    at = next(at for at in range(10, 10 + 12 * count, 12) if struct.unpack_from("<H", data, at)[0] == tag)
    struct.pack_into("<L", data, at + 8, value)


def wide_profile() -> bytes:
    """An ICC profile with the primaries of Adobe RGB (1998), whose green is greener, and the curve of sRGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    (count,) = struct.unpack_from(">L", profile, 128)
    for name, start, _ in (struct.unpack_from(">4sLL", profile, 132 + 12 * i) for i in range(count)):
        if name in columns:
            struct.pack_into(">3l", profile, start + 8, *(round(65536 * value) for value in columns[name]))
    return bytes(profile)


def _scene(width_px: int = WIDTH, height_px: int = HEIGHT) -> Image.Image:
    return Image.fromarray(scene(width_px, height_px))


def _with_alpha() -> Image.Image:
    return Image.fromarray(np.dstack([scene(), alpha()]))


def _jpegs(folder: Path) -> Mapping[str, Good]:
    picture = _scene()
    exif = exif_bytes()
    picture.save(folder / "rgb.jpg", quality=95, dpi=(300, 300), exif=exif, xmp=XMP.replace(b'"6"', b'"1"'))
    picture.convert("L").save(folder / "gray.jpg")
    picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    picture.save(folder / "progressive.jpeg", progressive=True, quality=95, comment=b"a comment")
    picture.save(folder / "two.mpo.jpg", "MPO", save_all=True, append_images=[_scene(30, 20)], quality=95)
    picture.save(folder / "UPPER.JPG", subsampling=2)
    picture.save(folder / "wide.jpg", icc_profile=wide_profile(), quality=95)
    return {
        "rgb.jpg": Good(has_camera=True, has_place=True, dpi=300),
        "gray.jpg": Good(has_scene=False),
        "cmyk.jpg": Good(has_note=True),
        "progressive.jpeg": Good(),
        "two.mpo.jpg": Good(),
        "UPPER.JPG": Good(),
        "wide.jpg": Good(has_profile=True, has_scene=False),
    }


def _pngs(folder: Path) -> Mapping[str, Good]:
    picture, deep = _scene(), deep_scene()
    opacity = alpha().astype(np.uint16)[..., None] * 257
    picture.save(folder / "rgb.png", dpi=(200, 200), exif=exif_bytes())
    _with_alpha().save(folder / "rgba.png")
    picture.quantize(16).save(folder / "palette.png")
    _with_alpha().quantize(16).save(folder / "palette-alpha.png")
    picture.convert("L").save(folder / "gray.png")
    _with_alpha().convert("LA").save(folder / "gray-alpha.png")
    picture.convert("1").save(folder / "one-bit.png")
    Image.fromarray(deep[..., 0]).save(folder / "gray16.png")
    cv2.imwrite(str(folder / "rgb16.png"), deep[..., ::-1])
    cv2.imwrite(str(folder / "rgba16.png"), np.concatenate([deep[..., ::-1], opacity], axis=-1))
    (folder / "gray-alpha16.png").write_bytes(
        _png(np.concatenate([deep[..., :1], opacity], axis=-1), color_type=4)
    )
    picture.save(
        folder / "animated.png", save_all=True, append_images=[picture.transpose(Image.Transpose.ROTATE_180)]
    )
    png = {"format": "PNG"}
    return {
        "rgb.png": Good(**png, has_camera=True, has_place=True, dpi=200),
        "rgba.png": Good(**png, has_alpha=True, has_scene=False),
        "palette.png": Good(**png),
        "palette-alpha.png": Good(**png, has_alpha=True, has_scene=False),
        "gray.png": Good(**png, has_scene=False),
        "gray-alpha.png": Good(**png, has_alpha=True, has_scene=False),
        "one-bit.png": Good(**png, has_scene=False),
        "gray16.png": Good(**png, is_deep=True, has_scene=False),
        "rgb16.png": Good(**png, is_deep=True),
        "rgba16.png": Good(**png, is_deep=True, has_alpha=True, has_scene=False),
        "gray-alpha16.png": Good(**png, is_deep=True, has_alpha=True, has_scene=False),
        "animated.png": Good(**png, has_note=True),
    }


def _tiffs(folder: Path) -> Mapping[str, Good]:
    picture, deep = _scene(), deep_scene()
    picture.save(folder / "rgb.tif", dpi=(240, 240), exif=exif_bytes())
    picture.save(folder / "lzw.tiff", compression="tiff_lzw")
    picture.convert("CMYK").save(folder / "cmyk.tif")
    _with_alpha().save(folder / "rgba.tif")
    more = [_scene(30, 20), picture.convert("L")]
    picture.save(folder / "three-pages.tif", save_all=True, append_images=more, compression="tiff_deflate")
    Image.fromarray((scene()[..., 0] / np.float32(255)).astype(np.float32)).save(folder / "float.tif")
    Image.fromarray(deep[..., 0]).save(folder / "gray16.tif")
    cv2.imwrite(str(folder / "rgb16-lzw.tif"), deep[..., ::-1])
    tifffile.imwrite(folder / "rgb16.tif", deep, photometric="rgb", resolution=(150, 150), resolutionunit=2)
    tifffile.imwrite(folder / "rgb16-big-endian.tif", deep, photometric="rgb", byteorder=">")
    tifffile.imwrite(folder / "rgb16-wide.tif", deep, photometric="rgb", iccprofile=wide_profile())
    opacity = alpha().astype(np.uint16)[..., None] * 257
    four = np.concatenate([deep, opacity], axis=-1)
    tifffile.imwrite(folder / "rgba16.tif", four, photometric="rgb", extrasamples=["unassalpha"])
    with tifffile.TiffWriter(folder / "two-pages16.tif") as writer:
        writer.write(deep, photometric="rgb")
        writer.write(deep[::2, ::2], photometric="rgb")
        writer.write(scene(15, 10), photometric="rgb", subfiletype=1)  # a thumbnail, no page
    tif = {"format": "TIFF"}
    return {
        "rgb.tif": Good(**tif, has_camera=True, has_place=True, dpi=240),
        "lzw.tiff": Good(**tif),
        "cmyk.tif": Good(**tif, has_note=True),
        "rgba.tif": Good(**tif, has_alpha=True, has_scene=False),
        "three-pages.tif": Good(**tif, pages=3),
        "float.tif": Good(**tif, is_deep=True, has_scene=False),
        "gray16.tif": Good(**tif, is_deep=True, has_scene=False),
        "rgb16-lzw.tif": Good(**tif, is_deep=True),
        "rgb16.tif": Good(**tif, is_deep=True, dpi=150),
        "rgb16-big-endian.tif": Good(**tif, is_deep=True),
        "rgb16-wide.tif": Good(**tif, is_deep=True, has_profile=True, has_scene=False),
        "rgba16.tif": Good(**tif, is_deep=True, has_alpha=True, has_scene=False),
        "two-pages16.tif": Good(**tif, is_deep=True, pages=2),
    }


def _others(folder: Path) -> Mapping[str, Good]:
    picture, exif = _scene(), exif_bytes()
    picture.save(folder / "picture.bmp", dpi=(120, 120))
    picture.save(folder / "still.gif")
    _with_alpha().save(folder / "still-alpha.gif")
    picture.save(folder / "lossy.webp", quality=90, exif=exif)
    picture.save(folder / "lossless.webp", lossless=True)
    _with_alpha().save(folder / "alpha.webp", lossless=True, exact=True)
    picture.save(folder / "picture.avif", quality=90, subsampling="4:4:4", exif=exif)
    pillow_heif.from_pillow(picture).save(folder / "picture.heic", quality=90, chroma=444, exif=exif)
    picture.save(folder / "a-png.jpg", "PNG")
    picture.save(folder / "a-jpeg.png", "JPEG", quality=95)
    told: dict[str, Any] = {"has_camera": True, "has_place": True}
    return {
        "picture.bmp": Good(format="BMP", dpi=120),
        "still.gif": Good(format="GIF"),
        "still-alpha.gif": Good(format="GIF", has_alpha=True, has_scene=False),
        "lossy.webp": Good(format="WEBP", **told),
        "lossless.webp": Good(format="WEBP"),
        "alpha.webp": Good(format="WEBP", has_alpha=True, has_scene=False),
        "picture.avif": Good(format="AVIF", **told),
        "picture.heic": Good(format="HEIF", **told),
        "a-png.jpg": Good(format="PNG"),
        "a-jpeg.png": Good(),
    }


def _oriented(folder: Path) -> Mapping[str, Good]:
    """All orientations as JPEG, and one in each other format that has EXIF."""
    good = {}
    for orientation in range(1, 9):
        name = f"orientation-{orientation}.jpg"
        stored = _stored(orientation)
        stored.save(folder / name, quality=95, exif=exif_bytes(orientation), xmp=XMP)
        good[name] = Good(has_camera=True, has_place=True)
    turned, exif = _stored(6), exif_bytes(6)
    for name, options in (
        ("png", {}),
        ("webp", {"lossless": True}),
        ("tif", {}),
        ("avif", {"subsampling": "4:4:4"}),
    ):
        turned.save(folder / f"turned.{name}", exif=exif, **options)
        kind = {"png": "PNG", "webp": "WEBP", "tif": "TIFF", "avif": "AVIF"}[name]
        good[f"turned.{name}"] = Good(format=kind, has_camera=True, has_place=True)
    return good


def _stored(orientation: int) -> Image.Image:
    """The scene as it lies in a file whose EXIF says this orientation."""
    turn = _STORED_AS.get(orientation)
    return _scene() if turn is None else _scene().transpose(turn)


def _odd_sizes(folder: Path) -> Mapping[str, Good]:
    good = {}
    for width, height, name in (
        (1, 1, "dot.png"),
        (1, 1, "dot.jpg"),
        (1, 5000, "tall.png"),
        (12000, 40, "wide-strip.jpg"),
    ):
        _scene(width, height).save(folder / name)
        kind = "PNG" if name.endswith("png") else "JPEG"
        good[name] = Good(width, height, format=kind, has_scene=min(width, height) >= 40)
    return good


def _odd_names(folder: Path) -> Mapping[str, Good]:
    (folder / "album.jpg").mkdir()
    names = (
        "ünïcødé 写真 🎨.jpg", LONG_NAME, "two\nlines.jpg", "it's \"quoted\".jpg", "-rf.jpg", "percent%20 & #1.jpg",
        "album.jpg/inside.jpg", " spaces .jpg",
    )  # fmt: skip
    for name in names:
        _scene().save(folder / name, quality=95)
    return {name: Good() for name in names}


def _odd_exif(folder: Path) -> Mapping[str, Good]:
    """EXIF that is garbage, that is cut off, and in which one tag points nowhere."""
    exif = exif_bytes()
    pointing = bytearray(exif[6:])
    (count,) = struct.unpack_from("<H", pointing, 8)
    for at in range(10, 10 + 12 * count, 12):
        if struct.unpack_from("<H", pointing, at)[0] == 34853:
            struct.pack_into("<L", pointing, at + 8, 0x7FFFFFF0)
    _scene().save(folder / "exif-garbage.jpg", exif=b"Exif\0\0" + bytes(range(7, 107)), quality=95)
    _scene().save(folder / "exif-cut.jpg", exif=exif[:40], quality=95)
    _scene().save(folder / "exif-no-gps.jpg", exif=b"Exif\0\0" + bytes(pointing), quality=95)
    return {
        "exif-garbage.jpg": Good(has_note=True),
        "exif-cut.jpg": Good(has_note=True),
        "exif-no-gps.jpg": Good(has_camera=True, has_note=True),
    }


def _broken(folder: Path) -> Mapping[str, str]:
    """Files that no one can read, and a word of the reason for each."""
    half: Callable[[bytes], bytes] = lambda data: data[: len(data) // 2]  # noqa: E731
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    contents = {
        "empty.jpg": (b"", "empty"),
        "cut.jpg": (half(_bytes(noise, "JPEG")), "truncated"),
        "cut.png": (half(_bytes(noise, "PNG")), "cut off"),
        "cut.tif": (half(_bytes(noise, "TIFF", compression="tiff_lzw")), "cut off"),
        "cut.webp": (half(_bytes(noise, "WEBP")), "cut off"),
        "cut.gif": (half(_bytes(noise, "GIF")), "cut off"),
        "text.jpg": (b"this is a letter and no photograph\n" * 9, "begins like no"),
        "bomb.png": (_png_header(BOMB_SIDE, BOMB_SIDE), "megapixels"),
        "bad-text.png": (_with_bad_text(_bytes(noise, "PNG")), "cut off"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    return {name: word for name, (_, word) in contents.items()}


def _bytes(picture: Image.Image, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def _png(codes: npt.NDArray[np.uint16], color_type: int) -> bytes:
    """A PNG of 16 bits a channel, unfiltered."""
    height, width = codes.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in codes)
    head = struct.pack(">LLBBBBB", width, height, 16, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, data) for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def _png_header(width_px: int, height_px: int) -> bytes:
    """A tiny PNG that promises many pixels."""
    head = struct.pack(">LLBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in chunks)


def _with_bad_text(png: bytes) -> bytes:
    """A PNG with a text that unpacks to 100 MB."""
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    return png[:33] + chunk(b"zTXt", text) + png[33:]


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))
