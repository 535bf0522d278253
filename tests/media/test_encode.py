"""A written file has the times, the shape, the colors and the sound of its source."""

from __future__ import annotations

import errno
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MediaError, SpaceError
from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video, write_still
from pipeline.media.geometry import fit, output_size
from pipeline.media.probe import Probe, probe
from pipeline.media.sources import Source
from tests.farms import painted as texture
from tests.media.certified import verify_video

from .clips import picture, read_number, source_of, write_clip
from .conftest import real_clip

RATE = Fraction(25)


def through(
    path: Path, target: Path, first: int = 0, stop: int | None = None, size_px: int | None = None
) -> tuple[Probe, Probe, tuple[str, ...]]:
    """Decodes and encodes a clip; returns what it was, what became of it, and the notes. Must verify."""
    source = source_of(path)
    was = probe(source, rate=RATE)
    stop = was.frames if stop is None else stop
    size = output_size(was.width_px, was.height_px, size_px, even=True)
    frames = (fit(rgb, size) for rgb in decode_frames(source, was, first, stop))
    notes = encode_video(frames, target, source, was, first, stop)
    assert verify_video(target, source, was, first, stop, size) == []
    return was, probe(source_of(target), rate=RATE), notes


def times(found: Probe) -> list[Fraction]:
    return [pts * found.time_base for pts in found.pts]


def packets(path: Path, kind: str = "audio") -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        chosen = [stream for stream in container.streams if stream.type == kind]
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(chosen) if p.pts is not None]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".ts", ".mkv"])
@pytest.mark.parametrize(
    "pts",
    [
        [3600 * i for i in range(20)],
        [0, 3000, 9000, 9090, 20070, 90000, 90900],
        [12345 + 3003 * i for i in range(20)],
    ],
    ids=["constant", "variable", "late start"],
)
def test_timestamps_are_those_of_the_source(tmp_path: Path, suffix: str, pts: list[int]) -> None:
    path = write_clip(tmp_path / f"a{suffix}", time_base=Fraction(1, 90000), pts=pts)
    was, became, _ = through(path, tmp_path / f"b{suffix}")
    assert times(became) == times(was)


def test_timestamps_of_film_rate_are_exact(tmp_path: Path, ntsc: Path) -> None:
    was, became, _ = through(ntsc, tmp_path / "b.mp4")
    assert times(became) == times(was) == [Fraction(1001, 24000) * i for i in range(24)]
    assert became.rate == Fraction(24000, 1001)
    assert became.last_duration * became.time_base == Fraction(1001, 24000)


def test_a_transport_stream_that_starts_at_zero_does_so_again(tmp_path: Path) -> None:
    options = {"avoid_negative_ts": "disabled"}
    path = write_clip(tmp_path / "a.ts", frames=10, sound_s=0.4, container_options=options)
    was, became, _ = through(path, tmp_path / "b.ts")
    assert times(became) == times(was) and was.pts[0] == 0


def test_a_container_that_cannot_be_written_becomes_matroska_within_a_millisecond(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.avi", frames=20, rate=Fraction(24000, 1001))
    was, became, _ = through(path, tmp_path / "a.avi.mkv")
    assert max(abs(a - b) for a, b in zip(times(was), times(became), strict=True)) <= Fraction(1, 2000)


def test_a_webm_stays_vp9_with_its_sound(tmp_path: Path) -> None:
    quick = {"cpu-used": "8", "deadline": "realtime"}
    path = write_clip(tmp_path / "a.webm", frames=20, codec="libvpx-vp9", options=quick, sound_s=0.8)
    was, became, notes = through(path, tmp_path / "b.webm")
    assert times(became) == times(was) and notes == ()
    assert packets(tmp_path / "b.webm") == packets(path)


def test_every_frame_arrives_in_its_place(tmp_path: Path, clip: Path) -> None:
    _, became, _ = through(clip, tmp_path / "b.mp4")
    frames = list(decode_frames(source_of(tmp_path / "b.mp4"), became, 0, 40))
    assert [read_number(rgb) for rgb in frames] == list(range(40))
    assert np.abs(frames[20].astype(int) - picture(20)).mean() < 5


def test_sound_is_copied_byte_for_byte_with_its_priming_and_language(tmp_path: Path, clip: Path) -> None:
    through(clip, tmp_path / "b.mp4")
    assert packets(tmp_path / "b.mp4") == packets(clip)
    assert packets(clip)[0][0] < 0
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].language == "deu"


