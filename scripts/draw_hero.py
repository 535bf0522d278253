"""The README's moving picture, docs/hero.webp: our own film, and beside it what `stylize run` makes of it.

    .venv/bin/python scripts/draw_hero.py        # about 10 minutes on 2 cores, and 4 for the film if it is not there

Stopped, it goes on where it was. The film (`make_film.py`) is painted into demo/hero/ by a few lines of YAML. It plays
forth and back, so that the end meets the beginning, and stays a little longer where it turns.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import yaml
from make_film import FILM, film
from pictures import PAINTING
from PIL import Image

from pipeline.config import load_config
from pipeline.frames import Frame
from pipeline.media.decode import decode_frames
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.run import run

HERO = Path(__file__).parents[1] / "docs/hero.webp"
JOB = FILM.with_name("hero.yaml")
FIRST, STOP = 2, 26
SETTINGS = {
    "input": str(FILM),
    "output": str(FILM.with_name("hero")),
    "style": str(PAINTING),
    "transfer": {"size": 288, "iterations": 200, "warm_iterations": 40},
    "video": {"frames": [FIRST, STOP], "cuts": "none"},
    "encoding": {"quality": 95},
}
GAP_PX = 6
FRAME_MS, TURN_MS = 70, 240
QUALITY = 82


def main() -> None:
    film()
    JOB.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    summary = run(load_config(JOB))
    if summary.status != "done":
        sys.exit(f"the film was not painted: {summary.status}; run again")
    (painting,) = (output.output for output in summary.outputs)
    pairs = [
        beside(*pair)
        for pair in zip(frames(FILM, FIRST, STOP), frames(painting, 0, STOP - FIRST), strict=True)
    ]
    write(HERO, pairs)
    print(f"{HERO}: {HERO.stat().st_size / 1e6:.2f} MB")


def frames(path: Path, first: int, stop: int) -> list[Frame]:
    source = Source("video", path, path.name, (path,))
    return list(decode_frames(source, probe(source, rate=Fraction(25)), first, stop))


def beside(left: Frame, right: Frame) -> Image.Image:
    """Two frames with a white gap."""
    gap = np.full((len(left), GAP_PX, 3), 255, np.uint8)
    return Image.fromarray(np.concatenate([left, gap, right], axis=1))


def write(path: Path, pictures: Sequence[Image.Image]) -> None:
    """An animation without end: forth, and back without the first and the last, which would stand twice."""
    back = pictures[-2:0:-1]
    times = [FRAME_MS] * (len(pictures) + len(back))
    times[0] = times[len(pictures) - 1] = TURN_MS
    first, *rest = [*pictures, *back]
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=times,
        loop=0,
        quality=QUALITY,
        method=6,
        minimize_size=False,
    )


if __name__ == "__main__":
    main()
