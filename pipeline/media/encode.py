"""Frames → a video file, with the timestamps, the shape and the color tags of the source, and its sound.

Timestamps in MP4, MOV and MPEG-TS are exactly the source's. Matroska and WebM count milliseconds, so there
each is off by half of one at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.color import ColorTags, resolve_tags, swscale_matrix
from pipeline.media.container import open_media, video_stream
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.media.stills import write_still
from pipeline.media.streams import (
    FORMATS,
    add_copy,
    chapters_of,
    kept_tags,
    packets_of,
    part_of,
    select_streams,
    tag_flags,
)
from pipeline.media.writing import writing

__all__ = ["encode_video", "write_still"]

_H264 = ("libx264", {"crf": "16", "preset": "medium"})
_VP9 = ("libvpx-vp9", {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "2", "row-mt": "1"})
_QUALITY = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_LARGEST_TIMESCALE = 2**31 - 1

Rgb = npt.NDArray[np.uint8]


def encode_video(
    frames: Iterable[Rgb], target: Path, source: Source, probe: Probe, first: int, stop: int
) -> tuple[str, ...]:
    """Writes frames first … stop−1 of a source, and returns a sentence for everything that was left out.

    `frames` are stop−first arrays, uint8 (height, width, 3) sRGB with even sides, taken one at a time. The
    format is that of the suffix of `target`: .mp4 .mov .m4v .mkv .ts (H.264) or .webm (VP9). A part starts
    at the time at which the source starts. Sound and subtitles are copied; of a part, those that start in it.

    Raises SpaceError without room or permission, MediaError for a wrong number of frames or a wrong size, and
    for a source or a target that libav cannot handle. On any error `target` is removed.
    """
    if target.suffix.lower() not in FORMATS:
        raise MediaError(f"{target.name}: no video format for {target.suffix}; known: {' '.join(FORMATS)}")
    supply = _counted(frames, stop - first, source)
    try:
        return _encode(supply, target, source, probe, first, stop)
    except BaseException:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        raise


def _counted(frames: Iterable[Rgb], count: int, source: Source) -> Iterator[Rgb]:
    """The same frames; raises MediaError if they are not `count`, not of one size, or not of even sides."""
    shape: tuple[int, ...] | None = None
    number = 0
    for number, rgb in enumerate(frames, start=1):
        shape = shape or rgb.shape
        if rgb.shape != shape or rgb.shape[0] % 2 or rgb.shape[1] % 2 or number > count:
            raise MediaError(
                f"{source.name}: frame {number} of {count} to encode is {rgb.shape[1]}x{rgb.shape[0]} px; "
                f"all have to be alike, with even sides, and no more than {count}"
            )
        yield rgb
    if number != count or count == 0:
        raise MediaError(f"{source.name}: {number} frames to encode instead of {count}; run again")


def _encode(
    supply: Iterator[Rgb], target: Path, source: Source, probe: Probe, first: int, stop: int
) -> tuple[str, ...]:
    """`encode_video` without the checks and without the clearing up."""
    head = next(supply)
    tags = resolve_tags(probe.color, probe.coded_height_px)
    format_name, part, notes = FORMATS[target.suffix.lower()], part_of(probe, first, stop), list[str]()
    with ExitStack() as stack:
        kept: list[Stream] = []
        copied: Iterator[tuple[Packet[Stream], Fraction]] = iter(())
        if source.kind == "video":
            origin = stack.enter_context(open_media(source.path))
            video = video_stream(origin, source.path)
            kept, notes = select_streams(origin, video, format_name)
            copied = packets_of(origin, kept, part)
        with writing(target):
            file_tags = kept_tags(origin.metadata) if source.kind == "video" else {}
            options = _container_options(format_name, probe, kept, file_tags)
            out = av.open(str(target), "w", format=format_name, container_options=options)
            _close_at_exit(stack, out, target)
            stream = _add_video(out, format_name, head.shape, probe, tags)
            copies = {s.index: add_copy(out, s) for s in kept}
            if source.kind == "video":
                out.metadata.update(file_tags)
                stream.metadata.update(kept_tags(video.metadata))
                out.set_chapters(chapters_of(origin, part))
            out.start_encoding()
        encoded = _encode_frames(chain([head], supply), stream, target, probe, first, stop, tags)
        _interleave(encoded, copied, copies, out, target)
    return tuple(notes)


def _close_at_exit(stack: ExitStack, out: OutputContainer, target: Path) -> None:
    """Closes the output when the stack unwinds; an error in that matters only if there was none before."""

    def close(kind: object, error: object, trace: object) -> None:
        if kind is None:
            with writing(target):
                out.close()
        else:
            with suppress(Exception):
                out.close()

    stack.push(close)


def _container_options(
    format_name: str, probe: Probe, kept: list[Stream], file_tags: dict[str, str]
) -> dict[str, str]:
    """The muxer's options that keep timestamps exact, and the tags that QuickTime has names of its own for.

    MOV and MP4 store a late start in ticks of the movie, by default milliseconds: so these are made a
    multiple of the ticks of every stream. The others would move everything so that nothing falls below zero:
    in MPEG-TS the decoding times of B-frames, in Matroska the priming of AAC, which MP4 has before time 0.
    """
    if format_name not in ("mp4", "mov"):
        return {"avoid_negative_ts": "disabled"}
    own = probe.time_base.denominator
    ticks = math.lcm(own, *(s.time_base.denominator for s in kept if s.time_base))
    timescale = next(t for t in (ticks, own, 1000) if t <= _LARGEST_TIMESCALE)
    flags = f"+faststart{tag_flags(file_tags, format_name)}"
    return {"movflags": flags, "movie_timescale": str(timescale)}


def _add_video(
    out: OutputContainer, format_name: str, shape: tuple[int, ...], probe: Probe, tags: ColorTags
) -> VideoStream:
    """The video stream of the output, set up but not opened."""
    codec, options = _VP9 if format_name == "webm" else _H264
    stream: Any = out.add_stream(codec, rate=probe.rate.limit_denominator(100_000), options=dict(options))
    stream.width, stream.height, stream.pix_fmt = shape[1], shape[0], "yuv420p"
    context = stream.codec_context
    context.time_base = probe.time_base
    context.sample_aspect_ratio = probe.sample_aspect
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.colorspace, context.color_range = tags.matrix, tags.range
    video: VideoStream = stream
    return video


def _encode_frames(
    supply: Iterable[Rgb],
    stream: VideoStream,
    target: Path,
    probe: Probe,
    first: int,
    stop: int,
    tags: ColorTags,
) -> Iterator[Packet[VideoStream]]:
    """Packets of the encoded frames, with their durations; holds no more than the encoder's own delay."""
    durations: dict[int, int] = {}
    shift = probe.pts[first] - probe.pts[0]
    for index, rgb in enumerate(supply, start=first):
        pts = probe.pts[index] - shift
        durations[pts] = _duration(probe, index)
        with writing(target):
            frame = _to_yuv(rgb, tags)
            frame.pts, frame.time_base, frame.duration = pts, probe.time_base, durations[pts]
            packets = stream.encode(frame)
        yield from _timed(packets, durations)
    with writing(target):
        packets = stream.encode(None)
    yield from _timed(packets, durations)


