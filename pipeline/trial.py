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
from pathlib import Path
from statistics import mean

import torch

from pipeline.archive.findings import Planned, max_pixels, wish_of
from pipeline.config import Config, Transfer
from pipeline.costs import warm_cost
from pipeline.errors import FrameError, MediaError
from pipeline.execute.chain import ENOUGH
from pipeline.execute.job import Progress, SegmentJob, WorkerSettings
from pipeline.execute.pool import available_cores
from pipeline.execute.tensors import as_floats, as_tensor
from pipeline.execute.worker import Worker, best_device, load_style, style_settings
from pipeline.hiring import worker_settings
from pipeline.media.geometry import output_size
from pipeline.media.photos import encode_photo, read_photo
from pipeline.pace import Pace
from pipeline.plan import SourcePlan
from pipeline.segments import Segment
from pipeline.style import Stylizer
from pipeline.style.optimize import WARM_WINDOW
from pipeline.weights import load_weights
from pipeline.workspace import FrameRecord

Watch = Callable[[str], None]

CPU_MEGAPIXELS = 0.2
"""The largest that is tried on a CPU, where an iteration of that takes a second; above, a pixel takes as long."""

HURRIED = {"iterations": 6, "warm_iterations": 6, "scales": 1, "tolerance": 0.0, "warm_tolerance": 0.0}
"""Settings of the frames by which an iteration is timed."""

SPEED_FRAMES = 3

BATCH = 8
"""Photographs that are tried side by side, where as many are."""

SETTLE_PX, SETTLE_GPU_PX = (96, 256), 512
"""How large the frames are that tell how soon warm ones settle: on a CPU half of the job's size, within these."""

SETTLE_ITERATIONS, SETTLE_FRAMES = 120, 5
"""Of the cold frame that they begin with; and how many frames there are at a place."""

SETTLE_S, SETTLE_SHARE = 20.0, 0.08
"""No other place is begun after so long, nor after such a share of what the job takes at most."""

GROWTH = 0.5
"""The iterations that a painted warm frame needs grow about as its size to this power. From 128 to 256 px: from 22 to
32 a frame (bikes.mp4, frames 141 to 144), from 29 to 35 (carphone_pristine.mp4, 21 to 24)."""

STEP_GROWTH = 1.7
"""What a frame that is left as it is adds to its chain's loss grows as its size to this power: 0.21, 0.27 and 0.65 % a
frame at 96, 128 and 192 px; at 256 more than the 1 % from which on every frame is painted (bigbuckbunny.mp4, 61 on)."""

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
    config: Config, places: Sequence[Place], most: float, threads: int | None, watch: Watch
) -> Pace | None:
    """How fast the frames at `places` are painted with so many threads; None where none of them can be read.

    `most`: the megapixel-iterations that the job takes at most, of which the trial is to be a small part. All is
    painted with the job's own style and settings, whatever its shots have. Raises the worker's errors that concern the
    job as a whole.
    """
    settings = replace(worker_settings(config), threads=threads)
    with tempfile.TemporaryDirectory(prefix="stylize-") as folder:
        rooms = (Path(folder) / str(number) for number in count())  # for one stretch of frames each
        watch("what an iteration takes")
        found = (_speed(settings, place, next(rooms)) for place in places)
        pace = next((one for one in found if one is not None), None)
        if pace is None or not places[0].source.is_warm:
            return pace
        allowed_s = min(SETTLE_S, SETTLE_SHARE * most * pace.unit_s)
        shares = list(_shares(settings, places, rooms, allowed_s, watch))
    return replace(pace, warm_share=mean(shares)) if shares else pace


def _speed(settings: WorkerSettings, place: Place, folder: Path) -> Pace | None:
    """What an iteration takes, and what comes beside it; None where the frames cannot be read."""
    transfer = settings.transfer.model_copy(update=HURRIED)
    worker = _Timed(replace(settings, transfer=transfer))
    longest_px = _speed_px(place.source.size)
    records = worker.paint(replace(place, count=min(place.count, SPEED_FRAMES)), longest_px, folder)
    if not records:
        return None
    area = records[0].megapixel_iterations / records[0].iterations
    unit_s = worker.evaluation_s / area
    beside = [record.seconds - record.megapixel_iterations * unit_s for record in records[1:] or records]
    return Pace(unit_s, megapixel_s=max(0.0, mean(beside)) / area)


def _shares(
    settings: WorkerSettings, places: Sequence[Place], rooms: Iterator[Path], allowed_s: float, watch: Watch
) -> Iterator[float]:
    """For each warm frame at `places`, the part of what it may take that it is likely to take."""
    began, transfer = time.monotonic(), settings.transfer
    longest_px = _settle_px(max(max(place.source.size) for place in places))
    worker = _Timed(replace(settings, transfer=_smaller(transfer, longest_px)))
    for number, place in enumerate(places):
        if number and time.monotonic() - began > allowed_s:
            return
        watch(f"how soon frames settle, {number + 1} of {len(places)}")
        records = worker.paint(place, longest_px, next(rooms))
        if len(records) > 1:
            taken = evaluations(
                records, max(1.0, max(place.source.size) / longest_px), transfer.warm_iterations
            )
            yield taken / warm_cost(1.0, transfer)


