"""Any size: what a picture takes in memory and time, whole and in tiles, and that tiles change nothing.

Each row runs in a process of its own, whose peak memory (resident, libraries included) is read at its end. The
photograph is enlarged to the size asked for, with noise for detail. L-BFGS keeps 20 pairs of pictures up to 2.4
megapixels, one more each iteration, and 2 from 24 megapixels on: a row's iterations say how many are there.
The gradient of the tiled evaluation is compared
with the whole picture's at a size where both fit.

    .venv/bin/python scripts/bench_size.py                              # up to 2048 px, about 5 minutes on 2 cores
    .venv/bin/python scripts/bench_size.py --rows 6000x4000:6:3 --save large.png     # 24 megapixels within 6 GiB
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from pictures import PAINTING, photograph, picture
from PIL import Image
from torch import Tensor

from pipeline.execute.tensors import as_frame
from pipeline.style import Settings, Style, Stylizer
from pipeline.style.evaluate import Evaluator, features_of, moments_of
from pipeline.style.losses import gram_loss
from pipeline.style.normalize import normalization_means
from pipeline.style.objective import Objective, Region, content_terms, style_terms
from pipeline.style.vgg import VGG19
from pipeline.weights import load_weights

ROWS = ["1024x683:8:22", "1024x683:2:22", "2048x1365:8:5", "2048x1365:4:5"]


def large(width: int, height: int) -> Tensor:
    """A photograph of (1, 3, height, width) in 0–1, with detail at every scale."""
    image = F.interpolate(photograph("coffee", 600), size=(height, width), mode="bicubic").clamp_(0, 1)
    noise = torch.randn((1, 1, height, width), generator=torch.Generator().manual_seed(0))
    return image.add_(noise.mul_(0.03)).clamp_(0, 1)


def run(row: str, save: Path | None) -> dict[str, float | None]:
    """One row, width x height : GiB : iterations, in this process."""
    size, memory_gib, iterations = row.split(":")
    width, height = map(int, size.split("x"))
    content = large(width, height)
    settings = Settings(iterations=int(iterations), scales=1, style_size=1024, tolerance=0.0)
    stylizer = Stylizer(
        load_weights("packaged"), [Style(picture(PAINTING, 1024))], settings, memory_gib=float(memory_gib)
    )
    times: list[float] = []
    result = stylizer.stylize(content, callback=lambda it: times.append(time.perf_counter()))
    seconds = (times[-1] - times[0]) / (len(times) - 1)
    if save:
        Image.fromarray(as_frame(result.image)).save(save)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    first, last = result.trace[0], result.loss
    return {
        "tile": result.tile_px,
        "peak": peak,
        "seconds": seconds / (width * height / 1e6),
        "first": first,
        "last": last,
    }


def difference(width: int, height: int, tile_px: int) -> float:
    """|tiled − whole| / |whole| of the gradient (norms) of the default objective, in float32."""
    weights, layers = load_weights("packaged"), dict(Settings().style_layers)
    network = VGG19(weights, ["conv4_2", *layers], means=normalization_means(weights))
    content, style = large(width, height), picture(PAINTING, 512)
    regions = [Region(None, moments_of(network, style, layers))]
    objective = Objective(
        content_terms(features_of(network, content, ["conv4_2"]), {"conv4_2": 1.0}, 1.0),
        style_terms(regions, layers, 1000.0, gram_loss),
    )
    image = (content + 0.1 * large(width, height).flip(3)).clamp(0, 1)
    whole, tiled = (Evaluator(network, objective, tile)(image, [0])[1] for tile in (None, tile_px))
    return float((tiled - whole).norm() / whole.norm())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=ROWS, help="width x height : GiB : iterations")
    parser.add_argument("--save", type=Path, help="the last row's picture, as a PNG")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row:
        print(json.dumps(run(args.row, args.save)))
        return
    print(
        "| picture | memory allowed, GiB | tile, px | peak, GiB | s / megapixel-iteration | loss, first → best |"
    )
    print("|---|---|---|---|---|---|")
    for row in args.rows:
        command = [sys.executable, __file__, "--row", row, *(["--save", str(args.save)] if args.save else [])]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        size, memory_gib, iterations = row.split(":")
        tile = found["tile"] or "whole"
        speed = found["seconds"]
        losses = f"{found['first']:.3g} → {found['last']:.3g} in {iterations}"
        print(
            f"| {size} | {memory_gib} | {tile} | {found['peak']:.2f} | {speed:.1f} | {losses} |", flush=True
        )
    if args.rows == ROWS:
        print("\n| picture | tile, px | gradient, tiled against whole |\n|---|---|---|")
        for width, height, tile in ((700, 500, 256), (1024, 683, 512), (1001, 667, 128)):
            print(f"| {width}x{height} | {tile} | {difference(width, height, tile):.1e} |", flush=True)


if __name__ == "__main__":
    main()
