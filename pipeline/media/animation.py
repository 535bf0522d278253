"""Animated GIF and WebP → frames: composed, over white, with how long each is shown. Pillow does the composing.

Written they are by `encode`, as any other video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import count, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.photo_formats import open_limited
from pipeline.media.seen import Seen, counted, unseen
from pipeline.media.stills import reading_picture, to_srgb

DEFAULT_MS = 100
"""What a frame without a duration is shown for: as in every browser."""

MOST_PIXELS = 2 * 10**10
"""Of all frames together: a GIF of a few kB can promise more than a computer composes in a day."""

_WEBP_ALPHA = 0x10  # a flag of the chunk VP8X


@dataclass(frozen=True)
class Timing:
    """How an animation runs: its size in px, the durations of its frames in ms, how often it is played."""

    width_px: int
    height_px: int
    durations_ms: tuple[int, ...]
    plays: int  # 0: for ever
    notes: tuple[str, ...]  # what a person should know


def read_timing(path: Path, seen: Seen = unseen) -> Timing:
    """How an animation runs, found by decoding it; raises MediaError where it is damaged."""
    with reading_picture(path), _open(path) as picture:
        size, is_gif = picture.size, picture.format == "GIF"
        found = [round(frame.info.get("duration", 0)) for frame in counted(_frames(picture, path), seen)]
        plays = _plays(picture.info, is_gif=is_gif)
    missing = sum(duration <= 0 for duration in found)
    notes = (
        [f"{missing} frames without a duration are shown for {DEFAULT_MS} ms, as browsers do"]
        if missing
        else []
    )
    if is_gif and not _is_ended(path):
        notes.append("the GIF has no end mark; it may be cut off")
    return Timing(*size, tuple(d if d > 0 else DEFAULT_MS for d in found), plays, tuple(notes))


def read_animation(path: Path, first: int, stop: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames first … stop−1, sRGB uint8 (height, width, 3), C-contiguous; what is transparent shows white.

    A frame builds on those before it, so all are decoded up to the last. Raises MediaError where it is damaged.
    """
    with reading_picture(path), _open(path) as picture:
        for frame in islice(_frames(picture, path), first, stop):
            yield np.array(to_srgb(frame), dtype=np.uint8)


def _open(path: Path) -> Image.Image:
    """An animation, opened; a WebP as one with transparency.

    Its encoder says that there is none where each frame by itself is opaque, though frames may be smaller than the
    picture; what none of them covers would come out black.
    """
    if path.suffix.lower() != ".webp":
        return open_limited(path)
    data = bytearray(path.read_bytes())
    if data[12:16] == b"VP8X":
        data[20] |= _WEBP_ALPHA
    return open_limited(BytesIO(data))


def _frames(picture: Image.Image, path: Path) -> Iterator[Image.Image]:
    """The same picture again and again, each time showing its next frame."""
    most = MOST_PIXELS // max(1, picture.width * picture.height)
    for index in count():
        try:
            picture.seek(index)
        except EOFError:
            return
        if index >= most:
            size = f"{picture.width}x{picture.height} px"
            raise MediaError(f"{path} has more than {most} frames of {size}; cut it shorter")
        try:
            picture.load()
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise MediaError(
                f"{path} is damaged at frame {index} ({error}); repair or replace the file"
            ) from error
        yield picture


def _plays(info: dict[str | tuple[int, int], object], *, is_gif: bool) -> int:
    """How often an animation is played, 0: for ever. A GIF says how often it is repeated, or nothing: not at all.

    >>> _plays({"loop": 2}, is_gif=True), _plays({"loop": 2}, is_gif=False), _plays({}, is_gif=True)
    (3, 2, 1)
    """
    loop = info.get("loop")
    if not isinstance(loop, int):
        return 1
    return loop + 1 if is_gif and loop else loop


def _is_ended(path: Path) -> bool:
    """Whether a GIF ends as it should, with a semicolon; zeros after it are common."""
    with path.open("rb") as file:
        file.seek(-min(1024, path.stat().st_size), 2)
        return file.read().rstrip(b"\0").endswith(b";")