def evaluations(records: Sequence[FrameRecord], larger: float, most: int) -> float:
    """How many evaluations a warm frame takes on the mean, by a cold frame and some warm ones after it.

    `larger`: how many times as large the job's frames are. `most`: the iterations that one may take. A frame is left as
    it is, after one evaluation, until what that adds to the loss amounts to `ENOUGH`; then one is painted.
    """
    steps, painted, added = list[float](), list[float](), 0.0
    for before, now in pairwise(records):
        over = now.trace[0] / (before.settled or before.loss) - 1
        steps.append(over - added)
        added = over if now.iterations == 1 else 0.0
        painted += [now.iterations * larger**GROWTH] if now.iterations > 1 else []
    step = mean(steps) * larger**STEP_GROWTH
    left = 0.0 if step >= ENOUGH - 1 else (ENOUGH - 1) // max(step, 1e-6)
    settling = min(float(most), mean(painted) if painted else WARM_WINDOW + 1)
    area = records[0].megapixel_iterations / records[0].iterations
    beside = mean(record.megapixel_iterations / area - record.iterations for record in records[1:])
    return (left + settling) / (left + 1) + beside


class _Timed(Worker):
    """A worker that knows when each evaluation ended."""

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self.set_up()
        self._ends: list[tuple[int, float]] = []  # frame, seconds

    def paint(self, place: Place, longest_px: int, folder: Path) -> list[FrameRecord]:
        """The records of the frames at `place` as far as they can be read, painted no larger than this."""
        found = place.source.inspected
        size = output_size(*place.source.size, min(longest_px, max(place.source.size)), even=True)
        stop = place.first + place.count
        job = SegmentJob("trial", found.source, found.probe, place.first, stop, size, folder)
        records = []
        with suppress(FrameError, MediaError):
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


def try_pictures(
    config: Config, samples: Sequence[Planned], threads: int | None, watch: Watch
) -> Pace | None:
    """How fast photographs are painted, by the first of `samples` that can be read; None where none can."""
    watch("what an iteration takes, of photographs")
    settings = worker_settings(config)
    torch.set_num_threads(threads or available_cores())
    stylizer = Stylizer(
        load_weights(settings.weights),
        [load_style(files) for files in settings.styles],
        style_settings(settings.transfer.model_copy(update=HURRIED)),
        best_device() if settings.may_use_gpu else torch.device("cpu"),
    )
    for sample in samples:
        with suppress(MediaError, torch.OutOfMemoryError):  # the run will paint it in tiles
            return _time_picture(config, sample, stylizer)
    return None


def _time_picture(config: Config, sample: Planned, stylizer: Stylizer) -> Pace:
    """The pace of as many copies of a photograph as are painted side by side."""
    longest_px, wish = _speed_px(sample.size), wish_of(config)
    began = time.perf_counter()
    photo = read_photo(
        sample.picture.path, lambda w, h: output_size(w, h, longest_px, even=False), max_pixels(config)
    )
    content = as_tensor(photo.pages[0].rgb)
    encode_photo([as_floats(content)] * len(photo.pages), photo, wish)
    files_s = time.perf_counter() - began
    at_once = stylizer.at_once((content.shape[-2], content.shape[-1]), BATCH)
    contents, ends = content.repeat(at_once, 1, 1, 1), list[float]()
    stylizer.stylize_batch(contents)  # the first time pays for the style's targets, and for warming up
    began = time.perf_counter()
    stylizer.stylize_batch(contents, callback=lambda _: ends.append(time.perf_counter()))
    painting_s = time.perf_counter() - began
    evaluation_s = (ends[-1] - ends[0]) / max(1, len(ends) - at_once)  # all of them begin at once
    beside_s = max(0.0, painting_s - len(ends) * evaluation_s) / at_once
    return Pace(evaluation_s / (content.shape[-2] * content.shape[-1] / 1e6), files_s + beside_s)


def _smaller(transfer: Transfer, longest_px: int) -> Transfer:
    """The settings for frames of this size, from a cold one with fewer iterations."""
    style_px = transfer.style_size and max(
        32, transfer.style_size * longest_px // (transfer.size or longest_px)
    )
    iterations = min(transfer.iterations, SETTLE_ITERATIONS)
    return transfer.model_copy(update={"iterations": iterations, "scales": 1, "style_size": style_px})


def _speed_px(size: tuple[int, int]) -> int:
    """The longest side in px of the frames by which an iteration is timed, for a job whose frames have `size`."""
    longest, area = max(size), size[0] * size[1] / 1e6
    if best_device().type != "cpu" or area <= CPU_MEGAPIXELS:
        return longest
    return int(longest * (CPU_MEGAPIXELS / area) ** 0.5)


def _settle_px(longest_px: int) -> int:
    """The longest side in px of the frames that tell how soon they settle, for a job of this size."""
    if best_device().type != "cpu":
        return min(longest_px, SETTLE_GPU_PX)
    return min(longest_px, max(SETTLE_PX[0], min(SETTLE_PX[1], longest_px // 2)))
