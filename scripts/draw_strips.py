"""Consecutive frames side by side, into docs/: what holds a film together, a seam between two segments, and a cut.

.venv/bin/python scripts/draw_strips.py              # all strips, about 5 minutes on 2 cores
.venv/bin/python scripts/draw_strips.py flicker      # one of them
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from films import Film, clip, make
from PIL import Image

from pipeline.frames import Frame
from pipeline.sheet import Cell, Row, sheet

DOCS = Path(__file__).parents[1] / "docs"
SIZE_PX, CELL_PX, JPEG_QUALITY = 112, 200, 88
AMPLIFIED = 4
FAST = {"iterations": 80, "scales": 1}


def flicker() -> tuple[str, list[Row]]:
    """Six frames of a moving camera: the source, each frame cold, and the default; and what changes between frames."""
    film = clip("bikes.mp4", 96, 6, SIZE_PX)
    cold = make(film, transfer=FAST, video={"warm_start": "none"}).frames
    warm = make(film, transfer=FAST, video={}).frames
    rows = [
        row("the source", film.frames),
        row("every frame on its own", cold),
        row(f"what flickers in it, × {AMPLIFIED}", changes(film, cold)),
        row("the default", warm),
        row(f"what flickers in it, × {AMPLIFIED}", changes(film, warm)),
    ]
    return "Six frames of a moving camera", rows


def seam() -> tuple[str, list[Row]]:
    """Frames around the seam between two segments of one shot, joined bluntly and blended."""
    film = clip("bikes.mp4", 84, 16, SIZE_PX)
    video = {"segment_frames": 8}
    blunt = make(film, transfer=FAST, video={**video, "blend_frames": 2})
    blended = make(film, transfer=FAST, video=video)
    (at,) = blended.seams
    around = slice(at - 2, at + 4)
    rows = [
        row("joined bluntly", blunt.frames[around]),
        row(f"what changes, × {AMPLIFIED}", changes(film, blunt.frames)[around]),
        row("blended, the default", blended.frames[around]),
        row(f"what changes, × {AMPLIFIED}", changes(film, blended.frames)[around]),
    ]
    return f"One shot made as two segments, which meet at frame {84 + at}", rows


def cut() -> tuple[str, list[Row]]:
    """Frames around a hard cut: nothing of the old shot is left in the new one."""
    film = clip("bikes.mp4", 134, 6, SIZE_PX)
    found = make(film, transfer=FAST, video={"cuts": [3]}).frames
    ignored = make(film, transfer=FAST, video={}).frames
    rows = [
        row("the source", film.frames),
        row("a cut starts cold", found),
        row("the same without the cut being known", ignored),
    ]
    return "A hard cut at frame 137", rows


def row(label: str, frames: tuple[Frame, ...]) -> Row:
    return Row([Cell(frame) for frame in frames], label)


def changes(film: Film, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """How far each frame is from its predecessor carried along by the source's flow, amplified; the first is black."""
    found = [np.zeros_like(frames[0])]
    for i in range(1, len(frames)):
        motion = film.motion(i - 1, i)
        y, x = np.mgrid[: motion.flow.shape[0], : motion.flow.shape[1]].astype(np.float32)
        carried = cv2.remap(frames[i - 1], x + motion.flow[..., 0], y + motion.flow[..., 1], cv2.INTER_LANCZOS4,
                            borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        change = cv2.absdiff(frames[i], np.asarray(carried)).astype(np.float32) * motion.reliable[..., None]
        found.append(np.clip(change * AMPLIFIED, 0, 255).astype(np.uint8))
    return tuple(found)


STRIPS: Mapping[str, Callable[[], tuple[str, list[Row]]]] = {"flicker": flicker, "seam": seam, "cut": cut}


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
