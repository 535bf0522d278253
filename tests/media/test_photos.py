"""Reading photographs: every format, mode and way up becomes upright sRGB, and what is broken says why."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from pipeline.errors import MediaError
from pipeline.media import deep_stills, photo_formats
from pipeline.media.geometry import fit, output_size
from pipeline.media.photos import Photo, read_photo, read_photo_header
from pipeline.media.stills import read_header, read_still, to_srgb

from .torture import (
    BOMB_SIDE,
    CAMERA,
    HEIGHT,
    WIDTH,
    TortureFolder,
    alpha,
    chunk,
    deep_scene,
    exif_bytes,
    scene,
    shows_scene,
    wide_profile,
)

LIMIT = 250_000_000


def whole(width: int, height: int) -> tuple[int, int]:
    return width, height


def smaller(width: int, height: int) -> tuple[int, int]:
    return output_size(width, height, 24, even=False)


def read(torture: TortureFolder, name: str) -> Photo:
    return read_photo(torture.folder / name, whole, LIMIT)


def test_the_folder_is_large_enough_to_be_torture(torture: TortureFolder) -> None:
    assert len(torture.good) + len(torture.broken) + len(torture.skipped) >= 45
    assert all((torture.folder / name).is_file() for name in [*torture.good, *torture.broken])


def test_headers_tell_size_pages_and_format_by_content(torture: TortureFolder) -> None:
    for name, good in torture.good.items():
        header = read_photo_header(torture.folder / name, LIMIT)
        found = (header.width_px, header.height_px, header.pages, header.format, header.is_animated)
        assert found == (good.width_px, good.height_px, good.pages, good.format, False), name


def test_reading_a_header_decodes_no_pixel(torture: TortureFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError(f"{self.filename!r} was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    for name in torture.good:
        read_photo_header(torture.folder / name, LIMIT)


def test_every_good_photograph_is_read_upright_and_with_its_depth_and_opacity(torture: TortureFolder) -> None:
    for name, good in torture.good.items():
        photo = read(torture, name)
        page = photo.pages[0]
        assert page.rgb.shape == (good.height_px, good.width_px, 3), name
        assert page.rgb.dtype == (np.uint16 if good.is_deep else np.uint8), name
        assert (photo.is_deep, page.alpha is not None) == (good.is_deep, good.has_alpha), name
        assert len(photo.pages) == good.pages, name
        assert not good.has_scene or shows_scene(page.rgb), name
        assert bool(photo.notes) == good.has_note, (name, photo.notes)
        told = photo.metadata
        assert (CAMERA.encode() in told.exif, told.has_profile) == (good.has_camera, good.has_profile), name
        assert (None if told.dpi is None else round(told.dpi[0])) == good.dpi, name


def test_shallow_photographs_are_what_a_still_is_fitted(torture: TortureFolder) -> None:
    for name, good in torture.good.items():
        if good.is_deep or good.format == "HEIF":
            continue
        path = torture.folder / name
        size = smaller(good.width_px, good.height_px)
        page = read_photo(path, smaller, LIMIT).pages[0]
        assert np.array_equal(page.rgb, fit(read_still(path), size)), name
        assert page.alpha is None or page.alpha.shape == page.rgb.shape[:2], name


@pytest.mark.parametrize(
    "name", ["rgb16.png", "rgb16.tif", "rgb16-lzw.tif", "rgb16-big-endian.tif", "two-pages16.tif"]
)
def test_sixteen_bits_are_all_there(torture: TortureFolder, name: str) -> None:
    assert np.array_equal(read(torture, name).pages[0].rgb, deep_scene())


def test_deep_gray_is_gray_of_sixteen_bits(torture: TortureFolder) -> None:
    for name in ("gray16.png", "gray16.tif", "gray-alpha16.png"):
        photo = read(torture, name)
        solid = alpha() == 255
        expected = np.repeat(deep_scene()[..., :1], 3, axis=2)
        assert np.array_equal(photo.pages[0].rgb[solid], expected[solid]), name
    float_page = read(torture, "float.tif").pages[0]
    assert np.array_equal(float_page.rgb[..., 0], scene()[..., 0].astype(np.uint16) * 257)


def test_what_is_transparent_shows_white_and_opacity_is_kept_apart(torture: TortureFolder) -> None:
    for name in ("rgba.png", "rgba.tif", "alpha.webp", "rgba16.png", "rgba16.tif", "gray-alpha16.png"):
        page = read(torture, name).pages[0]
        top = np.iinfo(page.rgb.dtype).max
        assert page.alpha is not None
        assert np.array_equal(page.alpha, alpha().astype(page.alpha.dtype) * (top // 255)), name
        assert (page.rgb[-1, 0] == top).all(), name


def test_a_wide_gamut_becomes_srgb_with_eight_bits(torture: TortureFolder) -> None:
    red, green, _ = read(torture, "wide.jpg").pages[0].rgb[2, WIDTH - 3].astype(int)
    assert red < 8 < scene()[2, WIDTH - 3, 0]  # this green is greener than sRGB has it: less than no red
    assert abs(green - scene()[2, WIDTH - 3, 1]) < 4


def test_a_wide_gamut_becomes_srgb_with_sixteen_bits_as_littlecms_has_it_with_eight(
    torture: TortureFolder,
) -> None:
    shallow = Image.fromarray((deep_scene() >> 8).astype(np.uint8))
    shallow.info["icc_profile"] = wide_profile()
    deep = read(torture, "rgb16-wide.tif").pages[0].rgb
    assert np.abs(np.asarray(to_srgb(shallow)).astype(float) - deep / 257).max() < 3
    assert (
        len(np.unique(deep[: HEIGHT // 2 - 2, : WIDTH // 2, 1])) > 20
    )  # the ramp, of less than 8 bits, is there


def test_orientation_behind_the_pixels_of_a_png_counts(torture: TortureFolder, tmp_path: Path) -> None:
    png = (torture.folder / "turned.png").read_bytes()
    at = png.index(b"eXIf") - 4
    told = png[at : at + 12 + int.from_bytes(png[at : at + 4], "big")]
    late = tmp_path / "late.png"
    late.write_bytes(png.replace(told, b"")[:-12] + told + png[-12:])
    header = read_photo_header(late, LIMIT)
    assert (header.width_px, header.height_px) == (WIDTH, HEIGHT)
    photo = read_photo(late, whole, LIMIT)
    assert shows_scene(photo.pages[0].rgb)
    assert CAMERA.encode() in photo.metadata.exif


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_deep_png_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    deep = deep_scene()
    stored = {
        2: deep[:, ::-1], 3: np.rot90(deep, 2), 4: deep[::-1], 5: deep.swapaxes(0, 1), 6: np.rot90(deep),
        7: np.rot90(deep, 2).swapaxes(0, 1), 8: np.rot90(deep, -1),
    }[orientation]  # fmt: skip
    _, png = cv2.imencode(".png", np.ascontiguousarray(stored[..., ::-1]))
    told = chunk(b"eXIf", exif_bytes(orientation)[6:])
    (tmp_path / "turned.png").write_bytes(png.tobytes()[:33] + told + png.tobytes()[33:])
    assert np.array_equal(read_photo(tmp_path / "turned.png", whole, LIMIT).pages[0].rgb, deep)


def test_a_turned_tiff_is_turned_once(torture: TortureFolder) -> None:
    path = torture.folder / "turned.tif"
    assert read_header(path)[:2] == (WIDTH, HEIGHT)
    assert shows_scene(read_still(path))


def test_broken_files_say_why(torture: TortureFolder) -> None:
    for name, word in torture.broken.items():
        with pytest.raises(MediaError) as caught:
            read_photo(torture.folder / name, whole, LIMIT)
        assert word in str(caught.value), name
        assert name in str(caught.value)
    with pytest.raises(MediaError, match="directory"):
        read_photo_header(torture.folder / "album.jpg", LIMIT)


def test_a_bomb_is_known_by_its_header(torture: TortureFolder) -> None:
    path = torture.folder / "bomb.png"
    with pytest.raises(
        MediaError, match=r"has 3600 megapixels, more than archive.max_megapixels allows \(250\)"
    ):
        read_photo_header(path, LIMIT)
    assert read_photo_header(path, BOMB_SIDE**2).width_px == BOMB_SIDE  # Pillow's own limit is not in the way


def test_the_limit_counts_all_pages(torture: TortureFolder) -> None:
    path = torture.folder / "three-pages.tif"
    pixels = 2 * WIDTH * HEIGHT + 600
    assert read_photo_header(path, pixels).pages == 3
    with pytest.raises(MediaError, match="max_megapixels"):
        read_photo_header(path, pixels - 1)


def test_pillows_limit_is_off_while_any_thread_needs_it_off_and_then_as_before() -> None:
    before = Image.MAX_IMAGE_PIXELS
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with photo_formats.no_pillow_limit():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with photo_formats.no_pillow_limit():
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS is None
    leave.set()
    thread.join()
    assert before == Image.MAX_IMAGE_PIXELS


def test_threads_read_the_same_as_one_after_the_other(torture: TortureFolder) -> None:
    names = [name for name, good in torture.good.items() if good.width_px == WIDTH]
    expected = {name: read(torture, name) for name in names}
    wrong: list[str] = []

    def read_all() -> None:
        for name in names:
            if not np.array_equal(read(torture, name).pages[0].rgb, expected[name].pages[0].rgb):
                wrong.append(name)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_animation_is_told_from_a_photograph(tmp_path: Path) -> None:
    frames = [Image.fromarray(scene()), Image.fromarray(scene()[::-1].copy())]
    for name in ("moving.gif", "moving.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100)
        assert read_photo_header(tmp_path / name, LIMIT).is_animated


def test_a_missing_package_is_named(torture: TortureFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = photo_formats._READERS | {"HEIF": ("no_such_package", "HeifImageFile")}
    monkeypatch.setattr(photo_formats, "_READERS", readers)
    with pytest.raises(MediaError, match="pip install pillow-heif"):
        read_photo_header(torture.folder / "picture.heic", LIMIT)


def test_channels_that_lie_apart_are_refused_and_not_read_wrong(tmp_path: Path) -> None:
    planes = np.moveaxis(deep_scene(), -1, 0)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(MediaError, match="interleaved"):
        read_photo(tmp_path / "planes.tif", whole, LIMIT)


def test_a_profile_of_tables_is_applied_with_a_note(
    torture: TortureFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = read(torture, "rgb16-wide.tif")
    monkeypatch.setattr(deep_stills, "parse_profile", lambda profile: None)
    rough = read(torture, "rgb16-wide.tif")
    assert rough.notes == ("its color profile is applied with 8 bits",)
    assert np.abs(rough.pages[0].rgb.astype(int) - exact.pages[0].rgb).max() < 3 * 257
    assert replace(rough, pages=(), notes=()) == replace(exact, pages=(), notes=())
