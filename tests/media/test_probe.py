"""What decoding finds in good files, and what it says about bad ones."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.probe import ColorTags, Probe, _last_duration, probe
from pipeline.media.sources import Source

from .clips import SOUND_RATE_HZ, cut_file, picture, source_of, write_clip
from .conftest import real_clip

RATE = Fraction(25)


def probed(path: Path) -> Probe:
    return probe(source_of(path), rate=RATE)


def test_a_clip_has_the_frames_and_times_that_were_written(ntsc: Path) -> None:
    found = probed(ntsc)
    assert found.rate == Fraction(24000, 1001)
    assert [pts * found.time_base for pts in found.pts] == [Fraction(1001, 24000) * i for i in range(24)]
    assert found.last_duration * found.time_base == Fraction(1001, 24000)
    assert (found.width_px, found.height_px, found.sample_aspect, found.notes) == (64, 48, 1, ())


def test_frames_are_counted_by_decoding_not_by_the_header(tmp_path: Path) -> None:
    data = bytearray(write_clip(tmp_path / "a.mkv", frames=10).read_bytes())
    assert probed(tmp_path / "a.mkv").frames == 10
    at = data.index(b"DURATION")
    (tmp_path / "a.mkv").write_bytes(bytes(data[:at] + b"duration" + data[at + 8 :]))
    assert probed(tmp_path / "a.mkv").frames == 10


def test_a_variable_rate_keeps_every_timestamp(tmp_path: Path) -> None:
    pts = [0, 3000, 9000, 9001, 20000, 90000]
    found = probed(write_clip(tmp_path / "vfr.mp4", time_base=Fraction(1, 90000), pts=pts))
    assert (found.pts, found.time_base) == (tuple(pts), Fraction(1, 90000))


@pytest.mark.parametrize(
    ("format_name", "stored", "duration", "expected"),
    [
        ("mov,mp4,m4a", 172800, 190800, 3600),  # MP4 stores the time to the next frame that is decoded
        ("mov,mp4,m4a", 3600, 190800, 3600),
        ("mov,mp4,m4a", 3600, 21600, 3600),  # an end before the last frame is none
        ("mov,mp4,m4a", 3600, None, 3600),
        ("matroska,webm", 172800, 190800, 172800),  # stores how long each frame is shown
    ],
)
def test_the_last_frame_lasts_no_longer_than_its_stream(
    format_name: str, stored: int, duration: int | None, expected: int
) -> None:
    container: Any = SimpleNamespace(format=SimpleNamespace(name=format_name))
    stream: Any = SimpleNamespace(duration=duration, start_time=0)
    tally: Any = SimpleNamespace(pts=[0, 183600, 187200], last_duration=stored)
    assert _last_duration(container, stream, tally) == expected


def test_a_single_frame_is_a_video(tmp_path: Path) -> None:
    found = probed(write_clip(tmp_path / "one.mp4", frames=1))
    assert (found.frames, found.pts) == (1, (0,))


@pytest.mark.parametrize(("ccw_deg", "cw_deg"), [(90, 270), (180, 180), (-90, 90)])
def test_a_rotated_clip_is_measured_upright(tmp_path: Path, ccw_deg: int, cw_deg: int) -> None:
    path = write_clip(tmp_path / "r.mp4", frames=2, rotate_ccw_deg=ccw_deg, aspect=Fraction(128, 117))
    found = probed(path)
    sideways = cw_deg != 180
    assert found.rotation_deg == cw_deg
    assert (found.width_px, found.height_px) == ((48, 64) if sideways else (64, 48))
    assert found.sample_aspect == (Fraction(117, 128) if sideways else Fraction(128, 117))
    assert found.coded_height_px == 48


def test_color_tags_are_those_of_the_stream(tmp_path: Path) -> None:
    tags = {"color_primaries": 9, "color_trc": 14, "colorspace": 9, "color_range": 2}
    assert probed(write_clip(tmp_path / "a.mp4", frames=2, tags=tags)).color == ColorTags(9, 14, 9, 2)
    assert probed(write_clip(tmp_path / "b.mp4", frames=2)).color == ColorTags(2, 2, 2, 0)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG"), (14, None), (2, None)])
def test_high_dynamic_range_is_known_by_its_transfer(tmp_path: Path, transfer: int, name: str | None) -> None:
    tags = {"color_primaries": 9, "color_trc": transfer, "colorspace": 9, "color_range": 1}
    assert probed(write_clip(tmp_path / "a.mp4", frames=2, tags=tags)).hdr == name


def test_sound_is_counted_and_a_probe_survives_json(clip: Path) -> None:
    found = probed(clip)
    assert (found.audio_streams, found.subtitle_streams) == (1, 0)
    assert Probe.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_missing_timestamps_are_taken_from_the_rate_with_a_note(tmp_path: Path) -> None:
    found = probed(write_clip(tmp_path / "b.avi", frames=20))  # AVI with B-frames has decoding order only
    assert (found.pts, found.time_base, found.has_pts) == (tuple(range(20)), Fraction(1, 25), False)
    assert found.notes == ("timestamps missing, taken from the rate 25",)


def test_timestamps_that_do_not_rise_are_an_error_that_names_the_frame(tmp_path: Path) -> None:
    twice = write_clip(tmp_path / "a.ts", frames=20).read_bytes() * 2  # two recordings in one file
    (tmp_path / "a.ts").write_bytes(twice)
    with pytest.raises(
        MediaError, match=r"a\.ts: frame 20 is at 0\.080 s, not later than frame 19 at 0\.840 s"
    ):
        probed(tmp_path / "a.ts")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".flv"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    is_webm = suffix == ".webm"
    path = write_clip(
        tmp_path / f"a{suffix}",
        frames=60,
        codec="libvpx-vp9" if is_webm else "libx264",
        options={"cpu-used": "8", "deadline": "realtime"} if is_webm else {},
        container_options={"movflags": "+faststart"} if suffix == ".mp4" else {},
    )
    cut = cut_file(path, tmp_path / f"cut{suffix}", share)
    with pytest.raises(
        MediaError, match=r"cut(\.mp4|\.mkv|\.webm|\.flv) is cut off|cut\.mov (cannot be opened|has no video)"
    ):
        probed(cut)


def test_a_sound_that_is_longer_than_the_picture_is_no_damage(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        assert probed(write_clip(tmp_path / name, frames=10, sound_s=3)).frames == 10


def test_a_late_start_is_no_damage(tmp_path: Path) -> None:
    pts = [48600 + 3600 * i for i in range(20)]
    for name in ("a.mp4", "a.mkv", "a.ts"):
        found = probed(write_clip(tmp_path / name, time_base=Fraction(1, 90000), pts=pts))
        assert found.frames == 20 and found.pts[0] > 0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_in_the_middle_is_an_error_that_says_where(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", frames=60, size=(160, 120))
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 255, 4000, dtype=np.uint8)
    data[len(data) // 2 : len(data) // 2 + 4000] = noise.tobytes()
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"is damaged (at|after) frame \d+|is cut off"):
        probed(path)


def test_what_is_no_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("this is not a film\n" * 50)
    with pytest.raises(MediaError, match=r"x\.mp4 cannot be opened as a video"):
        probed(tmp_path / "x.mp4")
    with pytest.raises(MediaError, match="cannot be opened"):
        probed(tmp_path / "missing.mp4")


def test_sound_alone_is_an_error(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        sound = out.add_stream("aac", rate=SOUND_RATE_HZ)
        sound.layout = "mono"  # type: ignore[attr-defined]
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = SOUND_RATE_HZ
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    with pytest.raises(MediaError, match="no video stream, only audio"):
        probed(tmp_path / "song.mp4")


def test_a_sequence_counts_its_pictures_at_the_given_rate(tmp_path: Path) -> None:
    found = probe(sequence(tmp_path, [(64, 48)] * 3), rate=Fraction(24000, 1001))
    assert (found.pts, found.time_base, found.rate) == (
        (0, 1, 2),
        Fraction(1001, 24000),
        Fraction(24000, 1001),
    )


def test_a_sequence_of_different_sizes_is_an_error_that_names_the_first(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"f1\.png is 66x48 px"):
        probe(sequence(tmp_path, [(64, 48), (66, 48), (68, 48)]), rate=RATE)


def sequence(folder: Path, sizes: list[tuple[int, int]]) -> Source:
    files = tuple(folder / f"f{i}.png" for i in range(len(sizes)))
    for i, path in enumerate(files):
        Image.fromarray(picture(i, *sizes[i])).save(path)
    return Source("sequence", folder, "f.mp4", files, None)


@pytest.mark.parametrize(
    ("orientation", "turn_deg", "size"), [(1, 0, (64, 48)), (6, 90, (48, 64)), (8, 270, (48, 64))]
)
def test_a_photo_is_measured_upright(
    tmp_path: Path, orientation: int, turn_deg: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(picture(0)).save(tmp_path / "a.jpg", exif=exif)
    found = probe(source_of(tmp_path / "a.jpg", "still"), rate=RATE)
    assert (found.width_px, found.height_px, found.rotation_deg) == (*size, turn_deg)
    assert (found.frames, found.pts, found.time_base) == (1, (0,), 1)


@pytest.mark.parametrize(
    ("name", "frames", "size", "aspect", "sounds"),
    [
        ("carphone_pristine.mp4", 120, (176, 144), Fraction(128, 117), 0),
        ("bigbuckbunny.mp4", 132, (1280, 720), Fraction(1), 1),
        ("bikes.mp4", 250, (640, 272), Fraction(1), 0),
    ],
)
def test_real_clips_are_what_they_are_known_to_be(
    name: str, frames: int, size: tuple[int, int], aspect: Fraction, sounds: int
) -> None:
    found = probed(real_clip(name))
    assert (found.frames, found.width_px, found.height_px) == (frames, *size)
    assert (found.sample_aspect, found.audio_streams) == (aspect, sounds)
