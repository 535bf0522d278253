"""What travels between the scheduler and a worker, besides records: small, plain, and free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.config import StyleImage, Transfer
from pipeline.direction import Direction, Moment
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.segments import Kind


@dataclass(frozen=True)
class StyleFiles:
    """A style as files: the picture, its share, where it is to be in the source, and what to learn from it."""

    image: Path
    weight: float = 1.0
    mask: Path | None = None
    part: Path | None = None


def style_files(styles: Sequence[StyleImage]) -> tuple[StyleFiles, ...]:
    """The styles of a config as files."""
    return tuple(StyleFiles(one.image, one.weight, one.mask, one.part) for one in styles)


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs to set itself up; small, since it travels.

    `memory_gib`: what it may take for one picture; None: of its device's, the share that is its own.
    """

    weights: str | Path
    styles: tuple[StyleFiles, ...]
    transfer: Transfer
    threads: int | None  # None: as many as the machine has
    warm_start: str  # flow | previous | none
    temporal_weight: float = 0.0
    long_term: tuple[int, ...] = ()
    may_use_gpu: bool = True
    gpu_share: float = 1.0  # of one GPU
    content_mask: Path | None = None
    memory_gib: float | None = None
    flow: str = "dis"  # dis | raft
    flow_weights: Path | None = None


class Stretch(NamedTuple):
    """Frames first … stop−1, finished, in a segment's folder."""

    first: int
    stop: int
    folder: Path


@dataclass(frozen=True)
class SegmentJob:
    """One segment to work on: its frames first … stop−1 at `size`, (width, height) in px, kept in `folder`.

    `kind`, `step`, `effort` and `drafts`: as of `segments.Segment`. `own`: the frames first … stop−1 of it that are in
    the result; None: all of them. `direction`: what they are painted with; None: what the worker was set up with.
    """

    name: str
    source: Source
    probe: Probe
    first: int
    stop: int
    size: tuple[int, int]
    folder: Path
    kind: Kind = "paint"
    step: int = 1
    effort: float = 1.0
    drafts: tuple[Stretch, ...] = ()
    own: tuple[int, int] | None = None
    direction: Direction | None = None

    def is_draft(self, index: int) -> bool:
        """Whether a later stage will have its own version of a frame."""
        first, stop = self.own or (self.first, self.stop)
        return not first <= index < stop

    def moment(self, index: int) -> Moment | None:
        """What a frame is painted with, by its timestamp alone; None: what the worker was set up with."""
        return None if self.direction is None else self.direction.at(self.probe.time_s(index))


@dataclass(frozen=True)
class WorkerInfo:
    """Who a worker is and what it works on."""

    name: str
    device: str
    threads: int


@dataclass(frozen=True)
class Progress:
    """Where a worker is within a frame."""

    segment: str
    frame: int
    iteration: int
    loss: float
