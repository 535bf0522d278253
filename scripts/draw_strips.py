"""Consecutive frames of our own film, into docs/: what holds it together, a seam between two segments, and a cut.

.venv/bin/python scripts/draw_strips.py              # all strips, about 15 minutes on 2 cores
.venv/bin/python scripts/draw_strips.py flicker      # one of them

The film is `make_film.py`'s, which is rendered first where it is not there: about 3 minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from films import Film, make, part
from make_film import SHOTS, film
from PIL import Image

from pipeline.frames import Frame
from pipeline.previews.sheet import Cell, Row, sheet

DOCS = Path(__file__).parents[1] / "docs"
SIZE_PX, CELL_PX, JPEG_QUALITY = 128, 160, 80
AMPLIFIED = 4
FAST = {"iterations": 80, "scales": 1}


def flicker() -> tuple[str, list[Row]]:
    """Six frames of a moving camera: the source, each frame cold, and the default; and what changes between frames."""
    source = frames(14, 6)
    cold = make(source, transfer=FAST, video={"warm_start": "none"}).frames
    warm = make(source, transfer=FAST, video={}).frames
    rows = [
        row("the source", source.frames),
        row("every frame on its own", cold),
        row(f"what flickers in it, × {AMPLIFIED}", changes(source, cold)),
        row("the default", warm),
        row(f"what flickers in it, × {AMPLIFIED}", changes(source, warm)),
    ]
    return "Six frames of a moving camera", rows


def temporal_weight() -> tuple[str, list[Row]]:
    """How firmly a frame is held to the one before it: the last of six frames, and what changed in the last three."""
    source, rows = frames(14, 6), []
    for weight, name in ((0.0, "0"), (18.0, "18, the default"), (200.0, "200")):
        painted = make(source, transfer=FAST, video={"temporal_weight": weight}).frames
        flickers = [Cell(one, f"what flickers, × {AMPLIFIED}") for one in changes(source, painted)[-3:]]
        rows.append(Row([Cell(painted[-1], "the sixth frame"), *flickers], name))
    return "video.temporal_weight", rows


def seam() -> tuple[str, list[Row]]:
    """Frames around the seam between two segments of one shot, joined bluntly and blended."""
    first = 8
    source, video = frames(first, 16), {"segment_frames": 8}
    blunt = make(source, transfer=FAST, video={**video, "blend_frames": 2})
    blended = make(source, transfer=FAST, video=video)
    (at,) = blended.seams
    around = slice(at - 2, at + 4)
    rows = [
        row("joined bluntly", blunt.frames[around]),
        row(f"what changes, × {AMPLIFIED}", changes(source, blunt.frames)[around]),
        row("blended, the default", blended.frames[around]),
        row(f"what changes, × {AMPLIFIED}", changes(source, blended.frames)[around]),
    ]
    return f"One shot made as two segments, which meet at frame {first + at}", rows


def cut() -> tuple[str, list[Row]]:
    """Frames around a hard cut: nothing of the old shot is left in the new one."""
    at = SHOTS[0].frames
    source = frames(at - 3, 6)
    found = make(source, transfer=FAST, video={"cuts": [3]}).frames
    ignored = make(source, transfer=FAST, video={}).frames
    rows = [
        row("the source", source.frames),
        row("a cut starts cold", found),
        row("the same without the cut being known", ignored),
    ]
    return f"A hard cut at frame {at}", rows


def frames(first: int, count: int) -> Film:
    return part(film(), first, count, SIZE_PX)


def row(label: str, pictures: tuple[Frame, ...]) -> Row:
    return Row([Cell(picture) for picture in pictures], label)


def changes(source: Film, painted: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """How far each frame is from its predecessor carried along by the source's flow, amplified; the first is black."""
    found = [np.zeros_like(painted[0])]
    for i in range(1, len(painted)):
        motion = source.motion(i - 1, i)
        y, x = np.mgrid[: motion.flow.shape[0], : motion.flow.shape[1]].astype(np.float32)
        carried = cv2.remap(painted[i - 1], x + motion.flow[..., 0], y + motion.flow[..., 1], cv2.INTER_LANCZOS4,
                            borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        change = cv2.absdiff(painted[i], np.asarray(carried)).astype(np.float32) * motion.reliable[..., None]
        found.append(np.clip(change * AMPLIFIED, 0, 255).astype(np.uint8))
    return tuple(found)


STRIPS: Mapping[str, Callable[[], tuple[str, list[Row]]]] = {
    "flicker": flicker,
    "temporal_weight": temporal_weight,
    "seam": seam,
    "cut": cut,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("strips", nargs="*", choices=[[], *STRIPS], help=", ".join(STRIPS))
    for name in parser.parse_args().strips or STRIPS:
        title, rows = STRIPS[name]()
        path = DOCS / f"{name}.jpg"
        Image.fromarray(sheet(rows, title, cell_px=CELL_PX)).save(path, quality=JPEG_QUALITY, optimize=True)
        print(path, flush=True)


if __name__ == "__main__":
    main()
