"""EXIF changed in place: what is asked for changes, what is broken goes, all else stays where it was."""

from __future__ import annotations

import struct

import pytest
from PIL import ExifTags, Image

from pipeline.media.exif import resized_exif, upright_exif
from pipeline.media.icc import parse_profile

from .torture import CAMERA, exif_bytes


def parsed(data: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(data)
    return exif


def test_the_source_of_these_tests_has_what_they_look_for() -> None:
    exif = parsed(exif_bytes(6))
    assert exif[ExifTags.Base.Orientation] == 6
    assert exif.get_ifd(ExifTags.IFD.IFD1)[ExifTags.Base.Compression] == 6
    assert b"\xff\xd8\xff" in exif_bytes()


def test_orientation_is_reset_and_the_thumbnail_gone() -> None:
    upright = upright_exif(exif_bytes(6))
    exif = parsed(upright.data)
    assert upright.broken_tags == 0
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation]) == (CAMERA, 1)
    assert exif.get_ifd(ExifTags.IFD.IFD1) == {}
    assert b"\xff\xd8\xff" not in upright.data
    assert len(upright.data) < len(exif_bytes()) - 300


def test_makers_notes_stay_where_their_offsets_point() -> None:
    raw = exif_bytes()
    assert upright_exif(raw).data.index(b"the maker's note") == raw.index(b"the maker's note") - len(
        b"Exif\0\0"
    )


def test_sizes_follow_the_picture() -> None:
    data = resized_exif(upright_exif(exif_bytes()).data, 1234, 70_000)
    camera = parsed(data).get_ifd(ExifTags.IFD.Exif)
    assert camera[ExifTags.Base.ExifImageWidth] == 1234
    assert camera[ExifTags.Base.ExifImageHeight] == 65535  # a SHORT holds no more


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tag_that_points_nowhere_is_dropped(order: str) -> None:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", 8)
    good = struct.pack(order + "HHLHH", 274, 3, 1, 6, 0)
    nowhere = struct.pack(order + "HHLL", 270, 2, 50, 9999)
    no_type = struct.pack(order + "HHLL", 271, 99, 1, 0)
    raw = head + struct.pack(order + "H", 3) + nowhere + no_type + good + bytes(4)
    upright = upright_exif(raw)
    assert upright.broken_tags == 2
    assert dict(parsed(upright.data)) == {274: 1}


@pytest.mark.parametrize("raw", [b"Exif\0\0", b"II*\0", b"garbage and more of it", exif_bytes()[:30]])
def test_what_cannot_be_understood_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|begins"):
        upright_exif(raw)


def test_directories_that_contain_themselves_end() -> None:
    head = b"II*\0" + struct.pack("<L", 8)
    loop = struct.pack("<H", 1) + struct.pack("<HHLL", 34665, 4, 1, 8) + bytes(4)
    assert upright_exif(head + loop).broken_tags == 1


@pytest.mark.parametrize("profile", [b"", bytes(200), b"acsp" * 100])
def test_a_profile_that_is_none_is_no_matrix(profile: bytes) -> None:
    assert parse_profile(profile) is None
