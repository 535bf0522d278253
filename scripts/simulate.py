"""A two-hour film on up to 64 workers that are not there: does work follow workers, and what does the driver take?

The real plan, queue, dispatcher, keeper and ledger, with workers that are events on a virtual clock, see `simulation`.
What frames take is drawn from a run's records, shot by shot, so that easy and hard shots come in the measured mixture.
The clock also counts the CPU time of the driver, 2 ms a call for Ray, and 15 s until a worker has started.

Shot lengths are log-normal with a standard deviation of 1.2 times their mean, which is 9 s in the 1940s, and 4 s or,
in action films, 2 s today, as Barry Salt found (cinemetrics.uchicago.edu has his papers); 30 s are long takes. Then the
shots of a clip at hand, as the cut detector finds them, over and over; and a film that is one shot.

The tail: from the first moment at which a worker has nothing left to do to the end.

Efficiency: the seconds that one worker would paint, over the number of workers (each counted with its speed, for as
long as it was there) times the seconds that the film took, start and end included.

    .venv/bin/python scripts/simulate.py --records out/.stylize/records.jsonl [--part films|clusters|driver]
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psutil
from simulation import FRAMES_PER_S, NEVER, Capacity, Crew, Measured, Pace, Rhythm, chain_s, film, nothing_yet

from pipeline.config import Config
from pipeline.disk.keeper import Keeper
from pipeline.execute.dispatch import Dispatcher
from pipeline.execute.events import Event, FrameFinished, Todo
from pipeline.execute.queue import Queue
from pipeline.ledger import Ledger, Watcher
from pipeline.plan import Plan
from pipeline.resume import todos
from pipeline.workspace import Workspace

FRAMES = 2 * 3600 * FRAMES_PER_S
SALT = 0.944
"""The sigma of a log-normal distribution whose standard deviation is 1.2 times its mean."""

RHYTHMS = (
    Rhythm("action, 2 s", 2.0, SALT),
    Rhythm("of today, 4 s", 4.0, SALT),
    Rhythm("of the 1940s, 9 s", 9.0, SALT),
    Rhythm("long takes, 30 s", 30.0, SALT),
    Rhythm("one shot", 7200.0, None),
)
TODAY = RHYTHMS[1]
WORKERS = (1, 2, 4, 8, 16, 32, 64)
FEW = (16, 64)


@dataclass(frozen=True)
class Job:
    """A film, and what is to be made of it."""

    plan: Plan
    config: Config

    def todos(self) -> list[Todo]:
        space = Workspace(self.config.output)
        return todos(self.plan, nothing_yet(self.plan), space, self.config.transfer)


def job_of(shots: Sequence[int], frames: int, output: Path = Path("/films/out"), **video: Any) -> Job:
    given = {"input": ("/films",), "output": output, "style": ({"image": Path("/s.png")},), "video": video}
    config = Config.model_validate(given)
    return Job(film(frames, shots, config), config)


def simulate(job: Job, crew: Crew, note: Callable[[Event], object] = lambda _: None) -> float:
    """The seconds that a film takes."""
    queue = Queue(job.todos())
    for event in Dispatcher(crew, arrived=lambda _: True).stylize(queue, lambda: False):
        note(event)
    return crew.now_s()


# --- films ---


def films(pace: Pace, frames: int, clip: Sequence[int]) -> None:
    """The efficiency by rhythm and workers, and what bounds it."""
    heads = ("film", "shots", "segments", "longest chain", *map(str, WORKERS), "hours with 64", "its tail")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    rows: list[tuple[str, Sequence[int], dict[str, Any], Sequence[int]]] = [
        (rhythm.name, rhythm.shots(frames), {}, WORKERS if rhythm == TODAY else FEW) for rhythm in RHYTHMS
    ]
    rows.append(("bikes.mp4's shots", repeated(clip, frames), {}, FEW))
    rows.append(("of today, 3 passes", TODAY.shots(frames), {"passes": 3}, FEW))
    rows.append(("of the 1940s, whole shots", RHYTHMS[2].shots(frames), {"segment_frames": None}, FEW))
    for name, shots, video, counts in rows:
        job = job_of(shots, frames, **video)
        total_s, longest_s = chain_s(job.todos(), pace)
        crews = {workers: Crew(pace, ((0, workers),)) for workers in counts}
        took_s = {workers: simulate(job, crew) for workers, crew in crews.items()}
        shares = [f"{100 * total_s / n / took_s[n]:.1f} %" if n in took_s else "" for n in WORKERS]
        tail = f"{crews[64].tail_s():.0f} s"
        cells = (name, len(shots), len(job.plan.segments), f"{longest_s / 60:.1f} min", *shares)
        print(f"| {' | '.join(map(str, cells))} | {took_s[64] / 3600:.2f} | {tail} |", flush=True)


def repeated(clip: Sequence[int], frames: int) -> list[int]:
    """The shots of a clip, over and over."""
    found, left = list[int](), frames
    while left > 0:
        found.append(min(left, clip[len(found) % len(clip)]))
        left -= found[-1]
    return found


def shots_of(clip: str) -> list[int]:
    """The lengths of a clip's shots, as they are found."""
    from sample_clips import clip_path

    from pipeline.media.decode import decode_frames
    from pipeline.media.probe import probe
    from pipeline.media.sources import Source
    from pipeline.motion.cuts import find_cuts
    from pipeline.plan import shots

    source = Source("video", clip_path(clip), clip, (clip_path(clip),))
    found = probe(source, rate=Fraction(1))
    cuts = find_cuts(decode_frames(source, found, 0, found.frames), found.rate)
    return [stop - first for first, stop in shots(0, found.frames, cuts)]


