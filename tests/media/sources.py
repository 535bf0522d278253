"""Synthesized sources of every kind: codecs, containers, clocks, shapes, colors, and what travels with them.

Every frame carries its own number, as in `clips`, in the upright picture.
"""

from __future__ import annotations

import heapq
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.subtitles.subtitle import SubtitleSet

from .clips import picture

_ACCURATE = {"libx264": {"preset": "veryfast", "crf": "12"}, "libx265": {"x265-params": "log-level=none"}}
# Bits per second, so that the blocks of the number stay readable.
_LOUD = {"mpeg2video": 4_000_000, "mpeg4": 4_000_000, "mjpeg": 4_000_000}
_QUICK = {"libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"}, "libsvtav1": {"preset": "12", "crf": "30"}}
# Encoder → samples per frame and their format.
_SOUND_FRAME = {
    "aac": (1024, "fltp"),
    "libopus": (960, "s16"),
    "mp2": (1152, "s16"),
    "ac3": (1536, "fltp"),
    "libmp3lame": (1152, "s16p"),
    "flac": (4608, "s16"),
    "pcm_s16le": (1000, "s16"),
}
_MS = Fraction(1, 1000)
LINES_MS = ((80, 200), (240, 400))
_ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Alignment\nStyle: Default,Arial,16,&Hffffff,0,2\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
_CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}


@dataclass(frozen=True)
class Sound:
    """A stream of noise: from `start_s`, which may be negative, for `length_s`."""

    codec: str = "aac"
    layout: str = "stereo"
    language: str = "eng"
    start_s: Fraction = Fraction(0)
    length_s: Fraction = Fraction(1)
    rate_hz: int = 48_000


