"""Opening video files: which stream is the picture, and libav's errors as ours.

libav's own log stays off, as is PyAV's default: its handler takes the GIL from codec threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.errors import MediaError

# Pictures that players show instead of a video, never frames of one: covers and seek-bar thumbnails.
_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Opens a media file for reading and closes it; raises MediaError if libav cannot make sense of it."""
    try:
        container = av.open(str(path), "r", metadata_errors="replace")
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
