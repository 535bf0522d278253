"""Frames of a source as pixels: exactly those that were asked for, upright, in sRGB.

A seek in a container is a hint. What makes it exact: decoding starts at a key frame at or before the wanted
frame, frames are known by their pts, and every pts must be the one that `probe` saw.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.animation import read_animation
from pipeline.media.color import resolve_tags, swscale_matrix
from pipeline.media.container import decoding, open_media, video_stream
from pipeline.media.deep import deep_rgb, in_8_bits
from pipeline.media.deinterlace import LEAD, deinterlaced
from pipeline.media.probe import Probe, quarter_turns
from pipeline.media.sources import Source
from pipeline.media.stills import read_still
from pipeline.media.tonemap import tone_map

Rgb = npt.NDArray[np.uint8]

# Full chroma interpolation and exact rounding: the same bytes with and without SIMD.
_QUALITY = (
    Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)
# Formats that store a timestamp with every frame. MPEG streams store some and interpolate: after a seek a
# frame can carry the pts of another (measured with MPEG-2 in .mpg), so those are decoded from the start.
_SEEKABLE = frozenset(("mov", "matroska", "flv", "asf"))
# How many frames before the wanted one a seek aims at, in turn. Leading pictures of an open GOP need the
# GOP before theirs, and some demuxers seek by decoding time, which runs ahead.
_STEPS_BACK = (0, 32, 320)


def decode_frames(source: Source, probe: Probe, first: int, stop: int) -> Iterator[Rgb]:
    """Frames first … stop−1, upright, sRGB uint8 (height, width, 3), C-contiguous.

    Closing the generator closes the file. Raises MediaError if the file is damaged, or no longer the one
    that was probed: a frame is missing, or its timestamp or its size is another one.
    """
    if not 0 <= first <= stop <= probe.frames:
        raise ValueError(f"frames {first} … {stop} of a source with {probe.frames} frames")
    if source.kind == "animation":
        yield from _decode_animation(source, probe, first, stop)
    elif source.kind != "video":
        yield from _decode_pictures(source, probe, first, stop)
    elif first < stop:
        yield from _decode_video(source, probe, first, stop)


def _decode_pictures(source: Source, probe: Probe, first: int, stop: int) -> Iterator[Rgb]:
    """The pictures of a sequence, or the one of a still."""
    for path in map(source.files.__getitem__, range(first, min(stop, len(source.files)))):
        rgb = read_still(path)
        if rgb.shape != (probe.height_px, probe.width_px, 3):
            raise MediaError(
                f"{path} is {rgb.shape[1]}x{rgb.shape[0]} px now, and was {probe.width_px}x{probe.height_px} "
                "when the job was planned; run again"
            )
        yield rgb


def _decode_animation(source: Source, probe: Probe, first: int, stop: int) -> Iterator[Rgb]:
    """The frames of an animation, as many as there were."""
    index = first
    for index, rgb in enumerate(read_animation(source.path, first, stop), start=first + 1):
        if rgb.shape != (probe.height_px, probe.width_px, 3):
            break
        yield rgb
        if index == stop:
            return
    raise MediaError(
        f"{source.path}: frame {index} is missing or of another size, though it was there when the job was planned; "
        "has the file changed? Run again"
    )


def _decode_video(source: Source, probe: Probe, first: int, stop: int) -> Iterator[Rgb]:
    """The frames of a video as they are to be read: whole, tone-mapped, upright."""
    start = max(0, first - LEAD) if probe.is_deinterlaced else first
    read = _reader(probe)
    with closing(_checked(source, probe, start)) as frames:
        whole = deinterlaced(frames) if probe.is_deinterlaced else frames
        for frame in islice(whole, first - start, stop - start):
            yield np.ascontiguousarray(np.rot90(read(frame), quarter_turns(frame)))


def _checked(source: Source, probe: Probe, first: int) -> Generator[VideoFrame]:
    """Decoded frames from number `first` on, each checked against the timestamps of the probe."""
    index = first
    with (
        decoding(source.path, lambda: f"at frame {index}"),
        closing(_frames_from(source, probe, first)) as frames,
    ):
        for frame in frames:
            if frame.is_corrupt or (probe.has_pts and frame.pts != probe.pts[index]):
                break
            yield frame
            index += 1
            if index == probe.frames:
                return
    raise MediaError(
        f"{source.path}: frame {index} at {float(probe.pts[index] * probe.time_base):.3f} s is missing or "
        "damaged, though it was there when the job was planned; has the file changed? Run again"
    )


def _reader(probe: Probe) -> Callable[[VideoFrame], Rgb]:
    """What turns a decoded frame into sRGB, uint8 (h, w, 3), by the tags of its source."""
    tags, converter = resolve_tags(probe.color, probe.coded_height_px), VideoReformatter()

    def converted(frame: VideoFrame, pixels: str, color_range: int) -> npt.NDArray[Any]:
        return converter.reformat(
            frame,
            format=pixels,
            src_colorspace=swscale_matrix(tags),
            dst_colorspace=swscale_matrix(tags),
            src_color_range=tags.range,
            dst_color_range=color_range,
            interpolation=_QUALITY,
            threads=1,
        ).to_ndarray()

    def deep(frame: VideoFrame) -> npt.NDArray[np.uint16]:
        return deep_rgb(converted(frame, "yuv444p16le", tags.range), tags, probe.bits)

    if probe.is_tonemapped:
        return lambda frame: tone_map(deep(frame), tags.transfer)
    if probe.is_deep_and_full:
        return lambda frame: in_8_bits(deep(frame))
    return lambda frame: converted(frame, "rgb24", ColorRange.JPEG)


def _frames_from(source: Source, probe: Probe, first: int) -> Generator[VideoFrame]:
    """Decoded frames from number `first` on: by a seek if one arrives early enough, else from the start."""
    wanted = probe.pts[first]
    for back in _STEPS_BACK if probe.has_pts and first > 0 else ():
        with open_media(source.path) as container:
            if container.format.name.split(",")[0] not in _SEEKABLE:
                break
            stream = video_stream(container, source.path)
            frames = _frames_after_seek(container, stream, probe.pts[max(0, first - back)])
            frame = next((f for f in frames if f.pts is None or f.pts >= wanted), None)
            found = frame is not None and frame.pts == wanted and stream.time_base == probe.time_base
            if frame is not None and found and not frame.is_corrupt:
                yield frame
                yield from frames
                return
    with open_media(source.path) as container:
        stream = video_stream(container, source.path)
        if not probe.has_pts or stream.time_base == probe.time_base:
            yield from islice(container.decode(stream), first, None)


def _frames_after_seek(container: InputContainer, stream: VideoStream, aim_pts: int) -> Iterator[VideoFrame]:
    """Frames decoded from the first key frame after a seek, without those that are shown before it.

    The latter, leading pictures of an open GOP, refer to frames that were never decoded.
    """
    try:
        container.seek(aim_pts, stream=stream)
    except av.FFmpegError:
        return  # no index, or a format that cannot seek
    key_pts: int | None = None
    for packet in container.demux(stream):
        if key_pts is None and packet.is_keyframe:
            key_pts = packet.pts
        if key_pts is not None:
            yield from (f for f in stream.decode(packet) if f.pts is None or f.pts >= key_pts)
