"""Verification finds each thing that can go wrong, by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.probe import ColorTags, Probe, probe
from pipeline.media.verify import verify_video

from .clips import cut_file, source_of, write_clip

RATE = Fraction(25)
SIZE = (64, 48)


@pytest.fixture(scope="module")
def found(clip: Path) -> Probe:
    return probe(source_of(clip), rate=RATE)


@pytest.fixture(scope="module")
def copy(clip: Path, found: Probe, folder: Path) -> Path:
    frames = decode_frames(source_of(clip), found, 0, 40)
    encode_video(frames, folder / "copy.mp4", source_of(clip), found, 0, 40)
    return folder / "copy.mp4"


def differences(copy: Path, clip: Path, found: Probe, **changes: Any) -> list[str]:
    size = changes.pop("size", SIZE)
    return verify_video(copy, source_of(clip), replace(found, **changes), 0, changes.pop("stop", 40), size)


def test_a_true_copy_has_no_differences(copy: Path, clip: Path, found: Probe) -> None:
    assert differences(copy, clip, found) == []


def test_a_missing_frame_is_found(copy: Path, clip: Path, found: Probe) -> None:
    pts = (*found.pts, found.pts[-1] + 512)
    assert verify_video(copy, source_of(clip), replace(found, pts=pts), 0, 41, SIZE) == [
        "40 frames instead of 41"
    ]


def test_one_timestamp_that_is_off_by_a_tick_is_found(copy: Path, clip: Path, found: Probe) -> None:
    pts = (*found.pts[:7], found.pts[7] + 1, *found.pts[8:])
    assert differences(copy, clip, found, pts=pts) == [
        "1 timestamps differ, first that of frame 7: 0.280000 s instead of 0.280078"
    ]


def test_another_size_and_another_aspect_are_found(copy: Path, clip: Path, found: Probe) -> None:
    assert differences(copy, clip, found, size=(64, 50)) == ["64x48 px instead of 64x50"]
    aspect = Fraction(128, 117)
    assert differences(copy, clip, found, sample_aspect=aspect) == ["sample aspect 1 instead of 128/117"]


def test_other_color_tags_are_found_where_the_source_had_them(copy: Path, clip: Path, found: Probe) -> None:
    assert differences(copy, clip, found, color=ColorTags(1, 2, 1, 2)) == [
        "color primaries 6 instead of 1",
        "color matrix 6 instead of 1",
        "color range 1 instead of 2",
    ]


def test_a_rotation_tag_is_found(tmp_path: Path, found: Probe) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=40, rotate_ccw_deg=180)
    plain = write_clip(tmp_path / "b.mp4", frames=40)
    assert verify_video(path, source_of(plain), found, 0, 40, SIZE) == [
        "tagged with a rotation by 180°, though it is upright"
    ]


def test_missing_sound_is_found(tmp_path: Path, clip: Path, found: Probe) -> None:
    silent = write_clip(tmp_path / "silent.mp4", frames=40)
    assert differences(silent, clip, found) == ["0 sound streams instead of 1"]


def test_sound_that_ends_early_is_found(tmp_path: Path, clip: Path, found: Probe) -> None:
    remux(clip, tmp_path / "short.mp4", lambda packet: packet if packet.pts < 48_000 else None)
    (difference,) = differences(tmp_path / "short.mp4", clip, found)
    assert re.match("sound stream 1 has fewer packets than its source, after 48 equal ones", difference)


def test_sound_with_other_bytes_is_found(tmp_path: Path, clip: Path, found: Probe) -> None:
    other = write_clip(tmp_path / "other.mp4", frames=40, sound_s=1.6)
    assert differences(other, clip, found) == []
    damage_sound(other, packet=8)
    (difference,) = differences(other, clip, found)
    assert re.match("packet 8 of sound stream 1 at .*: the copy has other bytes", difference)


def damage_sound(path: Path, packet: int) -> None:
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        place = packets[packet].pos
    data = bytearray(path.read_bytes())
    assert place is not None
    data[place + 4] ^= 0xFF
    path.write_bytes(data)


def test_sound_that_came_late_is_found(tmp_path: Path, clip: Path, found: Probe) -> None:
    def delay(packet: Any) -> Any:
        packet.pts, packet.dts = packet.pts + 480, packet.dts + 480
        return packet

    remux(clip, tmp_path / "late.mp4", delay)
    (difference,) = differences(tmp_path / "late.mp4", clip, found)
    assert difference.startswith("packet 0 of sound stream 1")


def remux(path: Path, target: Path, change_sound: Callable[[Any], Any]) -> None:
    """Copies all packets; those of the sound as `change_sound` returns them, or not if that is None."""
    with av.open(str(path)) as origin, av.open(str(target), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in origin.streams}
        for packet in origin.demux():
            if packet.pts is None or (packet.stream.type == "audio" and change_sound(packet) is None):
                continue
            packet.stream = copies[packet.stream.index]
            out.mux(packet)


def test_an_output_that_was_cut_off_is_found(tmp_path: Path, copy: Path, clip: Path, found: Probe) -> None:
    (difference,) = differences(cut_file(copy, tmp_path / "cut.mp4"), clip, found)
    assert difference.startswith("the output cannot be read back: ")
