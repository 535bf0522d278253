"""Where one shot ends and the next begins: PySceneDetect proposes, optical flow decides.

A cut that is not there costs a cold frame and shows as a jump; one that is missed leaves a shot that begins in the
colors of another. So a change counts only if no motion explains it, if it is sudden, and if it lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from .flow import Frame, dis, is_consistent, sample

WIDTH_PX = 160
"""Frames are reduced to this width: cuts are seen as well, and much faster."""

WINDOW = 2
"""Frames on each side to which PySceneDetect compares a change."""

SHORTEST_SHOT_S = 0.2
SHORTEST_SHOT = 3
"""What is shorter, in seconds and in frames, is no shot but a flash, or belongs to the shot before it."""

MOST_FOLLOWED = 0.3
MOST_LIKE = 0.7
"""Two frames are of different shots where the way forth and back by DIS ends at its start for less than the first part
of the picture, and their colors, the motion undone, correlate by less than the second. Measured at 160 px: at the five
cuts of bikes.mp4 and between any two of seven clips and photographs at most 0.21 and 0.60; within shots at least 0.37
and 0.79, also where a taxi passes close by, in pans by up to 15 % of the picture per frame, and with a flash."""

SUDDEN = 2.0
"""How many times more than around it must be left of a change, the motion undone; in a fade every frame changes."""

NEARLY = 0.9
"""Part of a change from which on one other beside it is not held against it: two cuts may be a single frame apart.
Then it must stand out twice as much from the rest, since a whip pan begins like that, too."""

FLAT = 3.0
"""A standard deviation, of 255, below which a frame is black, white or gray all over, and any motion fits."""


def find_cuts(frames: Iterable[Frame], rate: Fraction) -> tuple[int, ...]:
    """The indices of the frames that begin a new shot, growing, 0 not among them.

    `frames`: uint8 (h, w, 3) RGB in display order; `rate`: their average number per second. Of two cuts that are closer
    than the shortest shot, the later one counts. Frames are counted, not timed, and so an index is exact for a variable
    rate too.
    """
    cv2.setNumThreads(1)  # see motion.flow
    shortest = _shortest(rate)
    found: list[int] = []
    for change in _changes(frames, shortest):
        if change.is_cut(shortest):
            if found and change.index - found[-1] < shortest:
                found.pop()
            found.append(change.index)
    return tuple(found)


def frames_around(rate: Fraction) -> int:
    """How many frames on either side of a part have to be seen, too, so that its cuts are those of the whole."""
    return 2 * _reach(_shortest(rate))  # twice: a cut gives way to one that comes soon after it


def _shortest(rate: Fraction) -> int:
    return max(SHORTEST_SHOT, round(SHORTEST_SHOT_S * rate))


def _reach(shortest: int) -> int:
    return shortest + WINDOW + 1


@dataclass(frozen=True)
class _Change:
    """A change at `index`, the first frame that is different, with the reduced frames around it, by index."""

    index: int
    around: Mapping[int, Frame]

    def is_cut(self, shortest: int) -> bool:
        """Whether a shot of at least `shortest` frames ends before the change, and another begins with it."""
        here, steps = self.index, sorted({1, 2, shortest // 2, shortest - 1})
        after = ((here - 1, here + step) for step in steps)
        before = ((here - 1 - step, here) for step in steps)
        return (
            self._are_unlike(here - 1, here)
            and self._is_sudden()
            and all(self._are_unlike(*pair) for pair in (*after, *before) if set(pair) <= set(self.around))
        )

    def _is_sudden(self) -> bool:
        pairs = [(i - 1, i) for i in range(self.index - WINDOW, self.index + WINDOW + 1) if i != self.index]
        around = sorted(_Pair(*frames).left for pair in pairs if (frames := self._frames(pair)))
        second, first = ([0.0, 0.0, *around])[-2:]
        here = _Pair(self.around[self.index - 1], self.around[self.index]).left
        return here > SUDDEN * first or (first > NEARLY * here > NEARLY * SUDDEN**2 * second)

    def _frames(self, pair: tuple[int, int]) -> tuple[Frame, Frame] | None:
        return (self.around[pair[0]], self.around[pair[1]]) if set(pair) <= set(self.around) else None

    def _are_unlike(self, one: int, other: int) -> bool:
        pair = _Pair(self.around[one], self.around[other])
        return pair.likeness < MOST_LIKE and (pair.is_flat or pair.followed < MOST_FOLLOWED)


@dataclass(frozen=True)
class _Pair:
    """Two frames, and what of the second is the first one moved."""

    one: Frame
    other: Frame

    @cached_property
    def moved(self) -> Frame:
        """The first frame, moved to where the second has it."""
        return np.asarray(sample(self.one.astype(np.float32), self._backward), dtype=np.uint8)

    @property
    def left(self) -> float:
        """The mean difference that is left then, of 255."""
        return float(cv2.absdiff(self.moved, self.other).mean())

    @property
    def likeness(self) -> float:
        """The correlation of the colors then: a light that is switched on changes it little."""
        if self.is_flat:
            return float(_is_flat(self.one) and _is_flat(self.other))
        one, other = (frame.reshape(-1, 3).astype(np.float64) for frame in (self.moved, self.other))
        one, other = one - one.mean(0), other - other.mean(0)
        scale = np.sqrt(np.square(one).sum() * np.square(other).sum())
        return float((one * other).sum() / scale) if scale else 0.0

    @property
    def followed(self) -> float:
        """The part of the picture whose way forth and back ends where it starts."""
        return float(is_consistent(self._backward, dis(self.one, self.other)).mean())

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to be seen in one of them."""
        return _is_flat(self.one) or _is_flat(self.other)

    @cached_property
    def _backward(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return dis(self.other, self.one)


def _changes(frames: Iterable[Frame], shortest: int) -> Iterator[_Change]:
    """The changes that stand out from those around them, in order; a fifth more is enough to be looked at."""
    detector = AdaptiveDetector(
        adaptive_threshold=1.2, window_width=WINDOW, min_content_val=2.0, min_scene_len=1
    )
    reach = _reach(shortest)
    kept: dict[int, Frame] = {}
    waiting: list[int] = []
    index = -1
    for index, frame in enumerate(frames):
        kept[index] = _reduced(frame)
        kept.pop(index - 2 * reach, None)
        waiting += [cut.frame_num for cut in detector.process_frame(_time(index), _as_bgr(kept[index]))]
        while waiting and waiting[0] + reach <= index:
            yield _Change(waiting.pop(0), dict(kept))
    if index >= 0:
        waiting += [cut.frame_num for cut in detector.post_process(_time(index))]
    yield from (_Change(cut, dict(kept)) for cut in waiting)


def _is_flat(frame: Frame) -> bool:
    return float(frame.std((0, 1)).mean()) < FLAT


def _time(index: int) -> FrameTimecode:
    return FrameTimecode(index, fps=25.0)


def _reduced(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    size = (min(width, WIDTH_PX), max(1, round(height * min(1.0, WIDTH_PX / width))))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _as_bgr(frame: Frame) -> Frame:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), dtype=np.uint8)
