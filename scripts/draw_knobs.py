"""Every knob as a row of pictures: what a setting does to our own scene, with our own paintings, into docs/.

.venv/bin/python scripts/draw_knobs.py              # all rows, about 12 minutes on 2 cores
.venv/bin/python scripts/draw_knobs.py color masks  # these alone
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pictures import MOSAIC, PAINTING, SCENE, SKY, mask, picture
from PIL import Image
from torch import Tensor

from pipeline.execute.tensors import as_frame
from pipeline.previews.sheet import Cell, Row, sheet
from pipeline.style import Settings, Style, Stylizer, Weights
from pipeline.style.settings import PAPER_STYLE_LAYERS
from pipeline.weights import load_weights

DOCS = Path(__file__).parents[1] / "docs"
SIZE_PX, LARGE_PX, STYLE_PX = 192, 400, 512
BASE = Settings(iterations=60)
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Bench:
    """What every row is made of."""

    weights: Weights
    content: Tensor
    swirl: Tensor
    mosaic: Tensor
    sky: Tensor

    def paint(
        self, styles: Sequence[Style] | None = None, size_px: int = SIZE_PX, **settings: object
    ) -> Tensor:
        """The scene, painted with the swirls if nothing else is said."""
        content = self.content if size_px == SIZE_PX else picture(SCENE, size_px)
        chosen = replace(BASE, **settings)  # type: ignore[arg-type]
        return Stylizer(self.weights, styles or [Style(self.swirl)], chosen).stylize(content).image

    def cell(self, label: str, styles: Sequence[Style] | None = None, **settings: object) -> Cell:
        """One picture of a row."""
        return Cell(as_frame(self.paint(styles, **settings)), label)  # type: ignore[arg-type]


def originals(bench: Bench) -> list[Cell]:
    names = ("the scene", "swirl", "mosaic", "mask of the sky")
    sky = bench.sky.expand(1, 3, -1, -1).contiguous()
    return [
        Cell(as_frame(x), name)
        for name, x in zip(names, (bench.content, bench.swirl, bench.mosaic, sky), strict=True)
    ]


def style_weight(bench: Bench) -> list[Cell]:
    return [
        bench.cell(f"{weight:g}", style_weight=weight) for weight in (10.0, 100.0, 1000.0, 10000.0, 100000.0)
    ]


def style_layers(bench: Bench) -> list[Cell]:
    sets = [PAPER_STYLE_LAYERS[:count] for count in range(1, 6)]
    return [bench.cell(f"up to {layers[-1]}", style_layers=dict.fromkeys(layers, 1.0)) for layers in sets]


def content_layers(bench: Bench) -> list[Cell]:
    layers = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")
    return [bench.cell(layer, content_layers={layer: 1.0}) for layer in layers]


def style_loss(bench: Bench) -> list[Cell]:
    losses = ("gram", "wasserstein", "mean_std")
    return [bench.cell(loss, style_loss=loss) for loss in losses]


def pooling(bench: Bench) -> list[Cell]:
    return [bench.cell(pool, pooling=pool) for pool in ("max", "average", "l2")]


def style_scale(bench: Bench) -> list[Cell]:
    return [bench.cell(f"{scale:g}", style_scale=scale) for scale in (0.4, 0.7, 1.0, 1.5, 2.1)]


def color(bench: Bench) -> list[Cell]:
    modes = ("none", "luminance", "match", "histogram")
    return [bench.cell(mode, preserve_color=mode) for mode in modes]


def init(bench: Bench) -> list[Cell]:
    return [bench.cell(start, init=start) for start in ("content", "noise", "style", "mean")]


def iterations(bench: Bench) -> list[Cell]:
    return [bench.cell(f"{count}", iterations=count) for count in (10, 30, 100, 300)]


def tv_weight(bench: Bench) -> list[Cell]:
    return [bench.cell(f"{weight:g}", tv_weight=weight) for weight in (0.0, 300.0, 1000.0, 3000.0)]


def blend(bench: Bench) -> list[Cell]:
    cells = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        pair = [(bench.swirl, 1 - part), (bench.mosaic, part)]
        styles = [Style(image, weight) for image, weight in pair if weight]
        cells.append(bench.cell(f"{1 - part:g} swirl + {part:g} mosaic", styles))
    return cells


def masks(bench: Bench) -> list[Cell]:
    swirl, mosaic, sky = bench.swirl, bench.mosaic, bench.sky
    return [
        bench.cell("swirl everywhere", [Style(swirl)]),
        bench.cell("mosaic everywhere", [Style(mosaic)]),
        bench.cell("swirl in the sky, mosaic elsewhere", [Style(swirl, mask=sky), Style(mosaic)]),
        bench.cell("mosaic in the sky, swirl elsewhere", [Style(mosaic, mask=sky), Style(swirl)]),
    ]


def sizes(bench: Bench) -> list[Cell]:
    return [bench.cell(f"{size_px} px", size_px=size_px, iterations=40) for size_px in (256, 512, 1024)]


def harbor(bench: Bench) -> list[Cell]:
    found = [Cell(as_frame(picture(SCENE, LARGE_PX)), "the scene")]
    for name, style in (("swirl", bench.swirl), ("mosaic", bench.mosaic)):
        found.append(bench.cell(f"painted after {name}", [Style(style)], size_px=LARGE_PX))
    return found


ROWS: Mapping[str, tuple[str, Callable[[Bench], list[Cell]]]] = {
    "originals": ("What all rows are made of", originals),
    "style_weight": ("transfer.style_weight", style_weight),
    "style_layers": ("transfer.style_layers", style_layers),
    "content_layers": ("transfer.content_layers", content_layers),
    "style_loss": ("transfer.style_loss", style_loss),
    "pooling": ("transfer.pooling", pooling),
    "style_scale": ("transfer.style_scale", style_scale),
    "color": ("transfer.preserve_color", color),
    "iterations": ("transfer.iterations", iterations),
    "init": ("transfer.init", init),
    "tv_weight": ("transfer.tv_weight", tv_weight),
    "blend": ("style: two paintings, by weight", blend),
    "masks": ("style: [{image, mask}]", masks),
    "sizes": ("The same YAML at three sizes", sizes),
    "harbor": ("One scene, two paintings", harbor),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], help=", ".join(ROWS))
    args = parser.parse_args()
    DOCS.mkdir(exist_ok=True)
    bench = Bench(
        load_weights("packaged"),
        picture(SCENE, SIZE_PX),
        picture(PAINTING, STYLE_PX),
        picture(MOSAIC, STYLE_PX),
        mask(SKY),
    )
    for name in args.rows or ROWS:
        title, row = ROWS[name]
        path = DOCS / f"{name}.jpg"
        drawn = sheet([Row(row(bench))], title, cell_px=LARGE_PX if name in ("sizes", "harbor") else SIZE_PX)
        Image.fromarray(drawn).save(path, quality=JPEG_QUALITY, optimize=True)
        print(path, flush=True)


if __name__ == "__main__":
    main()
