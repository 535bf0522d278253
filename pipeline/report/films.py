"""One film as the page shows it: its pictures, its players, its charts, and what its output was checked for."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.plan import SourcePlan
from pipeline.report.charts import Axes, Chart, chart, points_of
from pipeline.report.figures import FrameFigures
from pipeline.report.inputs import result_of
from pipeline.report.thumbnails import Thumbnail, result_pictures, source_pictures, thumbnail
from pipeline.report.words import count, duration, shown, texts_in
from pipeline.storage.places import url_of
from pipeline.workspace import Workspace

STRIP, STRIP_PX = 12, 200
PAIR_PX = 1060  # the width of the page
PLAYABLE = frozenset((".mp4", ".m4v", ".webm"))
NO_BREAK = "\N{NO-BREAK SPACE}"
MOST_TIMES = 5000
"""Frames whose times the page has, for stepping; longer films step by their rate."""


@dataclass(frozen=True)
class Pair:
    """A picture before and after."""

    name: str
    before: Thumbnail | None
    after: Thumbnail | None


@dataclass(frozen=True)
class Shot:
    """A frame of the strip. `mark`: what lies between it and the one before: cut, seam or nothing."""

    frame: int
    time: str
    before: Thumbnail | None
    after: Thumbnail | None
    mark: str


@dataclass(frozen=True)
class Player:
    """Source and result as media beside the page; `first` and `offset_s`: where in the source the result begins."""

    source: str
    result: str
    first: int
    offset_s: float
    rate: float
    times: str  # of the result's frames, in s, separated by blanks; empty: by the rate


@dataclass(frozen=True)
class Film:
    """A film's section."""

    name: str
    facts: str
    notes: tuple[str, ...]
    pair: Pair | None
    player: Player | None
    strip: tuple[Shot, ...]
    charts: tuple[Chart, ...]


def film_of(
    source: SourcePlan,
    figures: Mapping[int, FrameFigures],
    entry: Mapping[str, Any],
    space: Workspace,
    films: int = 1,
) -> Film:
    """The section of a film; `entry`: the last line of its output in the journal of outputs; `films`: on the page."""
    middle = (source.first + source.stop - 1) // 2
    aspect = source.inspected.probe.sample_aspect
    pairs = _pictures(source, [middle], PAIR_PX, aspect, space)
    pair = Pair(f"frame {middle}", *pairs[middle])
    strip = _strip(source, aspect, space) if source.frames > 1 else ()
    return Film(
        name=shown(source.name),
        facts=_facts(source),
        notes=(*source.notes, *texts_in(entry.get("notes"))),
        pair=pair if pair.before and pair.after else None,
        player=_player(source, space),
        strip=strip,
        charts=charts_of(source, figures, films),
    )


def _facts(source: SourcePlan) -> str:
    probe, (width, height) = source.inspected.probe, source.size
    shots = len(source.shots)
    segments = sum(one.kind in ("paint", "skip") for one in source.segments)
    length = duration(float(probe.time_s(source.stop - 1) - probe.time_s(source.first) + 1 / probe.rate))
    return (
        f"{count(source.frames, 'frame')} ({length}), {_pixels(probe.width_px, probe.height_px)} painted at "
        f"{_pixels(width, height)}; {count(shots, 'shot')}, {count(segments, 'segment')}"
    )


def _pixels(width: int, height: int) -> str:
    """A size, which no line break divides."""
    return f"{width} × {height} px".replace(" ", NO_BREAK)


# --- pictures ---


def _pictures(
    source: SourcePlan, indices: Sequence[int], longest_px: int, aspect: Fraction, space: Workspace
) -> dict[int, tuple[Thumbnail | None, Thumbnail | None]]:
    def show(frame: Any) -> Thumbnail:
        return thumbnail(frame, longest_px, aspect)

    before = source_pictures(source, indices, show)
    after = result_pictures(source, indices, show, space)
    return {index: (before.get(index), after.get(index)) for index in indices}


def sample(first: int, stop: int, most: int) -> list[int]:
    """At most `most` of first … stop−1, evenly spread, the first and the last among them.

    >>> sample(0, 10, 4)
    [0, 3, 6, 9]
    """
    size = stop - first
    if size <= most:
        return list(range(first, stop))
    return [first + round(place * (size - 1) / (most - 1)) for place in range(most)]


