"""The source's frames at the size they are painted at, with those kept that will be asked for again."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.errors import FrameError
from pipeline.execute.job import SegmentJob
from pipeline.frames import Frame
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit

BLOCK = 32
"""Frames decoded at once where they are asked for in reverse: each block costs a seek."""


class Contents:
    """The contents of one segment's frames, and of those around it; owns the open decoder.

    `reach`: how far back frames are looked at from the one that is being made.
    """

    def __init__(self, job: SegmentJob, reach: int) -> None:
        self._job, self._reach = job, reach
        self._decoder: Iterator[Frame] = iter(())
        self._next = -BLOCK  # the index of the frame that the decoder gives next; none is open
        self._kept: dict[int, Frame] = {}

    def __getitem__(self, index: int) -> Frame:
        """Frame `index` of the source, uint8 (h, w, 3), at the final size; read in order, or by seeking.

        Raises `FrameError` where it is not there any more.
        """
        if index not in self._kept:
            self._read(index)
        return self._kept[index]

    def _read(self, index: int) -> None:
        first = max(0, index - BLOCK + 1) if self._job.step < 0 else index
        if not 0 <= first - self._next < BLOCK:
            self._decoder = decode_frames(self._job.source, self._job.probe, first, self._job.probe.frames)
            self._next = first
        while self._next <= index:
            frame = next(self._decoder, None)
            if frame is None:
                raise FrameError(f"{self._job.source.name}: frame {self._next} is not there any more", index)
            self._kept[self._next] = fit(frame, self._job.size)
            self._next += 1
        self._forget(index)

    def _forget(self, index: int) -> None:
        ahead, behind = (BLOCK, self._reach + 1) if self._job.step > 0 else (self._reach + 1, BLOCK)
        self._kept = {i: frame for i, frame in self._kept.items() if index - behind <= i <= index + ahead}
