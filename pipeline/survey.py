"""Looking at the sources: which there are, what is in them, where they are cut. Reads everything, writes nothing.

What it finds is kept by the caller in a `Notebook`, by digest, so that a second look costs no decoding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pipeline.config import Config, Video
from pipeline.errors import ConfigError, MediaError
from pipeline.flow_weights import flow_file
from pipeline.media.decode import decode_frames
from pipeline.media.probe import VERSION, Probe, probe
from pipeline.media.sources import Source
from pipeline.originals import Original
from pipeline.parts import ALGORITHM, Inspected, Judges, StyleDigests
from pipeline.plan import Failure, Plan, SourcePlan, frame_range, plan_source
from pipeline.shots.shotlist import Script, check_names, read_shots
from pipeline.storage.hand import at_hand, state_at
from pipeline.storage.places import with_urls
from pipeline.weights import weights_file

CUTS = 3
"""Counts up where cuts are found in another way, so that those of earlier runs are not taken for them."""

Parsed = TypeVar("Parsed")
Watch = Callable[[str], None]


class Notebook:
    """What earlier looks found: digests by path, size and time of a file, probes and cuts by digest.

    It comes out of a file, so what is damaged is found again.
    """

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._old = data or {}
        self.data: dict[str, Any] = {}  # only what this look used, so that it does not grow for ever

    def get(self, key: str, find: Callable[[], Any], parse: Callable[[Any], Parsed]) -> Parsed:
        """What `parse` makes of the value under `key`, found by `find` if it is new or `parse` raises ValueError."""
        if key not in self.data and key in self._old:
            with suppress(ValueError):
                parsed = parse(self._old[key])
                self.data[key] = self._old[key]
                return parsed
        if key not in self.data:
            self.data[key] = find()
        return parse(self.data[key])

    @property
    def changed(self) -> bool:
        """Whether this look found anything new, or no longer needed something old."""
        return self.data != self._old


@dataclass(frozen=True)
class Brief:
    """What a job is told besides its sources: who judges the pictures, and the shot lists by source.

    `originals`: the files of the styles and masks, as they were.
    """

    judges: Judges
    scripts: Mapping[str, Script]
    notebook: Notebook
    originals: Mapping[Path, Original]


def brief_of(config: Config, notebook: Notebook) -> Brief:
    """Read shot lists, styles and masks.

    Raises `ConfigError` where a style or mask cannot be read or the shot list is wrong, `WeightsError` where the
    weights are not there.
    """
    scripts = read_shots(config.video.shots, config) if config.video.shots else {}
    originals: dict[Path, Original] = {}
    return Brief(_judges(config, scripts, notebook, originals), scripts, notebook, originals)


def survey(config: Config, brief: Brief, films: Sequence[Source], watch: Watch = lambda _: None) -> Plan:
    """Look at every film, its output named, and plan it; one that cannot be used becomes a failure of the plan.

    `watch` is told the name of each as its turn comes. Raises `ConfigError` where a shot list names another.
    """
    check_names(brief.scripts, [source.name for source in films])
    planned: list[SourcePlan] = []
    failures: list[Failure] = []
    for source in films:
        watch(source.name)
        try:
            script = brief.scripts.get(source.name)
            found = _inspect(config, source, brief.notebook, is_cut=script is not None)
            planned.append(plan_source(config, found, brief.judges, script))
        except MediaError as error:
            failures.append(Failure(source.name, None, str(error)))
    return Plan(tuple(planned), tuple(failures))


def _inspect(config: Config, source: Source, notebook: Notebook, *, is_cut: bool) -> Inspected:
    """`is_cut`: by a shot list, so that nobody need look for the cuts."""
    originals = tuple(_original(path, notebook) for path in source.files)
    digest = hashlib.sha256("".join(one.digest for one in originals).encode()).hexdigest()
    rate = config.rate if source.kind == "sequence" else None
    key = f"probe {ALGORITHM}.{VERSION} {source.kind} {digest} {rate}"

    def find() -> Any:
        with at_hand(source.files):
            return probe(source, rate=config.rate).to_json()

    found = as_read(notebook.get(key, find, _probe_in), config.video)
    cuts = () if is_cut else _cuts(config, source, found, digest, notebook)
    return Inspected(source, found, digest, cuts, originals)


def as_read(found: Probe, video: Video) -> Probe:
    """The probe with how the source is to be read; `MediaError` for a high dynamic range that is to be a failure."""
    if found.hdr and video.hdr == "fail":
        raise MediaError(
            f"its dynamic range is high ({found.hdr}), and video.hdr is fail; set video.hdr to tonemap, which brings "
            "it to BT.709, or to keep, which paints it as it is coded; or take the source out of the input"
        )
    return replace(
        found,
        is_tonemapped=found.hdr is not None and video.hdr == "tonemap",
        is_deinterlaced=found.interlaced > 0 and video.deinterlace == "auto",
    )


def _cuts(config: Config, source: Source, found: Probe, digest: str, notebook: Notebook) -> tuple[int, ...]:
    if config.video.cuts == "none":
        return ()
    if config.video.cuts != "auto":
        return config.video.cuts
    first, stop = frame_range(config, found)

    def find() -> list[int]:
        from pipeline.motion.cuts import find_cuts, frames_around  # imports OpenCV's weight only here

        around = frames_around(found.rate)
        begin = max(0, first - around)
        with at_hand(source.files):
            frames = decode_frames(source, found, begin, min(stop + around, found.frames))
            return [cut for cut in (begin + i for i in find_cuts(frames, found.rate)) if first < cut < stop]

    read = f"{found.is_tonemapped:d}{found.is_deinterlaced:d} {found.rate}"  # a sequence has the job's rate
    key = f"cuts {ALGORITHM}.{VERSION}.{CUTS} {digest} {first} {stop} {read}"
    return notebook.get(key, find, lambda value: _cuts_in(value, first, stop))


def _probe_in(value: Any) -> Probe:
    if not isinstance(value, dict):
        raise ValueError(f"no probe: {value!r:.99}")
    return Probe.from_json(value)


def _cuts_in(value: Any, first: int, stop: int) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(cut) is not int or not first <= cut <= stop for cut in value):
        raise ValueError(f"no cuts: {value!r:.99}")
    return tuple(value)


def _digest_in(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError(f"no SHA-256: {value!r:.99}")
    return value


def _judges(
    config: Config, scripts: Mapping[str, Script], notebook: Notebook, originals: dict[Path, Original]
) -> Judges:
    """Takes down in `originals` what it looks at."""

    def digest(name: str, path: Path | None) -> str | None:
        if path is None:
            return None
        try:
            originals[path] = _original(path, notebook)
        except MediaError as error:
            raise ConfigError(f"{name} {error}") from error
        return originals[path].digest

    styles = tuple(
        StyleDigests(
            str(digest("style", style.image)),
            style.weight,
            digest(f"style.{index}.mask", style.mask),
            digest(f"style.{index}.part", style.part),
        )
        for index, style in enumerate(config.style)
    )
    keyframes = (style for one in config.video.timeline for style in one.style or ())
    others = [*keyframes, *(style for script in scripts.values() for style in script.styles())]
    paths = {path for one in (*config.style, *others) for path in (one.image, one.mask, one.part) if path}
    files = {str(path): str(digest("style", path)) for path in paths} if others else {}
    flow = None if config.video.flow == "dis" else flow_file(config.video.flow_weights)[1]
    weights, mask = weights_file(config.weights)[1], digest("content_mask", config.content_mask)
    return Judges(styles, weights, mask, flow, files)


def _original(path: Path, notebook: Notebook) -> Original:
    """A file as it is; its bytes are read again only where its size or its time of change differ."""
    try:
        state = state_at(path)

        def read() -> str:
            with at_hand([path]), path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        digest = notebook.get(f"file {with_urls(str(path))} {state[0]} {state[1]}", read, _digest_in)
        return Original(state, digest)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
