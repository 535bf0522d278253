"""The plan: what has to be done, as a pure function of the config and of what the sources are.

Sources → shots → segments. Nothing here touches a file, and nothing depends on how many workers there will be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

from pipeline.config import Config, Keyframe, StyleImage, Transfer, plain
from pipeline.direction import Direction, direct
from pipeline.errors import MediaError
from pipeline.media.formats import Coding
from pipeline.media.geometry import output_size
from pipeline.media.outputs import coding_for
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.segments import OPENING_EFFORT, Cutting, Home, Segment, homes_of, segments_of, skipped
from pipeline.shotlist import Script, Shot, check_frames

ALGORITHM = 3
"""Counts up with every change of the code that changes a pixel, so that no run mixes two versions' frames."""


@dataclass(frozen=True)
class Failure:
    """What could not be done: the source's name, the frame's index or None, and why."""

    source: str
    frame: int | None
    error: str


@dataclass(frozen=True)
class Inspected:
    """A source and what looking at it found: the SHA-256 of its bytes, and its cuts as frame indices."""

    source: Source
    probe: Probe
    digest: str
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class StyleDigests:
    """A style with its share, by SHA-256 of its picture and of the masks that it has."""

    image: str
    weight: float
    mask: str | None = None
    part: str | None = None


@dataclass(frozen=True)
class Judges:
    """What judges the pictures, by SHA-256: the styles, the network's weights, and where the content counts.

    `flow`: the weights of the optical flow, where it has any. `files`: by path, the pictures and masks of the styles
    that only some shots or moments have.
    """

    styles: tuple[StyleDigests, ...]
    weights: str
    content_mask: str | None = None
    flow: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def of(self, styles: Sequence[StyleImage]) -> tuple[StyleDigests, ...]:
        """The digests of styles whose pictures and masks are among `files`."""
        return tuple(
            StyleDigests(
                self.files[str(one.image)],
                one.weight,
                None if one.mask is None else self.files[str(one.mask)],
                None if one.part is None else self.files[str(one.part)],
            )
            for one in styles
        )


@dataclass(frozen=True)
class SourcePlan:
    """What is to be done with one source: its frames first … stop−1 at `size`, (width, height) in px."""

    inspected: Inspected
    first: int
    stop: int
    size: tuple[int, int]
    segments: tuple[Segment, ...]
    is_warm: bool  # every frame of a segment but the first starts from its predecessor
    notes: tuple[str, ...]
    coding: Coding | None  # how the result is encoded, which changes no pixel; None for stills
    directions: Mapping[int, Direction] = field(default_factory=dict, repr=False)
    """By a shot's first frame, what the shot is painted with where that is not the job's own."""

    @property
    def name(self) -> str:
        """The source's name: that of its output, too, where the container stays."""
        return self.inspected.source.name

    @property
    def output(self) -> str:
        """The path of the output below the output folder; a folder, where the result is numbered pictures."""
        return self.inspected.source.output or self.name

    @property
    def is_folder(self) -> bool:
        """Whether the output is a folder of numbered pictures."""
        return self.coding is not None and self.coding.codec == "png"

    @property
    def frames(self) -> int:
        """How many frames are to be made."""
        return self.stop - self.first

    @cached_property
    def homes(self) -> tuple[Home, ...]:
        """Where each frame of the result is, in order."""
        return homes_of(self.segments)

    @cached_property
    def own(self) -> Mapping[str, tuple[int, int]]:
        """By segment's key, the frames first … stop−1 of it that are in the result; the others are drafts."""
        return {home.segment.key: (home.first, home.stop) for home in self.homes}

    @property
    def shots(self) -> tuple[tuple[int, int], ...]:
        """The shots, first and stop, of which the segments are parts."""
        starts = [s.first for s in self.segments if s.kind == "skip" or (s.kind == "paint" and s.effort == 1)]
        return tuple(pairwise([*starts, self.stop]))

    def direction(self, segment: Segment) -> Direction | None:
        """What a segment is painted with; None: the job's own style and settings."""
        if not self.directions:
            return None
        shot = max(first for first, _ in self.shots if first <= segment.first)
        given = self.directions.get(shot)
        return given and given.between(*self.span_s(segment.first, segment.stop))

    def span_s(self, first: int, stop: int) -> tuple[Fraction, Fraction]:
        """The times of the first and the last of some frames, in seconds from the source's first frame."""
        probe = self.inspected.probe
        return probe.time_s(first), probe.time_s(stop - 1)

    @property
    def seams(self) -> tuple[int, ...]:
        """The frames with which a segment begins within a shot."""
        return tuple(s.first for s in self.segments if s.kind == "paint" and s.effort < 1)


