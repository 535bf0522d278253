"""What travels between the scheduler and a worker, besides records: small, plain, and free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.config import StyleImage, Transfer
from pipeline.direction import Direction, Moment
from pipeline.media.photo_formats import PhotoFormat
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.media.window import Window
from pipeline.originals import Original
from pipeline.shelf import Elsewhere
from pipeline.shots.segments import Kind
from pipeline.workspace import PictureRecord

AROUND = 512
"""How many frames before and after a segment may be asked for: a seek begins up to 320 before, see `media.decode`, and
what is made in reverse is read in blocks. All the timestamps of a two-hour film would be 0.9 MB and 11 ms a segment."""


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

    `memory_gib`: what it may take for one picture; None: of its device's, the share that is its own. `originals`: the
    files of the styles and masks, as they were when the run looked at them.
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
    elsewhere: Elsewhere | None = None  # None: input and output are on disks that the worker shares
    originals: Mapping[Path, Original] = field(default_factory=dict)


class Stretch(NamedTuple):
    """Frames first … stop−1, finished, in a segment's folder."""

    first: int
    stop: int
    folder: Path


@dataclass(frozen=True)
class SegmentJob:
    """One segment to work on: its frames first … stop−1 at `size`, (width, height) in px, kept in `folder`.

    `kind`, `step`, `effort` and `drafts`: as of `shots.segments.Segment`. `own`: the frames first … stop−1 of it that
    are in the result; None: all of them. `direction`: what they are painted with; None: what the worker was set up
    with. `digest`: of the source, see `parts.Inspected`; None: it need not be looked at.
    `originals`: the source's files, as they were when the run looked at them.
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
    digest: str | None = None
    originals: Mapping[Path, Original] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """What travels: of the film's timestamps and files only those that its frames may be found by."""
        first, stop = max(0, self.first - AROUND), self.stop + AROUND
        probe = replace(self.probe, pts=Window(self.probe.pts, first, stop))
        source = self.source
        if len(source.files) > 1:
            source = replace(source, files=Window(source.files, first, stop))
        return {**vars(self), "probe": probe, "source": source}

    def is_draft(self, index: int) -> bool:
        """Whether a later stage will have its own version of a frame."""
        first, stop = self.own or (self.first, self.stop)
        return not first <= index < stop

    def moment(self, index: int) -> Moment | None:
        """What a frame is painted with, by its timestamp alone; None: what the worker was set up with."""
        return None if self.direction is None else self.direction.at(self.probe.time_s(index))


@dataclass(frozen=True)
class Picture:
    """One photograph to paint. `name` is the source's, `output` its result's, both below their folders.

    `size`: of the source as it is upright, (width, height) in px. `bytes` and `mtime_ns`: of the source's file as it
    was listed. `replaces`: the bytes and mtime_ns of the result of an earlier run that this one takes the place of.
    """

    path: Path
    name: str
    output: str
    size: tuple[int, int]
    bytes: int
    mtime_ns: int
    pages: int = 1
    replaces: tuple[int, int] | None = None


@dataclass(frozen=True)
class Batch:
    """Photographs that one worker paints, all with the same settings; it writes the results itself.

    `output`: the output folder. `journal`: where a line for each picture is kept before its result has its name; every
    worker adds its name to that of the file.
    `look`: the fingerprint of everything that changes a pixel but the pictures. `longest_px`: that of the results,
    None as the sources'. `direction` and `mask`: what these pictures have of their own; None: the job's.
    """

    name: str
    pictures: tuple[Picture, ...]
    output: Path
    journal: Path
    look: str
    longest_px: int | None
    max_pixels: int
    format: PhotoFormat
    with_digest: bool = False  # of the source's bytes, in the records
    direction: Direction | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class Unpainted:
    """A picture of a batch, by its place there, that cannot be painted, and why."""

    index: int
    error: str


@dataclass(frozen=True)
class Painted:
    """What became of some pictures of a batch: by place, the records of their pages; and those that failed."""

    records: Mapping[int, tuple[PictureRecord, ...]]
    failed: tuple[Unpainted, ...]


@dataclass(frozen=True)
class WorkerInfo:
    """Who a worker is, what it works on, and where."""

    name: str
    device: str
    threads: int
    machine: str = ""


@dataclass(frozen=True)
class Progress:
    """Where a worker is within a frame: at which evaluation, over all its sizes, of how many at most."""

    segment: str
    frame: int
    iteration: int
    most: int
    loss: float