def test_sound_written_after_all_of_the_picture_is_copied_too(tmp_path: Path) -> None:
    for order in (True, False):
        path = write_clip(tmp_path / f"{order}.ts", frames=30, sound_s=1.2, sound_first=order)
        through(path, tmp_path / "b.ts")


def test_a_part_starts_where_the_source_starts_and_takes_its_sound_along(tmp_path: Path, clip: Path) -> None:
    was, became, _ = through(clip, tmp_path / "b.mp4", 13, 31)
    assert times(became) == times(was)[:18]
    frames = decode_frames(source_of(tmp_path / "b.mp4"), became, 0, 18)
    assert [read_number(rgb) for rgb in frames] == list(range(13, 31))
    start, end = times(was)[13], times(was)[31]
    inside = [(time - start, data) for time, data in packets(clip) if start <= time < end]
    copied = packets(tmp_path / "b.mp4")
    assert [data for _, data in copied] == [data for _, data in inside]
    assert max(abs(a[0] - b[0]) for a, b in zip(copied, inside, strict=True)) <= Fraction(1, 48000)


def test_pcm_sound_is_the_same_though_muxers_regroup_it(tmp_path: Path) -> None:
    path = write_with(tmp_path / "a.mov", sound="pcm_s16le")
    through(path, tmp_path / "b.mov", 7, 29)


def write_with(path: Path, *, sound: str | None = None, subtitles: Path | None = None) -> Path:
    """A clip of 40 frames with PCM sound, or with subtitles, an attachment, a title and two chapters."""
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        track: Any = out.add_stream(sound, rate=48000) if sound else None
        if track is not None:
            track.layout = "stereo"
        if subtitles is not None:
            add_extras(out, subtitles)
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(video.encode(frame))
            if track is not None:
                noise = np.random.default_rng(index).integers(-9000, 9000, (1, 3840), dtype=np.int16)
                samples = av.AudioFrame.from_ndarray(noise, format="s16", layout="stereo")
                samples.sample_rate, samples.pts = 48000, index * 1920
                out.mux(track.encode(samples))
        out.mux(video.encode(None))
    return path


def add_extras(out: Any, subtitles: Path) -> None:
    with av.open(str(subtitles)) as text:
        track = out.add_stream_from_template(text.streams[0])
        track.metadata["language"] = "fra"
        out.metadata["title"] = "My film"
        out.add_attachment("letters.ttf", "font/ttf", b"12345")
        middle = {"time_base": Fraction(1, 1000), "metadata": {"title": "B"}}
        out.set_chapters(
            [
                {"id": 1, "start": 0, "end": 800, "time_base": Fraction(1, 1000), "metadata": {"title": "A"}},
                {"id": 2, "start": 800, "end": 1600, **middle},
            ]
        )
        for packet in list(text.demux()):
            if packet.size:
                packet.stream = track
                out.mux(packet)


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    text = "1\n00:00:00,200 --> 00:00:00,700\nHello\n\n2\n00:00:00,900 --> 00:00:01,400\nWorld\n"
    (tmp_path / "s.srt").write_text(text)
    return write_with(tmp_path / "rich.mkv", subtitles=tmp_path / "s.srt")


def test_subtitles_attachments_chapters_and_title_are_copied(tmp_path: Path, rich: Path) -> None:
    _, _, notes = through(rich, tmp_path / "b.mkv")
    assert notes == ()
    assert packets(tmp_path / "b.mkv", "subtitle") == packets(rich, "subtitle")
    with av.open(str(rich)) as was, av.open(str(tmp_path / "b.mkv")) as became:
        assert became.streams.subtitles[0].language == "fra"
        assert became.streams.attachments[0].data == b"12345"
        assert became.metadata["title"] == "My film"
        assert became.chapters() == was.chapters() and len(was.chapters()) == 2


