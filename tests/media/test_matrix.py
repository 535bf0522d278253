"""Every kind of source goes through whole and in part: probed, decoded, painted, encoded, verified, read again."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.geometry import fit, output_size
from pipeline.media.probe import Probe, probe
from pipeline.media.sources import WRITABLE_SUFFIXES, Source
from pipeline.media.verify import Certificate, certify

from .clips import Rgb, read_number, source_of
from .sources import Clip, Sound, write_source

F = Fraction
MS = F(1, 1000)
TICKS = F(1, 90_000)
CHAPTERS = ((0, 160, "One"), (160, 320, "Two"), (320, 480, "Three"))
BT709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}
BT601 = {"color_primaries": 5, "color_trc": 6, "colorspace": 5, "color_range": 1}
BT2020 = {"color_primaries": 9, "color_trc": 14, "colorspace": 9, "color_range": 1}
FULL = {"color_range": 2}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}

SOURCES = {
    # clocks
    "film rate": Clip(rate=F(24000, 1001)),
    "NTSC rate in mov": Clip(".mov", rate=F(30000, 1001), b_frames=2),
    "NTSC rate in mkv": Clip(".mkv", rate=F(30000, 1001), b_frames=2, sounds=[Sound()]),
    "50 fps in mkv": Clip(".mkv", rate=F(50)),
    "120 fps": Clip(rate=F(120), sounds=[Sound(length_s=F(1, 10))]),
    "120 fps in mkv": Clip(".mkv", rate=F(120)),
    "variable rate": Clip(time_base=TICKS, pts=[0, 3000, 9000, 9090, 20070, 90000, 90900], sounds=[Sound()]),
    "variable rate in mkv": Clip(
        ".mkv", time_base=MS, pts=[0, 33, 100, 101, 223, 700, 1000, 1010], b_frames=2
    ),
    "variable rate in ts": Clip(".ts", time_base=TICKS, pts=[0, 3000, 9000, 9090, 20070, 90000, 90900]),
    "gaps": Clip(
        time_base=TICKS,
        pts=[0, 3600, 7200, 180000, 183600, 187200],
        b_frames=2,
        sounds=[Sound(length_s=F(2))],
    ),
    "a start late": Clip(time_base=TICKS, pts=[45000 + 3600 * i for i in range(12)], sounds=[Sound()]),
    "a start late in ts": Clip(".ts", pts=range(10, 22), sounds=[Sound(codec="mp2")]),
    "a start late in mkv": Clip(".mkv", pts=range(10, 22), sounds=[Sound(codec="libopus")]),
    "sound before the picture": Clip(pts=range(5, 17), sounds=[Sound()]),
    "PCM before the picture": Clip(".mov", pts=range(5, 17), sounds=[Sound(codec="pcm_s16le")]),
    "sound after the picture": Clip(sounds=[Sound(start_s=F(3, 10))]),
    "sound after the picture in mkv": Clip(".mkv", sounds=[Sound("flac", start_s=F(3, 10))]),
    "an edit list that cuts": Clip(pts=range(-4, 12), sounds=[Sound(start_s=F(-4, 25))]),
    "negative composition offsets": Clip(
        b_frames=2, muxer={"movflags": "negative_cts_offsets"}, sounds=[Sound()]
    ),
    "fragments": Clip(frames=24, muxer=FRAGMENTS, sounds=[Sound()], b_frames=2),
    "one frame": Clip(frames=1),
    "one frame in mkv with long sound": Clip(".mkv", frames=1, sounds=[Sound()]),
    "one frame in webm": Clip(".webm", "libvpx-vp9", frames=1),
    # codecs and containers
    "B-frames": Clip(b_frames=3, frames=24),
    "H.264 in ts": Clip(".ts", b_frames=2, sounds=[Sound()]),
    "H.264 in avi": Clip(".avi", sounds=[Sound("libmp3lame")]),
    "H.264 in flv": Clip(".flv", sounds=[Sound()], b_frames=2),
    "H.264 in m4v": Clip(".m4v"),
    "HEVC": Clip(codec="libx265", size=(64, 64)),
    "HEVC in mkv, 10 bits": Clip(".mkv", "libx265", "yuv420p10le", size=(64, 64)),
    "VP9 in webm": Clip(".webm", "libvpx-vp9", sounds=[Sound("libopus")]),
    "VP9 in mp4": Clip(codec="libvpx-vp9"),
    "AV1": Clip(codec="libsvtav1", size=(64, 64)),
    "AV1 in webm": Clip(".webm", "libsvtav1", size=(64, 64), subtitles=["eng"]),
    "MPEG-2 in mpg": Clip(".mpg", "mpeg2video", b_frames=2, sounds=[Sound("mp2")]),
    "MPEG-2 in ts": Clip(".ts", "mpeg2video", b_frames=2, sounds=[Sound("ac3", "5.1")]),
    "MPEG-4 in avi": Clip(".avi", "mpeg4", sounds=[Sound("mp2")]),
    "MPEG-4 in avi with B-frames": Clip(".avi", "mpeg4", b_frames=2, sounds=[Sound("pcm_s16le")]),
    "MPEG-4 in mp4": Clip(codec="mpeg4", b_frames=2),
    "MS-MPEG-4 in wmv": Clip(".wmv", "msmpeg4", sounds=[Sound("libmp3lame")]),
    "ProRes": Clip(".mov", "prores_ks", "yuv422p10le", sounds=[Sound("pcm_s16le")]),
    "FFV1, 10 bits": Clip(".mkv", "ffv1", "yuv420p10le"),
    "FFV1, 10 bits, 4:2:2": Clip(".mkv", "ffv1", "yuv422p10le", sounds=[Sound("flac")]),
    "FFV1, RGB": Clip(".mkv", "ffv1", "bgr0"),
    "MJPEG in avi": Clip(".avi", "mjpeg", "yuvj420p", colors=FULL, sounds=[Sound("pcm_s16le")]),
    "MJPEG in mov": Clip(".mov", "mjpeg", "yuvj420p", colors=FULL),
    # shapes and colors
    "turned by 90": Clip(rotate_ccw_deg=90),
    "turned by 90 in mkv": Clip(".mkv", rotate_ccw_deg=90),
    "turned by 180": Clip(".mov", rotate_ccw_deg=180),
    "turned by 270": Clip(rotate_ccw_deg=270, size=(96, 48)),
    "wide pixels": Clip(aspect=F(128, 117)),
    "wide pixels in mkv": Clip(".mkv", aspect=F(4, 3)),
    "wide pixels in ts": Clip(".ts", aspect=F(128, 117)),
    "wide pixels in mpg": Clip(".mpg", "mpeg2video", aspect=F(4, 3)),
    "wide pixels, turned": Clip(".mov", aspect=F(128, 117), rotate_ccw_deg=90),
    "odd sides": Clip(size=(65, 49), pix_fmt="yuv444p"),
    "odd sides in mkv": Clip(".mkv", "ffv1", size=(65, 49)),
    "10 bits": Clip(pix_fmt="yuv420p10le"),
    "10 bits, 4:2:2": Clip(".mkv", pix_fmt="yuv422p10le"),
    "full range": Clip(colors=FULL),
    "BT.601": Clip(colors=BT601),
    "BT.709 in mkv": Clip(".mkv", colors=BT709),
    "BT.709 in webm": Clip(".webm", "libvpx-vp9", colors=BT709),
    "BT.2020 in mov": Clip(".mov", pix_fmt="yuv420p10le", colors=BT2020),
    # what travels along
    "mono": Clip(sounds=[Sound(layout="mono")]),
    "5.1": Clip(sounds=[Sound(layout="5.1")]),
    "5.1 in mkv": Clip(".mkv", sounds=[Sound("ac3", "5.1")]),
    "two languages": Clip(
        sounds=[Sound(language="deu"), Sound(layout="mono", language="fra", start_s=F(1, 10))]
    ),
    "two languages in mkv": Clip(".mkv", sounds=[Sound(language="deu"), Sound("libopus", language="fra")]),
    "two subtitles": Clip(".mkv", subtitles=["deu", "fra"], sounds=[Sound()]),
    "subtitles in mp4": Clip(subtitles=["deu", "fra"], sounds=[Sound()]),
    "chapters and a title": Clip(
        chapters=CHAPTERS, tags={"title": "A film", "artist": "Me"}, sounds=[Sound()]
    ),
    "chapters and a title in mov": Clip(".mov", chapters=CHAPTERS, tags={"title": "A film"}),
    "chapters and tags in mkv": Clip(".mkv", chapters=CHAPTERS, tags={"title": "A film", "mood": "blue"}),
    "an iPhone's tags": Clip(
        ".mov",
        tags={"title": "A film", "com.apple.quicktime.make": "Apple"},
        muxer={"movflags": "use_metadata_tags"},
    ),
    "chapters in webm": Clip(".webm", "libvpx-vp9", chapters=((0, 160, "One"), (240, 480, "Two"))),
    "tags in avi": Clip(".avi", "mpeg4", tags={"title": "A film", "artist": "Me"}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_frame_of_every_source_arrives_and_nothing_is_lost(name: str, tmp_path: Path) -> None:
    clip = SOURCES[name]
    source, found = looked_at(clip, tmp_path)
    shown = [number for number, time in enumerate(clip.times) if time >= 0]
    target, certificate = painted(source, found, 0, found.frames, tmp_path)
    assert certificate.differences == ()
    assert numbers(source_of(target)) == [255 - number for number in shown]
    assert certificate.checks[:2] == (
        f"{found.frames} frame" + "s" * (found.frames > 1),
        f"{found.frames} timestamp" + "s" * (found.frames > 1),
    )
    words = " ".join(certificate.checks)
    assert ("sound stream" in words) == bool(clip.sounds)
    assert ("subtitle stream" in words) == bool(clip.subtitles)
    assert ("chapter" in words) == bool(clip.chapters)
    assert all(tag in words for tag in clip.tags)


@pytest.mark.parametrize("name", [name for name, clip in SOURCES.items() if len(clip.times) >= 6])
def test_a_part_of_every_source_arrives_and_is_true(name: str, tmp_path: Path) -> None:
    clip = SOURCES[name]
    source, found = looked_at(clip, tmp_path)
    shown = [number for number, time in enumerate(clip.times) if time >= 0]
    target, certificate = painted(source, found, 2, found.frames - 1, tmp_path)
    assert certificate.differences == ()
    assert numbers(source_of(target)) == [255 - number for number in shown[2:-1]]


GAPS = ((80, 160, "One"), (240, 400, "Two"))
ELSEWHERE = {
    "everything in mp4": (Clip(sounds=[Sound()], subtitles=["deu"], chapters=CHAPTERS), ".mov .mkv .ts"),
    "everything in mkv": (
        Clip(".mkv", sounds=[Sound()], chapters=GAPS, tags={"title": "A film", "mood": "blue"}),
        ".mp4 .mov .ts .webm",
    ),
    "H.264 in ts": (Clip(".ts", b_frames=2, sounds=[Sound(), Sound("mp2")]), ".mp4 .mov .mkv"),
    "MPEG-2 in mpg": (Clip(".mpg", "mpeg2video", b_frames=2, sounds=[Sound("mp2")]), ".mp4 .ts"),
    "MPEG-4 in avi": (Clip(".avi", "mpeg4", sounds=[Sound("mp2")]), ".mp4 .mov .ts"),
    "PCM in avi": (Clip(".avi", "mjpeg", "yuvj420p", sounds=[Sound("pcm_s16le")]), ".mov .mkv"),
    "H.264 in flv": (Clip(".flv", b_frames=2, sounds=[Sound()]), ".mp4 .ts"),
    "VP9 in webm": (Clip(".webm", "libvpx-vp9", sounds=[Sound("libopus")]), ".mkv .mp4"),
}


@pytest.mark.parametrize(
    ("name", "suffix"), [(name, suffix) for name, (_, into) in ELSEWHERE.items() for suffix in into.split()]
)
def test_a_source_may_go_into_another_container(name: str, suffix: str, tmp_path: Path) -> None:
    source, found = looked_at(ELSEWHERE[name][0], tmp_path)
    for first in (0, 2):
        target, certificate = painted(source, found, first, found.frames, tmp_path, suffix)
        assert certificate.differences == ()
        assert numbers(source_of(target)) == [255 - number for number in range(first, found.frames)]


def test_languages_have_the_names_that_quicktime_knows_and_none_where_it_knows_none(tmp_path: Path) -> None:
    clip = Clip(sounds=[Sound(language="deu"), Sound(language="swe")], subtitles=["fra", "nld"])
    source, found = looked_at(clip, tmp_path)
    target, certificate = painted(source, found, 0, found.frames, tmp_path, ".mov")
    assert certificate.differences == ()
    with av.open(str(target)) as output:
        assert [stream.language for stream in output.streams.audio] == ["ger", None]
        assert [stream.language for stream in output.streams.subtitles] == ["fra", "dut"]


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_seen_as_it_was_made(name: str, tmp_path: Path) -> None:
    clip = SOURCES[name]
    _, found = looked_at(clip, tmp_path)
    made = [time for time in clip.times if time >= 0]
    seen = [pts * found.time_base for pts in found.pts]
    assert all(abs((a - made[0]) - (b - seen[0])) <= F(1, 1000) for a, b in zip(made, seen, strict=True))
    assert found.rotation_deg == -clip.rotate_ccw_deg % 360
    aspect = clip.aspect or F(1)
    assert found.sample_aspect == (1 / aspect if clip.rotate_ccw_deg in (90, 270) else aspect)
    assert (found.width_px, found.height_px) == clip.upright_size
    names = {
        "color_primaries": "primaries",
        "color_trc": "transfer",
        "colorspace": "matrix",
        "color_range": "range",
    }
    assert {key: getattr(found.color, names[key]) for key in clip.colors} == dict(clip.colors)
    assert (found.audio_streams, found.subtitle_streams) == (len(clip.sounds), len(clip.subtitles))
    assert found.notes == ()


def looked_at(clip: Clip, folder: Path) -> tuple[Source, Probe]:
    """A source, written and probed."""
    source = source_of(write_source(folder / f"source{clip.suffix}", clip))
    return source, probe(source, rate=F(25))


def painted(
    source: Source, found: Probe, first: int, stop: int, folder: Path, into: str | None = None
) -> tuple[Path, Certificate]:
    """An output with the colors inverted, and what verification says of it; `into` is its suffix."""
    suffix = source.path.suffix
    target = folder / f"output{into or (suffix if suffix in WRITABLE_SUFFIXES else f'{suffix}.mkv')}"
    size = output_size(found.width_px, found.height_px, None, even=True)

    def paint() -> Iterator[Rgb]:
        for rgb in decode_frames(source, found, first, stop):
            yield np.asarray(255 - fit(rgb, size), dtype=np.uint8)

    encode_video(paint(), target, source, found, first, stop)
    return target, certify(target, source, found, first, stop, size)


def numbers(source: Source) -> list[int]:
    """The number that each frame carries."""
    found = probe(source, rate=F(25))
    return [read_number(rgb) for rgb in decode_frames(source, found, 0, found.frames)]
