"""Verification finds each thing that can go wrong, by itself, and says it in a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.packets import Mark, Pair
from pipeline.media.probe import ColorTags, Probe, probe
from pipeline.media.sources import Source
from pipeline.media.verify import Certificate, certify
from tests.media.certified import verify_video

from .clips import cut_file, picture, source_of, write_clip
from .doctored import flip_byte, lengthening, losing, remux, shifting
from .sources import Clip, Sound, write_source

RATE = Fraction(25)
SIZE = (64, 48)
TAGS = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}
CHAPTERS = ((0, 200, "One"), (200, 480, "Two"))
EVERYTHING = Clip(
    aspect=Fraction(128, 117),
    colors=TAGS,
    sounds=(Sound(language="deu"), Sound(language="fra", layout="mono", start_s=Fraction(1, 10))),
    subtitles=("deu", "fra"),
    chapters=CHAPTERS,
    tags={"title": "A film", "artist": "Me"},
)


@dataclass(frozen=True)
class Job:
    """A source with everything in it, what it is, and a true output of it."""

    source: Source
    found: Probe
    output: Path

    def certify(self, output: Path, **changes: Any) -> Certificate:
        return certify(output, self.source, replace(self.found, **changes), 0, 12, SIZE)

    def differences(self, output: Path) -> list[str]:
        return list(self.certify(output).differences)

    def encode(self, target: Path, size: tuple[int, int] = SIZE, **changes: Any) -> Path:
        """An output that is true to a probe with other values in it."""
        frames = (picture(index, *size) for index in range(12))
        encode_video(frames, target, self.source, replace(self.found, **changes), 0, 12)
        return target


@pytest.fixture(scope="module", params=[".mp4", ".mkv"])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder, suffix = tmp_path_factory.mktemp("job"), request.param
    source = source_of(write_source(folder / f"clip{suffix}", replace(EVERYTHING, suffix=suffix)))
    made = Job(source, probe(source, rate=RATE), folder / f"output{suffix}")
    made.encode(made.output)
    return made


@pytest.fixture
def doctored(job: Job, tmp_path: Path) -> Path:
    return tmp_path / f"doctored{job.output.suffix}"


def test_a_true_output_is_certified_with_what_was_looked_at(job: Job) -> None:
    certificate = job.certify(job.output)
    assert certificate.differences == ()
    assert certificate.frames == 12
    assert certificate.checks[:5] == (
        "12 frames",
        "12 timestamps",
        "64x48",
        "sample aspect 128:117",
        "colors",
    )
    assert certificate.checks[5].startswith("2 sound streams of 48 packets and 48 packets")
    assert certificate.checks[6:8] == ("2 subtitle streams of 2 packets and 2 packets", "2 chapters")
    assert certificate.checks[8] == "artist, title"


def test_a_faithful_copy_of_an_output_is_as_true(job: Job, doctored: Path) -> None:
    assert job.differences(remux(job.output, doctored)) == []


def test_a_lost_frame_is_found(job: Job, doctored: Path) -> None:
    lost = job.differences(remux(job.output, doctored, losing("video", 11)))  # the last one that is decoded
    assert lost[0] == "11 frames instead of 12"


def test_one_timestamp_that_is_off_is_found(job: Job, doctored: Path) -> None:
    ticks = 1 if job.output.suffix == ".mp4" else 2
    (difference,) = job.differences(remux(job.output, doctored, shifting("video", ticks, number=11)))
    assert difference.startswith("1 timestamps differ, first that of frame ")


def test_a_lost_packet_of_sound_is_found(job: Job, doctored: Path) -> None:
    (difference,) = job.differences(remux(job.output, doctored, losing("audio", 20)))
    assert "of sound stream 1 at" in difference
    assert "the copy has other bytes; " in difference
    assert difference.endswith(" packets instead of 48")


def test_sound_that_ends_early_is_found(job: Job, doctored: Path) -> None:
    def change(packet: Any) -> Any:
        return None if packet.stream.index == 1 and packet.pts * packet.time_base > Fraction(1, 2) else packet

    (difference,) = job.differences(remux(job.output, doctored, change))
    assert difference.startswith("sound stream 1 has fewer packets than its source, after 2")


def test_sound_that_goes_on_longer_than_its_source_is_found(job: Job, tmp_path: Path) -> None:
    def change(packet: Any) -> Any:
        return None if packet.stream.index == 1 and packet.pts * packet.time_base > Fraction(1, 2) else packet

    shorter = remux(job.source.path, tmp_path / job.source.name, change)
    (difference,) = certify(job.output, source_of(shorter), job.found, 0, 12, SIZE).differences
    assert difference.startswith("sound stream 1 has more packets than its source, after 2")


def test_a_byte_of_sound_that_flipped_is_found(job: Job, doctored: Path) -> None:
    (difference,) = job.differences(flip_byte(job.output, doctored, "audio", 8))
    assert difference.startswith("packet 8 of sound stream 1 at 0.1")
    assert difference.endswith(" s: the copy has other bytes")


def test_sound_that_came_late_is_found(job: Job, doctored: Path) -> None:
    ticks = 480 if job.output.suffix == ".mp4" else 10
    first, second = job.differences(remux(job.output, doctored, shifting("audio", ticks)))
    assert first.startswith("packet 0 of sound stream 1 at -0.02")
    assert "the copy is at -0.01" in first
    assert second.startswith("packet 0 of sound stream 2 ")


def test_sound_in_another_language_is_found(job: Job, doctored: Path) -> None:
    assert job.differences(remux(job.output, doctored, language="fra")) == [
        "sound stream 1 is in deu, its copy in fra"
    ]


def test_a_lost_stream_of_sound_is_found(job: Job, doctored: Path) -> None:
    assert job.differences(remux(job.output, doctored, without=[2])) == ["1 sound stream instead of 2"]


def test_a_lost_stream_of_subtitles_is_found(job: Job, doctored: Path) -> None:
    assert job.differences(remux(job.output, doctored, without=[4])) == ["1 subtitle stream instead of 2"]


def test_a_line_of_subtitles_that_changed_is_found(job: Job, doctored: Path) -> None:
    (difference,) = job.differences(flip_byte(job.output, doctored, "subtitle", 0))
    assert difference == "packet 0 of subtitle stream 3 at 0.0800 s: the copy has other bytes"


def test_lines_of_subtitles_that_stay_too_long_are_found(job: Job, doctored: Path) -> None:
    if job.output.suffix == ".mp4":
        pytest.skip("there the next line ends the one before")
    first, _ = job.differences(remux(job.output, doctored, lengthening("subtitle", 20)))
    assert first.endswith("of subtitle stream 3 at 0.0800 s: the copy lasts 0.1400 s instead of 0.1200")


def test_a_lost_chapter_is_found(job: Job, doctored: Path) -> None:
    differences = job.differences(remux(job.output, doctored, chapters=lambda chapters: chapters[:1]))
    assert differences == ["1 chapter instead of 2"]


def test_a_chapter_with_another_title_is_found(job: Job, doctored: Path) -> None:
    def retitle(chapters: list[Any]) -> list[Any]:
        return [chapters[0], {**chapters[1], "metadata": {"title": "Three"}}]

    assert job.differences(remux(job.output, doctored, chapters=retitle)) == [
        "chapter 2 is called 'Three' instead of 'Two'"
    ]


def test_a_chapter_at_another_time_is_found(job: Job, doctored: Path) -> None:
    def move(chapters: list[Any]) -> list[Any]:
        later = chapters[1]["start"] + round(Fraction(1, 25) / chapters[1]["time_base"])
        return [{**chapters[0], "end": later}, {**chapters[1], "start": later}]

    assert job.differences(remux(job.output, doctored, chapters=move)) == [
        "chapter 1 is from 0.000 to 0.240 s instead of from 0.000 to 0.200 s",
        "chapter 2 is from 0.240 to 0.480 s instead of from 0.200 to 0.480 s",
    ]


def test_a_lost_title_and_another_artist_are_found(job: Job, doctored: Path) -> None:
    def change(tags: dict[str, str]) -> dict[str, str]:
        return {key: "You" for key in tags if key.lower() == "artist"}

    assert sorted(job.differences(remux(job.output, doctored, tags=change))) == [
        "artist is 'You' instead of 'Me'",
        "title 'A film' is lost",
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".ts"])
def test_odd_tags_and_languages_are_asked_for_as_the_format_holds_them(tmp_path: Path, suffix: str) -> None:
    tags = {"title": "A film", "Odd key-eng": "x\n", "creation_time": "long ago", "empty": "", "weird=k": "z"}
    sounds = [Sound("libopus", language="en-US"), Sound("libopus", language="swe")]
    source = source_of(write_source(tmp_path / "a.mkv", Clip(".mkv", tags=tags, sounds=sounds)))
    found = probe(source, rate=RATE)
    encode_video((picture(i) for i in range(12)), tmp_path / f"b{suffix}", source, found, 0, 12)
    assert verify_video(tmp_path / f"b{suffix}", source, found, 0, 12, SIZE) == []


def test_another_size_is_found(job: Job, doctored: Path) -> None:
    assert job.differences(job.encode(doctored, (64, 50))) == ["64x50 px instead of 64x48"]


def test_another_sample_aspect_is_found(job: Job, doctored: Path) -> None:
    assert job.differences(job.encode(doctored, sample_aspect=Fraction(1))) == [
        "sample aspect 1 instead of 128/117"
    ]


def test_a_rotation_tag_is_found(job: Job, doctored: Path) -> None:
    assert job.differences(remux(job.output, doctored, rotate_deg=180)) == [
        "tagged with a rotation by 180°, though it is upright"
    ]


@pytest.mark.parametrize(("name", "value"), [("primaries", 9), ("transfer", 14), ("matrix", 9), ("range", 2)])
def test_each_color_tag_that_is_another_is_found(job: Job, doctored: Path, name: str, value: int) -> None:
    wrong = replace(job.found.color, **{name: value})
    assert job.differences(job.encode(doctored, color=wrong)) == [f"color {name} {value} instead of 1"]


def test_both_names_of_the_matrix_of_601_are_one(tmp_path: Path) -> None:
    source = source_of(write_clip(tmp_path / "a.mp4", frames=3, tags={"colorspace": 5}))
    found = probe(source, rate=RATE)
    other = replace(found, color=replace(found.color, matrix=6))
    encode_video(decode_frames(source, found, 0, 3), tmp_path / "b.mp4", source, other, 0, 3)
    assert verify_video(tmp_path / "b.mp4", source, found, 0, 3, SIZE) == []


def test_tags_that_the_source_had_not_are_not_asked_for(tmp_path: Path) -> None:
    source = source_of(write_clip(tmp_path / "a.mp4", frames=3))
    found = probe(source, rate=RATE)
    tagged = replace(found, color=ColorTags(1, 1, 1, 1))
    encode_video(decode_frames(source, found, 0, 3), tmp_path / "b.mp4", source, tagged, 0, 3)
    assert verify_video(tmp_path / "b.mp4", source, found, 0, 3, SIZE) == []


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 0.98])
def test_an_output_that_was_cut_off_anywhere_is_found(job: Job, doctored: Path, share: float) -> None:
    differences = job.differences(cut_file(job.output, doctored, share))
    assert re.match(
        r"the output cannot be read back: |\d+ frames instead of 12|.* \d+ packets instead of 48$|.* fewer packets",
        differences[0],
    )


def test_an_output_that_is_missing_is_found(job: Job, doctored: Path) -> None:
    (difference,) = job.differences(doctored)
    assert difference.startswith("the output cannot be read back: ")


def test_a_lost_attachment_is_found(tmp_path: Path) -> None:
    plain = write_source(tmp_path / "plain.mkv", Clip(".mkv"))
    with_font = tmp_path / "font.mkv"
    attach(plain, with_font, b"12345")
    source = source_of(with_font)
    found = probe(source, rate=RATE)
    for data, expected in ((b"12345", []), (b"54321", ["1 attachment, which are not those of the source"])):
        attach(plain, tmp_path / "output.mkv", data)
        differences = verify_video(tmp_path / "output.mkv", source, found, 0, 12, SIZE)
        assert [difference[:47].rstrip(" (") for difference in differences] == expected
    assert verify_video(plain, source, found, 0, 12, SIZE)[0].startswith("0 attachments")


def attach(path: Path, target: Path, data: bytes) -> None:
    with av.open(str(path)) as origin, av.open(str(target), "w") as out:
        copy = out.add_stream_from_template(origin.streams[0])
        out.add_attachment("letters.ttf", "font/ttf", data)
        for packet in origin.demux(video=0):
            if packet.pts is not None:
                packet.stream = copy
                out.mux(packet)


def test_a_block_of_pcm_that_changed_is_found(tmp_path: Path) -> None:
    noise = Sound("pcm_s16le", length_s=Fraction(1, 2))
    source = source_of(write_source(tmp_path / "a.mov", Clip(".mov", sounds=[noise])))
    found = probe(source, rate=RATE)
    encode_video((picture(i) for i in range(12)), tmp_path / "b.mov", source, found, 0, 12)
    certificate = certify(tmp_path / "b.mov", source, found, 0, 12, SIZE)
    assert certificate.differences == ()
    assert "1 sound stream of 8 blocks" in certificate.checks
    flip_byte(tmp_path / "b.mov", tmp_path / "c.mov", "audio", 7)
    (difference,) = verify_video(tmp_path / "c.mov", source, found, 0, 12, SIZE)
    assert difference.startswith("block 2 of sound stream 1 at 0.128")


def test_little_waits_for_its_partner_however_long_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = [0]
    take: Callable[[Pair, int, Mark], None] = Pair.take

    def watched(pair: Pair, side: int, mark: Mark) -> None:
        take(pair, side, mark)
        longest[0] = max(longest[0], *(len(marks) for marks in pair._waiting))

    sounds = [Sound(length_s=Fraction(20)), Sound("libopus", length_s=Fraction(20))]
    source = source_of(write_source(tmp_path / "a.mkv", Clip(".mkv", frames=500, sounds=sounds)))
    found = probe(source, rate=RATE)
    encode_video((picture(0) for _ in range(500)), tmp_path / "b.mkv", source, found, 0, 500)
    monkeypatch.setattr(Pair, "take", watched)
    assert verify_video(tmp_path / "b.mkv", source, found, 0, 500, SIZE) == []
    assert 1 <= longest[0] < 20