def _duration(probe: Probe, index: int) -> int:
    """How long a frame is shown, in units of the time base: to the next one; the last as in the source."""
    if index + 1 < probe.frames:
        return probe.pts[index + 1] - probe.pts[index]
    return probe.last_duration or max(1, round(1 / (probe.rate * probe.time_base)))


def _timed(packets: list[Packet[VideoStream]], durations: dict[int, int]) -> Iterator[Packet[VideoStream]]:
    """The packets with the durations of their frames, which encoders lose at a variable rate."""
    for packet in packets:
        if packet.pts is not None:
            packet.duration = durations.pop(packet.pts, packet.duration or 0)
        yield packet


def _to_yuv(rgb: Rgb, tags: ColorTags) -> VideoFrame:
    """A 4:2:0 frame by the matrix and the range of resolved tags, and tagged with them."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=swscale_matrix(tags),
        dst_color_range=tags.range,
        interpolation=_QUALITY,
        threads=1,
    )
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    frame.colorspace, frame.color_range = tags.matrix, tags.range
    return frame


def _interleave(
    encoded: Iterator[Packet[VideoStream]],
    copied: Iterator[tuple[Packet[Stream], Fraction]],
    copies: dict[int, Stream],
    out: OutputContainer,
    target: Path,
) -> None:
    """Writes video packets and copied ones in the order of their times, so that the muxer never hoards."""
    waiting = next(copied, None)
    for packet in chain(encoded, (None,)):
        until_s = None if packet is None or packet.dts is None else packet.dts * packet.time_base
        while waiting is not None and (packet is None or until_s is None or waiting[1] <= until_s):
            waiting[0].stream = copies[waiting[0].stream.index]
            with writing(target):
                out.mux(waiting[0])
            waiting = next(copied, None)
        if packet is not None:
            with writing(target):
                out.mux(packet)