# --- clusters ---


def clusters(pace: Pace, frames: int) -> None:
    """64 workers of which some are slow, die, leave or join."""
    job = job_of(TODAY.shots(frames), frames)
    total_s, _ = chain_s(job.todos(), pace)
    quarter = total_s / 64 / 4  # a quarter of what the film takes at least
    halves, away = (1.0, 0.5), ((0, 64), (quarter, 32), (2 * quarter, 64))
    cases: list[tuple[str, Capacity, Sequence[float], float]] = [
        ("64 alike", ((0, 64),), (1.0,), NEVER),
        ("half of them at half the speed", ((0, 64),), halves, NEVER),
        ("one of four at a quarter of the speed", ((0, 64),), (1.0, 1.0, 1.0, 0.25), NEVER),
        ("each dies after half an hour on the mean", ((0, 64),), (1.0,), 1800.0),
        ("32, and 32 more after a quarter", ((0, 32), (quarter, 64)), (1.0,), NEVER),
        ("a half leaves after a quarter, and is back after two", away, (1.0,), NEVER),
        ("the same, half of them at half the speed", away, halves, NEVER),
    ]
    heads = ("64 workers, a film of today", "hours", "efficiency", "workers lost", "work done twice")
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, capacity, speeds, lifetime_s in cases:
        crew = Crew(pace, capacity, speeds, lifetime_s)
        took_s = simulate(job, crew)
        could = capacity_s(capacity, speeds, took_s)
        twice = crew.painted_s() / total_s - 1
        cells = (
            name,
            f"{took_s / 3600:.2f}",
            f"{100 * total_s / could:.1f} %",
            crew.lost,
            f"{100 * twice:.2f} %",
        )
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def capacity_s(capacity: Capacity, speeds: Sequence[float], until_s: float) -> float:
    """The seconds of work of a worker of speed 1 that so many workers could do."""
    edges = [(since_s, room) for since_s, room in capacity if since_s < until_s] + [(until_s, 0)]
    return sum(
        (after_s - since_s) * sum(speeds[place % len(speeds)] for place in range(room))
        for (since_s, room), (after_s, _) in pairwise(edges)
    )


# --- the driver ---


class NoPictures:
    """Stands in for the stream of photographs."""

    def note(self, event: Event) -> None:
        pass


class NoEncoder:
    """Stands in for the encoder's thread: nothing is encoded."""

    def submit(self, *_: Any) -> Future[None]:
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Weight:
    """What the driver takes, at every quarter of the frames."""

    def __init__(self, frames: int, note: Callable[[Event], object]) -> None:
        self._frames, self._note, self._done = frames, note, 0
        self.rss_mb: list[float] = []
        self.frame_s: list[float] = []

    def note(self, event: Event) -> None:
        began = time.perf_counter()
        self._note(event)
        if not isinstance(event, FrameFinished):
            return
        self.frame_s.append(time.perf_counter() - began)
        self._done += not event.record.draft
        if self._done * 16 // self._frames > len(self.rss_mb):
            self.rss_mb.append(psutil.Process().memory_info().rss / 1e6)


