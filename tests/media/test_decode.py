"""The right frame, the right way up, in the right colors."""

from __future__ import annotations

import gc
import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import MediaError
from pipeline.media.decode import _frames_after_seek, decode_frames
from pipeline.media.probe import Probe, probe
from pipeline.media.stills import read_still

from .clips import picture, read_number, source_of, write_clip
from .conftest import OPEN_GOP, real_clip

RATE = Fraction(25)


def decoded(path: Path, first: int = 0, stop: int | None = None, found: Probe | None = None) -> list[Any]:
    found = found or probe(source_of(path), rate=RATE)
    return list(decode_frames(source_of(path), found, first, found.frames if stop is None else stop))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("closed.mp4", {}),
        ("open.mp4", OPEN_GOP),
        ("open.mkv", OPEN_GOP),
        ("open.ts", OPEN_GOP),
        ("open.flv", OPEN_GOP),
        ("refresh.mp4", {"x264-params": "intra-refresh=1:keyint=12:bframes=0"}),
        ("order.avi", {}),
        ("old.mpg", {}),
    ],
)
def test_every_frame_can_be_reached_by_itself(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    codec = "mpeg2video" if name.endswith(".mpg") else "libx264"
    path = write_clip(tmp_path / name, frames=40, codec=codec, options=options)
    found = probe(source_of(path), rate=RATE)
    straight = decoded(path, found=found)
    assert [read_number(rgb) for rgb in straight] == list(range(40))
    for first in range(40):
        (alone,) = decoded(path, first, first + 1, found)
        np.testing.assert_array_equal(alone, straight[first], err_msg=f"frame {first}")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_frames_are_found_at_a_variable_rate_after_a_late_start(tmp_path: Path, suffix: str) -> None:
    pts = [90000 + 900 * i * i for i in range(20)]
    path = write_clip(tmp_path / f"vfr{suffix}", time_base=Fraction(1, 90000), pts=pts)
    found = probe(source_of(path), rate=RATE)
    assert [read_number(decoded(path, i, i + 1, found)[0]) for i in range(20)] == list(range(20))


def test_a_range_ends_before_its_stop_and_may_be_empty(clip: Path) -> None:
    assert [read_number(rgb) for rgb in decoded(clip, 11, 15)] == [11, 12, 13, 14]
    assert decoded(clip, 7, 7) == []
    with pytest.raises(ValueError, match="41 of a source with 40 frames"):
        decoded(clip, 0, 41)


def test_frames_are_contiguous_bytes_and_the_same_every_time(clip: Path) -> None:
    one, other = decoded(clip), decoded(clip)
    assert one[0].dtype == np.uint8 and one[0].flags.c_contiguous and one[0].shape == (48, 64, 3)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ccw_deg", [90, 180, -90])
def test_a_rotated_clip_comes_upright(tmp_path: Path, ccw_deg: int) -> None:
    path = write_clip(tmp_path / "r.mp4", frames=2, rotate_ccw_deg=ccw_deg)
    rgb = decoded(path)[1]
    assert rgb.flags.c_contiguous
    assert np.abs(rgb.astype(int) - np.rot90(picture(1), ccw_deg // 90)).mean() < 4


@pytest.mark.parametrize(("codec", "pix_fmt"), [("ffv1", "yuv444p"), ("libx264rgb", "rgb24")])
def test_odd_sizes_keep_every_row_and_column(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    path = write_clip(tmp_path / "odd.mkv", frames=2, size=(65, 49), codec=codec, pix_fmt=pix_fmt)
    rgb = decoded(path)[1]
    assert rgb.shape == (49, 65, 3)
    assert np.abs(rgb.astype(int) - picture(1, 65, 49)).max() < 40


COLORS = [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (128, 128, 128)]


@pytest.mark.parametrize(
    ("tags", "height_px"),
    [
        ({}, 48),
        ({"colorspace": 6, "color_range": 1}, 48),
        ({"colorspace": 1, "color_range": 1}, 48),
        ({"colorspace": 1, "color_range": 2}, 48),
        ({"colorspace": 6, "color_range": 2}, 48),
        ({"colorspace": 9, "color_range": 1}, 48),
        ({"colorspace": 6, "color_range": 1}, 720),
    ],
)
def test_colors_come_back_by_the_matrix_and_range_of_the_tags(
    tmp_path: Path, tags: dict[str, int], height_px: int
) -> None:
    flat = [np.full((height_px, 64, 3), color, np.uint8) for color in COLORS]
    path = write_clip(
        tmp_path / "c.mp4", size=(64, height_px), pts=range(7), rgb=flat, tags=tags, options={"qp": "0"}
    )
    for rgb, color in zip(decoded(path), COLORS, strict=True):
        assert np.abs(rgb.astype(int) - color).max() <= 2, color


def test_full_range_is_read_from_the_tag_where_the_pixel_format_does_not_say_it(tmp_path: Path) -> None:
    flat = [np.full((48, 64, 3), (200, 120, 40), np.uint8)]
    tags = {"colorspace": 1, "color_range": 2}
    options = {"lossless": "1", "cpu-used": "8"}
    path = write_clip(tmp_path / "c.webm", pts=[0], rgb=flat, tags=tags, codec="libvpx-vp9", options=options)
    assert np.abs(decoded(path)[0].astype(int) - flat[0]).max() <= 2


def test_untagged_video_of_720_lines_is_taken_as_bt709(tmp_path: Path) -> None:
    flat = [np.full((720, 64, 3), (200, 40, 40), np.uint8)]
    path = write_clip(tmp_path / "c.mp4", size=(64, 720), pts=[0], rgb=flat, options={"qp": "0"})
    wrong = decoded(path)[0][0, 0].astype(int)  # the helper wrote BT.601, so BT.709 must show other colors
    assert np.abs(wrong - (200, 40, 40)).max() > 10


def test_closing_early_closes_the_file(clip: Path) -> None:
    frames = decode_frames(source_of(clip), probe(source_of(clip), rate=RATE), 3, 30)
    next(frames)
    before = open_files()
    frames.close()  # type: ignore[attr-defined]
    gc.collect()
    assert open_files() == before - 1


def open_files() -> int:
    return sum("clip.mp4" in str(link.resolve()) for link in Path("/proc/self/fd").iterdir())


def test_a_file_that_changed_since_it_was_probed_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=12)
    found = probe(source_of(path), rate=RATE)
    write_clip(path, frames=8)
    with pytest.raises(MediaError, match=r"frame 8 at 0\.320 s is missing"):
        decoded(path, found=found)
    write_clip(path, frames=12, rate=Fraction(30))
    with pytest.raises(MediaError, match="frame 0 "):
        decoded(path, found=found)
    with pytest.raises(MediaError, match="frame 7 "):
        decoded(path, 7, 9, found)


def test_a_frame_at_another_time_than_probed_is_an_error(clip: Path) -> None:
    found = probe(source_of(clip), rate=RATE)
    moved = replace(found, pts=(*found.pts[:5], found.pts[5] + 1, *found.pts[6:]))
    with pytest.raises(MediaError, match=r"frame 5 at 0\.200 s is missing"):
        decoded(clip, 3, 9, moved)


def test_a_seek_does_not_decode_the_file_from_its_start(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=40)
    found = probe(source_of(path), rate=RATE)
    (wanted,) = decoded(path, 30, 31, found)
    with av.open(str(path)) as container:
        places = [packet.pos or 0 for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    data[places[0] : places[10]] = bytes(places[10] - places[0])
    path.write_bytes(data)
    np.testing.assert_array_equal(decoded(path, 30, 31, found)[0], wanted)


def test_leading_pictures_of_an_open_gop_are_never_trusted() -> None:
    container = SimpleNamespace(seek=lambda pts, stream: None)
    packets = [
        SimpleNamespace(is_keyframe=False, pts=7),
        SimpleNamespace(is_keyframe=True, pts=10),
        SimpleNamespace(is_keyframe=False, pts=8),
    ]
    container.demux = lambda stream: packets
    stream = SimpleNamespace(
        decode=lambda packet: [SimpleNamespace(pts=packet.pts), SimpleNamespace(pts=packet.pts + 1)]
    )
    frames: Any = _frames_after_seek(container, stream, 10)  # type: ignore[arg-type]
    assert [frame.pts for frame in frames] == [10, 11]


def test_real_clips_seek_exactly() -> None:
    path = real_clip("carphone_pristine.mp4")
    found = probe(source_of(path), rate=RATE)
    straight = decoded(path, found=found)
    for first in (1, 29, 30, 31, 97, 119):
        np.testing.assert_array_equal(decoded(path, first, first + 1, found)[0], straight[first])


def save(path: Path, image: Image.Image, **options: Any) -> np.ndarray[Any, Any]:
    image.save(path, **options)
    return read_still(path)


def test_a_photo_is_turned_by_its_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    rgb = save(tmp_path / "a.png", Image.fromarray(picture(5)), exif=exif)
    np.testing.assert_array_equal(rgb, np.rot90(picture(5), -1))


def test_gray_palette_and_one_bit_become_rgb(tmp_path: Path) -> None:
    gray = Image.fromarray(np.full((4, 6), 90, np.uint8))
    assert (save(tmp_path / "g.png", gray) == 90).all()
    palette = Image.new("P", (6, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert (save(tmp_path / "p.png", palette) == (10, 20, 30)).all()
    assert (save(tmp_path / "b.png", Image.new("1", (6, 4), 1)) == 255).all()


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    assert (save(tmp_path / "a.png", Image.new("RGBA", (6, 4), (200, 0, 0, 0))) == 255).all()
    half = save(tmp_path / "h.png", Image.new("RGBA", (6, 4), (0, 0, 0, 127)))
    assert np.abs(half.astype(int) - 128).max() <= 1
    assert (
        save(tmp_path / "t.png", Image.new("RGB", (6, 4), (9, 9, 9)), transparency=(9, 9, 9)) == 255
    ).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.array([[0, 257 * 10, 1000, 65535]], np.uint16)
    for name in ("d.png", "d.tif"):
        assert save(tmp_path / name, Image.fromarray(ramp))[0, :, 0].tolist() == [0, 10, 4, 255]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    rgb = save(tmp_path / "c.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100)
    assert rgb.shape == (8, 8, 3) and rgb[0, 0, 0] > 200 and rgb[0, 0, 1] < 60


def test_an_embedded_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    lab_free = io.BytesIO(swapped_profile())
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    rgb = save(tmp_path / "i.png", red, icc_profile=lab_free.getvalue())
    assert rgb[0, 0].tolist() != [255, 0, 0]
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(save(tmp_path / "s.png", red, icc_profile=same)[0, 0].astype(int) - (255, 0, 0)).max() <= 1
    assert save(tmp_path / "x.png", red, icc_profile=b"nonsense")[0, 0].tolist() == [255, 0, 0]


def swapped_profile() -> bytes:
    """An sRGB profile whose red and green primaries have changed places."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def test_a_photo_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    Image.fromarray(picture(0, 200, 200)).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"a\.jpg cannot be read as a picture"):
        read_still(tmp_path / "a.jpg")


def test_a_picture_of_absurd_size_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(MediaError, match="too large to be a picture"):
        probe(source_of(tmp_path / "a.png", "still"), rate=RATE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(MediaError, match="too large to be a picture"):
        read_still(tmp_path / "a.png")
