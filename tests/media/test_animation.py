"""Animated GIF and WebP: composed frames, durations to the tick, and how often they are played."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video, write_still
from pipeline.media.listing import list_sources
from pipeline.media.probe import Probe, probe
from tests.media.certified import verify_video

from .clips import picture, read_number, source_of, write_clip

RATE = Fraction(25)
DURATIONS_MS = [50, 40, 110, 300, 20, 1000]


def write_animation(
    path: Path, durations_ms: list[int] = DURATIONS_MS, loop: int | None = 0, **save: Any
) -> Path:
    pictures = [Image.fromarray(picture(i)) for i in range(len(durations_ms))]
    options = {**({} if loop is None else {"loop": loop}), **save}
    if path.suffix == ".webp":
        options = {"lossless": True, **options}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations_ms, **options)
    return path


def probed(path: Path) -> Probe:
    return probe(source_of(path, "animation"), rate=RATE)


def decoded(path: Path, first: int = 0, stop: int | None = None) -> list[Any]:
    found = probed(path)
    frames = decode_frames(source_of(path, "animation"), found, first, found.frames if stop is None else stop)
    return list(frames)


def converted(path: Path, target: Path, first: int = 0, stop: int | None = None) -> tuple[Probe, Any, Any]:
    """What an animation was, what became of it, and the notes; must verify."""
    source, was = source_of(path, "animation"), probed(path)
    stop = was.frames if stop is None else stop
    notes = encode_video(decode_frames(source, was, first, stop), target, source, was, first, stop)
    assert verify_video(target, source, was, first, stop, (64, 48)) == []
    kind = "animation" if target.suffix in (".gif", ".webp") else "video"
    return was, probe(source_of(target, kind), rate=RATE), notes


def durations_ms(found: Probe) -> list[Fraction]:
    edges = [*found.pts, found.pts[-1] + found.last_duration]
    return [(b - a) * found.time_base * 1000 for a, b in pairwise(edges)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_is_probed_by_its_frames_and_their_durations(tmp_path: Path, suffix: str) -> None:
    found = probed(write_animation(tmp_path / f"a{suffix}"))
    assert (found.width_px, found.height_px, found.frames, found.plays) == (64, 48, 6, 0)
    assert durations_ms(found) == DURATIONS_MS
    assert found.notes == ("an animation that is played for ever",)


@pytest.mark.parametrize(
    ("suffix", "loop", "plays"),
    [(".gif", None, 1), (".gif", 1, 2), (".gif", 5, 6), (".webp", 1, 1), (".webp", 5, 5), (".webp", 0, 0)],
)
def test_how_often_it_is_played_survives_every_way(
    tmp_path: Path, suffix: str, loop: int | None, plays: int
) -> None:
    path = write_animation(tmp_path / f"a{suffix}", loop=loop)
    assert probed(path).plays == plays
    for target in (tmp_path / "b.gif", tmp_path / "b.webp"):
        assert converted(path, target)[1].plays == plays


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_every_frame_of_an_animation_can_be_reached_by_itself(tmp_path: Path, suffix: str) -> None:
    path = write_animation(tmp_path / f"a{suffix}")
    straight = decoded(path)
    assert [read_number(rgb) for rgb in straight] == [0, 1, 2, 3, 4, 5]
    assert straight[0].flags.c_contiguous and straight[0].dtype == np.uint8
    for index in range(6):
        np.testing.assert_array_equal(decoded(path, index, index + 1)[0], straight[index])


def test_what_is_transparent_shows_white_and_what_was_disposed_of_is_gone(tmp_path: Path) -> None:
    frames = []
    for x in (0, 32):
        frame = Image.new("RGBA", (64, 48))
        frame.paste((200, 30, 30, 255), (x, 0, x + 32, 48))
        frames.append(frame)
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=100, lossless=True)
    for path in (tmp_path / "a.gif", tmp_path / "a.webp"):
        one, other = decoded(path)
        assert one[24, 10].tolist() == other[24, 50].tolist() == [200, 30, 30]
        assert one[24, 50].tolist() == other[24, 10].tolist() == [255, 255, 255]


@pytest.mark.parametrize("before", [".gif", ".webp"])
@pytest.mark.parametrize("after", [".gif", ".webp", ".mp4", ".mkv"])
def test_durations_survive_every_way(tmp_path: Path, before: str, after: str) -> None:
    was, became, notes = converted(write_animation(tmp_path / f"a{before}"), tmp_path / f"b{after}")
    assert [pts * became.time_base for pts in became.pts] == [pts * was.time_base for pts in was.pts]
    if after in (".gif", ".webp"):
        assert durations_ms(became) == durations_ms(was) == DURATIONS_MS
    else:
        assert notes == (f"how often the animation is played is left out: {after[1:]} cannot hold it",)


def test_a_gif_rounds_to_hundredths_without_adding_up(tmp_path: Path) -> None:
    path = write_animation(tmp_path / "a.webp", [33, 33, 34] * 4)
    was, became, _ = converted(path, tmp_path / "b.gif")
    off = [abs(a * was.time_base - b * became.time_base) for a, b in zip(was.pts, became.pts, strict=True)]
    assert max(off) == Fraction(4, 1000)


def test_a_webp_keeps_milliseconds(tmp_path: Path) -> None:
    durations = [7, 33, 1, 1234, 16]
    _, became, _ = converted(write_animation(tmp_path / "a.webp", durations), tmp_path / "b.webp")
    assert durations_ms(became) == durations


def test_a_part_of_an_animation_starts_at_zero(tmp_path: Path) -> None:
    _, became, _ = converted(write_animation(tmp_path / "a.gif"), tmp_path / "b.gif", 2, 5)
    assert durations_ms(became) == [110, 300, 20]


def test_frames_that_are_equal_stay_two(tmp_path: Path) -> None:
    source, was = source_of(tmp_path / "a.gif", "animation"), probed(write_animation(tmp_path / "a.gif"))
    for target in (tmp_path / "b.gif", tmp_path / "b.webp"):
        encode_video([picture(1)] * 6, target, source, was, 0, 6)
        assert verify_video(target, source, was, 0, 6, (64, 48)) == []


def test_a_video_becomes_an_animation_that_is_played_for_ever(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", time_base=Fraction(1, 1000), pts=[500, 540, 640, 700], sound_s=0.5)
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    for target in (tmp_path / "b.gif", tmp_path / "b.webp"):
        notes = encode_video(decode_frames(source, was, 0, 4), target, source, was, 0, 4)
        assert verify_video(target, source, was, 0, 4, (64, 48)) == []
        became = probed(target)
        assert (became.pts, became.plays) == ((0, 40, 140, 200), 0)
        assert [read_number(rgb) for rgb in decoded(target)] == [0, 1, 2, 3]
        assert notes == (f"audio stream 1 (aac, deu) is left out: {target.suffix[1:]} cannot hold it",)


def test_frames_closer_than_a_gif_can_tell_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=6, rate=Fraction(240))
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    with pytest.raises(
        MediaError, match=r"frames 0 and 1 are less than 10 ms apart.*set encoding.container to"
    ):
        encode_video(decode_frames(source, was, 0, 6), tmp_path / "b.gif", source, was, 0, 6)


def test_a_gif_that_browsers_slow_down_is_noted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=6, rate=Fraction(60))
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    notes = encode_video(decode_frames(source, was, 0, 6), tmp_path / "b.gif", source, was, 0, 6)
    assert notes == ("2 frames are shown for less than 20 ms, which browsers show for 100 ms",)


def test_pixels_that_are_not_square_are_noted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=3, aspect=Fraction(128, 117))
    source, was = source_of(path), probe(source_of(path), rate=RATE)
    notes = encode_video(decode_frames(source, was, 0, 3), tmp_path / "b.gif", source, was, 0, 3)
    assert notes == ("the sample aspect 128/117 is left out: gif cannot hold it",)


def test_frames_without_a_duration_are_shown_as_browsers_show_them(tmp_path: Path) -> None:
    found = probed(write_animation(tmp_path / "a.gif", [50, 0, 50]))
    assert durations_ms(found) == [50, 100, 50]
    assert found.notes[1] == "1 frames without a duration are shown for 100 ms, as browsers do"


def test_verification_finds_what_is_wrong_with_an_animation(tmp_path: Path) -> None:
    source, was = source_of(tmp_path / "a.gif", "animation"), probed(write_animation(tmp_path / "a.gif"))

    def differences(name: str, durations: list[int], loop: int = 0) -> list[str]:
        target = write_animation(tmp_path / name, durations, loop)
        return verify_video(target, source, was, 0, 6, (64, 48))

    assert differences("same.webp", DURATIONS_MS) == []
    assert differences("few.webp", DURATIONS_MS[:-1])[0] == "5 frames instead of 6"
    assert differences("late.webp", [50, 41, *DURATIONS_MS[2:]]) == [
        "timestamps differ, first that of frame 2: 0.091 s instead of 0.090"
    ]
    assert differences("short.webp", [*DURATIONS_MS[:-1], 900]) == [
        "the last frame is shown for 900 ms instead of 1000"
    ]
    assert differences("once.webp", DURATIONS_MS, 3) == ["is played 3 times instead of 0 (0: for ever)"]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_that_was_cut_off_does_not_pass_silently(tmp_path: Path, suffix: str) -> None:
    path = write_animation(tmp_path / f"a{suffix}")
    data = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        try:
            notes = probed(path).notes
        except MediaError as error:
            assert str(path) in str(error)
        else:
            assert "the GIF has no end mark; it may be cut off" in notes


def test_a_gif_without_its_end_mark_is_noted(tmp_path: Path) -> None:
    path = write_animation(tmp_path / "a.gif")
    path.write_bytes(path.read_bytes().rstrip(b";"))
    assert probed(path).notes[-1] == "the GIF has no end mark; it may be cut off"


def test_an_animation_that_changed_since_it_was_probed_is_an_error(tmp_path: Path) -> None:
    found = probed(write_animation(tmp_path / "a.gif"))
    write_animation(tmp_path / "a.gif", DURATIONS_MS[:4])
    with pytest.raises(MediaError, match="frame 4 is missing"):
        list(decode_frames(source_of(tmp_path / "a.gif", "animation"), found, 2, 6))


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_what_moves_is_an_animation_and_what_does_not_is_a_still(tmp_path: Path, suffix: str) -> None:
    write_animation(tmp_path / f"moves{suffix}")
    write_still(picture(3), tmp_path / f"stands{suffix}")
    (tmp_path / f"torn{suffix}").write_bytes(b"")
    found = list_sources([tmp_path], folders="auto", exclude=tmp_path / "out").sources
    assert [(one.kind, one.name) for one in found] == [
        ("animation", f"moves{suffix}"),
        ("still", f"stands{suffix}"),
        ("still", f"torn{suffix}"),
    ]


def test_a_still_gif_is_written_in_colors_of_its_own(tmp_path: Path) -> None:
    write_still(picture(3), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        off = np.asarray(image.convert("RGB")).astype(float) - picture(3)
        assert not image.is_animated  # type: ignore[attr-defined]
    blocks = off.reshape(6, 8, 8, 8, 3).mean(axis=(1, 3))
    assert np.abs(blocks).mean() < 1
