"""A trial: a few real frames, painted as the run would paint them, to know how fast that goes and how soon they settle.

Everything is made by the run's own worker in a folder that is thrown away. What an iteration takes is measured at the
size of the job, since it depends on that; how many iterations a warm frame needs, at a smaller one, where the cold
frame to begin with is cheap.
"""

from __future__ import annotations

import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate, count, pairwise
from math import isfinite
from pathlib import Path
from statistics import mean

import torch

from pipeline.config import Transfer
from pipeline.direction import Direction
from pipeline.errors import FrameError, MediaError
from pipeline.execute.chain import ENOUGH
from pipeline.execute.job import Progress, SegmentJob, WorkerSettings
from pipeline.execute.worker import Worker, best_device
from pipeline.forecasting.costs import FRESH_ITERATIONS, warm_cost
from pipeline.forecasting.pace import Pace
from pipeline.media.geometry import output_size
from pipeline.plan import SourcePlan
from pipeline.shots.segments import Segment
from pipeline.storage.hand import at_hand
from pipeline.style.optimize import WARM_WINDOW
from pipeline.workspace import FrameRecord

Watch = Callable[[str], None]

CPU_MEGAPIXELS = 0.1
"""The largest by which an iteration is timed on a CPU, where one takes half a second; above, a pixel takes as long."""

HURRIED = {"iterations": 6, "warm_iterations": 6, "scales": 1, "tolerance": 0.0, "warm_tolerance": 0.0}
"""Settings of the frames by which an iteration is timed."""

SPEED_FRAMES = 3

SETTLE_PX, SETTLE_GPU_PX = (96, 256), 512
"""How large the frames are that tell how soon warm ones settle: on a CPU half of the job's size, within these."""

SETTLE_ITERATIONS, SETTLE_FRAMES = 120, 5
"""Of the cold frame that they begin with; and how many frames there are at a place."""

SETTLE_S, SETTLE_LEAST_S, SETTLE_SHARE = 20.0, 5.0, 0.08
"""About what a place takes, and after what no other is begun: a share of what the job takes at most, within these."""

GROWTH = 0.5
"""The iterations that a painted warm frame needs grow about as its size to this power. Six places in three clips, 96 to
192 px: 0.77, with a standard deviation of 0.52 among them (`scripts/bench_growth.py`)."""

STEP_GROWTH = 1.7
"""What a frame that is left as it is adds to its chain's loss grows as its size to this power. Three calm places: 3.3,
with a standard deviation of 1.6 among them: 2.2 in the calmest, 5.1 where a camera's noise comes in, and there frames
are painted whatever this is (`scripts/bench_growth.py`)."""

PLACES = 3

Missing = tuple[SourcePlan, Segment, Sequence[int]]
"""A segment, and its frames that are still to be painted."""


@dataclass(frozen=True)
class Place:
    """Frames to try: `count` of a segment, from `first` on."""

    source: SourcePlan
    segment: Segment
    first: int
    count: int

    @property
    def direction(self) -> Direction | None:
        """What they are painted with; None: the job's own."""
        return self.source.direction(self.segment)

    @property
    def transfer(self) -> Transfer | None:
        """Their settings; None: the job's own."""
        return None if self.direction is None else self.direction.transfer


@dataclass(frozen=True)
class Allowed:
    """What a trial may take: a small part of `work`, in megapixel-iterations; `warm`: warm frames are to be tried."""

    work: float
    warm: bool = True


def places_of(missing: Sequence[Missing]) -> list[Place]:
    """Where to try frames: around the middle of each third of those that are to be painted."""
    ends = list(accumulate(len(frames) for _, _, frames in missing))
    found: dict[tuple[str, int], Place] = {}
    for number in range(PLACES if missing else 0):
        at = (2 * number + 1) * ends[-1] // (2 * PLACES)
        source, segment, frames = missing[which := bisect_right(ends, at)]
        last = max(segment.first, segment.stop - SETTLE_FRAMES)
        first = min(frames[at - ends[which]], last)  # counted from the end of the segment's frames
        found[segment.key, first] = Place(source, segment, first, min(SETTLE_FRAMES, segment.stop - first))
    return list(found.values())


