"""Every codec in every container that may hold it: true to the source, and with what was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.formats import CODECS, Coding, Encoding, coding_of
from pipeline.media.probe import ColorTags, Probe, probe
from tests.media.certified import verify_video

from .clips import picture, read_number, source_of, write_clip

RATE = Fraction(25)
DECODERS = {"h264": "h264", "h265": "hevc", "vp9": "vp9", "av1": "libdav1d", "ffv1": "ffv1"}
VARIABLE = [4500, 8100, 17100, 17190, 28170, 98100, 99000, 102600]  # at 90 kHz: a late start, gaps, a burst
PAIRS = [(c, box) for c in DECODERS for box in CODECS[c].containers]


@pytest.fixture(scope="module")
def variable(folder: Path) -> Path:
    """Eight frames at a variable rate, with sound."""
    return write_clip(folder / "variable.mp4", time_base=Fraction(1, 90000), pts=VARIABLE, sound_s=1.2)


def encoded(path: Path, target: Path, coding: Coding, stop: int | None = None) -> Probe:
    """What became of a clip; must verify."""
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    stop = was.frames if stop is None else stop
    encode_video(decode_frames(source, was, 0, stop), target, source, was, 0, stop, coding)
    assert verify_video(target, source, was, 0, stop, (was.width_px, was.height_px)) == []
    return probe(source_of(target), rate=RATE)


def codec_of(path: Path) -> Any:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.name, context.pix_fmt


@pytest.mark.parametrize(("codec", "container"), PAIRS)
def test_each_codec_keeps_times_sound_and_pictures(
    tmp_path: Path, variable: Path, codec: Any, container: Any
) -> None:
    target = tmp_path / f"b.{container}"
    became = encoded(variable, target, coding_of(Encoding(codec=codec), container))
    assert codec_of(target) == (DECODERS[codec], CODECS[codec].pixels[8])
    tolerance = Fraction(1, 1000) if container in ("mkv", "webm") else 0
    for got, wanted in zip(became.pts, VARIABLE, strict=True):
        assert abs(got * became.time_base - Fraction(wanted, 90000)) <= tolerance
    frames = list(decode_frames(source_of(target), became, 0, 8))
    assert [read_number(rgb) for rgb in frames] == list(range(8))
    assert np.abs(frames[5].astype(int) - picture(5)).mean() < 6


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_ten_bits_are_written_where_they_are_asked_for(tmp_path: Path, clip: Path, codec: Any) -> None:
    became = encoded(clip, tmp_path / "b.mkv", coding_of(Encoding(codec=codec, bits=10), "mkv"))
    assert became.bits == 10 and codec_of(tmp_path / "b.mkv")[1] == "yuv420p10le"


def test_lossless_gives_every_pixel_back(tmp_path: Path, clip: Path) -> None:
    source, was = source_of(clip), probe(source_of(clip), rate=RATE)
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), dtype=np.uint8)
    target = tmp_path / "b.mkv"
    encode_video(iter(noise), target, source, was, 0, 40, coding_of(Encoding(codec="ffv1"), "mkv"))
    assert verify_video(target, source, was, 0, 40, (64, 48)) == []
    back = list(decode_frames(source_of(target), probe(source_of(target), rate=RATE), 0, 40))
    np.testing.assert_array_equal(back, noise)


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
def test_a_higher_quality_is_a_larger_file(tmp_path: Path, clip: Path, codec: Any) -> None:
    sizes = []
    for quality in (10, 60, 95):
        target = tmp_path / f"{quality}.mkv"
        encoded(clip, target, coding_of(Encoding(codec=codec, quality=quality), "mkv"), 8)
        sizes.append(target.stat().st_size)
    assert sizes == sorted(sizes) and sizes[0] < sizes[2] / 1.2


def test_a_higher_quality_of_webp_is_a_larger_file(tmp_path: Path, clip: Path) -> None:
    source, was = source_of(clip), probe(source_of(clip), rate=RATE)
    sizes = []
    for quality in (10, 95):
        target, coding = tmp_path / f"{quality}.webp", coding_of(Encoding(quality=quality), "webp")
        encode_video(decode_frames(source, was, 0, 8), target, source, was, 0, 8, coding)
        sizes.append(target.stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("codec", ["h265", "av1", "vp9"])
def test_very_short_clips_can_be_encoded(tmp_path: Path, codec: Any, count: int) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=count)
    assert encoded(path, tmp_path / "b.mp4", coding_of(Encoding(codec=codec), "mp4")).frames == count


@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (6, 6, 6, 1), (9, 14, 9, 1), (1, 1, 1, 2), (5, 6, 5, 2)])
def test_color_tags_and_colors_survive_each_codec(
    tmp_path: Path, codec: Any, tags: tuple[int, int, int, int]
) -> None:
    names = dict(zip(("color_primaries", "color_trc", "colorspace", "color_range"), tags, strict=True))
    flat = [np.full((48, 64, 3), color, np.uint8) for color in ((220, 30, 30), (30, 200, 60), (40, 50, 230))]
    path = write_clip(tmp_path / "a.mp4", pts=range(3), rgb=flat, tags=names, options={"qp": "0"})
    for bits in (8, 10):
        if bits in CODECS[codec].pixels:
            coding = coding_of(Encoding(codec=codec, bits=bits), "mp4")  # type: ignore[arg-type]
            became = encoded(path, tmp_path / "b.mp4", coding)
            assert became.color == ColorTags(*tags)
            for rgb, color in zip(
                decode_frames(source_of(tmp_path / "b.mp4"), became, 0, 3), flat, strict=True
            ):
                assert np.abs(rgb.astype(int) - color).max() <= 6, bits


def test_h265_in_mp4_is_tagged_as_apple_wants_it(tmp_path: Path, clip: Path) -> None:
    encoded(clip, tmp_path / "b.mp4", coding_of(Encoding(codec="h265"), "mp4"), 5)
    assert b"hvc1" in (tmp_path / "b.mp4").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="there it is not seen")
@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_no_encoder_makes_this_process_push_all_others_aside(tmp_path: Path, clip: Path, codec: Any) -> None:
    """SVT-AV1 does, as root."""
    was = probe(source_of(clip), rate=RATE)
    seen: set[int] = set()

    def frames() -> Iterator[Any]:
        for frame in decode_frames(source_of(clip), was, 0, 8):
            yield frame
            seen.update(os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir())

    target, coding = tmp_path / "b.mkv", coding_of(Encoding(codec=codec), "mkv")
    encode_video(frames(), target, source_of(clip), was, 0, 8, coding)
    assert seen == {os.SCHED_OTHER}


def test_encoders_say_nothing(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from tests.media.test_codecs import *\n"
        f"folder = Path({str(tmp_path)!r}); path = write_clip(folder / 'a.mp4', frames=5)\n"
        "for codec in DECODERS: encoded(path, folder / 'b.mkv', coding_of(Encoding(codec=codec), 'mkv'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


# --- sources of 10 bits ---


def ramp(levels: Any, size: tuple[int, int] = (64, 48)) -> list[Any]:
    """Gray frames of 10 bits with these luma values."""
    frames = []
    for level in levels:
        frame = av.VideoFrame(*size, "yuv420p10le")
        for plane, value in zip(frame.planes, (level, 512, 512), strict=True):
            plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
        frames.append(frame)
    return frames


@pytest.mark.parametrize("is_full", [False, True])
def test_ten_bits_are_rounded_to_eight_and_no_coarser(tmp_path: Path, is_full: bool) -> None:
    levels = list(range(0, 1024, 3)) if is_full else list(range(64, 941, 3))
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 2 if is_full else 1
        for index, frame in enumerate(ramp(levels)):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    found = probe(source_of(path), rate=RATE)
    assert found.bits == 10
    last = 0
    for level, rgb in zip(levels, decode_frames(source_of(path), found, 0, len(levels)), strict=True):
        exact = 255 * (level / 1023 if is_full else (level - 64) / 876)
        assert np.abs(rgb - exact).max() <= 0.51, level  # half a step is rounding itself
        assert rgb.min() >= last
        last = int(rgb.max())
