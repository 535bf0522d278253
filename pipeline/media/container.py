"""Opening video files: what libav may make of them, which stream is the picture, and libav's errors as ours.

Whatever its name, a file is opened as one of `CONTAINERS` or not at all: libav would take a text for a playlist or a
list of files, and read those, or ask the network for them. Nothing else of the pipeline opens a file with libav.

libav's own log stays off, as is PyAV's default: its handler takes the GIL from codec threads.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.settings.paths import kind_of

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "flv", "mpeg", "mpegvideo", "mpegts", "ogg", "mxf", "nut",
    "ivf", "gxf", "wtv", "dv", "yuv4mpegpipe", "h264", "hevc", "m4v", "obu", "vc1", "dirac",
)  # fmt: skip
"""libav's names of formats that hold a film in one file; none of them refers to others."""

MAX_PIXELS = 1 << 27
"""Of a frame: 16K. libav's decoders ask for memory by what a header promises, and each of their threads does."""

_OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS),
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),
}

# Pictures that players show instead of a video, never frames of one: covers and seek-bar thumbnails.
_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails


def open_container(file: Path | BinaryIO) -> InputContainer:
    """A film, open for reading, as one of `CONTAINERS`; raises what libav does, ArgumentError if it is none of them."""
    if isinstance(file, Path) and kind_of(file) == "special":
        raise OSError(errno.EINVAL, "it is a device or a pipe")  # which libav would wait for
    name = str(file.absolute()) if isinstance(file, Path) else file  # "http:a" is a file here, too
    return av.open(name, "r", options=_OPTIONS, metadata_errors="replace")


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Opens a media file for reading and closes it; raises MediaError if libav cannot make sense of it."""
    try:
        container = open_container(path)
    except av.ArgumentError as error:
        raise MediaError(
            f"{path} is no film by its content, whatever its name says; playlists and lists of files are not followed. "
            "Convert it to MP4, or take it out of the input"
        ) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"{path} cannot be opened as a video ({_reason(error)}); it is cut off, damaged or no video. "
            "Replace it, or take it out of the input"
        ) from error
    with container:
        yield container


def is_picture(stream: VideoStream) -> bool:
    """Whether a video stream is a cover or a thumbnail, not a video."""
    return bool(stream.disposition & _NO_VIDEO)


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video stream that is stylized: libav's best one that is no cover, set to decode with all threads.

    Raises MediaError if there is none, or none that this build of libav can decode.
    """
    videos = [stream for stream in container.streams.video if not is_picture(stream)]
    if not videos:
        kinds = ", ".join(sorted({stream.type for stream in container.streams}))
        rest = f"only {kinds}" if kinds else "it is cut off or empty"
        raise MediaError(f"{path} has no video stream, {rest}; replace it, or take it out of the input")
    best = container.streams.best("video")
    stream = next((s for s in videos if best is not None and s.index == best.index), videos[0])
    if stream.codec_context is None:
        raise MediaError(
            f"{path} is in a video format that this build of libav cannot decode; convert it to H.264 first"
        )
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{path} has frames of {width}x{height} px, more than {MAX_PIXELS // 10**6} megapixels; scale it down first"
        )
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.thread_type = "AUTO"  # frame threads are bit-exact, and twice as fast on two cores
    return stream


@contextmanager
def decoding(path: Path, place: Callable[[], str]) -> Iterator[None]:
    """Turns libav's errors inside into a MediaError that says where, as `place` tells it."""
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise MediaError(
            f"{path} is damaged {place()} ({_reason(error)}); repair or replace the file, "
            "or choose a part before the damage with video.frames"
        ) from error


def _reason(error: Exception) -> str:
    """What libav or the system says, without the path that our message already has."""
    return str(getattr(error, "strerror", None) or error)