def _strip(source: SourcePlan, aspect: Fraction, space: Workspace) -> tuple[Shot, ...]:
    indices = sample(source.first, source.stop, STRIP)
    pictures = _pictures(source, indices, STRIP_PX, aspect, space)
    cuts, seams = _cuts(source), source.seams
    shots = []
    for before, index in zip([source.first - 1, *indices], indices, strict=False):
        mark = "cut" if _has_one(cuts, before, index) else "seam" if _has_one(seams, before, index) else ""
        time = f"{float(source.inspected.probe.time_s(index)):.2f} s"
        shots.append(Shot(index, time, *pictures[index], mark))
    return tuple(shots)


def _has_one(frames: Sequence[int], after: int, to: int) -> bool:
    return any(after < frame <= to for frame in frames)


def _cuts(source: SourcePlan) -> tuple[int, ...]:
    return tuple(first for first, _ in source.shots if first > source.first)


# --- players ---


def _player(source: SourcePlan, space: Workspace) -> Player | None:
    """What a browser may be able to play; it may find out that it is not."""
    found, probe = source.inspected.source, source.inspected.probe
    target = result_of(source.output, space)
    if target is None or source.frames < 2 or not _are_beside(found.path, target):
        return None
    if not {found.path.suffix.lower(), target.suffix.lower()} <= PLAYABLE:
        return None
    start = probe.time_s(source.first)
    times = ""
    if source.frames <= MOST_TIMES:
        times = " ".join(f"{float(probe.time_s(i) - start):.4f}" for i in range(source.first, source.stop))
    return Player(
        address(found.path, space.root),
        address(target, space.root),
        source.first,
        float(start),
        float(probe.rate),
        times,
    )


def _are_beside(source: Path, target: Path) -> bool:
    """Whether a page beside the result can name both: files of this machine, or of one bucket."""
    source_url, target_url = url_of(source), url_of(target)
    if source_url is None or target_url is None:
        return source_url == target_url and target.is_file()
    return source_url.split("/")[:3] == target_url.split("/")[:3]


def address(path: Path, folder: Path) -> str:
    """A relative URL of a file, for a page in `folder`; every byte that could mean something else is encoded.

    >>> address(Path("/a/b c#1?.mp4"), Path("/a/out/.stylize"))
    '../../b%20c%231%3F.mp4'
    """
    return quote(os.fsencode(os.path.relpath(path, folder)))


# --- charts ---


def charts_of(source: SourcePlan, figures: Mapping[int, FrameFigures], films: int = 1) -> tuple[Chart, ...]:
    """The charts of a film, one of `films` on the page."""
    frames = [one for index, one in sorted(figures.items()) if source.first <= index < source.stop]
    axes = Axes(source.first, source.stop, _cuts(source), source.seams, points_of(films))
    painted = [one for one in frames if one.start != "skipped"]
    drawn = (
        chart(
            "loss", "Loss",
            "How far a painting is from what is asked for; less is better. Dots: where a frame ended. Lines: from its "
            "highest to its lowest loss.",
            frames, lambda one: one.loss, axes, log=True, spans=True,
        ),
        chart(
            "iterations", "Iterations",
            "How often a frame was corrected. Cold frames start from scratch, warm ones from the frame before.",
            frames, lambda one: float(one.iterations), axes,
        ),
        chart(
            "flicker", "Flicker",
            "How far a frame is from the one before, moved along with the motion (warping error); less is steadier.",
            painted, lambda one: one.warp_error, axes,
        ),
        chart(
            "brightness", "Brightness",
            "Mean luma, from 0 (black) to 1 (white). A trend that the source does not have is drift.",
            painted, lambda one: one.brightness, axes,
        ),
        chart(
            "saturation", "Saturation",
            "How colorful a frame is: mean distance of the color channels, from 0 (gray) to 1.",
            painted, lambda one: one.saturation, axes,
        ),
        chart(
            "sharpness", "Sharpness", "How much fine detail a frame has: root mean square of the luma's Laplacian.",
            painted, lambda one: one.sharpness, axes,
        ),
    )  # fmt: skip
    return tuple(one for one in drawn if one is not None)


def edge_px(pictures: int) -> int:
    """The longest side of photographs on the page: fewer are shown larger.

    >>> edge_px(1), edge_px(24)
    (900, 420)
    """
    return min(900, max(420, math.floor(1800 / math.sqrt(max(1, pictures)) / 10) * 10))
