"""Frames → a folder of numbered PNG pictures, and the check that all of them are there.

A sequence keeps its own names, so that 1001 stays 1001; frames of a video are numbered as everywhere, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import MediaError
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.media.stills import read_header, write_still
from pipeline.media.writing import writing

_DIGITS = 6


def picture_names(source: Source, probe: Probe) -> tuple[str, ...]:
    """The names of the pictures of all frames of a source.

    >>> picture_names(source_of(Path("clip.mp4")), two_frames)  # doctest: +SKIP
    ('000000.png', '000001.png')
    """
    names = tuple(f"{path.stem}.png" for path in source.files)
    if source.kind == "sequence" and len({name.casefold() for name in names}) == len(names):
        return names
    digits = max(_DIGITS, len(str(probe.frames - 1)))
    return tuple(f"{index:0{digits}d}.png" for index in range(probe.frames))


def write_pictures(
    frames: Iterable[npt.NDArray[np.uint8]], folder: Path, source: Source, probe: Probe, first: int, stop: int
) -> tuple[str, ...]:
    """Writes frames first … stop−1 into a folder, and returns a sentence for everything that was left out.

    Raises SpaceError without room or permission, MediaError for a wrong number of frames.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, rgb in zip(picture_names(source, probe)[first:stop], frames, strict=False):
        write_still(rgb, folder / name)
        count += 1
    if count != stop - first:
        raise MediaError(f"{source.name}: {count} frames to write instead of {stop - first}; run again")
    return tuple(_left_out(source, probe))


def _left_out(source: Source, probe: Probe) -> Iterator[str]:
    """What a folder of pictures cannot hold."""
    if source.kind != "sequence":
        steps = {b - a for a, b in pairwise(probe.pts)}
        pace = f"at {probe.rate} frames per second" if len(steps) < 2 else "at a variable rate"
        yield f"timestamps are left out: the source runs {pace}"
    for count, what in ((probe.audio_streams, "sound"), (probe.subtitle_streams, "subtitle")):
        if count:
            yield f"{count} {what} streams are left out: pictures cannot hold them"
    if probe.sample_aspect != 1:
        yield f"the sample aspect {probe.sample_aspect} is left out: pixels of pictures are square"


def compare_pictures(
    folder: Path, source: Source, probe: Probe, first: int, stop: int, size: tuple[int, int]
) -> list[str]:
    """What is wrong with a folder of pictures, as sentences: names that lack or are too many, and sizes."""
    wanted = picture_names(source, probe)[first:stop]
    found = {path.name for path in folder.glob("*.png")}
    differences = [f"{name} is missing" for name in wanted if name not in found]
    differences += [f"{name} is no frame of this result" for name in sorted(found - set(wanted))]
    for name in wanted:
        if name in found:
            try:
                width, height, _ = read_header(folder / name)
            except MediaError as error:
                differences.append(str(error))
                continue
            if (width, height) != size:
                differences.append(f"{name} is {width}x{height} px instead of {size[0]}x{size[1]}")
    return differences
