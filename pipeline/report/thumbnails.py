"""Frames and photographs → small pictures in the page itself, one after the other."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from pipeline.disk.packs import read_frames
from pipeline.errors import MediaError
from pipeline.frames import Frame
from pipeline.media.container import decoding, open_media
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import output_size
from pipeline.media.photos import read_photo
from pipeline.media.pictures import picture_names
from pipeline.media.stills import read_still
from pipeline.plan import SourcePlan
from pipeline.report.inputs import result_of
from pipeline.resume import folder_of
from pipeline.storage.hand import at_hand
from pipeline.workspace import Workspace

QUALITY = 76
FEW_FRAMES = 3000
"""Up to so many a source without a usable index is decoded from its beginning, for its samples."""

_INDEXED = frozenset((".mp4", ".mov", ".m4v", ".mkv", ".webm"))


@dataclass(frozen=True)
class Thumbnail:
    """A small picture as a data URI, and its size in px."""

    uri: str
    width_px: int
    height_px: int


def thumbnail(frame: Frame, longest_px: int, aspect: Fraction = Fraction(1)) -> Thumbnail:
    """A picture, uint8 (h, w, 3) sRGB, brought to a longest side of at most `longest_px`; `aspect`: of its pixels."""
    height, width = frame.shape[:2]
    shown = (max(1, round(width * aspect)), height)
    scale = min(1.0, longest_px / max(shown))
    size = max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))
    image = Image.fromarray(np.ascontiguousarray(frame))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=QUALITY, method=4)
    return Thumbnail(f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}", *size)


Show = Callable[[Frame], Thumbnail]


def source_pictures(source: SourcePlan, indices: Sequence[int], show: Show) -> dict[int, Thumbnail]:
    """Some frames of a source by index, those that can be read without decoding all of a long one."""
    pictures: dict[int, Thumbnail] = {}
    with suppress(MediaError, OSError):  # moved or changed since: the page shows what there is
        for index, frame in _source_frames(source, indices):
            pictures[index] = show(frame)
    return pictures


def _source_frames(source: SourcePlan, indices: Sequence[int]) -> Iterator[tuple[int, Frame]]:
    found, probe = source.inspected.source, source.inspected.probe
    if found.kind == "sequence":
        for index in indices:
            with at_hand([found.files[index]]):
                yield index, next(decode_frames(found, probe, index, index + 1))
        return
    with at_hand(found.files):
        if found.path.suffix.lower() in _INDEXED:
            for index in indices:
                (frame,) = decode_frames(found, probe, index, index + 1)
                yield index, frame
        elif indices and max(indices) < FEW_FRAMES:
            wanted, decoded = set(indices), decode_frames(found, probe, 0, max(indices) + 1)
            with closing(decoded) as frames:  # type: ignore[type-var]
                yield from (one for one in enumerate(frames) if one[0] in wanted)


def result_pictures(
    source: SourcePlan, indices: Sequence[int], show: Show, space: Workspace
) -> dict[int, Thumbnail]:
    """Some frames of a result by index: as painted where they are kept, else out of the output."""
    pictures: dict[int, Thumbnail] = {}
    for index in indices:
        for read in (_painted, _written):
            try:
                frame = read(source, index, space)
            except (MediaError, OSError, av.FFmpegError, ValueError):
                continue
            if frame is not None:
                pictures[index] = show(frame)
                break
    return pictures


def _painted(source: SourcePlan, index: int, space: Workspace) -> Frame | None:
    for first, stop, segment in source.homes:
        if first <= index < stop:
            folder = folder_of(segment, space)
            return next(read_frames(folder, space.shelf.fetched(folder, [index])))
    return None


def _written(source: SourcePlan, index: int, space: Workspace) -> Frame | None:
    """A frame out of a finished output."""
    probe = source.inspected.probe
    if source.is_folder:
        name = picture_names(source.inspected.source, probe)[index]
        picture = result_of(f"{source.output}/{name}", space)
        return None if picture is None else _at_hand(picture, read_still)
    target = result_of(source.output, space)
    if target is None:
        return None
    time_s = (probe.pts[index] - probe.pts[source.first]) * probe.time_base
    return _at_hand(target, lambda path: _frame_at(path, time_s))


def _at_hand(path: Path, read: Callable[[Path], Frame | None]) -> Frame | None:
    """What can be read of a file, wherever it is."""
    with at_hand([path]):
        return read(path) if path.is_file() else None


def _frame_at(path: Path, time_s: Fraction) -> Frame | None:
    """The frame of a video that is shown at a time, in seconds from its first one."""
    with open_media(path) as container, decoding(path, lambda: f"at {float(time_s):.3f} s"):
        stream: Any = container.streams.video[0]
        start = stream.start_time or 0
        wanted = start + time_s / stream.time_base
        slack = Fraction(1, 500) / stream.time_base  # Matroska counts in milliseconds
        container.seek(int(wanted), stream=stream, backward=True)
        for frame in islice(container.decode(stream), FEW_FRAMES):
            if frame.pts is not None and frame.pts >= wanted - slack:
                return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    return None


def photograph(path: Path, longest_px: int, max_pixels: int) -> Thumbnail | None:
    """A photograph, upright; None where it cannot be read."""
    try:
        with at_hand([path]):
            photo = read_photo(
                path, lambda w, h: output_size(w, h, min(longest_px, max(w, h)), even=False), max_pixels
            )
    except (MediaError, OSError):
        return None
    rgb = photo.pages[0].rgb
    return thumbnail((rgb >> 8 if rgb.dtype == np.uint16 else rgb).astype(np.uint8), longest_px)
