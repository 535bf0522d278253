"""Synthesized clips: every frame carries its own number, so a test can see which one it got."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt

from pipeline.media.sources import Source

SOUND_RATE_HZ = 48_000
_CODE_BITS = 8

Rgb = npt.NDArray[np.uint8]


def picture(index: int, width_px: int = 64, height_px: int = 48) -> Rgb:
    """Frame `index`: a gradient that moves, and on top the bits of the number as black and white blocks."""
    y, x = np.mgrid[:height_px, :width_px]
    rgb = np.stack([(x * 3 + index * 5) % 256, (y * 4 + index * 3) % 256, (x + y + index) % 256], axis=-1)
    block = width_px // _CODE_BITS
    for bit in range(_CODE_BITS):
        rgb[: height_px // 4, bit * block : (bit + 1) * block] = 255 if index >> bit & 1 else 0
    return rgb.astype(np.uint8)


def read_number(rgb: Rgb) -> int:
    """The number that `picture` drew into a frame."""
    height_px, width_px = rgb.shape[:2]
    block, row = width_px // _CODE_BITS, height_px // 8
    return sum(1 << bit for bit in range(_CODE_BITS) if rgb[row, bit * block + block // 2].mean() > 127)


def source_of(path: Path, kind: Any = "video") -> Source:
    """A source of one file."""
    return Source(kind, path, path.name, (path,), None)


def write_clip(
    path: Path,
    *,
    frames: int = 24,
    size: tuple[int, int] = (64, 48),
    rate: Fraction = Fraction(25),
    time_base: Fraction | None = None,
    pts: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound_s: float = 0,
    sound_first: bool = False,
    aspect: Fraction | None = None,
    rotate_ccw_deg: int = 0,
    tags: dict[str, int] | None = None,
    subtitle: bool = False,
    rgb: Sequence[Rgb] | None = None,
    fields: Literal["tff", "bff"] | None = None,
) -> Path:
    """Writes a clip of numbered frames; `pts` in units of `time_base`, by default 0 … n−1 at `rate`.

    With `fields`, frames are two fields, the top (tff) or the bottom one first, if the options of the codec agree.
    `sound_s` seconds of a mono sine in AAC (Opus in WebM) go with it, with their priming before time 0.
    """
    with av.open(str(path), "w", container_options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=rate, options={"g": "12", "bf": "2", **(options or {})})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = time_base or 1 / rate
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if rotate_ccw_deg:
            stream.set_display_rotation(rotate_ccw_deg)
        sound = _add_sound(out, path) if sound_s else None
        if sound is not None and sound_first:
            _write_sound(out, sound, sound_s)
        times = pts if pts is not None else range(frames)
        for index, time in enumerate(times):
            array = picture(index, *size) if rgb is None else rgb[index]
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame = _to_yuv(frame, pix_fmt, tags or {})
            frame.pts, frame.time_base = time, time_base or 1 / rate
            if fields:
                frame = _as_fields(frame, fields)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None and not sound_first:
            _write_sound(out, sound, sound_s)
    return path


def _to_yuv(frame: av.VideoFrame, pix_fmt: str, tags: dict[str, int]) -> av.VideoFrame:
    matrix = {1: 1, 6: 5, 5: 5, 9: 9}.get(tags.get("colorspace", 6), 5)
    return frame.reformat(
        format=pix_fmt, dst_colorspace=matrix, dst_color_range=tags.get("color_range", 1), src_color_range=2
    )


def _as_fields(frame: av.VideoFrame, fields: str) -> av.VideoFrame:
    """The frame, marked as two fields; PyAV can do that by a filter only."""
    graph = av.filter.Graph()
    size = {"width": frame.width, "height": frame.height, "format": frame.format}
    nodes = graph.add_buffer(**size, time_base=frame.time_base), graph.add("setfield", fields)
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def _add_sound(out: Any, path: Path) -> Any:
    sound = out.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=SOUND_RATE_HZ)
    sound.layout = "mono"
    sound.metadata["language"] = "deu"
    return sound


def _write_sound(out: Any, sound: Any, length_s: float) -> None:
    samples = int(length_s * SOUND_RATE_HZ)
    wave = np.sin(np.arange(samples) * (2 * np.pi * 440 / SOUND_RATE_HZ)).astype(np.float32) / 2
    is_opus = sound.codec_context.name == "libopus"
    step = 960 if is_opus else 1024
    for start in range(0, samples, step):
        chunk = wave[start : start + step][None]
        chunk = (chunk * 32767).astype(np.int16) if is_opus else chunk
        frame = av.AudioFrame.from_ndarray(chunk, format="s16" if is_opus else "fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE_HZ, start, Fraction(1, SOUND_RATE_HZ)
        out.mux(sound.encode(frame))
    out.mux(sound.encode(None))


def cut_file(path: Path, target: Path, share: float = 0.5) -> Path:
    """The first part of a file's bytes, as an interrupted copy leaves them."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target
