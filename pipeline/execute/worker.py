"""A worker: holds a VGG19 and stylizes the frames of one segment at a time, in order.

A plain class that knows nothing of Ray. It reads the source and writes finished frames itself; only small records
leave it. Every frame starts from what is committed, so a frame is the same whoever makes it, and when.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.config import Transfer
from pipeline.errors import DivergenceError, FrameError
from pipeline.execute.job import Progress, SegmentJob, StyleFiles, WorkerInfo, WorkerSettings
from pipeline.execute.pool import available_cores
from pipeline.frames import Frame, decode_frame, encode_frame
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.motion.flow import Motion, estimate_motion
from pipeline.motion.warm import unit, warm_start, warping_error
from pipeline.style import Settings, Style, Stylizer
from pipeline.weights import load_weights
from pipeline.workspace import FrameRecord, commit_frame, finished_frames, frame_path

Floats = NDArray[np.float32]


Watch = Callable[[Progress], None]


class Worker:
    """Stylizes frames; `set_up` once, then `stylize_frame` again and again."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._stylizer: Stylizer | None = None
        self._segment: _Segment | None = None
        self._progress: Progress | None = None

    def set_up(self) -> WorkerInfo:
        """Load the network and the styles; `WeightsError` or `MediaError` where they cannot be had."""
        cv2.setNumThreads(1)  # see motion.flow
        torch.backends.cudnn.deterministic = True  # the same frame, the same bytes
        torch.backends.cudnn.allow_tf32 = False  # float32 is to be float32; `precision` has the shorter ones
        self._limit_threads()
        device = best_device() if self._settings.may_use_gpu else torch.device("cpu")
        settings = self._settings
        self._stylizer = Stylizer(
            load_weights(settings.weights),
            [load_style(files) for files in settings.styles],
            style_settings(settings.transfer),
            device,
            content_mask=None if settings.content_mask is None else read_mask(settings.content_mask),
            memory_gib=settings.memory_gib,
            memory_share=settings.gpu_share,
        )
        return WorkerInfo(self._name, str(device), torch.get_num_threads())

    def stylize_frame(self, index: int, job: SegmentJob | None = None) -> FrameRecord:
        """Make one frame of a segment finished, and return its record.

        `job` opens another segment; without it the frame belongs to the segment last opened. Frames may be asked
        for in any order in which a warm frame's predecessor is finished.
        """
        self._limit_threads()
        if job is not None:
            self._segment = _Segment(job, self._settings.warm_start)
        assert self._segment is not None and self._stylizer is not None, "set_up and a segment come first"
        return self._segment.stylize(index, self._stylizer, self._name, self._watch)

    def progress(self) -> Progress | None:
        """Where the worker is; may be asked from another thread while a frame is being made."""
        return self._progress

    def _limit_threads(self) -> None:
        """Before every frame, since OpenMP keeps the number by thread, and Ray may call from any."""
        torch.set_num_threads(self._settings.threads or available_cores())

    def _watch(self, progress: Progress) -> None:
        self._progress = progress


class _Segment:
    """One segment being worked on: the open decoder and the last content it gave."""

    def __init__(self, job: SegmentJob, warm_start: str) -> None:
        self._job, self._mode = job, warm_start
        self._decoder: Iterator[Frame] = iter(())
        self._next = -1  # the index of the frame that the decoder gives next
        self._contents: dict[int, Frame] = {}  # the last two, at the final size

    def stylize(self, index: int, stylizer: Stylizer, worker: str, watch: Watch) -> FrameRecord:
        began, job = time.monotonic(), self._job
        warm = index > job.first and self._mode != "none"
        start, previous, motion = self._start(index) if warm else (None, None, None)
        content = self._content(index)
        try:
            result = stylizer.stylize(
                as_tensor(content),
                None if start is None else as_tensor(start),
                lambda it: watch(Progress(job.name, index, it.iteration, it.loss)),
            )
        except DivergenceError as error:
            raise FrameError(f"frame {index} of {job.source.name}: {error}", index) from error
        painted = as_frame(result.image)
        data = encode_frame(painted)
        record = FrameRecord(
            source=job.source.name,
            frame=index,
            segment=job.name,
            start="warm" if warm else "cold",
            iterations=len(result.trace),
            loss=result.loss,
            trace=result.trace,
            megapixel_iterations=result.megapixel_iterations,
            warp_error=None
            if motion is None or previous is None
            else warping_error(painted, previous, motion),
            seconds=round(time.monotonic() - began, 3),
            worker=worker,
            bytes=len(data),
            tile=result.tile_px,
        )
        return record if commit_frame(job.folder, record, data) else self._committed(index)

    def _start(self, index: int) -> tuple[Floats, Frame, Motion]:
        """The warm start of a frame, its predecessor's painting as committed, and the motion between them."""
        previous = decode_frame(frame_path(self._job.folder, index - 1))
        before, content = self._content(index - 1), self._content(index)
        motion = estimate_motion(before, content)
        if self._mode == "flow":
            return warm_start(previous, before, content, motion), previous, motion
        return unit(previous), previous, motion

    def _content(self, index: int) -> Frame:
        """The source's frame at the final size; read in order, or by seeking where the order is broken."""
        if index in self._contents:
            return self._contents[index]
        job = self._job
        if index != self._next:
            self._decoder = decode_frames(job.source, job.probe, index, job.stop)
        frame = next(self._decoder, None)
        if frame is None:
            raise FrameError(f"{job.source.name}: frame {index} is not there any more", index)
        self._next = index + 1
        self._contents = {i: f for i, f in self._contents.items() if i >= index - 1}
        self._contents[index] = fit(frame, job.size)
        return self._contents[index]

    def _committed(self, index: int) -> FrameRecord:
        return finished_frames(self._job.folder, clean=False)[index]  # others may be writing here


def style_settings(transfer: Transfer) -> Settings:
    """The engine's settings out of the config's `transfer`; the size is not among them, frames come at it."""
    return Settings(**transfer.model_dump(exclude={"size"}))


def best_device() -> torch.device:
    """CUDA where Ray gave this process a GPU or the machine has one, then Apple's, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def read_style(path: Path) -> Frame:
    """A style image, upright, uint8 (h, w, 3); `MediaError` where it cannot be read."""
    source = Source("still", path, path.name, (path,))
    return next(decode_frames(source, probe(source, rate=Fraction(1)), 0, 1))


def read_mask(path: Path) -> Tensor:
    """A mask, upright, (1, 1, h, w), float32, 0–1: the mean of a picture's channels; errors as of `read_style`."""
    return as_tensor(read_style(path)).mean(1, keepdim=True)


def load_style(files: StyleFiles) -> Style:
    """A style with its masks, out of their files."""
    mask, part = (None if path is None else read_mask(path) for path in (files.mask, files.part))
    return Style(as_tensor(read_style(files.image)), files.weight, mask, part)


def as_tensor(frame: Frame | Floats) -> Tensor:
    """(1, 3, h, w), float32, 0–1, of a frame (h, w, 3), uint8 or float32 in 0–1."""
    scale = 255 if frame.dtype == np.uint8 else 1
    tensor = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    return (tensor.float() / scale).contiguous()


def as_frame(image: Tensor) -> Frame:
    """A frame, uint8 (h, w, 3), of a tensor (1, 3, h, w) in 0–1: rounded, as it is committed."""
    rounded = (image[0].permute(1, 2, 0) * 255).round().clamp(0, 255)
    return np.ascontiguousarray(rounded.to(torch.uint8).numpy())
