"""Which codec goes where, and what a quality means to it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from pipeline.media.formats import CODECS, Coding, Encoding, codecs_in, coding_of, container_of


@pytest.mark.parametrize(
    ("encoding", "container", "coding"),
    [
        (Encoding(), "mp4", Coding("h264", 16, 8)),
        (Encoding(), "webm", Coding("vp9", 24, 8)),
        (Encoding(bits=10), "mov", Coding("h265", 18, 10)),
        (Encoding(bits=10), "webm", Coding("av1", 24, 10)),
        (Encoding(codec="h264", bits=10), "mkv", Coding("h264", 16, 10)),
        (Encoding(codec="ffv1"), "mkv", Coding("ffv1", None, 8)),
        (Encoding(), "gif", Coding("gif", None, 8)),
        (Encoding(quality=80), "webp", Coding("webp", 80, 8)),
        (Encoding(), "png", Coding("png", None, 8)),
    ],
)
def test_a_wish_becomes_a_codec_with_its_own_measures(
    encoding: Encoding, container: str, coding: Coding
) -> None:
    assert coding_of(encoding, container) == coding


def test_high_dynamic_range_is_coded_with_10_bits_where_there_are_10() -> None:
    assert coding_of(Encoding(), "mp4", is_hdr=True) == Coding("h265", 18, 10)
    assert coding_of(Encoding(), "webm", is_hdr=True) == Coding("av1", 24, 10)
    assert coding_of(Encoding(codec="ffv1"), "mkv", is_hdr=True).bits == 8


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_qualities_run_over_the_whole_scale_of_a_codec(codec: str) -> None:
    strengths = [coding_of(Encoding(codec=codec, quality=q), "mkv").strength for q in range(1, 101)]  # type: ignore[arg-type]
    assert (strengths[0], strengths[-1]) == (CODECS[codec].worst, 1)
    assert strengths == sorted(strengths, reverse=True)


def test_a_container_is_known_by_its_suffix() -> None:
    names = ("a.MP4", "a.m4v", "a.avi.mkv", "b/a", "a.avi")
    assert [container_of(PurePosixPath(n)) for n in names] == ["mp4", "mp4", "mkv", "png", None]


def test_every_container_can_hold_something() -> None:
    assert all(codecs_in(name) for name in ("mp4", "mov", "mkv", "webm", "ts", "gif", "webp", "png"))
