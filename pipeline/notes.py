"""What a person should know of a planned source: how it is read, and where its result is not what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.config import Config
from pipeline.media.formats import Coding
from pipeline.media.probe import Probe
from pipeline.parts import Inspected


def source_notes(config: Config, found: Inspected, stop: int, size: tuple[int, int]) -> tuple[str, ...]:
    """What to know of how a source is read; its frames before `stop` are painted at `size`, (width, height) in px."""
    notes = [*found.probe.notes, *_reading_notes(found.probe)]
    width, height = found.probe.width_px, found.probe.height_px
    if max(size) > max(width, height):
        notes.append(
            f"enlarged from {width}×{height}; transfer.size {max(width, height)}, or null, keeps its size"
        )
    if found.source.guess:
        notes.insert(0, f"taken as a numbered sequence: {found.source.guess}")
    if config.video.frames and config.video.frames[1] > stop:
        notes.append(
            f"video.frames asks for frames up to {config.video.frames[1] - 1}, the last is {stop - 1}"
        )
    if not isinstance(config.video.cuts, str) and (
        beyond := [cut for cut in config.video.cuts if cut >= stop]
    ):
        notes.append(f"video.cuts names {_listed(beyond)}, the last frame is {stop - 1}")
    return tuple(notes)


def _listed(numbers: Sequence[int]) -> str:
    """
    >>> _listed([400, 500]), _listed([400, 500, 600, 700])
    ('400, 500', '400, 500 and 2 more')
    """
    more = f" and {len(numbers) - 2} more" if len(numbers) > 2 else ""
    return f"{', '.join(map(str, numbers[:2]))}{more}"


def _reading_notes(probe: Probe) -> Iterator[str]:
    """What is done to the source before it is painted."""
    if probe.interlaced:
        share = "" if probe.interlaced == probe.frames else f" ({probe.interlaced} of {probe.frames} frames)"
        done = "deinterlaced" if probe.is_deinterlaced else "two fields are painted as one picture"
        yield f"interlaced{share}: {done}; see video.deinterlace"
    if probe.hdr:
        done = "tone-mapped to BT.709" if probe.is_tonemapped else "painted as it is coded, and tagged so"
        yield f"high dynamic range ({probe.hdr}): {done}; see video.hdr"
    elif probe.bits > 8:
        yield f"{probe.bits} bits per channel: painted with 8"


def coding_notes(config: Config, found: Inspected, coding: Coding) -> Iterator[str]:
    """Where the result is encoded otherwise than was asked for."""
    source, encoding = found.source, config.encoding
    is_kept = found.probe.hdr is not None and not found.probe.is_tonemapped
    if coding.bits == 8 and (encoding.bits == 10 or is_kept):
        yield f"written with 8 bits per channel, {coding.codec} has no more"
    if coding.strength is None and encoding.quality is not None:
        yield f"encoding.quality counts for nothing, {coding.codec} has none"
    if encoding.container == "source" and (source.output or source.name) != source.name:
        yield f"written as {source.output}: encoding.codec {encoding.codec} does not go into the source's container"
