"""Everything that changes a pixel of a segment, by dotted name: what its fingerprint is made of. Pure, as the plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.config import Config, Keyframe, StyleImage, Transfer, plain
from pipeline.direction import Direction, direct
from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.originals import Original
from pipeline.settings.yaml_lines import one_line
from pipeline.shots.shotlist import Script, Shot

ALGORITHM = 4
"""Counts up with every change of the code that changes a pixel, so that no run mixes two versions' frames."""


@dataclass(frozen=True)
class Inspected:
    """A source and what looking at it found: the SHA-256 of its bytes, and its cuts as frame indices.

    `originals`: its files as they were then, in order.
    """

    source: Source
    probe: Probe
    digest: str
    cuts: tuple[int, ...]
    originals: tuple[Original, ...] = field(default=(), compare=False)  # a file that was touched is the same


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
class SourceParts:
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
        own = None if script is None else script.timeline
        keyframes: tuple[Keyframe, ...] = self.config.video.timeline if own is None else own
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
        hidden = {"size", *unused(here.transfer, is_warm=self.is_warm)}
        tracks = {"style_weight": here.strength, "style": here.shares}
        changing = {
            f"timeline.{name}": [[str(at), *values] for at, values in track.within(*span)]
            for name, track in tracks.items()
            if track
        }
        hidden |= {"style_weight"} if here.strength else set()
        transfer = {f"transfer.{k}": value for k, value in plain(here.transfer).items() if k not in hidden}
        return {
            **self.skipped_parts,
            "weights": self.judges.weights,
            **style_parts(styles, self.judges.content_mask),
            **transfer,
            **changing,
            **_chain(self.config, self.found, self.judges.flow, is_warm=self.is_warm),
        }

    @property
    def skipped_parts(self) -> dict[str, Any]:
        """What changes a pixel of frames that are left as they are."""
        common = {"algorithm": ALGORITHM, "source": self.found.digest, "size": list(self.size)}
        return {**common, **_reading(self.found.probe)}


def style_parts(styles: Sequence[StyleDigests], content_mask: str | None) -> dict[str, Any]:
    """The styles and masks as parts."""
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
    video = config.video
    names = ["warm_start", *(("temporal_weight", "long_term") if is_warm else ())]
    given = {"video.flow": [video.flow, flow]} if is_warm and flow is not None else {}
    return given | {f"video.{name}": value for name, value in plain(video).items() if name in names}


def unused(transfer: Transfer, *, is_warm: bool) -> Iterator[str]:
    """The settings of which no pixel depends, the others being what they are."""
    if not is_warm:
        yield from ("warm_iterations", "warm_tolerance")
    if transfer.scales == 1:
        yield "coarse_iterations"
    if transfer.style_loss != "gram":
        yield "gram"
    if transfer.init != "noise":
        yield "seed"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between the parts of two segments, as `name: old → new`."""
    is_left = before.get("skip") != after.get("skip")  # then everything else is different, too
    names = ["skip"] if is_left else sorted({*before, *after})
    return [
        one_line(f"{name}: {_short(before.get(name))} → {_short(after.get(name))}")
        for name in names
        if before.get(name) != after.get(name)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return f"{text[:12]}…" if len(text) > 60 else text