def test_chapters_and_subtitles_of_a_part_are_cut_and_shifted(tmp_path: Path, rich: Path) -> None:
    through(rich, tmp_path / "b.mkv", 10, 30)
    with av.open(str(tmp_path / "b.mkv")) as became:
        spans = [
            (c["metadata"]["title"], c["start"] * c["time_base"], c["end"] * c["time_base"])
            for c in became.chapters()
            if c["time_base"]
        ]
    assert spans == [("A", 0, Fraction(2, 5)), ("B", Fraction(2, 5), Fraction(4, 5))]
    assert packets(tmp_path / "b.mkv", "subtitle") == [(Fraction(1, 2), b"World")]


def test_what_a_container_cannot_hold_is_left_out_and_said(tmp_path: Path, rich: Path) -> None:
    _, _, notes = through(rich, tmp_path / "b.mp4")
    assert notes == (
        "subtitle stream 1 (srt, fra) is left out: mp4 cannot hold it",
        "attachment stream 2 (letters.ttf) is left out: mp4 cannot hold it",
    )


def test_pixels_that_are_not_square_stay_so(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        path = write_clip(tmp_path / f"a{suffix}", frames=3, aspect=Fraction(128, 117))
        _, became, _ = through(path, tmp_path / f"b{suffix}", size_px=48)
        assert became.sample_aspect == Fraction(128, 117)


def test_a_rotated_clip_is_written_upright(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=3, rotate_ccw_deg=90, aspect=Fraction(128, 117))
    _, became, _ = through(path, tmp_path / "b.mp4")
    assert (became.rotation_deg, became.width_px, became.height_px) == (0, 48, 64)
    assert became.sample_aspect == Fraction(117, 128)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, (6, 6, 6, 1)),
        ({"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}, (1, 1, 1, 1)),
        ({"color_primaries": 9, "color_trc": 14, "colorspace": 9, "color_range": 2}, (9, 14, 9, 2)),
        ({"colorspace": 1, "color_range": 2}, (1, 1, 1, 2)),
    ],
)
def test_color_tags_and_colors_are_those_of_the_source(
    tmp_path: Path, tags: dict[str, int], expected: tuple[int, ...]
) -> None:
    flat = [np.full((48, 64, 3), color, np.uint8) for color in ((220, 30, 30), (30, 200, 60), (40, 50, 230))]
    path = write_clip(tmp_path / "a.mp4", pts=range(3), rgb=flat, tags=tags, options={"qp": "0"})
    _, became, _ = through(path, tmp_path / "b.mp4")
    assert tuple(vars(became.color).values()) == expected
    for rgb, color in zip(decode_frames(source_of(tmp_path / "b.mp4"), became, 0, 3), flat, strict=True):
        assert np.abs(rgb.astype(int) - color).max() <= 5


def test_a_sequence_becomes_a_video_at_its_rate(tmp_path: Path) -> None:
    files = tuple(tmp_path / f"f{i}.png" for i in range(5))
    for index, path in enumerate(files):
        write_still(picture(index), path)
    source = Source("sequence", tmp_path, "f.mp4", files, None)
    was = probe(source, rate=Fraction(24000, 1001))
    encode_video(decode_frames(source, was, 0, 5), tmp_path / "f.mp4", source, was, 0, 5)
    assert verify_video(tmp_path / "f.mp4", source, was, 0, 5, (64, 48)) == []
    assert probe(source_of(tmp_path / "f.mp4"), rate=RATE).rate == Fraction(24000, 1001)


@pytest.mark.parametrize("count", [0, 39, 41])
def test_a_wrong_number_of_frames_is_an_error_that_leaves_no_file(
    tmp_path: Path, clip: Path, count: int
) -> None:
    found = probe(source_of(clip), rate=RATE)
    frames = (picture(i) for i in range(count))
    with pytest.raises(MediaError, match="to encode"):
        encode_video(frames, tmp_path / "b.mp4", source_of(clip), found, 0, 40)
    assert not (tmp_path / "b.mp4").exists()


def test_odd_sides_are_an_error(tmp_path: Path, clip: Path) -> None:
    found = probe(source_of(clip), rate=RATE)
    with pytest.raises(MediaError, match="65x48 px"):
        encode_video([picture(0, 65, 48)] * 40, tmp_path / "b.mp4", source_of(clip), found, 0, 40)


