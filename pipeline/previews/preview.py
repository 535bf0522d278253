"""A look at a job in between: partial videos of what is finished so far.

Reads the run folder without its lock, beside a run that works there: a finished frame is whole whenever it is read,
be it a file or in a pack. Where a frame is not finished, the source's own is shown in dark gray, so that every frame
is at its time, and the sound with it. The only thing that is written is the video, in one step.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.archive.summary import Pictures
from pipeline.assemble import Output, current_outputs
from pipeline.config import Config
from pipeline.disk.packs import read_frames
from pipeline.errors import MediaError
from pipeline.frames import Frame
from pipeline.live.status import is_running
from pipeline.look import Sight, look
from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.geometry import fit
from pipeline.media.writing import writing
from pipeline.places import place_of
from pipeline.plan import SourcePlan
from pipeline.resume import Stock, folder_of
from pipeline.shots.segments import Segment
from pipeline.workspace import Workspace

DIMMED = 0.4
"""Of its brightness, what a source's frame keeps where its painting is missing: a look tells one from the other."""

_LUMA = np.array((0.2126, 0.7152, 0.0722))  # BT.709's


@dataclass(frozen=True)
class Preview:
    """What is finished of a source: `painted` of its `frames`, and the file that shows them, if there is one."""

    source: str
    kind: str
    painted: int
    frames: int
    output: Path | None = None
    error: str | None = None


def preview(config: Config) -> tuple[Sight, list[Preview]]:
    """Write the partial videos of a job, and say what is finished of each source; starts no work."""
    seen = look(config)
    return seen, partial_videos(config, seen)


def partial_videos(config: Config, seen: Sight) -> list[Preview]:
    """The same after a look."""
    space = Workspace(config.output)
    outputs = current_outputs(seen.plan.sources, space)
    films = [show(source, seen.stock, space, outputs.get(source.name)) for source in seen.plan.sources]
    return [*films, *pictures_of(seen.pictures)]


def pictures_of(pictures: Pictures) -> list[Preview]:
    """What is finished of photographs, of the first ones each by itself."""
    return [Preview(one["source"], "still", one["reused"], one["frames"]) for one in pictures.listed]


def show(source: SourcePlan, stock: Stock, space: Workspace, output: Output | None) -> Preview:
    """Write the partial video of a source; of one whose `output` is there, or of which nothing is, only say so."""
    kind, count = source.inspected.source.kind, source.frames
    if output is not None:
        return Preview(source.name, kind, count, count, output.output)
    where = painted_in(source, stock)
    found = Preview(source.name, kind, len(where), count)
    if not where:
        return found
    try:
        return Preview(source.name, kind, len(where), count, _write(source, where, space))
    except MediaError as error:
        return Preview(source.name, kind, len(where), count, error=str(error))


def painted_in(source: SourcePlan, stock: Stock) -> dict[int, Segment]:
    """The segment that has each frame's best painting so far: of the latest stage that has one."""
    return {
        index: segment
        for segment in source.segments
        for index in stock.finished[segment.key]
        if source.first <= index < source.stop
    }


def is_begun(seen: Sight, space: Workspace) -> bool:
    """Whether anything of a job is finished, or a run is at work on it, which needs the machine."""
    return seen.reused > 0 or is_running(space)


def lines(seen: Sight, previews: Sequence[Preview], to_run: str) -> Iterator[str]:
    """What a person is told: a line per video, and one for all photographs."""
    for one in previews:
        if one.kind != "still" and one.error:
            yield f"{one.source}: {one.painted} of {one.frames} frames painted, but not to be shown: {one.error}"
        elif one.kind != "still":
            place = f" → {one.output}" if one.output else ""
            yield f"{one.source}: {one.painted} of {one.frames} frames painted{place}"
    if seen.pictures.count:
        total = seen.pictures.done + seen.pictures.left
        yield f"{seen.pictures.done} of {total} pictures painted"
    if not seen.pictures.done and not any(one.painted for one in previews):
        yield f"nothing is finished yet; start the job ({to_run}), and look again once it has painted frames"


def to_json(seen: Sight, previews: Sequence[Preview]) -> dict[str, Any]:
    """The object that `--json` prints."""
    painted = sum(one.painted for one in previews if one.kind != "still")
    shown = [{**asdict(one), "output": None if one.output is None else str(one.output)} for one in previews]
    return {
        "previews": shown,
        "frames": {"total": seen.frames, "painted": seen.pictures.done + painted},
        "failures": [asdict(failure) for failure in seen.failures],
    }


def _write(source: SourcePlan, where: Mapping[int, Segment], space: Workspace) -> Path:
    target = place_of(space.output, str(space.preview(source.name).relative_to(space.output)))
    partial = target.with_name(f".{secrets.token_hex(6)}.partial.mp4")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with space.shelf.at_hand(source.inspected.source.files):
            encode_video(
                _frames(source, where, space),
                partial,
                source.inspected.source,
                source.inspected.probe,
                source.first,
                source.stop,
            )
        with writing(target):
            space.shelf.put(partial, target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return target


def _frames(source: SourcePlan, where: Mapping[int, Segment], space: Workspace) -> Iterator[Frame]:
    """Every frame from the source's first on: painted, or the source's own, dimmed."""
    own = decode_frames(source.inspected.source, source.inspected.probe, source.first, source.stop)
    for index, content in enumerate(own, start=source.first):
        painted = None
        if index in where:
            with suppress(MediaError):  # thrown away since, or damaged
                folder = folder_of(where[index], space)
                painted = next(read_frames(folder, space.shelf.fetched(folder, [index])))
        yield dimmed(fit(content, source.size)) if painted is None else painted


def dimmed(frame: Frame) -> Frame:
    """A frame in dark gray.

    >>> dimmed(np.full((1, 1, 3), 100, np.uint8)).tolist()
    [[[40, 40, 40]]]
    """
    gray = (frame @ _LUMA * DIMMED + 0.5).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)
