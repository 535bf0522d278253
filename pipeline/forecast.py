"""How long the rest of a job will take: what is left, how fast it goes here, and how many workers there would be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.config import Config, Execution
from pipeline.errors import ClusterError
from pipeline.estimate import Estimate, Paces, Part, estimate, known_of, parts_of
from pipeline.execute.pool import Node, available_cores, size_pool
from pipeline.look import Sight
from pipeline.status import read_status
from pipeline.workspace import Workspace

Watch = Callable[[str], None]


@dataclass(frozen=True)
class Hands:
    """The workers that a run would have here. `lanes`: at the pace of how many they paint, since some share a device.

    `threads`: of each; None: as many as there are cores.
    """

    workers: int
    lanes: float
    threads: int | None


@dataclass(frozen=True)
class Forecast:
    """`seconds`: of the whole run, by this machine's workers; None where it was not tried, or is done elsewhere.

    `refusal`: why this machine cannot do the job. `is_busy`: a run is at work, beside which nothing is tried.
    `trial_s`: what it took to find out.
    """

    estimate: Estimate
    hands: Hands | None
    seconds: float | None
    refusal: str | None
    is_busy: bool
    trial_s: float


def forecast(
    config: Config, seen: Sight, *, trial: bool, looked_s: float = 0.0, watch: Watch = lambda _: None
) -> Forecast:
    """What is left of a job, and how long it takes; with `trial` some frames are painted to know.

    `looked_s`: what it took to look at the sources, which a run will do, too.

    Work elsewhere is not tried; its pace is that of what was painted there before. Raises a worker's errors where it
    is tried: `WeightsError`, `MediaError` of a style.
    """
    transfer = config.transfer
    parts, known = parts_of(seen.plan, seen.stock, transfer), known_of(seen.plan, seen.stock, transfer)
    is_left, is_here = bool(parts) or seen.pictures.left > 0, config.execution.address is None
    began, paces, hands, refusal = time.monotonic(), Paces(films=known.pace), None, None
    if is_left and is_here:
        try:
            hands = hands_of(config.execution, len(parts) + seen.pictures.left)
        except ClusterError as error:
            refusal = str(error)
    is_busy = (read_status(Workspace(config.output)) or {}).get("status") == "running"
    if hands is not None and trial and not is_busy:
        paces = _tried(config, seen, parts, hands, watch)
        if paces.films is not None and known.warm_share is not None:
            paces = replace(paces, films=replace(paces.films, warm_share=known.warm_share))
    found = estimate(parts, seen.pictures, paces)
    seconds = None if hands is None else found.seconds(hands.lanes, available_cores())
    whole_s = None if seconds is None else looked_s + seconds
    return Forecast(found, hands, whole_s, refusal, is_busy, time.monotonic() - began)


def hands_of(execution: Execution, segments: int) -> Hands:
    """The workers for so many segments and photographs; `ClusterError` where the machine has less than is asked for."""
    import torch  # takes its seconds

    cores, gpus = available_cores(), torch.cuda.device_count()
    pool = size_pool(execution, [Node(cores, gpus)], segments)
    if pool.gpus:
        return Hands(pool.workers, pool.workers * min(1.0, pool.gpus), pool.threads)
    return Hands(pool.workers, min(pool.workers, cores / (pool.threads or cores)), pool.threads)


def _tried(config: Config, seen: Sight, parts: Sequence[Part], hands: Hands, watch: Watch) -> Paces:
    from pipeline.trial import places_of, try_films, try_pictures  # torch again

    painted = [(part.source, part.segment, part.frames) for part in parts if part.segment.kind == "paint"]
    places, samples = places_of(painted), seen.pictures.samples
    most = sum(part.load.most for part in parts)
    return Paces(
        try_films(config, places, most, hands.threads, watch) if places else None,
        try_pictures(config, samples, hands.threads, watch) if samples else None,
    )
