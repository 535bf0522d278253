"""How a shot is cut into segments, and in which stages they are made. Pure: no file, no worker is known here.

A shot no longer than `segment_frames` is one segment, made in order. A longer one is cut, and all of its segments are
painted at once; then, at each seam between two of them, the first frames of the later one are made once more, drawn
from the look of the earlier one's last frame to their own (`blend`). Neither end of a blend moves, so all blends can be
made at once, too. Passes go over the shot again, backward and forward in turn, each segment taking the frames at its
ends from its neighbors' pass before: Schwarz's alternating method, in time.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heappop, heappush
from itertools import islice, pairwise, takewhile
from typing import Any, Literal, NamedTuple

Kind = Literal["paint", "blend", "pass", "skip"]

PartsOf = Callable[[int, int], Mapping[str, Any]]
"""What changes a pixel of the frames first … stop−1, but which frames they are."""

LEAST_OPENING = 1 / 3
"""Of a cold frame's iterations, for the first frame of a short segment within a shot."""

FULL_OPENING_FRAMES = 48
"""From this length on a segment's first frame is painted in full. With a third of the iterations a painting is paler,
and all that follow are (9 % less saturation, scripts/bench_drift.py); beside so many frames the rest costs little."""

BLEND_EFFORT = 1 / 4
"""Of a warm frame's iterations: they bring back the strokes that a mean of two paintings has lost."""

PASS_EFFORT = 1 / 2
"""Of a warm frame's iterations, in a pass over frames that are painted already."""


class Home(NamedTuple):
    """Where the frames first … stop−1 are: in a segment."""

    first: int
    stop: int
    segment: Segment


@dataclass(frozen=True)
class Segment:
    """Frames first … stop−1 of a source, made by one worker in order, or in reverse where `step` is −1.

    `kind`: paint starts from nothing, blend and pass from `drafts`, where the stage before has the same frames and
    the neighbors'; skip leaves them as they are in the source. `effort` multiplies the iterations: of the first frame
    in paint, of all in the others.
    `parts` is everything that changes a pixel of them, by dotted name.
    """

    source: str
    first: int
    stop: int
    parts: Mapping[str, Any]
    kind: Kind = "paint"
    step: int = 1
    effort: float = 1.0
    drafts: tuple[Home, ...] = field(default=(), repr=False)
    begins_shot: bool = True

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of `parts`: two segments with the same one have the same frames."""
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()

    @property
    def key(self) -> str:
        """What tells the segment from every other."""
        return f"{self.source} {self.first} {self.stop} {self.fingerprint}"

    @property
    def name(self) -> str:
        """The segment's name in records and messages: the source, the frames, the last one included, and the kind."""
        kind = "" if self.kind == "paint" else f" {self.kind}"
        return f"{self.source}[{self.first}-{self.stop - 1}]{kind}"

    @property
    def order(self) -> range:
        """Its frames in the order in which they are made."""
        frames = range(self.first, self.stop)
        return frames if self.step == 1 else frames[::-1]

    @property
    def needs(self) -> tuple[Segment, ...]:
        """The segments that have to be finished before."""
        return tuple(home.segment for home in self.drafts)


@dataclass(frozen=True)
class Cutting:
    """How shots are cut: frames per segment (None: shots stay whole), frames of a blend, the number of passes.

    `head_start`: by how many warm frames a shot's first, cold frame costs more than the first of a later segment.
    """

    segment_frames: int | None
    blend_frames: int
    passes: int
    head_start: int


def segments_of(source: str, shot: tuple[int, int], parts: PartsOf, cutting: Cutting) -> tuple[Segment, ...]:
    """The segments of a shot, stage by stage; later ones take the place of earlier ones in the result."""
    found = list(_paints(source, shot, parts, cutting))
    ranges = [(segment.first, segment.stop) for segment in found]
    found += list(_blends(source, found, parts, cutting.blend_frames))
    for number in range(1, cutting.passes):
        homes = homes_of(found)
        found += [_pass(source, one, number, parts, _within(homes, one[0] - 1, one[1] + 1)) for one in ranges]
    return tuple(found)


def skipped(source: str, shot: tuple[int, int], parts: Mapping[str, Any]) -> Segment:
    """The segment of a shot whose frames are left as they are."""
    return Segment(source, *shot, {**parts, "skip": True, "frames": list(shot)}, "skip")


