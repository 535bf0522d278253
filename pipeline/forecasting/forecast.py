"""How long the rest of a job will take: what is left, how fast it goes here, and how many workers there would be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

from pipeline.config import Config, Execution
from pipeline.errors import ClusterError, WeightsError
from pipeline.execute.crew import first_line
from pipeline.execute.pool import Node, Pool, available_cores, size_pool
from pipeline.forecasting.estimate import Estimate, Paces, Part, estimate, known_of, parts_of
from pipeline.forecasting.writing import unwritten
from pipeline.hiring import worker_settings
from pipeline.live.status import is_running
from pipeline.look import Sight
from pipeline.plan import SourcePlan
from pipeline.rights import refusal_of
from pipeline.shots.segments import Segment
from pipeline.workspace import Workspace

Watch = Callable[[str], None]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Hands:
    """The workers that a run would have here.

    `lanes`: at the pace of how many they paint, since some share a device.
    """

    workers: int
    lanes: float
    pool: Pool


@dataclass(frozen=True)
class Forecast:
    """`seconds`: of the whole run, by this machine's workers; None where it was not tried, or is done elsewhere.
    Outputs are written here wherever the frames are painted.

    `refusal`: why this machine cannot do the job, or not write what comes of it. `trouble`: why it could not be tried.
    `is_busy`: a run is at work, beside which nothing is tried. `trial_s`: what the trial took; None where nothing was.
    """

    estimate: Estimate
    hands: Hands | None
    seconds: float | None
    refusal: str | None
    trouble: str | None
    is_busy: bool
    trial_s: float | None


def forecast(
    config: Config, seen: Sight, *, trial: bool, looked_s: float = 0.0, watch: Watch = lambda _: None
) -> Forecast:
    """What is left of a job, and how long it takes; with `trial` some frames are painted to know.

    `looked_s`: what it took to look at the sources, which a run will do, too. Work elsewhere is not tried; its pace is
    that of what was painted there before. Raises `WeightsError`.
    """
    began, transfer, is_tried = time.monotonic(), config.transfer, False
    parts, known = parts_of(seen.plan, seen.stock, transfer), known_of(seen.plan, seen.stock, transfer)
    is_here = config.execution.address is None
    is_busy = is_running(Workspace(config.output))
    paces, hands, trouble = Paces(None if is_here else known.pace), None, None
    refusal = refusal_of(Workspace(config.output), is_done=seen.is_done)
    if is_here and not refusal and (parts or seen.pictures.left):
        try:
            hands = hands_of(config.execution, len(parts) + seen.pictures.left)
            if is_tried := trial and not is_busy:
                paces = _tried(config, seen, parts, hands, known.warm_share, watch)
        except ClusterError as error:
            refusal = str(error)
        except WeightsError:
            raise  # without them there is no run
        except Exception as error:  # whatever it is, the rest of the plan is true without a trial
            trouble = first_line(error)
    to_write = unwritten(seen.plan, {part.source.name for part in parts}, seen.written)
    found = estimate(parts, seen.pictures, paces, to_write)
    seconds = None if refusal else _seconds(found, hands, is_busy)
    whole_s = None if seconds is None else looked_s + seconds
    trial_s = time.monotonic() - began if is_tried else None
    return Forecast(found, hands, whole_s, refusal, trouble, is_busy, trial_s)


def _seconds(found: Estimate, hands: Hands | None, is_busy: bool) -> float | None:
    """What is left takes with these hands, where there is something to be painted; else outputs at most are written."""
    if hands is not None:
        return found.seconds(hands.workers, hands.lanes, available_cores())
    is_at_work = is_busy and found.writing.outputs > 0  # and nobody knows how far with it
    return None if found.is_left or is_at_work else found.seconds(1, 1, available_cores())


def timed(work: Callable[[], Found]) -> tuple[Found, float]:
    """What some work gives, and the seconds that it took."""
    began = time.monotonic()
    return work(), time.monotonic() - began


def hands_of(execution: Execution, segments: int) -> Hands:
    """The workers for so many segments and photographs; `ClusterError` where the machine has less than is asked for."""
    import torch  # takes its seconds

    cores, gpus = available_cores(), torch.cuda.device_count()
    pool = size_pool(execution, [Node(cores, gpus)], segments)
    if pool.gpus:  # those that share a GPU are together as fast as one that has it alone
        return Hands(pool.workers, min(pool.workers, ceil(pool.workers * pool.gpus - 0.01)), pool)
    return Hands(pool.workers, min(pool.workers, cores / (pool.threads or cores)), pool)


def _tried(
    config: Config, seen: Sight, parts: Sequence[Part], hands: Hands, warm_share: float | None, watch: Watch
) -> Paces:
    """The paces by a trial; `warm_share`: that of earlier runs, which says more."""
    from pipeline.forecasting.trial import Allowed, places_of, try_films  # torch again
    from pipeline.forecasting.trial_pictures import try_pictures

    settings = replace(worker_settings(config), threads=hands.pool.threads, gpu_share=hands.pool.gpu_share)
    places, samples = places_of(_to_try(parts)), seen.pictures.samples
    allowed = Allowed(sum(part.load.most for part in parts), warm=warm_share is None)
    films = try_films(settings, places, allowed, watch) if places else None
    if films is not None and warm_share is not None:
        films = replace(films, warm_share=warm_share)
    return Paces(films, try_pictures(config, settings, samples, watch) if samples else None)


def _to_try(parts: Sequence[Part]) -> Sequence[tuple[SourcePlan, Segment, Sequence[int]]]:
    """What of films is to be painted; where only blends and passes are left, what they go over."""
    painted = [(part.source, part.segment, part.frames) for part in parts if part.segment.kind == "paint"]
    if painted or not any(part.load.most for part in parts):
        return painted
    sources = {part.source.name: part.source for part in parts}.values()
    return [(one, s, s.order) for one in sources for s in one.segments if s.kind == "paint"]
