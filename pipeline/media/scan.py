"""One pass over a video file: every frame decoded, every packet's end noted, nothing converted to RGB.

Counts and times in headers are promises; here is what the file really holds, and the checks of one against
the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pipeline.errors import MediaError
from pipeline.media.container import decoding
from pipeline.media.seen import Seen, unseen

# Formats whose header holds a duration; of others libav gives one that it guessed from the bit rate. The first two
# have one for every stream; the others one for the file, which libav then passes off as that of a stream.
_DECLARES_STREAMS = frozenset(("mov", "avi"))
_DECLARES_DURATION = _DECLARES_STREAMS | frozenset(("matroska", "flv", "asf"))
# AVI stores the order of decoding at a constant rate; with B-frames libav's guess at the rest goes astray.
_DECODING_TIMES_ONLY = frozenset(("avi",))
_TOLERANCE_FRAMES = 3
TOLERANCE_S = Fraction(1, 4)


@dataclass
class Tally:
    """What one pass over a file sees; it grows by one number per frame."""

    first: VideoFrame
    pts: list[int | None] = field(default_factory=list)
    last_duration: int = 0  # in units of the stream's time base
    interlaced: int = 0  # frames of two fields
    ends_s: dict[int, Fraction] = field(default_factory=dict)  # stream index → the end of its last packet


def decode_all(container: InputContainer, stream: VideoStream, path: Path, seen: Seen = unseen) -> Tally:
    """Decodes every frame of the stream and notes where the packets of all streams end."""
    tally: Tally | None = None
    ends_s: dict[int, Fraction] = {}
    with decoding(path, lambda: _after(tally, stream)):
        for packet in container.demux():
            _note_end(packet, ends_s)
            if packet.stream.index != stream.index:
                continue
            for frame in stream.decode(packet):
                tally = tally or Tally(first=frame, ends_s=ends_s)
                _check_frame(frame, tally, path)
                tally.pts.append(frame.pts)
                tally.last_duration = frame.duration
                tally.interlaced += frame.interlaced_frame
                seen(len(tally.pts))
    if tally is None:
        raise MediaError(f"{path} has a video stream, but no frame of it can be decoded; replace the file")
    if container.format.name in _DECODING_TIMES_ONLY and not _rises(tally.pts):
        tally.pts = [None] * len(tally.pts)
    return tally


def _rises(pts: list[int | None]) -> bool:
    """Whether every timestamp is there and later than the one before."""
    return all(a is not None and b is not None and a < b for a, b in pairwise(pts))


def _after(tally: Tally | None, stream: VideoStream) -> str:
    """Where decoding has arrived, for a person: by frame index and time."""
    if tally is None:
        return "at its first frame"
    last = tally.pts[-1]
    time = f" ({float(last * stream.time_base):.3f} s)" if last is not None and stream.time_base else ""
    return f"after frame {len(tally.pts) - 1}{time}"


def _note_end(packet: Packet[Stream], ends_s: dict[int, Fraction]) -> None:
    """Keeps the latest end of the packets of each stream, in seconds."""
    if packet.pts is not None and packet.size:
        end = (packet.pts + (packet.duration or 0)) * packet.time_base
        ends_s[packet.stream.index] = max(end, ends_s.get(packet.stream.index, end))


def _check_frame(frame: VideoFrame, tally: Tally, path: Path) -> None:
    """Raises MediaError for a frame that the decoder had to guess at, or whose size is another one."""
    index, first = len(tally.pts), tally.first
    if frame.is_corrupt:
        raise MediaError(
            f"{path} is damaged at frame {index}: the decoder had to fill in parts of it; repair or replace "
            "the file, or choose a part without the damage with video.frames"
        )
    if (frame.width, frame.height) != (first.width, first.height):
        raise MediaError(
            f"{path} changes its size at frame {index} from {first.width}x{first.height} px to "
            f"{frame.width}x{frame.height}; split or re-encode it"
        )


def check_order(path: Path, pts: tuple[int, ...], time_base: Fraction) -> None:
    """Raises MediaError at the first frame that is not later than the one before it."""
    for index, (before, here) in enumerate(pairwise(pts), start=1):
        if here <= before:
            raise MediaError(
                f"{path}: frame {index} is at {float(here * time_base):.3f} s, not later than frame "
                f"{index - 1} at {float(before * time_base):.3f} s; rewrite the timestamps of the file"
            )


def declares_durations(container: InputContainer) -> bool:
    """Whether the durations of the streams are their own."""
    return _format(container) in _DECLARES_STREAMS


def _format(container: InputContainer) -> str:
    return container.format.name.split(",")[0]


def check_complete(
    path: Path, container: InputContainer, stream: VideoStream, tally: Tally, rate: Fraction
) -> None:
    """Raises MediaError if the file ends clearly before its header says: it was cut off."""
    if declares_durations(container) and stream.duration and stream.time_base:
        start = tally.pts[0] if stream.start_time is None else stream.start_time
        declared_s = ((start or 0) + stream.duration) * stream.time_base
        end_s = video_end_s(stream, tally, rate)
    elif (
        _format(container) in _DECLARES_DURATION and container.duration
    ):  # the longest stream has to reach it
        declared_s = Fraction(container.duration, av.time_base)
        end_s = max([*tally.ends_s.values(), video_end_s(stream, tally, rate)])
    else:
        return
    if declared_s - end_s > max(_TOLERANCE_FRAMES / rate, TOLERANCE_S):
        raise MediaError(
            f"{path} is cut off: its header promises {float(declared_s):.2f} s, but it ends after frame "
            f"{len(tally.pts) - 1} at {float(end_s):.2f} s; copy it again from where it came"
        )


def video_end_s(stream: VideoStream, tally: Tally, rate: Fraction) -> Fraction:
    """When the last decoded frame ends, in seconds."""
    last = tally.pts[-1]
    if last is None or stream.time_base is None:
        return len(tally.pts) / rate
    return max(last * stream.time_base + 1 / rate, (last + tally.last_duration) * stream.time_base)