def driver(pace: Pace, frames: int) -> None:
    """What the driver of a film holds, for how long it is busy, and whether that grows."""
    for name, video in (("of today", {}), ("of today, 3 passes", {"passes": 3})):
        with tempfile.TemporaryDirectory() as folder:
            print(f"\n{name}, 64 workers")
            weigh(pace, frames, TODAY, Path(folder), video)


def weigh(pace: Pace, frames: int, rhythm: Rhythm, folder: Path, video: Mapping[str, Any]) -> None:
    shots = rhythm.shots(frames)
    tracemalloc.start()
    job = job_of(shots, frames, folder, **video)
    held = {"plan": traced()}
    space, stock = Workspace(folder), nothing_yet(job.plan)
    space.root.mkdir()
    found = job.todos()
    held["todos"] = traced()
    keeper = Keeper(job.plan, stock, space, job.config, NoEncoder())  # type: ignore[arg-type]
    ledger = Ledger(job.plan, stock, space, Watcher(), keeper, NoPictures())  # type: ignore[arg-type]
    held["keeper, ledger"] = traced()
    began = time.perf_counter()
    queue = Queue(found, keeper.choose)
    queue_s = time.perf_counter() - began
    held["queue"] = traced()
    tracemalloc.stop()
    before = 0
    for what, now in held.items():
        print(f"  {what}: {(now - before) / 1e6:.1f} MB, {(now - before) / frames:.0f} bytes a frame")
        before = now
    crew, weight = Crew(pace, ((0, 64),)), Weight(frames, ledger.note)
    taken = timed(queue)
    for event in Dispatcher(crew, arrived=lambda _: True).stylize(queue, lambda: False):
        weight.note(event)
    sizes = [size for _, size in crew.sent]
    print(f"  the order of {len(found)} segments: {1e3 * queue_s:.0f} ms")
    print(
        f"  a segment: taken in {ms(taken)}, pickled in {ms([s for s, _ in crew.sent])}, {median(sizes) / 1e3:.1f} kB"
    )
    print(f"  a frame's events, with the journal on the disk: {ms(weight.frame_s)}")
    print(f"  the driver's own CPU time: {1e3 * crew.clock.driver_s / len(found):.2f} ms a segment, "
          f"{100 * crew.clock.driver_s / crew.now_s():.2f} % of the time")  # fmt: skip
    print(f"  resident, at each sixteenth: {' '.join(f'{mb:.0f}' for mb in weight.rss_mb)} MB")


def timed(queue: Queue) -> list[float]:
    """The seconds of each segment's being taken from a queue, as they come."""
    found, take = list[float](), queue.take

    def call(workers: int = 1) -> Any:
        began = time.perf_counter()
        todo = take(workers)
        if todo is not None:
            found.append(time.perf_counter() - began)
        return todo

    queue.take = call  # type: ignore[method-assign]
    return found


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def ms(seconds: Sequence[float]) -> str:
    """A median and a 99th percentile."""
    ordered = sorted(seconds)
    return f"{1e3 * median(ordered):.3f} ms (99 %: {1e3 * ordered[len(ordered) * 99 // 100]:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=Path, required=True, help="the journal of a run")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--warm", type=float, default=1.0, help="seconds of a warm frame on the mean")
    parser.add_argument("--part", choices=("films", "clusters", "driver"))
    given = parser.parse_args()
    measured = Measured.of(given.records)
    pace = Pace(measured, given.warm)
    colds = fmean(cold for cold, _ in measured.shots)
    print(f"{len(measured.shots)} shots measured: cold {colds:.0f}, warm {measured.mean_warm:.1f} evaluations on the "
          f"mean; a warm frame takes {given.warm:g} s\n")  # fmt: skip
    if given.part in (None, "films"):
        films(pace, given.frames, shots_of("bikes.mp4"))
    if given.part in (None, "clusters"):
        clusters(pace, given.frames)
    if given.part in (None, "driver"):
        driver(pace, given.frames)


if __name__ == "__main__":
    main()
