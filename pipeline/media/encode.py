"""Frames → a video file, with the timestamps, the shape and the color tags of the source, and its sound.

Timestamps in MP4, MOV and MPEG-TS are exactly the source's. Matroska and WebM count milliseconds, so there
each is off by half of one at most. Animations start at zero; WebP counts milliseconds, GIF hundredths of a second.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
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
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.clock import Clock
from pipeline.media.color import FULL, ColorTags, swscale_matrix
from pipeline.media.container import open_media, video_stream
from pipeline.media.formats import ANIMATIONS, CODECS, Coding, Encoding, coding_of, container_of
from pipeline.media.priority import unhurried
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.media.stills import to_palette, write_still
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

_QUALITY = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_X265_DELAY = 4  # frames; of 1 and 2 the times were random (x265 4.2), of 3 and more never
_X264_NARROW_PX = 128
"""Below it x264's macroblock tree reads memory that was never set, so that of the same frames 11 of 16 files differed
(96x72); at 128 px and more, and without the tree, none did (x264 165)."""

_LARGEST_TIMESCALE = 2**31 - 1

Rgb = npt.NDArray[np.uint8]


def encode_video(
    frames: Iterable[Rgb],
    target: Path,
    source: Source,
    probe: Probe,
    first: int,
    stop: int,
    coding: Coding | None = None,
) -> tuple[str, ...]:
    """Writes frames first … stop−1 of a source, and returns a sentence for everything that was left out.

    `frames` are stop−first arrays, uint8 (height, width, 3) sRGB with even sides, taken one at a time. The
    format is that of the suffix of `target`: .mp4 .mov .m4v .mkv .ts .webm .gif or .webp; without a `coding` it is
    encoded as by default. A part starts at the time at which the source starts. Sound and subtitles are copied; of a
    part, those that start in it. An animation is played as often as the source, one of a video for ever.

    Raises SpaceError without room or permission, MediaError for a wrong number of frames or a wrong size, and
    for a source or a target that libav cannot handle. On any error `target` is removed.
    """
    container = container_of(target)
    if target.suffix.lower() not in FORMATS or container is None:
        raise MediaError(f"{target.name}: no video format for {target.suffix}; known: {' '.join(FORMATS)}")
    coding = coding or coding_of(Encoding(), container)
    clock = Clock(probe, first, stop, container)
    clock.check()
    supply = _counted(frames, stop - first, source)
    try:
        return _encode(supply, target, source, clock, coding)
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
    supply: Iterator[Rgb], target: Path, source: Source, clock: Clock, coding: Coding
) -> tuple[str, ...]:
    """`encode_video` without the checks and without the clearing up."""
    head, probe = next(supply), clock.probe
    format_name, part = FORMATS[target.suffix.lower()], part_of(probe, clock.first, clock.stop)
    notes = [*clock.notes(), *_unsaid(probe, clock.container)]
    with ExitStack() as stack:
        kept: list[Stream] = []
        copied: Iterator[tuple[Packet[Stream], Fraction]] = iter(())
        if source.kind == "video":
            origin = stack.enter_context(open_media(source.path))
            video = video_stream(origin, source.path)
            kept, left_out = select_streams(origin, video, format_name)
            notes += left_out
            copied = packets_of(origin, kept, part)
        with writing(target):
            file_tags = kept_tags(origin.metadata) if source.kind == "video" else {}
            options = _container_options(format_name, probe, kept, file_tags)
            out = av.open(str(target), "w", format=format_name, container_options=options)
            _close_at_exit(stack, out, target)
            stream = _add_video(out, format_name, head.shape, clock, coding)
            copies = {s.index: add_copy(out, s) for s in kept}
            if source.kind == "video":
                out.metadata.update(file_tags)
                stream.metadata.update(kept_tags(video.metadata))
                if clock.container not in ANIMATIONS:
                    out.set_chapters(chapters_of(origin, part))
            with unhurried():
                out.start_encoding()
        encoded = _encode_frames(chain([head], supply), stream, target, clock, coding)
        _interleave(encoded, copied, copies, out, target)
    return tuple(notes)


def _unsaid(probe: Probe, container: str) -> Iterator[str]:
    """What the source says of its picture and the output cannot."""
    if probe.plays not in (None, 1) and container not in ANIMATIONS:
        yield f"how often the animation is played is left out: {container} cannot hold it"
    if probe.sample_aspect != 1 and container in ANIMATIONS:
        yield f"the sample aspect {probe.sample_aspect} is left out: {container} cannot hold it"
    if probe.hdr and not probe.is_tonemapped:
        yield "what the source says of its mastering display and its brightest frame is left out"


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
    """The muxer's options that keep timestamps exact, the tags of Apple's cameras, and how often an animation plays.

    MOV and MP4 store a late start in ticks of the movie, by default milliseconds: so these are made a
    multiple of the ticks of every stream. MPEG-TS would move everything so that the decoding times of
    B-frames, which lie before those of showing, do not fall below zero; Matroska, that the priming of AAC does not.
    """
    if format_name == "mpegts" or (format_name in ("matroska", "webm") and probe.pts[0] >= 0):
        return {"avoid_negative_ts": "disabled"}
    if format_name in ANIMATIONS:
        plays = probe.plays or 0
        repeats = -1 if plays == 1 else max(0, plays - 1)  # of a GIF; −1: it does not say
        return {"loop": str(repeats if format_name == "gif" else plays)}
    if format_name not in ("mp4", "mov"):
        return {}
    own = probe.time_base.denominator
    ticks = math.lcm(own, *(s.time_base.denominator for s in kept if s.time_base))
    timescale = next(t for t in (ticks, own, 1000) if t <= _LARGEST_TIMESCALE)
    flags = f"+faststart{tag_flags(file_tags, format_name)}"
    return {"movflags": flags, "movie_timescale": str(timescale)}


def _add_video(
    out: OutputContainer, format_name: str, shape: tuple[int, ...], clock: Clock, coding: Coding
) -> VideoStream:
    """The video stream of the output, set up but not opened."""
    codec, probe = CODECS[coding.codec], clock.probe
    options = dict(codec.options)
    if coding.strength is not None:
        options["crf" if codec.worst else "quality"] = str(coding.strength)
    if coding.codec == "h265" and clock.stop - clock.first < _X265_DELAY:
        options["x265-params"] += ":bframes=0"  # else its decoding times are from memory that was never set
    if coding.codec == "h264" and min(shape[:2]) < _X264_NARROW_PX:
        options["mbtree"] = "0"
    if coding.codec == "av1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; by default it tells its settings on stderr
    stream: Any = out.add_stream(codec.encoder, rate=probe.rate.limit_denominator(100_000), options=options)
    stream.width, stream.height, stream.pix_fmt = shape[1], shape[0], codec.pixels[coding.bits]
    context = stream.codec_context
    context.time_base = clock.time_base
    context.sample_aspect_ratio = probe.sample_aspect
    if coding.codec == "h265" and format_name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # Apple's players know it by no other
    if format_name not in ANIMATIONS:
        tags = coded_tags(probe, coding)
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        context.colorspace, context.color_range = tags.matrix, tags.range
    video: VideoStream = stream
    return video


def coded_tags(probe: Probe, coding: Coding) -> ColorTags:
    """The tags of the output: the source's as it is read; those of RGB where the codec takes RGB."""
    tags = probe.shown
    return replace(tags, matrix=0, range=FULL) if coding.codec == "ffv1" else tags