def homes_of(segments: Sequence[Segment]) -> tuple[Home, ...]:
    """Where each frame's last version is, in order; of two segments with a frame the later one has it.

    From edge to edge, with the segments that lie there in a heap, the last one on top: a long film has thousands.
    """
    edges = sorted({edge for segment in segments for edge in (segment.first, segment.stop)})
    coming = deque(sorted(range(len(segments)), key=lambda place: segments[place].first))
    here: list[int] = []  # the places in `segments` of those that lie here, negative: the last comes first
    homes: list[Home] = []
    for first, stop in pairwise(edges):
        while coming and segments[coming[0]].first <= first:
            heappush(here, -coming.popleft())
        while here and segments[-here[0]].stop <= first:
            heappop(here)
        if not here:
            continue
        segment = segments[-here[0]]
        if homes and homes[-1].stop == first and homes[-1].segment is segment:
            first = homes.pop().first
        homes.append(Home(first, stop, segment))
    return tuple(homes)


def opening_effort(length: int | None) -> float:
    """The part of a cold frame's iterations for the first frame of a segment within a shot, cut into `length` frames.

    >>> round(opening_effort(12), 2), opening_effort(36), opening_effort(96), opening_effort(None)
    (0.33, 0.75, 1.0, 1.0)
    """
    return 1.0 if length is None else min(1.0, max(LEAST_OPENING, length / FULL_OPENING_FRAMES))


def stretches(first: int, stop: int, length: int | None, head_start: int) -> list[tuple[int, int]]:
    """Ranges of about equal work, at most about `length` frames each; the first is shorter by `head_start`.

    >>> stretches(0, 96, 12, 5)
    [(0, 8), (8, 20), (20, 33), (33, 46), (46, 58), (58, 71), (71, 83), (83, 96)]
    >>> stretches(0, 40, None, 5), stretches(0, 40, 96, 5)
    ([(0, 40)], [(0, 40)])
    """
    count = 1 if length is None else -(-(stop - first) // length)
    share = (stop - first) / count
    lead = min(head_start, share / 2) if count > 1 else 0.0
    share = (stop - first + lead) / count
    edges = [first, *(first + round(share * index - lead) for index in range(1, count)), stop]
    return list(pairwise(edges))


def _paints(source: str, shot: tuple[int, int], parts: PartsOf, cutting: Cutting) -> Iterator[Segment]:
    for first, stop in stretches(*shot, cutting.segment_frames, cutting.head_start):
        begins_shot = first == shot[0]
        effort = 1.0 if begins_shot else opening_effort(cutting.segment_frames)
        opening = {} if effort == 1 else {"opening": round(effort, 6)}
        own = {**parts(first, stop), **opening, "frames": [first, stop]}
        yield Segment(source, first, stop, own, effort=effort, begins_shot=begins_shot)


def _blends(source: str, paints: Sequence[Segment], parts: PartsOf, frames: int) -> Iterator[Segment]:
    for before, after in pairwise(paints):
        stop = min(after.first + frames, after.stop)
        drafts = (Home(before.stop - 1, before.stop, before), Home(after.first, stop, after))
        own = parts(after.first, stop)
        blend = Segment(source, after.first, stop, own, "blend", effort=BLEND_EFFORT, drafts=drafts)
        yield _with_parts(blend, own)


def _pass(
    source: str, frames: tuple[int, int], number: int, parts: PartsOf, drafts: tuple[Home, ...]
) -> Segment:
    step, own = -1 if number % 2 else 1, parts(*frames)
    again = Segment(source, *frames, own, "pass", step=step, effort=PASS_EFFORT, drafts=drafts)
    return _with_parts(again, {**own, "pass": number})


def _with_parts(segment: Segment, parts: Mapping[str, Any]) -> Segment:
    """A later stage with its fingerprint's parts, the stage before being one of them."""
    own = {
        "stage": segment.kind,
        "frames": [segment.first, segment.stop],
        "effort": segment.effort,
        "drafts": [[home.first, home.stop, home.segment.fingerprint] for home in segment.drafts],
    }
    return replace(segment, parts={**parts, **own})


def _within(homes: Sequence[Home], first: int, stop: int) -> tuple[Home, ...]:
    start = max(0, bisect_right(homes, first, key=lambda home: home.first) - 1)
    near = takewhile(lambda home: home.first < stop, islice(homes, start, None))
    clipped = (Home(max(h.first, first), min(h.stop, stop), h.segment) for h in near)
    return tuple(home for home in clipped if home.first < home.stop)
