"""How steady a film is, and what each means against flicker adds: warping error by the true motion, and what it costs.

Three synthesized films of known motion at 128 × 72 px, a pan, a zoom and a parallax over photographs of scikit-image,
painted with our swirls: every frame cold; started from its predecessor as it is; from it carried along by the flow;
held to it as well (the default); to earlier ones too; and with more passes. In the manner of Ruder et al. 2016,
table 1: the mean squared difference between a painting and its predecessor carried along by the true flow, off
occlusions, values in 0–1. The loss is content and style alone, over the cold frame's; then the style's part alone.

    .venv/bin/python scripts/bench_consistency.py [--frames 5] [--scenes pan zoom parallax]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from films import Film, Made, make, pan, parallax, zoom
from pictures import PAINTING
from rich.console import Console
from rich.table import Table

from pipeline.execute.tensors import as_tensor
from pipeline.execute.worker import read_style
from pipeline.frames import Frame
from pipeline.motion.measures import warping_error
from pipeline.style import Settings, Style, Stylizer
from pipeline.weights import load_weights

SIZE = (128, 72)
COLD = 200
ROWS: Mapping[str, Mapping[str, Any]] = {
    "none": {"warm_start": "none"},
    "previous": {"warm_start": "previous", "temporal_weight": 0.0},
    "flow": {"temporal_weight": 0.0},
    "flow + temporal loss (the default)": {},
    "+ long term [2, 4]": {"long_term": [2, 4]},
    "+ 3 passes": {"passes": 3},
}
SCENES: Mapping[str, Callable[[int, tuple[int, int]], Film]] = {
    "pan": pan,
    "zoom": zoom,
    "parallax": parallax,
}


@dataclass(frozen=True)
class Row:
    """Means over the frames but the first: warping error, losses over the cold frame's, work over the cold frames'."""

    error: float
    loss: float
    style_loss: float
    work: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=list(SCENES))
    args = parser.parse_args()
    judge = style_judge()
    found = {name: scene(SCENES[name](args.frames, SIZE), judge) for name in args.scenes}
    show(found)


def style_judge() -> Callable[[Frame], float]:
    """The style's part of the loss of a painting."""
    settings = Settings(content_weight=0.0)
    stylizer = Stylizer(load_weights("packaged"), [Style(as_tensor(read_style(PAINTING)))], settings)

    def judge(painting: Frame) -> float:
        picture = as_tensor(painting)
        return stylizer.stylize(picture, picture, effort=0.0).loss

    return judge


def scene(film: Film, judge: Callable[[Frame], float]) -> dict[str, Row]:
    transfer = {"iterations": COLD, "scales": 1}
    cold = make(film, transfer=transfer, video=ROWS["none"])
    cold_style = [judge(frame) for frame in cold.frames]
    found: dict[str, Row] = {}
    for name, video in ROWS.items():
        made = cold if name == "none" else make(film, transfer=transfer, video=video, opening=cold)
        losses = [r.base_loss / c.base_loss for r, c in zip(made.records[1:], cold.records[1:], strict=True)]
        styles = [judge(frame) / loss for frame, loss in zip(made.frames[1:], cold_style[1:], strict=True)]
        found[name] = Row(fmean(errors(film, made)), fmean(losses), fmean(styles), made.work / cold.work)
        print(f"{film.name}: {name}: {found[name]}", flush=True)
    return found


def errors(film: Film, made: Made) -> Sequence[float]:
    found = [
        warping_error(made.frames[i], made.frames[i - 1], film.motion(i - 1, i))
        for i in range(1, len(film.frames))
    ]
    return [error for error in found if error is not None]


def show(found: Mapping[str, Mapping[str, Row]]) -> None:
    table = Table(title=f"{SIZE[0]} × {SIZE[1]} px; warping error × 10⁴ (part of that of cold frames) · loss and "
                        "style's loss over cold's · work over cold's")  # fmt: skip
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    for row in ROWS:
        cells = []
        for rows in found.values():
            one, cold = rows[row], rows["none"]
            cells.append(f"{one.error * 1e4:.2f} (1/{cold.error / one.error:.0f}) · {one.loss:.2f}, "
                         f"{one.style_loss:.2f} · {one.work:.2f}")  # fmt: skip
        table.add_row(row, *cells)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