def _encode_frames(
    supply: Iterable[Rgb], stream: VideoStream, target: Path, clock: Clock, coding: Coding
) -> Iterator[Packet[VideoStream]]:
    """Packets of the encoded frames, with their durations; holds no more than the encoder's own delay."""
    durations: dict[int, int] = {}
    for index, rgb in enumerate(supply, start=clock.first):
        pts = clock.pts(index)
        durations[pts] = clock.duration(index)
        with writing(target):
            frame = _coded(rgb, clock.probe, coding)
            frame.pts, frame.time_base, frame.duration = pts, clock.time_base, durations[pts]
            packets = stream.encode(frame)
        yield from _timed(packets, durations)
    with writing(target):
        packets = stream.encode(None)
    yield from _timed(packets, durations)


def _timed(packets: list[Packet[VideoStream]], durations: dict[int, int]) -> Iterator[Packet[VideoStream]]:
    """The packets with the durations of their frames, which encoders lose at a variable rate."""
    for packet in packets:
        if packet.pts is not None:
            packet.duration = durations.pop(packet.pts, packet.duration or 0)
        yield packet


def _coded(rgb: Rgb, probe: Probe, coding: Coding) -> VideoFrame:
    """A frame in the pixel format of the codec: 4:2:0 by the matrix and range of its tags, RGB, or a palette."""
    pixels = CODECS[coding.codec].pixels[coding.bits]
    if pixels == "pal8":
        return _paletted(rgb)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    if not pixels.startswith("yuv"):
        return frame.reformat(format=pixels, threads=1)
    tags = coded_tags(probe, coding)
    frame = frame.reformat(
        format=pixels,
        src_color_range=ColorRange.JPEG,
        dst_colorspace=swscale_matrix(tags),
        dst_color_range=tags.range,
        interpolation=_QUALITY,
        threads=1,
    )
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    frame.colorspace, frame.color_range = tags.matrix, tags.range
    return frame


def _paletted(rgb: Rgb) -> VideoFrame:
    """A frame in 256 colors of its own, for GIF; libav's palette is (256, 4), alpha first."""
    picture = to_palette(Image.fromarray(rgb))
    colors = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
    palette = np.full((256, 4), 255, np.uint8)
    palette[: len(colors), 1:] = colors
    paletted: Any = (np.asarray(picture), palette)  # PyAV's stubs know of arrays only
    return VideoFrame.from_ndarray(paletted, format="pal8")


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
