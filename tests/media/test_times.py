"""Late starts, edit lists and gaps: what the source shows when, its result shows then, in whatever container."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.probe import Probe, probe
from tests.media.certified import verify_video

from .clips import read_number, source_of, write_clip

RATE = Fraction(25)
BEFORE = (".mp4", ".mov", ".mkv", ".ts", ".flv")
AFTER = (".mp4", ".mov", ".mkv", ".ts")


def checked(path: Path, numbers: list[int], times_s: list[Fraction], folder: Path) -> None:
    """A clip is read with these numbers and times, each frame by itself too, and written so everywhere."""
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    frames = list(decode_frames(source, was, 0, was.frames))
    assert [read_number(rgb) for rgb in frames] == numbers
    assert [pts * was.time_base for pts in was.pts] == times_s
    for index in range(was.frames):
        (alone,) = decode_frames(source, was, index, index + 1)
        np.testing.assert_array_equal(alone, frames[index], err_msg=f"frame {index}")
    for suffix in AFTER:
        target = folder / f"out{suffix}"
        encode_video(iter(frames), target, source, was, 0, was.frames)
        assert verify_video(target, source, was, 0, was.frames, (64, 48)) == [], suffix
        became = probe(source_of(target), rate=RATE)
        assert max(map(abs, differences(became, times_s))) <= (Fraction(1, 1000) if suffix == ".mkv" else 0)


def differences(found: Probe, times_s: list[Fraction]) -> list[Fraction]:
    return [pts * found.time_base - time for pts, time in zip(found.pts, times_s, strict=True)]


def seconds(counts: list[int], start: int = 0) -> list[Fraction]:
    return [Fraction(count + start, 25) for count in counts]


@pytest.mark.parametrize("sound_s", [0, 0.8])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_frames_that_an_edit_list_cuts_off_are_not_shown(tmp_path: Path, suffix: str, sound_s: float) -> None:
    path = write_clip(tmp_path / f"a{suffix}", pts=range(-5, 20), sound_s=sound_s)
    checked(path, list(range(5, 25)), seconds(list(range(20))), tmp_path)


@pytest.mark.parametrize("suffix", BEFORE)
def test_a_gap_stays_as_long_as_it_is(tmp_path: Path, suffix: str) -> None:
    counts = [*range(10), *range(300, 310)]
    late = 2 if suffix in (".ts", ".flv") else 0  # those two start when the first B-frame's decoding would
    path = write_clip(tmp_path / f"a{suffix}", pts=counts, sound_s=0.8)
    checked(path, list(range(20)), seconds(counts, late), tmp_path)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_a_late_start_stays_late(tmp_path: Path, suffix: str) -> None:
    path = write_clip(tmp_path / f"a{suffix}", pts=[i + 5000 for i in range(12)])
    checked(path, list(range(12)), seconds(list(range(5000, 5012))), tmp_path)


def with_sound_moved(path: Path, target: Path, move: Callable[[Fraction], Fraction | None]) -> Path:
    """A copy of a clip whose sound packets are at other times, or gone."""
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.pts is None:
                continue
            if packet.stream.type == "audio":
                time = move(packet.pts * packet.time_base)
                if time is None:
                    continue
                packet.pts = packet.dts = round(time / packet.time_base)
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize(
    "move",
    [
        lambda time: time + Fraction(1, 2),
        lambda time: None if Fraction(3, 10) < time < Fraction(1) else time,
    ],
    ids=["late", "gap"],
)
def test_sound_that_starts_late_or_has_a_gap_stays_so(
    tmp_path: Path, clip: Path, suffix: str, move: Callable[[Fraction], Fraction | None]
) -> None:
    path = with_sound_moved(clip, tmp_path / f"a{suffix}", move)
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    for after in AFTER:
        target = tmp_path / f"out{after}"
        encode_video(decode_frames(source, was, 0, 40), target, source, was, 0, 40)
        assert verify_video(target, source, was, 0, 40, (64, 48)) == [], after