def try_films(
    settings: WorkerSettings, places: Sequence[Place], allowed: Allowed, watch: Watch = lambda _: None
) -> Pace | None:
    """How fast the frames at `places` are painted by a worker with these settings; None where none can be read.

    Raises the worker's errors that concern the job as a whole.
    """
    with tempfile.TemporaryDirectory(prefix="stylize-") as folder:
        rooms = (Path(folder) / str(number) for number in count())  # for one stretch of frames each
        watch("what an iteration takes")
        found = (_speed(settings, place, next(rooms)) for place in places)
        pace = next((one for one in found if one is not None), None)
        if pace is None or not allowed.warm or not places[0].source.is_warm:
            return pace
        most_s = allowed.work * pace.unit_s
        within_s = max(SETTLE_LEAST_S, min(SETTLE_S, SETTLE_SHARE * most_s))
        shares = list(_shares(settings, places, rooms, (within_s, pace.unit_s), watch))
    return replace(pace, warm_share=mean(shares)) if shares else pace


def _speed(settings: WorkerSettings, place: Place, folder: Path) -> Pace | None:
    """What an iteration takes, and what comes beside it; None where the frames cannot be read."""
    worker = _Timed(settings, lambda transfer: transfer.model_copy(update=HURRIED))
    longest_px = speed_px(place.source.size, device_of(settings))
    records = worker.paint(replace(place, count=min(place.count, SPEED_FRAMES)), longest_px, folder)
    if not records:
        return None
    area = records[0].megapixel_iterations / records[0].iterations
    unit_s = worker.evaluation_s / area
    beside = [record.seconds - record.megapixel_iterations * unit_s for record in records[1:] or records]
    return Pace(unit_s, megapixel_s=max(0.0, mean(beside)) / area)


def _shares(
    settings: WorkerSettings,
    places: Sequence[Place],
    rooms: Iterator[Path],
    allowed: tuple[float, float],
    watch: Watch,
) -> Iterator[float]:
    """At each of `places`, the part of what warm frames may take that they are likely to take.

    `allowed`: the seconds for a place, and those of a megapixel-iteration.
    """
    began, within_s = time.monotonic(), allowed[0]
    largest = max((place.source.size for place in places), key=max)
    longest_px = _settle_px(largest, settings, *allowed)
    worker = _Timed(settings, lambda transfer: _smaller(transfer, longest_px))
    for number, place in enumerate(places):
        if number and time.monotonic() - began > within_s:
            return
        watch("how soon frames settle")
        records = worker.paint(place, longest_px, next(rooms))
        if len(records) > 1:
            transfer = place.transfer or settings.transfer
            larger = max(1.0, max(place.source.size) / longest_px)
            yield evaluations(records, larger, transfer.warm_iterations) / warm_cost(1.0, transfer)


def evaluations(records: Sequence[FrameRecord], larger: float, most: int) -> float:
    """How many evaluations a warm frame takes on the mean, by a cold frame and some warm ones after it.

    `larger`: how many times as large the job's frames are. `most`: the iterations that one may take. A frame in which
    much moves is painted; of those in which little does each is left as it is, after one evaluation, until what that
    adds to the loss amounts to `ENOUGH`, and then one is painted.
    """
    found = seen_in(records)
    steps = [step * larger**STEP_GROWTH for step in found.steps]
    calm = [] if found.is_always_painted else [step for step in steps if step < ENOUGH - 1]
    left = (ENOUGH - 1) // max(mean(calm), 1e-6) if calm else 0.0
    iterations = mean(found.painted) * larger**GROWTH if found.painted else WARM_WINDOW + 1
    painting = min(float(most), iterations)
    share = len(calm) / len(steps) if steps else 0.0
    evaluations = share * (left + painting) / (left + 1) + (1 - share) * painting
    area = records[0].megapixel_iterations / records[0].iterations
    beside = mean(record.megapixel_iterations / area - record.iterations for record in records[1:])
    return min(evaluations + beside, max(1.0, most) + FRESH_ITERATIONS)


@dataclass(frozen=True)
class Seen:
    """What each frame adds to its chain's loss, as a part of it, and the iterations of those that are painted."""

    steps: Sequence[float]
    painted: Sequence[int]
    is_always_painted: bool


