"""Does a film that stands still stay what it was? Brightness, saturation and sharpness over 200 painted frames.

A photograph of scikit-image, 96 × 72 px, that stands still, without and with a camera's noise; with the defaults, in
one segment and in several. All is measured against the tenth frame. What keeps a film from drifting: a frame whose
start is as good as its chain once settled at is left as it is (`execute.chain.ENOUGH`), the flow of a camera that
stands still is 0 (`motion.flow.stilled`), and what is painted on is held to what was there (`video.temporal_weight`).

    .venv/bin/python scripts/bench_drift.py [--frames 200] [--noise 0 2]
"""

from __future__ import annotations

import argparse
from statistics import fmean

from films import Made, make, static
from rich.console import Console
from rich.table import Table

from pipeline.motion.measures import drift
from pipeline.workspace import FrameRecord

SIZE = (96, 72)
REFERENCE = 9
NAMES = ("brightness", "saturation", "sharpness")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 2.0])
    args = parser.parse_args()
    table = Table(
        title=f"{args.frames} frames, {SIZE[0]} × {SIZE[1]} px: largest departure from frame {REFERENCE}, %"
    )
    for heading in ("film", "segments", *NAMES, "last frame: " + ", ".join(NAMES), "iterations a warm frame"):
        table.add_column(heading, justify="right")
    for noise in args.noise:
        for segment_frames in (None, 96):
            film = static(args.frames, SIZE, noise)
            made = make(film, transfer={}, video={"segment_frames": segment_frames})
            table.add_row(film.name, str(len(made.seams) + 1), *row(made))
    Console(width=160).print(table)


def row(made: Made) -> list[str]:
    reference = made.records[REFERENCE]
    later = made.records[REFERENCE:]
    worst = [drift([look(r, name) for r in later], look(reference, name)) for name in NAMES]
    last = ", ".join(f"{100 * (look(later[-1], name) / look(reference, name) - 1):+.2f}" for name in NAMES)
    warm = fmean(r.iterations for r in made.records if r.start == "warm")
    return [*(f"{100 * value:.2f}" for value in worst), last, f"{warm:.1f}"]


def look(record: FrameRecord, name: str) -> float:
    return float(getattr(record, name))


if __name__ == "__main__":
    main()
