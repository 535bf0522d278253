"""The plan: what has to be done, as a pure function of the config and of what the sources are.

Sources → shots → segments. Nothing here touches a file, and nothing depends on how many workers there will be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise

from pipeline.config import Config, Transfer
from pipeline.direction import Direction
from pipeline.errors import MediaError
from pipeline.media.formats import Coding
from pipeline.media.geometry import output_size
from pipeline.media.outputs import coding_for
from pipeline.media.probe import Probe
from pipeline.notes import coding_notes, source_notes
from pipeline.parts import Inspected, Judges, SourceParts
from pipeline.shots.segments import Cutting, Home, Segment, homes_of, opening_effort, segments_of, skipped
from pipeline.shots.shotlist import Script, Shot, check_frames


@dataclass(frozen=True)
class Failure:
    """What could not be done: the source's name, the frame's index or None, and why."""

    source: str
    frame: int | None
    error: str


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
    coding: Coding  # how the result is encoded, which changes no pixel
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
        return self.coding.codec == "png"

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

    def is_draft(self, segment: Segment, index: int) -> bool:
        """Whether a later stage has its own version of a frame of a segment."""
        first, stop = self.own.get(segment.key, (0, 0))
        return not first <= index < stop

    @cached_property
    def shots(self) -> tuple[tuple[int, int], ...]:
        """The shots, first and stop, of which the segments are parts."""
        starts = [s.first for s in self.segments if s.kind == "skip" or (s.kind == "paint" and s.begins_shot)]
        return tuple(pairwise([*starts, self.stop]))

    def direction(self, segment: Segment) -> Direction | None:
        """What a segment is painted with; None: the job's own style and settings."""
        if not self.directions:
            return None
        place = bisect_right(self.shots, segment.first, key=lambda shot: shot[0]) - 1
        given = self.directions.get(self.shots[place][0])
        return given and given.between(*self.span_s(segment.first, segment.stop))

    def span_s(self, first: int, stop: int) -> tuple[Fraction, Fraction]:
        """The times of the first and the last of some frames, in seconds from the source's first frame."""
        probe = self.inspected.probe
        return probe.time_s(first), probe.time_s(stop - 1)

    @property
    def seams(self) -> tuple[int, ...]:
        """The frames with which a segment begins within a shot."""
        return tuple(s.first for s in self.segments if s.kind == "paint" and not s.begins_shot)


@dataclass(frozen=True)
class Plan:
    """All that is to be done with films, and what cannot be; photographs come as a stream, see `archive`."""

    sources: tuple[SourcePlan, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Every segment of every source, in order."""
        return tuple(segment for source in self.sources for segment in source.segments)

    @property
    def frames(self) -> int:
        """The number of frames of all sources."""
        return sum(source.frames for source in self.sources)


def frame_range(config: Config, probe: Probe) -> tuple[int, int]:
    """The frames first … stop−1 that the config asks for; `MediaError` where the source has none of them."""
    if config.video.frames is None:
        return 0, probe.frames
    first, stop = config.video.frames
    if first >= probe.frames:
        raise MediaError(
            f"video.frames starts at {first}, but the source has {probe.frames} frames, counted from 0; ask for others"
        )
    return first, min(stop, probe.frames)


def plan_source(config: Config, found: Inspected, judges: Judges, script: Script | None = None) -> SourcePlan:
    """One source's shots and segments, the shots those of `script` where there is one.

    Raises `MediaError` where the config asks for frames that the source has not, `ConfigError` where `script` does.
    """
    source, probe = found.source, found.probe
    first, stop = frame_range(config, probe)
    size = output_size(probe.width_px, probe.height_px, config.transfer.size, even=True)
    is_warm = config.video.warm_start != "none"
    job = SourceParts(config, found, judges, size, is_warm)
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
    notes = (*source_notes(config, found, stop, size), *coding_notes(config, found, coding))
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
    saved = 1 - opening_effort(video.segment_frames)
    more = transfer.iterations * saved / max(1, transfer.warm_iterations)
    return Cutting(video.segment_frames, video.blend_frames, video.passes, round(more))


def shots(first: int, stop: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges between the cuts that lie inside first … stop−1; every frame is in exactly one.

    >>> shots(10, 30, [5, 10, 20, 30])
    [(10, 20), (20, 30)]
    """
    edges = [first, *(cut for cut in cuts if first < cut < stop), stop]
    return list(pairwise(edges))
