"""One long shot on many workers: ways to divide it, what each costs, and whether its seams show.

96 frames of a pan over a photograph of scikit-image, flow by DIS as for a real clip, in 8 segments. The seam score is
the mean warping error across a segment's beginning over that of all other pairs of neighbors; 1 is a seam that nothing
shows. Because a blend spreads a seam over many frames, the mean error of all pairs is given too, over that of the shot
made in sequence, and so is the worst pair's. The critical path is the longest chain of work that has to be done one
after another, in megapixel-iterations, over the sequential run's; the work is that of all together.

    .venv/bin/python scripts/bench_seams.py [--size 72] [--clip carphone_pristine.mp4] [--rows sequence blend …]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
import torch.nn.functional as F
from films import Film, clip, make, pan
from pictures import PAINTING
from rich.console import Console
from rich.table import Table

from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.execute.worker import read_style
from pipeline.frames import Frame
from pipeline.motion.measures import seam_score, warping_error
from pipeline.shots.segments import opening_effort
from pipeline.style import Settings, Style, Stylizer
from pipeline.style.scales import shape_of
from pipeline.weights import load_weights

FRAMES, SEGMENTS = 96, 8
LENGTH = FRAMES // SEGMENTS
COLD = 300
BURN_IN = 4
FINE = 20
"""Iterations of a frame at the full size, from what the coarse pass made of it."""


@dataclass(frozen=True)
class Way:
    """A film made in one way: its frames, where its segments begin, and the work."""

    frames: Sequence[Frame]
    seams: Sequence[int]
    critical: float
    work: float


def sequence(film: Film) -> Way:
    made = make(film, transfer={}, video={"segment_frames": None})
    return Way(made.frames, (), made.work, made.work)


def blend(film: Film, **video: object) -> Way:
    made = make(film, transfer={}, video={"segment_frames": LENGTH, **video})
    return Way(made.frames, made.seams, max(made.chains.values()), made.work)


def passes(film: Film) -> Way:
    """Schwarz's alternating method: no blend to speak of, each segment once more from its neighbors' frames."""
    return blend(film, blend_frames=2, passes=3)


def both(film: Film) -> Way:
    return blend(film, passes=2)


def burn_in(film: Film, frames: int = BURN_IN) -> Way:
    """Segments that begin `frames` early, cross-faded with the segment before."""
    result: list[Frame] = []
    works, seams = [], []
    for first in range(0, FRAMES, LENGTH):
        start = max(0, first - frames)
        effort = 1.0 if first == 0 else opening_effort(LENGTH)
        part = Film(film.name, film.frames[start : first + LENGTH], film.flow)
        made = make(part, transfer={"iterations": round(COLD * effort)}, video={"segment_frames": None})
        works.append(made.work)
        for number, frame in enumerate(made.frames[: first - start], 1):
            share = number / (first - start + 1)
            index = start + number - 1
            mixed = (1 - share) * result[index].astype(np.float32) + share * frame
            result[index] = np.round(mixed).astype(np.uint8)
        result += made.frames[first - start :]
        seams += [first] if first else []
    return Way(result, seams, max(works), sum(works))


def blunt(film: Film) -> Way:
    """Segments that know nothing of each other."""
    return burn_in(film, 0)


def coarse(film: Film) -> Way:
    """Half the size in sequence, and from there every frame on its own at the full size, all in parallel."""
    half = tuple(shrunk(frame) for frame in film.frames)
    made = make(Film(film.name, half), transfer={}, video={"segment_frames": None})
    settings = Settings(iterations=COLD, warm_iterations=FINE)
    stylizer = Stylizer(load_weights("packaged"), [Style(as_tensor(read_style(PAINTING)))], settings)
    frames, works = [], []
    for content, draft in zip(film.frames, made.frames, strict=True):
        picture = as_tensor(content)
        start = F.interpolate(as_tensor(draft), shape_of(picture), mode="bicubic").clamp(0, 1)
        result = stylizer.stylize(picture, start)
        frames.append(as_frame(result.image))
        works.append(result.megapixel_iterations)
    fine = max(sum(works[i : i + LENGTH]) for i in range(0, FRAMES, LENGTH))
    return Way(frames, range(LENGTH, FRAMES, LENGTH), made.work + fine, made.work + sum(works))


def shrunk(frame: Frame) -> Frame:
    height, width = frame.shape[0] // 2, frame.shape[1] // 2
    return as_frame(F.interpolate(as_tensor(frame), (height, width), mode="area"))


WAYS: Mapping[str, tuple[str, Callable[[Film], Way]]] = {
    "sequence": ("in sequence", sequence),
    "blunt": ("segments, not joined", blunt),
    "burn_in": (f"(a) burn-in of {BURN_IN} frames, cross-faded", burn_in),
    "coarse": ("(b) half size in sequence, full size in parallel", coarse),
    "passes": ("(c) three passes, to and fro", passes),
    "blend": ("(d) seams blended along the flow: the default", blend),
    "both": ("(c + d) blended, then a pass backward", both),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=72)
    parser.add_argument("--clip", help="a real clip instead of the pan")
    parser.add_argument("--rows", nargs="*", choices=WAYS, default=list(WAYS))
    args = parser.parse_args()
    film = clip(args.clip, 0, FRAMES, args.size) if args.clip else pan_of(args.size)
    table = Table(
        title=f"{film.name}, {film.frames[0].shape[1]} × {film.frames[0].shape[0]} px, {SEGMENTS} segments"
    )
    for heading in (
        "",
        "seam score",
        "mean error / sequence",
        "worst pair / mean of sequence",
        "critical path",
        "work",
    ):
        table.add_column(heading, justify="right" if heading else "left")
    reference, usual = sequence(film), 1.0
    for name in ("sequence", *(row for row in args.rows if row != "sequence")):
        label, way = WAYS[name]
        made = reference if name == "sequence" else way(film)
        errors = pair_errors(film, made.frames)
        known = [error for error in errors.values() if error is not None]
        usual = fmean(known) if name == "sequence" else usual
        score = seam_score(errors, made.seams)
        cells = ("—" if score is None else f"{score:.2f}", f"{fmean(known) / usual:.2f}", f"{max(known) / usual:.1f}",
                 f"{made.critical / reference.work:.3f}", f"{made.work / reference.work:.2f}")  # fmt: skip
        table.add_row(label, *cells)
        print(label, *cells, flush=True)
    Console(width=150).print(table)


def pan_of(size_px: int) -> Film:
    """A pan whose motion nobody is told."""
    film = pan(FRAMES, (size_px, size_px * 3 // 4), (1.6, -0.4))
    return Film(film.name, film.frames)


def pair_errors(film: Film, frames: Sequence[Frame]) -> dict[int, float | None]:
    pairs = pairwise(range(len(frames)))
    return {i: warping_error(frames[i], frames[before], film.motion(before, i)) for before, i in pairs}


if __name__ == "__main__":
    main()
