"""Which frames tell most of a job: a few that differ as much as they can, or those at given times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.config import Config
from pipeline.errors import ConfigError, MediaError
from pipeline.frames import Frame
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit
from pipeline.media.items import Entry
from pipeline.media.listing import list_inputs
from pipeline.media.probe import Probe, probe
from pipeline.media.sources import Source
from pipeline.plan import Plan, SourcePlan

if TYPE_CHECKING:
    from pipeline.direction import Direction

FRAMES = 3
CANDIDATES = 12  # frames of a source that are looked at, to choose from
MOST_PICTURES = 2000  # photographs that are listed, to choose from
TRIES = 8  # photographs in a row that are tried where one cannot be read
THUMB = 8  # px; a frame is known by its colors at so many places


@dataclass(frozen=True)
class Sample:
    """A frame to try: `index` of a source, and what it is called. `direction`: of its shot, None: the job's own."""

    source: Source
    probe: Probe
    index: int
    label: str
    direction: Direction | None = None


def choose(config: Config, plan: Plan, at: Sequence[Fraction] | None, count: int) -> list[Sample]:
    """`count` frames that differ as much as they can, of as many sources as there are; or those `at` times.

    Raises `ConfigError` where there is none.
    """
    if at is not None:
        found = [sample for source in plan.sources for sample in _at(source, at)]
        if not found:
            raise ConfigError(f"--at names times of a video, and {_lengths(plan)}")
        return found
    pictures = _pictures(config, count) if not plan.sources else []
    chosen = plan.sources[:count]
    share, extra = divmod(count, max(1, len(chosen)))
    films = [s for n, source in enumerate(chosen) for s in _telling(source, share + (n < extra))]
    if not films and not pictures:
        raise ConfigError(
            "nothing of the input can be read, so there is nothing to sample; see: "
            + config.origin.command("plan")
        )
    return [*films, *pictures]


def _lengths(plan: Plan) -> str:
    """That no video is long enough, how long the longest is, and what to do."""
    ends = [
        (one.inspected.probe.time_s(one.stop - 1) + 1 / one.inspected.probe.rate, one.name)
        for one in plan.sources
    ]
    if not ends:
        return "there is none in the input; leave it out"
    end_s, name = max(ends)
    minutes, seconds = divmod(float(end_s), 60)
    which = name if len(ends) == 1 else f"the longest, {name},"
    return f"{which} ends at {int(minutes)}:{seconds:05.2f}; ask for an earlier one, or leave it out"


def _at(source: SourcePlan, times: Sequence[Fraction]) -> Iterator[Sample]:
    found = source.inspected.probe
    for time_s in times:
        index = max((i for i in range(source.first, source.stop) if found.time_s(i) <= time_s), default=None)
        if index is not None and time_s <= found.time_s(source.stop - 1) + 1 / found.rate:
            yield _sample(source, index)


def _sample(source: SourcePlan, index: int) -> Sample:
    inspected = source.inspected
    seconds = float(inspected.probe.time_s(index))
    label = f"{inspected.source.name}\nat {int(seconds // 60)}:{seconds % 60:05.2f}, frame {index}"
    segment = next(s for s in source.segments if s.first <= index < s.stop and s.kind in ("paint", "skip"))
    return Sample(inspected.source, inspected.probe, index, label, source.direction(segment))


def _telling(source: SourcePlan, count: int) -> Iterator[Sample]:
    """The frame of the middle of each long shot, or some of the only one, that differ most from one another."""
    shots = sorted(source.shots, key=lambda shot: shot[0] - shot[1])[:CANDIDATES]
    each = 1 if len(shots) >= count else max(1, CANDIDATES // max(1, len(shots)))
    places = sorted({a + (2 * n + 1) * (b - a) // (2 * each) for a, b in shots for n in range(each)})
    seen = [
        (i, frame) for i in places for frame in frame_of(source.inspected.source, source.inspected.probe, i)
    ]
    for n in sorted(farthest([_thumb(frame) for _, frame in seen], count)):
        yield _sample(source, seen[n][0])


def frame_of(source: Source, found: Probe, index: int) -> Iterator[Frame]:
    """A frame, or none where it is damaged."""
    try:
        yield next(decode_frames(source, found, index, index + 1))
    except (MediaError, StopIteration):
        return


def _thumb(frame: Frame) -> npt.NDArray[np.float64]:
    return fit(frame, (THUMB, THUMB)).astype(np.float64).ravel()


def farthest(points: Sequence[npt.NDArray[np.float64]], count: int) -> list[int]:
    """Places of `count` points, first the one nearest to the mean, then each time the farthest from all before.

    >>> farthest([np.array([float(x)]) for x in (0, 1, 2, 3, 10)], 3)
    [3, 4, 0]
    """
    if not points:
        return []
    everything = np.stack(points)
    chosen = [int(np.linalg.norm(everything - everything.mean(0), axis=1).argmin())]
    while len(chosen) < min(count, len(points)):
        gaps = np.linalg.norm(everything[:, None] - everything[chosen], axis=2).min(1)
        chosen.append(int(gaps.argmax()))
    return chosen


def _pictures(config: Config, count: int) -> list[Sample]:
    """Photographs from all over the first ones of an archive; in the place of one that cannot be read the next."""
    listed = list_inputs(
        config.input, folders=config.folders, exclude=config.output, places=config.origin.inputs
    )
    entries = [item for item in islice(listed, MOST_PICTURES) if isinstance(item, Entry)]
    order = [(2 * n + 1) * len(entries) // (2 * count) for n in range(count)] if entries else []
    found: dict[int, Sample] = {}
    for place in order:
        for at in (place, *range(place + 1, min(place + TRIES, len(entries)))):
            if at not in found and (sample := _photograph(entries[at])) is not None:
                found[at] = sample
                break
    return list(found.values())


def _photograph(entry: Entry) -> Sample | None:
    source = Source("still", entry.path, entry.name, (entry.path,))
    try:
        sample = Sample(source, probe(source, rate=Fraction(1)), 0, entry.name)
    except MediaError:
        return None
    return sample if list(frame_of(source, sample.probe, 0)) else None