def seen_in(records: Sequence[FrameRecord]) -> Seen:
    """What a cold frame and some warm ones after it tell.

    What the first warm frame takes tells little of the others: it also goes on where the short cold one stopped.
    """
    steps, painted, added, is_always_painted = list[float](), list[int](), 0.0, False
    for before, now in pairwise(records):
        settled = before.settled or before.loss
        over = now.trace[0] / settled - 1 if settled else 0.0  # a loss of 0 cannot get any better
        steps += [over - added] if isfinite(over) else []
        added = over if now.iterations == 1 else 0.0
        if now.iterations > 1:
            painted += [now.iterations] if before.start == "warm" or len(records) == 2 else []
            is_always_painted |= over <= ENOUGH - 1  # as where a style changes over time
    return Seen(steps, painted, is_always_painted)


class _Timed(Worker):
    """A worker that knows when each evaluation ended. `adapt`: what becomes of the settings, a shot's own ones, too."""

    def __init__(self, settings: WorkerSettings, adapt: Callable[[Transfer], Transfer]) -> None:
        super().__init__(replace(settings, transfer=adapt(settings.transfer)))
        with at_hand(style_paths(settings)):
            self.set_up()
        self._adapt = adapt
        self._ends: list[tuple[int, float]] = []  # frame, seconds

    def paint(self, place: Place, longest_px: int, folder: Path) -> list[FrameRecord]:
        """The records of the frames at `place` as far as they can be read, painted no larger than this."""
        found, own = place.source.inspected, place.direction
        size = output_size(*place.source.size, min(longest_px, max(place.source.size)), even=True)
        stop = place.first + place.count
        direction = own and replace(own, transfer=self._adapt(own.transfer))
        job = SegmentJob(
            "trial", found.source, found.probe, place.first, stop, size, folder, direction=direction
        )
        records = []
        with suppress(FrameError, MediaError), at_hand(found.source.files):
            for index in range(place.first, stop):
                records.append(self.stylize_frame(index, job if index == place.first else None))
        return records

    @property
    def evaluation_s(self) -> float:
        """Seconds from one evaluation of a frame to the next."""
        return mean(b - a for (one, a), (other, b) in pairwise(self._ends) if one == other)

    def _watch(self, progress: Progress) -> None:
        self._ends.append((progress.frame, time.perf_counter()))
        super()._watch(progress)


def _smaller(transfer: Transfer, longest_px: int) -> Transfer:
    """The settings for frames of this size, from a cold one with fewer iterations."""
    style_px = transfer.style_size and max(
        32, transfer.style_size * longest_px // (transfer.size or longest_px)
    )
    iterations = min(transfer.iterations, SETTLE_ITERATIONS)
    return transfer.model_copy(update={"iterations": iterations, "scales": 1, "style_size": style_px})


def style_paths(settings: WorkerSettings) -> list[Path]:
    """The files of the styles and masks."""
    files = [path for one in settings.styles for path in (one.image, one.mask, one.part) if path]
    return [*files, *([settings.content_mask] if settings.content_mask else [])]


def device_of(settings: WorkerSettings) -> torch.device:
    """What a worker with these settings paints on here."""
    return best_device() if settings.may_use_gpu else torch.device("cpu")


def speed_px(size: tuple[int, int], device: torch.device) -> int:
    """The longest side in px of the frames by which an iteration is timed, for a job whose frames have `size`."""
    area = size[0] * size[1] / 1e6
    if device.type != "cpu" or area <= CPU_MEGAPIXELS:
        return max(size)
    return int(max(size) * (CPU_MEGAPIXELS / area) ** 0.5)


def _settle_px(size: tuple[int, int], settings: WorkerSettings, within_s: float, unit_s: float) -> int:
    """The longest side in px of the frames that tell how soon they settle, such that a place takes about `within_s`."""
    iterations = SETTLE_ITERATIONS + (SETTLE_FRAMES - 1) * settings.transfer.warm_iterations / 2
    longest_px, area = max(size), size[0] * size[1] / 1e6
    in_time_px = int(longest_px * (within_s / (unit_s * iterations * area)) ** 0.5)
    if device_of(settings).type != "cpu":
        return min(longest_px, SETTLE_GPU_PX, max(SETTLE_PX[0], in_time_px))
    return min(longest_px, max(SETTLE_PX[0], min(SETTLE_PX[1], longest_px // 2, in_time_px)))
