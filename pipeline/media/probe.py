"""What a source is, found by decoding it: size, timestamps, color tags, and what else a person should know.

Counts and times in headers are promises; only decoded frames count. Videos are decoded in full but not
converted to RGB. Of pictures only the headers are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from pydantic import TypeAdapter

from pipeline.errors import MediaError
from pipeline.media.animation import read_timing
from pipeline.media.color import FULL, HLG, PQ, ColorTags, resolve_tags
from pipeline.media.container import is_picture, open_media, video_stream
from pipeline.media.scan import (
    TOLERANCE_S,
    Tally,
    check_complete,
    check_order,
    declares_durations,
    decode_all,
    video_end_s,
)
from pipeline.media.seen import Seen, unseen
from pipeline.media.sources import Source
from pipeline.media.stills import read_header

__all__ = ["ColorTags", "Probe", "probe"]

_SRGB = ColorTags(primaries=1, transfer=13, matrix=0, range=2)
_SDR = ColorTags(primaries=1, transfer=1, matrix=1, range=1)  # BT.709, of limited range
_HDR_TRANSFERS = {PQ: "PQ", HLG: "HLG"}
VERSION = 2
"""Counts up where the same bytes are to be looked at again, since more is asked of them."""
_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True)
class Probe:
    """What decoding found; plain data, the same for the same bytes. The last two fields say how it is to be read."""

    width_px: int  # upright: after rotation or EXIF orientation
    height_px: int
    rotation_deg: int  # the clockwise turn that makes it upright: 0, 90, 180, 270
    sample_aspect: Fraction  # of the upright picture; 1 where unknown
    time_base: Fraction  # in seconds; 1 for stills
    pts: Sequence[int]  # one per decoded frame, strictly increasing, in units of time_base
    rate: Fraction  # average, in frames per second
    color: ColorTags
    audio_streams: int
    subtitle_streams: int
    notes: tuple[str, ...]  # what a person should know
    last_duration: int = 0  # how long the last frame is shown, in units of time_base; 0 where unknown
    has_pts: bool = True  # False: the file has no timestamps and `pts` counts frames at `rate`
    interlaced: int = 0  # how many frames are two fields, taken one after the other
    bits: int = 8  # per channel, as coded
    plays: int | None = None  # of an animation, how often it is played, 0: for ever; None: it is none
    is_tonemapped: bool = False  # its high dynamic range is brought to BT.709
    is_deinterlaced: bool = False  # frames of two fields are made whole

    @property
    def frames(self) -> int:
        """The number of decoded frames."""
        return len(self.pts)

    def time_s(self, index: int) -> Fraction:
        """The time of a frame in seconds from the first."""
        return (self.pts[index] - self.pts[0]) * self.time_base

    @property
    def coded_height_px(self) -> int:
        """The height before rotation, which decides on the color tags of untagged video."""
        return self.height_px if self.rotation_deg % 180 == 0 else self.width_px

    @property
    def hdr(self) -> str | None:
        """The kind of high dynamic range, "PQ" or "HLG"; None where there is none."""
        return _HDR_TRANSFERS.get(self.color.transfer)

    @property
    def is_deep_and_full(self) -> bool:
        """Whether it has more than 8 bits and uses all of their values, which libswscale does not read well."""
        return self.bits > 8 and resolve_tags(self.color, self.coded_height_px).range == FULL

    @property
    def shown(self) -> ColorTags:
        """The tags of the frames as they are read, with every gap filled."""
        return _SDR if self.is_tonemapped else resolve_tags(self.color, self.coded_height_px)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON without loss: fractions as "a/b"."""
        exact = {
            n: f"{v.numerator}/{v.denominator}" for n, v in vars(self).items() if isinstance(v, Fraction)
        }
        return {**asdict(self), **exact, "pts": list(self.pts), "notes": list(self.notes)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Probe:
        """The probe that `to_json` wrote; ValueError for what no probe can be."""
        fractions = {name: _fraction(data.get(name)) for name in ("sample_aspect", "time_base", "rate")}
        if not isinstance(data.get("pts"), list):
            raise ValueError("no list of times")
        found = _adapter().validate_python({**data, **fractions, "pts": tuple(data["pts"])})
        sides, times = (found.width_px, found.height_px), found.pts
        if min(sides) < 1 or max(sides) > 1 << 16 or found.rotation_deg not in (0, 90, 180, 270):
            raise ValueError(f"no frame: {sides}, {found.rotation_deg}°")
        if not times or max(map(abs, times)) >= 1 << 63 or any(a >= b for a, b in pairwise(times)):
            raise ValueError("no times of frames")
        if not 1 <= found.bits <= 32 or not 0 <= found.last_duration < 1 << 63:
            raise ValueError(
                f"no frames of {found.bits} bits, or none that are shown for {found.last_duration}"
            )
        return found


@cache
def _adapter() -> TypeAdapter[Probe]:
    """What checks the types of a probe's fields; it takes some ms to be made."""
    return TypeAdapter(Probe)


def _fraction(text: object) -> Fraction:
    """A fraction above 0 as `to_json` writes it; ValueError for anything else, such as "1e999999999"."""
    match = re.fullmatch(r"(\d{1,20})/(\d{1,20})", text) if isinstance(text, str) else None
    if match is None or not int(match[1]) or not int(match[2]):
        raise ValueError(f"no fraction: {text!r:.99}")
    return Fraction(int(match[1]), int(match[2]))


def probe(source: Source, *, rate: Fraction, seen: Seen = unseen) -> Probe:
    """Finds out what a source is. `rate`, in frames per second, is that of a numbered sequence.

    `seen` is told how many frames of a video or of an animation have been decoded.

    Raises MediaError if it cannot be opened, has no video, is damaged or cut off, if its timestamps do not
    rise, or if its frames differ in size.
    """
    if source.kind == "video":
        return _probe_video(source, seen)
    if source.kind == "animation":
        return _probe_animation(source, seen)
    return _probe_pictures(source, rate if source.kind == "sequence" else Fraction(1))


def _probe_pictures(source: Source, rate: Fraction) -> Probe:
    """The probe of a still or of a sequence, from the headers of its pictures."""
    headers = [read_header(path) for path in source.files]
    width, height, turn = headers[0]
    for path, header in zip(source.files, headers, strict=True):
        if header[:2] != (width, height):
            raise MediaError(
                f"{path} is {header[0]}x{header[1]} px, but the sequence starts with {width}x{height} px "
                f"({source.files[0].name}); make them equal, or stylize the folder as an archive"
            )
    return Probe(
        width_px=width,
        height_px=height,
        rotation_deg=turn,
        sample_aspect=Fraction(1),
        time_base=1 / rate,
        pts=tuple(range(len(headers))),
        rate=rate,
        color=_SRGB,
        audio_streams=0,
        subtitle_streams=0,
        notes=(),
        last_duration=1,
    )


def _probe_animation(source: Source, seen: Seen) -> Probe:
    """The probe of an animation, from all of its frames; times are in ms."""
    timing = read_timing(source.path, seen)
    *starts, end = accumulate(timing.durations_ms, initial=0)
    how_often = {0: "for ever", 1: "once"}.get(timing.plays, f"{timing.plays} times")
    return Probe(
        width_px=timing.width_px,
        height_px=timing.height_px,
        rotation_deg=0,
        sample_aspect=Fraction(1),
        time_base=Fraction(1, 1000),
        pts=tuple(starts),
        rate=Fraction(1000 * len(starts), end).limit_denominator(100_000),
        color=_SRGB,
        audio_streams=0,
        subtitle_streams=0,
        notes=(f"an animation that is played {how_often}", *timing.notes),
        last_duration=timing.durations_ms[-1],
        plays=timing.plays,
    )


def _probe_video(source: Source, seen: Seen) -> Probe:
    """The probe of a video, from all of its frames."""
    with open_media(source.path) as container:
        stream = video_stream(container, source.path)
        tally = decode_all(container, stream, source.path, seen)
        rate = _rate(stream, tally)
        if None in tally.pts:
            time_base, pts, last_duration = 1 / rate, tuple(range(len(tally.pts))), 1
        else:
            time_base, pts = stream.time_base or 1 / rate, tuple(p for p in tally.pts if p is not None)
            last_duration = _last_duration(container, stream, tally)
        check_order(source.path, pts, time_base)
        check_complete(source.path, container, stream, tally, rate)
        return Probe(
            **_geometry(stream, tally.first),
            time_base=time_base,
            pts=pts,
            rate=rate,
            color=frame_tags(tally.first),
            audio_streams=len(container.streams.audio),
            subtitle_streams=len(container.streams.subtitles),
            notes=tuple(_notes(container, stream, tally, rate)),
            last_duration=last_duration,
            has_pts=None not in tally.pts,
            interlaced=tally.interlaced,
            bits=max((part.bits for part in tally.first.format.components), default=8),
        )


def _last_duration(container: InputContainer, stream: VideoStream, tally: Tally) -> int:
    """How long the last frame is shown, in units of the stream's time base; 0 where unknown.

    MP4 stores the time to the next frame in the order of decoding, which at a variable rate with B-frames can be
    much longer than a frame is shown; what is right there is the end of the stream.
    """
    last = tally.pts[-1]
    if not declares_durations(container) or not stream.duration or stream.start_time is None or last is None:
        return tally.last_duration
    rest = stream.start_time + stream.duration - last
    return rest if 0 < rest < tally.last_duration else tally.last_duration


def _rate(stream: VideoStream, tally: Tally) -> Fraction:
    """The average rate in frames per second: the stream's own, else that of the timestamps, else 25."""
    declared = stream.average_rate or stream.guessed_rate
    if declared and declared > 0:  # a damaged header may say anything
        return declared
    first, last = tally.pts[0], tally.pts[-1]
    if first is None or last is None or last <= first or not stream.time_base:
        return _FALLBACK_RATE
    return ((len(tally.pts) - 1) / ((last - first) * stream.time_base)).limit_denominator(100_000)


def frame_tags(frame: VideoFrame) -> ColorTags:
    """The color tags that the decoder gives a frame: the bitstream's, else the container's."""
    return ColorTags(frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)


def _geometry(stream: VideoStream, frame: VideoFrame) -> dict[str, Any]:
    """Size, turn and sample aspect of the upright picture."""
    turn = quarter_turns(frame)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    sideways = turn % 2 == 1
    return {
        "width_px": frame.height if sideways else frame.width,
        "height_px": frame.width if sideways else frame.height,
        "rotation_deg": -90 * turn % 360,
        "sample_aspect": 1 / aspect if sideways else aspect,
    }


def quarter_turns(frame: VideoFrame) -> int:
    """The counterclockwise quarter turns, 0 to 3, that make a frame upright, as `np.rot90` counts them."""
    return round(frame.rotation / 90) % 4


def _notes(container: InputContainer, stream: VideoStream, tally: Tally, rate: Fraction) -> Iterator[str]:
    """What a person should know about a video."""
    frame = tally.first
    videos = [s for s in container.streams.video if not is_picture(s)]
    if len(videos) > 1:
        yield f"{len(videos)} video streams; stream {stream.index} ({frame.width}x{frame.height} px) is used"
    if None in tally.pts:
        yield f"timestamps missing, taken from the rate {rate}"
    if frame.rotation % 90:
        yield f"rotated by {-frame.rotation}°, which is rounded to quarter turns"
    pictures_end_s = video_end_s(stream, tally, rate)
    for sound in container.streams.audio:
        end_s = tally.ends_s.get(sound.index)
        if end_s is None:
            yield f"sound stream {sound.index} is empty"
        elif declares_durations(container) and sound.duration and sound.time_base:
            promised_s = ((sound.start_time or 0) + sound.duration) * sound.time_base
            if promised_s - end_s > TOLERANCE_S and end_s < pictures_end_s:
                yield f"sound stream {sound.index} ends at {float(end_s):.2f} s of {float(promised_s):.2f}"