@dataclass(frozen=True)
class Clip:
    """What a source is to be; `pts` in units of `time_base`, by default 0 … frames−1 at `rate`."""

    suffix: str = ".mp4"
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (64, 48)  # of the coded picture, before it is turned
    frames: int = 12
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    pts: Sequence[int] | None = None
    b_frames: int = 0
    rotate_ccw_deg: int = 0
    aspect: Fraction | None = None
    colors: Mapping[str, int] = field(default_factory=dict)  # the codec context's names
    sounds: Sequence[Sound] = ()
    subtitles: Sequence[str] = ()  # a language each
    chapters: Sequence[tuple[int, int, str]] = ()  # start and end in ms, and the title
    tags: Mapping[str, str] = field(default_factory=dict)
    muxer: Mapping[str, str] = field(default_factory=dict)
    encoder: Mapping[str, str] = field(default_factory=dict)

    @property
    def times(self) -> list[Fraction]:
        """When each frame is shown, in seconds; before 0 it is not."""
        base = self.time_base or 1 / self.rate
        return [pts * base for pts in (range(self.frames) if self.pts is None else self.pts)]

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height in px of the upright picture."""
        width, height = self.size
        return (width, height) if self.rotate_ccw_deg % 180 == 0 else (height, width)


def write_source(path: Path, clip: Clip) -> Path:
    """Writes a clip to `path`, whose suffix names the container."""
    with av.open(str(path), "w", container_options=dict(clip.muxer)) as out:
        video = _add_video(out, clip)
        sounds = [(_add_sound(out, sound), sound) for sound in clip.sounds]
        texts = _add_texts(out, clip)
        out.metadata.update(clip.tags)
        if clip.chapters:
            out.set_chapters(
                [_chapter(number, *chapter) for number, chapter in enumerate(clip.chapters, start=1)]
            )
        out.start_encoding()
        for stream, packets in texts:
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
        sources = [(video, _frames(clip)), *((stream, _noise(sound)) for stream, sound in sounds)]
        timed = [_timed(stream, frames) for stream, frames in sources]
        for _, stream, frame in heapq.merge(*timed, key=itemgetter(0)):
            out.mux(stream.encode(frame))
        for stream, _ in sources:
            out.mux(stream.encode(None))
    return path


def _timed(stream: Any, frames: Iterator[Any]) -> Iterator[tuple[Fraction, Any, Any]]:
    for frame in frames:
        yield frame.pts * frame.time_base, stream, frame


def _add_video(out: Any, clip: Clip) -> Any:
    options = {**_ACCURATE.get(clip.codec, {}), **_QUICK.get(clip.codec, {}), **clip.encoder}
    if clip.codec in ("libx264", "mpeg2video", "mpeg4"):
        options |= {"bf": str(clip.b_frames), "g": "6"}
    stream = out.add_stream(clip.codec, rate=clip.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = *clip.size, clip.pix_fmt
    context = stream.codec_context
    context.time_base = clip.time_base or 1 / clip.rate
    if clip.codec in _LOUD:
        context.bit_rate = _LOUD[clip.codec]
    if clip.aspect is not None:
        context.sample_aspect_ratio = clip.aspect
    for name, value in clip.colors.items():
        setattr(context, name, value)
    if clip.rotate_ccw_deg:
        stream.set_display_rotation(clip.rotate_ccw_deg)
    return stream


def _frames(clip: Clip) -> Iterator[av.VideoFrame]:
    """The frames, drawn upright and turned as the camera was."""
    turns = clip.rotate_ccw_deg // 90
    width, height = clip.upright_size
    matrix = {1: 1, 5: 5, 6: 5, 9: 9}.get(clip.colors.get("colorspace", 6), 5)
    for index, time in enumerate(clip.pts if clip.pts is not None else range(clip.frames)):
        upright = picture(index, width, height)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(upright, -turns)), format="rgb24")
        frame = frame.reformat(
            format=clip.pix_fmt,
            dst_colorspace=matrix,
            src_color_range=2,
            dst_color_range=clip.colors.get("color_range", 1),
        )
        frame.pts, frame.time_base = time, clip.time_base or 1 / clip.rate
        yield frame


def _add_sound(out: Any, sound: Sound) -> Any:
    stream = out.add_stream(sound.codec, rate=sound.rate_hz)
    stream.layout = sound.layout
    stream.format = _SOUND_FRAME[sound.codec][1]
    stream.metadata["language"] = sound.language
    return stream


def _noise(sound: Sound) -> Iterator[av.AudioFrame]:
    """Noise, so that every packet has bytes of its own."""
    step, format_name = _SOUND_FRAME[sound.codec]
    channels, rate = _CHANNELS[sound.layout], sound.rate_hz
    random = np.random.default_rng(len(sound.language) + ord(sound.language[0]))
    for start in range(0, int(sound.length_s * rate), step):
        wave = random.uniform(-0.3, 0.3, (channels, step)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(
            _samples(wave, format_name), format=format_name, layout=sound.layout
        )
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = start + round(sound.start_s * rate)
        yield frame


def _samples(wave: npt.NDArray[np.float32], format_name: str) -> npt.NDArray[Any]:
    """Float samples (channels, n) as PyAV wants them in a format: planar, or packed into one row."""
    values = wave if format_name.startswith("flt") else (wave * 32767).astype(np.int16)
    return values if format_name.endswith("p") else np.ascontiguousarray(values.T).reshape(1, -1)


def _add_texts(out: Any, clip: Clip) -> list[tuple[Any, list[av.Packet[Any]]]]:
    """A stream per language and its lines, in the subtitle format of the container."""
    if clip.suffix in (".mp4", ".mov"):
        return [_add_timed_text(out, language) for language in clip.subtitles]
    name = "webvtt" if clip.suffix == ".webm" else "srt"
    found = []
    for language in clip.subtitles:
        lines = "".join(
            f"{number}\n{_clock(start, name)} --> {_clock(end, name)}\n{number} in {language}\n\n"
            for number, (start, end) in enumerate(LINES_MS, start=1)
        )
        with av.open(io.BytesIO(f"{'WEBVTT' * (name == 'webvtt')}\n\n{lines}".encode()), format=name) as text:
            stream = out.add_stream_from_template(text.streams[0])
            found.append((stream, [packet for packet in text.demux() if packet.size]))
        stream.metadata["language"] = language
    return found


def _clock(time_ms: int, format_name: str) -> str:
    return f"00:00:00{',' if format_name == 'srt' else '.'}{time_ms:03d}"


def _add_timed_text(out: Any, language: str) -> tuple[Any, list[av.Packet[Any]]]:
    """QuickTime's text, which has to be encoded."""
    stream = out.add_stream("mov_text")
    stream.metadata["language"] = language
    context = stream.codec_context
    context.subtitle_header, context.time_base, stream.time_base = _ASS, _MS, _MS
    packets = []
    for number, (start, end) in enumerate(LINES_MS, start=1):
        line = f"{number},0,Default,,0,0,0,,{number} in {language}".encode()
        packet = context.encode_subtitle(SubtitleSet.create(line, 0, end - start, start))
        packet.time_base = _MS
        packets.append(packet)
    return stream, packets


def _chapter(number: int, start_ms: int, end_ms: int, title: str) -> Any:
    return {"id": number, "start": start_ms, "end": end_ms, "time_base": _MS, "metadata": {"title": title}}
