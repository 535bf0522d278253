"""What travels with the picture: sound, subtitles, attachments and chapters, copied as they are.

Packets keep their bytes. Their times move by one offset if a part of the video is encoded; `encode` writes
by these rules and `verify` checks by them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from pipeline.media.container import decoding, is_picture, open_container
from pipeline.media.probe import Probe

if TYPE_CHECKING:
    from av.container.core import Chapter  # a type of the stubs only

FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".gif": "gif",
    ".webp": "webp",
}
_COPIED = ("audio", "subtitle", "attachment")
# What MPEG-TS knows; it takes everything else too, but as bytes that nobody can read.
_IN_MPEGTS = frozenset(
    ("mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext")
)
# QuickTime has its own names for these languages, and none for many others.
_IN_MOV = {"deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "sqi": "alb", "mkd": "mac"}
MATROSKA = ("matroska", "webm")
_MATROSKA_TICK_S = Fraction(1, 1000)
# Facts about the file that was, not about what it shows; the muxer writes its own.
_NOT_COPIED_TAGS = frozenset(
    ("encoder", "major_brand", "minor_version", "compatible_brands", "duration", "rotate", "vendor_id")
)


@dataclass(frozen=True)
class Part:
    """The stretch of a source that is encoded, in seconds of the source; None: open on that side."""

    offset_s: Fraction  # what is taken from every timestamp, so that a part starts where the source starts
    start_s: Fraction | None
    end_s: Fraction | None

    def holds(self, time_s: Fraction) -> bool:
        """Whether a packet of that time belongs to the part."""
        after = self.start_s is None or time_s >= self.start_s
        return after and (self.end_s is None or time_s < self.end_s)


WHOLE = Part(offset_s=Fraction(0), start_s=None, end_s=None)


def part_of(probe: Probe, first: int, stop: int) -> Part:
    """The part with the frames first … stop−1; open where the source ends, as sound may reach further."""
    return Part(
        offset_s=(probe.pts[first] - probe.pts[0]) * probe.time_base,
        start_s=None if first == 0 else probe.pts[first] * probe.time_base,
        end_s=None if stop == probe.frames else probe.pts[stop] * probe.time_base,
    )


def select_streams(
    container: InputContainer, video: VideoStream, format_name: str
) -> tuple[list[Stream], list[str]]:
    """The streams that the output format can hold, and a sentence for each one that is left out."""
    kept: list[Stream] = []
    notes: list[str] = []
    for stream in container.streams:
        if stream.index == video.index or _is_chapter_text(stream, container):
            continue
        reason = _refusal(stream, format_name)
        if reason is None:
            kept.append(stream)
        else:
            notes.append(f"{_describe(stream)} is left out: {reason}")
    if container.chapters() and format_name in ("mpegts", "gif", "webp"):
        notes.append(f"chapters are left out: {format_name} cannot hold them")
    return kept, notes


def _is_chapter_text(stream: Stream, container: InputContainer) -> bool:
    """Whether a stream is QuickTime's track of chapter titles, which are copied as chapters."""
    return stream.type == "data" and stream.name == "bin_data" and bool(container.chapters())


def _describe(stream: Stream) -> str:
    """A stream in words: "subtitle stream 3 (subrip, eng)"."""
    codec = stream.codec_context.name if stream.codec_context else stream.name
    details = ", ".join(filter(None, (codec, stream.language)))
    return f"{stream.type} stream {stream.index}" + (f" ({details})" if details else "")