def test_an_error_of_the_frames_passes_unchanged_and_leaves_no_file(tmp_path: Path, clip: Path) -> None:
    def failing() -> Iterator[Any]:
        yield from (picture(i) for i in range(30))
        raise OSError(errno.ENOSPC, "somewhere else")

    found = probe(source_of(clip), rate=RATE)
    with pytest.raises(OSError, match="somewhere else"):
        encode_video(failing(), tmp_path / "b.mp4", source_of(clip), found, 0, 40)
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (errno.ENOSPC, SpaceError, "no room to write"),
        (errno.EROFS, SpaceError, "no permission to write"),
        (errno.EACCES, SpaceError, "no permission to write"),
        (errno.EINVAL, MediaError, "cannot be written"),
    ],
)
def test_errors_of_writing_say_what_to_do(
    tmp_path: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: type[Exception],
    message: str,
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(code, "refused")

    found = probe(source_of(clip), rate=RATE)
    frames = list(decode_frames(source_of(clip), found, 0, 40))
    monkeypatch.setattr("pipeline.media.encode._add_video", refuse)
    with pytest.raises(kind, match=message):
        encode_video(frames, tmp_path / "b.mp4", source_of(clip), found, 0, 40)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.png"])
def test_a_full_disk_is_an_error_of_space(tmp_path: Path, clip: Path, name: str) -> None:
    found = probe(source_of(clip), rate=RATE)
    target = tmp_path / name
    target.symlink_to("/dev/full")
    with pytest.raises(SpaceError, match="no room to write"):
        if target.suffix == ".png":
            write_still(picture(0), target)
        else:
            encode_video((picture(i) for i in range(40)), target, source_of(clip), found, 0, 40)


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    files = (tmp_path / "x.png",)
    peaks = []
    for count in (100, 300):
        source = Source("sequence", tmp_path, "f.mp4", files * count, None)
        found = Probe(**{**vars(probe_of(tmp_path)), "pts": tuple(range(count))})
        tracemalloc.start()
        frames = (picture(i % 200) for i in range(count))
        encode_video(frames, tmp_path / "f.mp4", source, found, 0, count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000


def probe_of(folder: Path) -> Probe:
    write_still(picture(0), folder / "x.png")
    return probe(source_of(folder / "x.png", "still"), rate=RATE)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "a.bmp"])
def test_lossless_stills_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    write_still(picture(7, 65, 49), tmp_path / name)
    with Image.open(tmp_path / name) as image:
        np.testing.assert_array_equal(np.asarray(image), picture(7, 65, 49))


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.webp"])
def test_lossy_stills_keep_their_colors(tmp_path: Path, name: str) -> None:
    flat = np.full((48, 64, 3), (220, 30, 60), np.uint8)
    write_still(flat, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - flat).max() <= 4


def test_jpeg_is_written_without_chroma_subsampling(tmp_path: Path) -> None:
    write_still(picture(7), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


def test_a_still_of_no_known_format_or_in_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be written"):
        write_still(picture(0), tmp_path / "a.xyz")
    with pytest.raises(MediaError, match="cannot be written"):
        write_still(picture(0), tmp_path / "none" / "a.png")


@pytest.mark.parametrize(("name", "size_px"), [("carphone_pristine.mp4", None), ("bigbuckbunny.mp4", 160)])
def test_real_clips_go_through(tmp_path: Path, name: str, size_px: int | None) -> None:
    was, became, notes = through(real_clip(name), tmp_path / name, 20, 70, size_px)
    assert (became.sample_aspect, became.audio_streams, notes) == (was.sample_aspect, was.audio_streams, ())


def test_the_same_frames_give_the_same_bytes_also_of_small_videos(tmp_path: Path) -> None:
    source = source_of(write_clip(tmp_path / "clip.mp4", frames=9))
    was, found = probe(source, rate=RATE), set[bytes]()
    textures = [texture(index, 96, 72) for index in range(9)]
    for _ in range(16):
        encode_video(iter(textures), tmp_path / "out.mp4", source, was, 0, 9)
        found.add((tmp_path / "out.mp4").read_bytes())
    assert len(found) == 1
