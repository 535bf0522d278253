"""What an iteration costs beyond VGG19: ours against the bare forward and backward of the same convolutions.

The bare loop is conv2d, ReLU and max_pool2d up to conv5_1 and the gradient of the features' sum with respect to the
picture, at the same size, threads and memory layout; and once more in torch's default layout. Ours is all that happens
from one evaluation of a run to the next: losses, L-BFGS with its 20 pairs, bounds, bookkeeping. Rounds of both
alternate, so that a busy machine hits both, and the median of the rounds' ratios counts.

    .venv/bin/python scripts/bench_iteration.py         # about 5 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from pictures import PAINTING, photograph, picture
from torch import Tensor

from pipeline.style import Iterate, Settings, Style, Stylizer, Weights
from pipeline.style.weights import CONV_CHANNELS
from pipeline.weights import load_weights

WARM_UP = 22
"""Iterations until L-BFGS has all its pairs."""


def bare(weights: Weights, image: Tensor, layout: torch.memory_format, count: int) -> float:
    """Seconds per forward and backward of the convolutions up to conv5_1."""
    names = list(CONV_CHANNELS)[: list(CONV_CHANNELS).index("conv5_1") + 1]
    convs = [
        (name, weights.convs[name][0].to(memory_format=layout), weights.convs[name][1]) for name in names
    ]

    def once() -> None:
        leaf = image.to(memory_format=layout).clone().requires_grad_(True)
        x = leaf
        for name, weight, bias in convs:
            x = F.max_pool2d(x, 2) if name.endswith("_1") and name != "conv1_1" else x
            x = F.relu_(F.conv2d(x, weight, bias, padding=1))
        torch.autograd.grad(x.sum(), leaf)

    once()
    began = time.perf_counter()
    for _ in range(count):
        once()
    return (time.perf_counter() - began) / count


def ours(stylizer: Stylizer, image: Tensor) -> float:
    """Seconds per iteration of a run, once L-BFGS has all its pairs."""
    times: list[float] = []

    def watch(it: Iterate) -> None:
        times.append(time.perf_counter())

    stylizer.stylize(image, callback=watch)
    return (times[-1] - times[WARM_UP]) / (len(times) - 1 - WARM_UP)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 192, 256, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=10, help="iterations a round")
    args = parser.parse_args()
    weights = load_weights("packaged")
    settings = Settings(iterations=WARM_UP + 1 + args.count, scales=1, tolerance=0.0, tile=None)
    print(f"{torch.get_num_threads()} threads, {args.rounds} rounds of {args.count} iterations\n")
    print(
        "| longest side, px | bare, s | ours, s | ours / bare | lowest, highest | ours / bare in torch's layout |"
    )
    print("|---|---|---|---|---|---|")
    for size in args.sizes:
        image = photograph("coffee", size)
        stylizer = Stylizer(weights, [Style(picture(PAINTING, size))], settings)
        rounds = []
        for _ in range(args.rounds):
            base = bare(weights, image, torch.channels_last, args.count)
            rounds.append(
                (base, ours(stylizer, image), bare(weights, image, torch.contiguous_format, args.count))
            )
        ratios = sorted(mine / base for base, mine, _ in rounds)
        cells = [f"{statistics.median(times):.3f}" for times in list(zip(*rounds, strict=True))[:2]]
        other = statistics.median(mine / default for _, mine, default in rounds)
        spread = f"{ratios[0]:.2f}, {ratios[-1]:.2f}"
        print(
            f"| {size} | {' | '.join(cells)} | {statistics.median(ratios):.2f} | {spread} | {other:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
