"""Writing photographs: what was painted comes back out of the file, with all that the source said of itself."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image

from pipeline.errors import MediaError
from pipeline.media import photo_writing
from pipeline.media.formats import PhotoName
from pipeline.media.photo_formats import suffix_for
from pipeline.media.photos import EncodedPhoto, Photo, PhotoFormat, encode_photo, read_photo

from .torture import CAMERA, PLACE, TortureFolder, alpha, deep_scene, shows_scene

LIMIT = 250_000_000
KEPT = PhotoFormat()
PILLOW = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "avif": "AVIF", "heic": "HEIF"}


def whole(width: int, height: int) -> tuple[int, int]:
    return width, height


def read(torture: TortureFolder, name: str) -> Photo:
    return read_photo(torture.folder / name, whole, LIMIT)


def painted(photo: Photo) -> list[NDArray[np.float32]]:
    """Pages as if they had been painted: as they were."""
    return [(page.rgb / np.float32(np.iinfo(page.rgb.dtype).max)).astype(np.float32) for page in photo.pages]


def encode(photo: Photo, wish: PhotoFormat = KEPT) -> EncodedPhoto:
    return encode_photo(painted(photo), photo, wish)


def opened(encoded: EncodedPhoto) -> Image.Image:
    """The result as Pillow alone sees it."""
    import pillow_heif

    if encoded.data[4:11] == b"ftyphei":
        return pillow_heif.open_heif(encoded.data).to_pillow()
    return Image.open(io.BytesIO(encoded.data))


def test_every_good_photograph_comes_back_as_it_was(torture: TortureFolder) -> None:
    for name, good in torture.good.items():
        photo = read(torture, name)
        encoded = encode(photo)
        again = read_photo(encoded.data, whole, LIMIT)
        assert again.header == photo.header, name
        assert (again.is_deep, again.metadata.has_profile) == (good.is_deep, good.has_profile), name
        assert bool(encoded.notes) == good.has_note, (name, encoded.notes)
        assert again.notes == (), name
        for page, original in zip(again.pages, photo.pages, strict=True):
            difference = np.abs(page.rgb.astype(int) - original.rgb).mean() / np.iinfo(page.rgb.dtype).max
            assert difference < (0.03 if good.format in ("JPEG", "WEBP", "AVIF", "HEIF", "GIF") else 3e-4), (
                name
            )
            assert page.alpha is original.alpha or np.array_equal(page.alpha, original.alpha), name
        assert not good.has_scene or shows_scene(again.pages[0].rgb), name


def test_exif_and_place_are_kept_upright_and_without_thumbnail(torture: TortureFolder) -> None:
    for name, good in torture.good.items():
        if not good.has_camera:
            continue
        exif = opened(encode(read(torture, name))).getexif()
        assert exif[ExifTags.Base.Make] == CAMERA, name
        assert exif.get(ExifTags.Base.Orientation, 1) == 1, name
        assert dict(exif.get_ifd(ExifTags.IFD.IFD1)) == {}, name
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        assert camera[ExifTags.Base.DateTimeOriginal] == "2001:02:03 04:05:06", name
        assert camera[ExifTags.Base.MakerNote] == b"the maker's note", name
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert not good.has_place or [float(v) for v in place[ExifTags.GPS.GPSLatitude]] == list(PLACE), name


def test_exif_follows_the_size(torture: TortureFolder) -> None:
    for name in ("rgb.jpg", "rgb.png", "rgb.tif", "lossy.webp"):
        photo = read_photo(torture.folder / name, lambda width, height: (30, 20), LIMIT)
        camera = opened(encode(photo)).getexif().get_ifd(ExifTags.IFD.Exif)
        assert (camera[ExifTags.Base.ExifImageWidth], camera[ExifTags.Base.ExifImageHeight]) == (30, 20), name


def test_the_orientation_in_xmp_is_reset_and_the_rest_kept(torture: TortureFolder) -> None:
    xmp = opened(encode(read(torture, "orientation-6.jpg"))).info["xmp"]
    assert b'tiff:Orientation="1"' in xmp
    assert b'tiff:Make="torture"' in xmp


def test_dots_per_inch_are_kept(torture: TortureFolder) -> None:
    for name, good in torture.good.items():
        if good.dpi:
            assert round(opened(encode(read(torture, name))).info["dpi"][0]) == good.dpi, name


def test_a_profile_comes_back_as_srgb(torture: TortureFolder) -> None:
    for name, wish in itertools.product(("wide.jpg", "rgb16-wide.tif"), get_args(PhotoName)):
        profile = opened(encode(read(torture, name), PhotoFormat(wish))).info["icc_profile"]
        assert profile == photo_writing.srgb_profile(), (name, wish)
    assert "icc_profile" not in opened(encode(read(torture, "rgb.jpg"))).info


def test_without_metadata_nothing_is_told(torture: TortureFolder) -> None:
    for name in ("rgb.jpg", "rgb.png", "rgb.tif", "lossy.webp", "picture.avif", "picture.heic"):
        data = encode(read(torture, name), PhotoFormat(metadata="none")).data
        assert CAMERA.encode() not in data, name
        assert b"xmpmeta" not in data, name


@pytest.mark.parametrize("name", ["rgb16.png", "rgb16.tif", "rgb16-lzw.tif"])
def test_other_libraries_read_all_sixteen_bits(torture: TortureFolder, name: str) -> None:
    data = encode(read(torture, name)).data
    assert np.array_equal(
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1], deep_scene()
    )
    if name.endswith("tif"):
        assert np.array_equal(tifffile.imread(io.BytesIO(data)), deep_scene())


def test_other_libraries_read_pages_and_opacity(torture: TortureFolder) -> None:
    with tifffile.TiffFile(io.BytesIO(encode(read(torture, "two-pages16.tif")).data)) as tiff:
        assert [page.shape for page in tiff.pages] == [(40, 60, 3), (20, 30, 3)]
        assert np.array_equal(tiff.pages[1].asarray(), deep_scene()[::2, ::2])
    data = encode(read(torture, "rgba16.png")).data
    four = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(four[..., 3], alpha().astype(np.uint16) * 257)


def test_every_photograph_becomes_every_format(torture: TortureFolder) -> None:
    names = (
        "rgb.jpg",
        "rgba.png",
        "rgba16.tif",
        "three-pages.tif",
        "still-alpha.gif",
        "dot.png",
        "picture.heic",
    )
    for name, wish in itertools.product(names, PILLOW):
        photo = read(torture, name)
        encoded = encode(photo, PhotoFormat(wish))  # type: ignore[arg-type]
        again = read_photo(encoded.data, whole, LIMIT)
        assert again.header.format == PILLOW[wish], (name, wish)
        assert again.pages[0].rgb.shape == photo.pages[0].rgb.shape, (name, wish)
        assert again.is_deep == (photo.is_deep and wish in ("png", "tiff")), (name, wish)
        has_alpha = photo.pages[0].alpha is not None and wish != "jpeg"
        assert (again.pages[0].alpha is not None) == has_alpha, (name, wish)


def test_what_a_format_cannot_hold_is_told(torture: TortureFolder) -> None:
    deep = encode(read(torture, "rgba16.tif"), PhotoFormat("jpeg"))
    assert deep.notes == (
        "16 bits become 8: JPEG is written with 8",
        "transparency is laid over white: JPEG holds none",
    )
    pages = encode(read(torture, "three-pages.tif"), PhotoFormat("png"))
    assert pages.notes == ("of 3 pages the first is kept: PNG holds one",)
    comment = encode(read(torture, "progressive.jpeg"), PhotoFormat("webp"))
    assert comment.notes == ("a comment left out: WEBP cannot hold it",)


def test_too_much_exif_for_a_jpeg_is_told_and_left_out(torture: TortureFolder) -> None:
    photo = read(torture, "rgb.jpg")
    big = replace(photo, metadata=replace(photo.metadata, exif=photo.metadata.exif + bytes(70_000)))
    assert encode(big).notes == ("EXIF left out: JPEG cannot hold it",)
    assert encode(big, PhotoFormat("png")).notes == ()


def test_over_white_the_result_looks_as_painted(torture: TortureFolder) -> None:
    for name in ("rgba.png", "rgba16.png", "alpha.webp", "rgba.tif"):
        photo = read(torture, name)
        again = read_photo(encode(photo).data, whole, LIMIT)
        off = np.abs(again.pages[0].rgb.astype(int) - photo.pages[0].rgb)
        assert off.max() <= 1, name


def test_lossless_webp_stays_lossless_and_lossy_lossy(torture: TortureFolder) -> None:
    rng = np.random.default_rng(0)
    for name in ("lossless.webp", "lossy.webp"):
        photo = read(torture, name)
        noise = [rng.random(page.rgb.shape, np.float32) for page in photo.pages]
        again = read_photo(encode_photo(noise, photo, KEPT).data, whole, LIMIT).pages[0].rgb
        assert np.array_equal(again, np.rint(noise[0] * 255).astype(np.uint8)) == (name == "lossless.webp")


def test_a_gif_keeps_its_hole(torture: TortureFolder) -> None:
    picture = opened(encode(read(torture, "still-alpha.gif"))).convert("RGBA")
    assert np.array_equal(np.asarray(picture)[..., 3] == 0, alpha() == 0)


def test_a_gif_whose_hole_shows_nowhere_is_written_without(torture: TortureFolder) -> None:
    photo = read(torture, "still-alpha.gif")
    solid = replace(photo.pages[0], alpha=np.full_like(alpha(), 255))
    picture = opened(encode(replace(photo, pages=(solid,))))
    assert "transparency" not in picture.info
    assert shows_scene(np.asarray(picture.convert("RGB")))


def test_quality_and_chroma_change_the_size_of_the_file(torture: TortureFolder) -> None:
    photo = read(torture, "rgb.jpg")
    noise = [np.random.default_rng(0).random(photo.pages[0].rgb.shape, np.float32)]
    for kind in ("jpeg", "webp", "avif", "heic"):
        best, worst = (encode_photo(noise, photo, PhotoFormat(kind, quality)) for quality in (95, 20))  # type: ignore[arg-type]
        assert len(worst.data) < 0.8 * len(best.data), kind
    half = encode_photo(noise, photo, PhotoFormat("jpeg", chroma="420"))
    assert len(half.data) < len(encode_photo(noise, photo, PhotoFormat("jpeg")).data)


def test_the_same_painting_gives_the_same_bytes(torture: TortureFolder) -> None:
    for name in ("wide.jpg", "rgb16-wide.tif", "rgb16.png", "picture.avif", "lossy.webp"):
        photo = read(torture, name)
        assert encode(photo).data == encode(photo).data, name


def test_a_result_that_reads_differently_is_no_result(
    torture: TortureFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = read(torture, "rgb16.png")
    true_bytes = photo_writing.png_bytes
    monkeypatch.setattr(photo_writing, "png_bytes", lambda pixels, *told: true_bytes(pixels[::-1], *told))
    with pytest.raises(MediaError, match="other pixels"):
        encode(photo)
    monkeypatch.setattr(photo_writing, "png_bytes", lambda pixels, *told: true_bytes(pixels, *told)[:-60])
    with pytest.raises(MediaError, match="cannot be read back"):
        encode(photo)


def test_what_is_too_large_for_a_format_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (20_000, 1)).save(tmp_path / "long.png")
    photo = read_photo(tmp_path / "long.png", whole, LIMIT)
    with pytest.raises(MediaError, match=r"20000x1 px cannot be written as WEBP"):
        encode(photo, PhotoFormat("webp"))


def test_pages_must_be_painted_all_and_at_their_size(torture: TortureFolder) -> None:
    photo = read(torture, "three-pages.tif")
    with pytest.raises(MediaError, match="1 painted pages for a photograph of 3"):
        encode_photo(painted(photo)[:1], photo, KEPT)
    with pytest.raises(MediaError, match="instead of"):
        encode_photo([page[1:] for page in painted(photo)], photo, KEPT)


@pytest.mark.parametrize(
    ("name", "wish", "expected"),
    [
        ("a.JPG", "source", "a.JPG"),
        ("a.JPG", "png", "a.png"),
        ("a.b.tiff", "tiff", "a.b.tif"),
        ("x/y.z/no-suffix", "avif", "x/y.z/no-suffix.avif"),
        ("-.heif", "heic", "-.heic"),
    ],
)
def test_the_name_follows_the_format(name: str, wish: PhotoName, expected: str) -> None:
    assert suffix_for(name, PhotoFormat(wish)) == expected
