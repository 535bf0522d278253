"""A worker: holds a VGG19 and stylizes the frames of one segment, or the photographs of one batch, at a time.

A plain class that knows nothing of Ray. It reads the source and writes finished frames itself; only small records
leave it. Every frame starts from what is committed, so a frame is the same whoever makes it, and when.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import cv2
import torch
from torch import Tensor

from pipeline.config import Transfer
from pipeline.disk.packs import throw_away_damaged
from pipeline.errors import DivergenceError, FrameError
from pipeline.execute.chain import Beginning, Chain
from pipeline.execute.delivery import Courier
from pipeline.execute.gallery import Gallery
from pipeline.execute.healing import make_whole
from pipeline.execute.job import (
    Batch,
    Painted,
    Progress,
    SegmentJob,
    StyleFiles,
    WorkerInfo,
    WorkerSettings,
)
from pipeline.execute.palette import Palette, mixture
from pipeline.execute.patience import MemoryRanOutError, twice
from pipeline.execute.pool import available_cores
from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.flow_weights import flow_file
from pipeline.frames import Frame, encode_frame
from pipeline.media.decode import decode_frames
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.motion.flow import Estimate
from pipeline.motion.measures import look_of
from pipeline.motion.warm import unit
from pipeline.originals import Originals
from pipeline.records import frame_digest
from pipeline.style import Settings, Style, Stylization, Stylizer
from pipeline.weights import load_weights
from pipeline.workspace import FrameRecord, commit_frame, finished_frames

Watch = Callable[[Progress], None]


class Worker:
    """`set_up` once, then `stylize_frame` and `paint_pictures` in any order. `estimate` replaces the settings' flow."""

    def __init__(
        self,
        settings: WorkerSettings,
        estimate: Estimate | None = None,
        *,
        name: str | None = None,
        courier: Courier | None = None,
    ) -> None:
        self._settings, self._estimate, self._courier = settings, estimate, courier
        self._name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._originals = Originals(settings.originals)
        self._palette: Palette | None = None
        self._chain: Chain | None = None
        self._gallery: Gallery | None = None
        self._progress: Progress | None = None

    def set_up(self) -> WorkerInfo:
        """Load the network and the styles.

        `WeightsError` or `MediaError` where they cannot be had, or are not any more what the run looked at.
        """
        cv2.setNumThreads(1)  # see motion.flow
        torch.backends.cudnn.deterministic = True  # the same frame, the same bytes
        torch.backends.cudnn.allow_tf32 = False  # float32 is to be float32; `precision` has the shorter ones
        self._limit_threads()
        device = best_device() if self._settings.may_use_gpu else torch.device("cpu")
        settings = self._settings

        def make(styles: Sequence[Style], chosen: Settings) -> Stylizer:
            return Stylizer(
                load_weights(settings.weights),
                styles,
                chosen,
                device,
                content_mask=self._read_mask(settings.content_mask),
                memory_gib=settings.memory_gib,
                memory_share=settings.gpu_share,
            )

        first = make(
            [self._load_style(files) for files in settings.styles], style_settings(settings.transfer)
        )
        self._palette = Palette(first, make, self._load_style, style_settings)
        if settings.flow == "raft" and self._estimate is None:
            from pipeline.motion.raft import load_raft

            self._estimate = load_raft(flow_file(settings.flow_weights)[0], device)
        return WorkerInfo(self._name, str(device), torch.get_num_threads(), socket.gethostname())

    def stylize_frame(self, index: int, job: SegmentJob | None = None) -> FrameRecord:
        """Make one frame of a segment finished, and return its record.

        `job` opens another segment; without it the frame belongs to the segment last opened. Frames may be asked
        for in any order in which a warm frame's predecessor is finished.
        """
        self._limit_threads()
        if job is not None:
            self._chain = Chain(job, self._settings, self._estimate)
        assert self._chain is not None and self._palette is not None, "set_up and a segment come first"
        if self._chain.job.kind == "skip":
            return self._skip(index, self._chain)
        return self._make_whole(index, self._chain, self._palette.stylizer(self._chain.job.direction))

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None = None) -> Painted:
        """Make some photographs of a batch finished, of those that are missing, and say what became of them.

        `batch` opens another batch; without it, it is the one last opened. Raises `MediaError` where its styles or
        its mask cannot be read, `SpaceError` where nothing can be written.
        """
        self._limit_threads()
        if batch is not None:
            self._open_gallery(batch)
        assert self._gallery is not None, "a batch comes first"
        return self._gallery.paint(missing)

    def _open_gallery(self, batch: Batch) -> None:
        assert self._palette is not None, "set_up comes first"
        if self._gallery is not None:
            self._gallery.close()
        own = batch.direction
        self._gallery = Gallery(
            batch,
            self._palette.stylizer(own),
            self._name,
            self._watch,
            mixture=mixture(None if own is None else own.at(Fraction(0))),
            mask=self._read_mask(batch.mask),
            courier=self._courier,
        )

    def _load_style(self, files: StyleFiles) -> Style:
        style = load_style(files)
        self._originals.check(path for path in (files.image, files.mask, files.part) if path)
        return style

    def _read_mask(self, path: Path | None) -> Tensor | None:
        if path is None:
            return None
        mask = read_mask(path)
        self._originals.check([path])
        return mask

    def _skip(self, index: int, chain: Chain) -> FrameRecord:
        """Commit a frame as it is in the source, at its size in the result."""
        began, job, frame = time.monotonic(), chain.job, chain.content(index)
        data = encode_frame(frame)
        record = FrameRecord(
            source=job.source.name,
            frame=index,
            segment=job.name,
            start="skipped",
            iterations=0,
            loss=0.0,
            trace=(),
            megapixel_iterations=0.0,
            warp_error=None,
            seconds=round(time.monotonic() - began, 3),
            worker=self._name,
            bytes=len(data),
            digest=frame_digest(data),
            **asdict(look_of(frame)),
        )
        chain.check_source(index)
        return _commit(job, record, data)

    def _make_whole(self, index: int, chain: Chain, stylizer: Stylizer) -> FrameRecord:
        """Paint a frame, and before it what it starts from and is damaged, unless whoever fetches that sees to it."""

        def make(one: int) -> FrameRecord:
            return self._make(one, chain, stylizer)

        if self._courier is not None and self._courier.heals:
            return make(index)
        return make_whole(
            index, chain.job.folder, make, lambda folder, one: throw_away_damaged(folder, [one])
        )

    def _make(self, index: int, chain: Chain, stylizer: Stylizer) -> FrameRecord:
        """Paint a frame, measure it, and commit it; the record is the committed one's, whoever made it."""
        began, job = time.monotonic(), chain.job
        beginning = chain.begin(index)
        try:
            result = twice(lambda: self._paint(index, beginning, job, stylizer))
        except (DivergenceError, MemoryRanOutError) as error:
            raise FrameError(f"frame {index} of {job.source.name}: {error}", index) from error
        painted = beginning.copy if beginning.copy is not None else as_frame(result.image)
        data, look = encode_frame(painted), look_of(painted)
        record = FrameRecord(
            source=job.source.name,
            frame=index,
            segment=job.name,
            start="cold" if beginning.start is None and beginning.copy is None else "warm",
            iterations=len(result.trace),
            loss=result.loss,
            trace=result.trace,
            megapixel_iterations=result.megapixel_iterations,
            warp_error=chain.warping_error(index, painted),
            seconds=round(time.monotonic() - began, 3),
            worker=self._name,
            bytes=len(data),
            digest=frame_digest(data),
            tile=result.tile_px,
            temporal_loss=result.guided,
            settled=chain.settled(beginning, result.loss - result.guided, len(result.trace)),
            draft=job.is_draft(index),
            **asdict(look),
        )
        chain.check_source(index)
        record = _commit(job, record, data)
        chain.note(record)
        return record

    def _paint(self, index: int, beginning: Beginning, job: SegmentJob, stylizer: Stylizer) -> Stylization:
        start, effort = beginning.start, beginning.effort
        if beginning.copy is not None:  # one evaluation, for the record
            start, effort = unit(beginning.copy), 0.0
        return stylizer.stylize(
            as_tensor(beginning.content),
            None if start is None else as_tensor(start),
            lambda it: self._watch(Progress(job.name, index, it.iteration, it.most, it.loss)),
            guidance=beginning.guidance,
            effort=effort,
            mixture=mixture(job.moment(index)),
        )

    def progress(self) -> Progress | None:
        """Where the worker is; may be asked from another thread while a frame is being made."""
        return self._progress

    def _limit_threads(self) -> None:
        """Before every frame, since OpenMP keeps the number by thread, and Ray may call from any."""
        torch.set_num_threads(self._settings.threads or available_cores())

    def _watch(self, progress: Progress) -> None:
        self._progress = progress


def _commit(job: SegmentJob, record: FrameRecord, data: bytes) -> FrameRecord:
    """Commit a frame; the record is that of whoever was first."""
    if commit_frame(job.folder, record, data):
        return record
    return finished_frames(job.folder, clean=False)[record.frame]  # others may be writing here


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