@dataclass(frozen=True)
class Plan:
    """All that is to be done, what cannot be, and the files that are neither video nor picture."""

    sources: tuple[SourcePlan, ...]
    failures: tuple[Failure, ...]
    skipped: tuple[str, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment of every source, in order."""
        return tuple(segment for source in self.sources for segment in source.segments)

    @property
    def frames(self) -> int:
        """The number of frames of all sources."""
        return sum(source.frames for source in self.sources)


def frame_range(config: Config, probe: Probe, source: Source) -> tuple[int, int]:
    """The frames first … stop−1 that the config asks for; `MediaError` where the source has none of them."""
    if config.video.frames is None or source.kind == "still":
        return 0, probe.frames
    first, stop = config.video.frames
    if first >= probe.frames:
        raise MediaError(f"video.frames starts at {first}, but the source has {probe.frames} frames")
    return first, min(stop, probe.frames)


def plan_source(config: Config, found: Inspected, judges: Judges, script: Script | None = None) -> SourcePlan:
    """One source's shots and segments, the shots those of `script` where there is one.

    Raises `MediaError` where the config asks for frames that the source has not, `ConfigError` where `script` does.
    """
    source, probe = found.source, found.probe
    first, stop = frame_range(config, probe, source)
    size = output_size(probe.width_px, probe.height_px, config.transfer.size, even=source.kind != "still")
    is_warm = source.kind != "still" and config.video.warm_start != "none"
    job = _Job(config, found, judges, size, is_warm)
    segments: list[Segment] = []
    directions: dict[int, Direction] = {}
    for begin, end, shot in _shots(found, first, stop, script):
        if shot and shot.skip:
            segments.append(skipped(source.name, (begin, end), job.skipped_parts))
            continue
        direction = job.direction(shot, script)
        if direction != job.own:
            directions[begin] = direction
        cutting = _cutting(config, direction.transfer, is_warm=is_warm)
        segments += segments_of(source.name, (begin, end), partial(job.parts, direction), cutting)
    coding = coding_for(source, probe, config.encoding.wish)
    notes = (*_notes(config, found, stop), *_coding_notes(config, found, coding))
    return SourcePlan(found, first, stop, size, tuple(segments), is_warm, notes, coding, directions)


def _shots(
    found: Inspected, first: int, stop: int, script: Script | None
) -> Iterator[tuple[int, int, Shot | None]]:
    """The shots of the frames first … stop−1, with what a shot list says of each."""
    if script is None:
        yield from ((*shot, None) for shot in shots(first, stop, found.cuts))
        return
    check_frames(found.source.name, script, found.probe.frames, (first, stop))
    for shot in script.shots:
        begin, end = max(first, shot.frames[0]), min(stop, shot.frames[1])
        if begin < end:
            yield begin, end, shot


def _cutting(config: Config, transfer: Transfer, *, is_warm: bool) -> Cutting:
    """How a shot is cut; where frames are cold, each is on its own, and so is every segment."""
    video = config.video
    if not is_warm:
        return Cutting(None, 0, 1, 0)
    more = transfer.iterations * (1 - OPENING_EFFORT) / max(1, transfer.warm_iterations)
    return Cutting(video.segment_frames, video.blend_frames, video.passes, round(more))


def shots(first: int, stop: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges between the cuts that lie inside first … stop−1; every frame is in exactly one.

    >>> shots(10, 30, [5, 10, 20, 30])
    [(10, 20), (20, 30)]
    """
    edges = [first, *(cut for cut in cuts if first < cut < stop), stop]
    return list(pairwise(edges))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the parts of two segments, as `name: old → new`."""
    is_left = before.get("skip") != after.get("skip")  # then everything else is different, too
    names = ["skip"] if is_left else sorted({*before, *after})
    return [
        f"{name}: {_short(before.get(name))} → {_short(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


@dataclass(frozen=True)
class _Job:
    """What is the same for all shots of a source."""

    config: Config
    found: Inspected
    judges: Judges
    size: tuple[int, int]
    is_warm: bool

    @cached_property
    def own(self) -> Direction:
        """The direction of a shot that has nothing of its own."""
        return Direction(self.config.style, self.config.transfer)

    def direction(self, shot: Shot | None, script: Script | None) -> Direction:
        """What a shot is painted with: what it sets itself, else what the timeline says, else the job's own."""
        keyframes: tuple[Keyframe, ...] = ()
        if self.found.source.kind != "still":
            video = self.config.video
            keyframes = script.timeline if script and script.timeline is not None else video.timeline
        if shot is None:
            return direct(self.own.styles, self.own.transfer, keyframes)
        hidden = {"style": shot.style, "style_weight": shot.style_weight}
        taken = {name: None for name, value in hidden.items() if value is not None}
        left = [one.model_copy(update=taken) for one in keyframes]
        return direct(shot.style or self.own.styles, shot.transfer or self.own.transfer, left)

    def parts(self, direction: Direction, first: int, stop: int) -> dict[str, Any]:
        """Everything that changes a pixel of the frames first … stop−1 of a shot, but which frames they are."""
        span = self.found.probe.time_s(first), self.found.probe.time_s(stop - 1)
        here = direction.between(*span)
        is_own = here.styles == self.config.style
        styles = self.judges.styles if is_own else self.judges.of(here.styles)
        unused = {"size", *_unused(here.transfer, is_warm=self.is_warm)}
        tracks = {"style_weight": here.strength, "style": here.shares}
        changing = {
            f"timeline.{name}": [[str(at), *values] for at, values in track.within(*span)]
            for name, track in tracks.items()
            if track
        }
        unused |= {"style_weight"} if here.strength else set()
        transfer = {f"transfer.{k}": value for k, value in plain(here.transfer).items() if k not in unused}
        return {
            **self.skipped_parts,
            "weights": self.judges.weights,
            **_style_parts(styles, self.judges.content_mask),
            **transfer,
            **changing,
            **_chain(self.config, self.found, self.judges.flow, is_warm=self.is_warm),
        }

    @property
    def skipped_parts(self) -> dict[str, Any]:
        """What changes a pixel of frames that are left as they are."""
        common = {"algorithm": ALGORITHM, "source": self.found.digest, "size": list(self.size)}
        return {**common, **_reading(self.found.probe)}


def _style_parts(styles: Sequence[StyleDigests], content_mask: str | None) -> dict[str, Any]:
    images = {f"style.{index}": [one.image, one.weight] for index, one in enumerate(styles)}
    masks = {
        f"style.{index}.{name}": digest
        for index, one in enumerate(styles)
        for name, digest in (("mask", one.mask), ("part", one.part))
    } | {"content_mask": content_mask}
    return {**images, **{name: digest for name, digest in masks.items() if digest is not None}}


def _reading(probe: Probe) -> dict[str, Any]:
    """How the source is read, where there is more than one way."""
    hdr = {"video.hdr": "tonemap" if probe.is_tonemapped else "keep"}
    fields = {"video.deinterlace": "auto" if probe.is_deinterlaced else "none"}
    depth = {"source.bits": probe.bits}
    return {
        **(hdr if probe.hdr else {}),
        **(fields if probe.interlaced else {}),
        **(depth if probe.is_deep_and_full else {}),
    }


def _chain(config: Config, found: Inspected, flow: str | None, *, is_warm: bool) -> dict[str, Any]:
    """What decides on how a frame follows from others."""
    if found.source.kind == "still":
        return {}
    video = config.video
    names = ["warm_start", *(("temporal_weight", "long_term") if is_warm else ())]
    given = {"video.flow": [video.flow, flow]} if is_warm and flow is not None else {}
    return given | {f"video.{name}": value for name, value in plain(video).items() if name in names}


def _unused(transfer: Transfer, *, is_warm: bool) -> Iterator[str]:
    """The settings of which no pixel depends, the others being what they are."""
    if not is_warm:
        yield from ("warm_iterations", "warm_tolerance")
    if transfer.scales == 1:
        yield "coarse_iterations"
    if transfer.style_loss != "gram":
        yield "gram"
    if transfer.init != "noise":
        yield "seed"


def _notes(config: Config, found: Inspected, stop: int) -> tuple[str, ...]:
    notes = [*found.probe.notes, *_reading_notes(found.probe)]
    if found.source.guess:
        notes.insert(0, f"taken as a numbered sequence: {found.source.guess}")
    if found.source.kind != "still" and config.video.frames and config.video.frames[1] > stop:
        notes.append(
            f"video.frames asks for frames up to {config.video.frames[1] - 1}, the last is {stop - 1}"
        )
    return tuple(notes)


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


def _coding_notes(config: Config, found: Inspected, coding: Coding | None) -> Iterator[str]:
    """Where the result is encoded otherwise than was asked for."""
    source, encoding = found.source, config.encoding
    is_kept = found.probe.hdr is not None and not found.probe.is_tonemapped
    if coding is not None and coding.bits == 8 and (encoding.bits == 10 or is_kept):
        yield f"written with 8 bits per channel, {coding.codec} has no more"
    if coding is not None and coding.strength is None and encoding.quality is not None:
        yield f"encoding.quality counts for nothing, {coding.codec} has none"
    if encoding.container == "source" and (source.output or source.name) != source.name:
        yield f"written as {source.output}: encoding.codec {encoding.codec} does not go into the source's container"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return f"{text[:12]}…" if len(text) > 60 else text