def _refusal(stream: Stream, format_name: str) -> str | None:
    """Why a stream cannot be copied into a format; None if it can. Found by trying it in memory."""
    if stream.type == "video":
        return (
            "a cover or thumbnail"
            if is_picture(cast(VideoStream, stream))
            else "one video stream is stylized"
        )
    if stream.type not in _COPIED:
        return "neither sound nor subtitles"
    if format_name == "mpegts" and _codec(stream) not in _IN_MPEGTS:
        return f"{format_name} cannot hold it"
    try:
        with av.open(io.BytesIO(), "w", format=format_name) as trial:
            add_copy(trial, stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return f"{format_name} cannot hold it"
    return None


def _codec(stream: Stream) -> str | None:
    return stream.codec_context.codec.canonical_name if stream.codec_context else None


def add_copy(out: OutputContainer, stream: Stream) -> Stream:
    """A stream of the output that takes the packets of `stream`, with its language, title and disposition."""
    copy = out.add_stream_from_template(stream)
    copy.metadata.update(kept_tags(stream.metadata))
    if (language := held_language(stream.language, out.format.name)) is not None:
        copy.metadata["language"] = language
    copy.disposition = stream.disposition
    return copy


def kept_tags(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata that is about what the file shows."""
    return {key: value for key, value in metadata.items() if key.lower() not in _NOT_COPIED_TAGS}


def tag_flags(tags: dict[str, str], format_name: str) -> str:
    """The muxer's flag for a MOV with tags as Apple's cameras write them, which are lost without it."""
    is_apple = any(key.startswith("com.apple.quicktime.") for key in tags)
    return "+use_metadata_tags" if is_apple and format_name == "mov" else ""


def stored_tags(metadata: dict[str, str], format_name: str) -> dict[str, str]:
    """What of the kept metadata a format can hold, as it is read back; keys in small letters.

    Found by writing it into memory: every format has its own list of keys, and its own ideas of spelling.
    """
    tags, trial = kept_tags(metadata), io.BytesIO()
    flags = tag_flags(tags, format_name)
    options = {"movflags": flags} if flags else {}
    name = "matroska" if format_name in MATROSKA else format_name  # WebM would want another codec
    try:
        with av.open(trial, "w", format=name, container_options=options) as out:
            out.metadata.update(tags)
            packet = av.Packet(bytes(16))
            packet.stream = out.add_mux_stream("mpeg4", rate=1, width=16, height=16)
            packet.pts = packet.dts = 0
            out.mux(packet)
        trial.seek(0)
        with open_container(trial) as read:
            return {key.lower(): value for key, value in kept_tags(read.metadata).items()}
    except (av.FFmpegError, ValueError):
        return {}


def held_language(language: str | None, format_name: str) -> str | None:
    """What a language is called in a format; None if it has no name there, or may have none."""
    if language in (None, "und"):
        return None
    if format_name in MATROSKA:
        return language
    name = _IN_MOV.get(language, language) if format_name == "mov" else language
    return name if re.fullmatch("[a-z]{3}", name) else None


def tolerance_s(one: Fraction | None, other: Fraction | None, format_name: str | None) -> Fraction:
    """How far two times may lie apart that mean the same, in seconds, given their time bases and the format."""
    return _MATROSKA_TICK_S if format_name in MATROSKA else max(one or Fraction(0), other or Fraction(0)) / 2


def chapters_of(container: InputContainer, part: Part) -> list[Chapter]:
    """The chapters that overlap a part, cut to it and shifted with it."""
    chapters: list[Chapter] = []
    for chapter in container.chapters():
        base = chapter["time_base"]
        if base is None:
            continue
        start, end = chapter["start"], chapter["end"]
        start = start if part.start_s is None else max(start, round(part.start_s / base))
        end = end if part.end_s is None else min(end, round(part.end_s / base))
        if start < end:
            shift = round(part.offset_s / base)
            chapters.append({**chapter, "start": start - shift, "end": end - shift})
    return chapters


def packets_of(
    container: InputContainer, streams: list[Stream], part: Part
) -> Iterator[tuple[Packet[Stream], Fraction]]:
    """The packets of the streams inside the part, shifted, in the file's order, each with its time in s.

    Raises MediaError if the file is damaged there.
    """
    timed = [stream for stream in streams if stream.type != "attachment"]
    with decoding(Path(container.name), lambda: "in its sound or subtitles"):
        for packet in container.demux(timed) if timed else ():
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None or not part.holds(time * packet.time_base):
                continue  # the empty packet at the end has no time
            shift = round(part.offset_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            yield packet, (time - shift) * packet.time_base
