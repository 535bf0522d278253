"""A farm in this process whose workers paint a texture at once: whole jobs without Ray, torch or waiting."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import MediaError
from pipeline.execute.delivery import Ready, deliver
from pipeline.execute.events import (
    BatchTodo,
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    SegmentFinished,
    Todo,
)
from pipeline.execute.job import Batch, SegmentJob
from pipeline.execute.queue import Queue
from pipeline.frames import encode_frame
from pipeline.media.geometry import output_size
from pipeline.media.photos import encode_photo, read_photo
from pipeline.records import PictureRecord, digest_of, frame_digest
from pipeline.workspace import commit_frame
from tests.plans import record


def painted(index: int, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """A texture that moves, with a little noise, as paintings do and have."""
    y, x = np.mgrid[:height_px, :width_px]
    waves = [np.sin((x + index) / 3 + y / 7), np.sin(y / 4 + index / 5), np.cos((x + y) / 5)]
    noise = np.random.default_rng(index).normal(0, 6, (height_px, width_px, 3))
    return np.clip(np.stack(waves, -1) * 100 + 128 + noise, 0, 255).astype(np.uint8)


class TextureFarm:
    """Stands in for `Farm`: `WORKERS` segments or batches in turn, a frame or photograph each, then its event."""

    WORKERS, idle_machines = 2, 0

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        slots, deadline_s = list[Todo | BatchTodo](), time.monotonic() + 60
        while (slots or not queue.is_over) and not stop():
            assert time.monotonic() < deadline_s, "this hangs"
            if len(slots) < self.WORKERS:
                todo = queue.take(self.WORKERS)
                if todo is not None:
                    slots.append(todo)
                elif not slots:
                    time.sleep(0.005)
                    continue
            todo = slots.pop(0)
            index = todo.missing.popleft()
            if isinstance(todo, BatchTodo):
                yield from paint_picture(todo.job, index)
            else:
                yield FrameFinished(paint(todo.job, index), todo.job)
            if todo.missing:
                slots.append(todo)
            elif isinstance(todo, Todo):
                queue.finish(todo)
                yield SegmentFinished(todo.job)


def paint(job: SegmentJob, index: int) -> Any:
    """Commit a frame of a segment, and give its record."""
    data = encode_frame(painted(index, *job.size))
    own = job.own or (job.first, job.stop)
    done = record(
        index,
        source=job.source.name,
        segment=job.name,
        bytes=len(data),
        digest=frame_digest(data),
        draft=not own[0] <= index < own[1],
    )
    commit_frame(job.folder, done, data)
    return done


def paint_picture(batch: Batch, index: int) -> Iterator[Event]:
    """Write the result of a photograph, with the texture of its page's index in it, and say so."""
    try:
        ready = _ready(batch, index)
    except MediaError as error:
        yield PictureFailed(batch, index, str(error), is_unreadable=True)
        return
    done = deliver(batch, [ready])
    yield from (PictureFinished(batch, place, pages) for place, pages in done.records.items())
    yield from (PictureFailed(batch, one.index, one.error) for one in done.failed)


def _ready(batch: Batch, index: int, **changes: Any) -> Ready:
    picture = batch.pictures[index]
    photo = read_photo(
        picture.path, lambda w, h: output_size(w, h, batch.longest_px, even=False), batch.max_pixels
    )
    pages = [
        painted(number, page.rgb.shape[1], page.rgb.shape[0]) / np.float32(255)
        for number, page in enumerate(photo.pages)
    ]
    coded = encode_photo(pages, photo, batch.format)
    records = tuple(
        PictureRecord(
            **asdict(
                record(
                    page,
                    source=picture.name,
                    segment=batch.name,
                    bytes=len(coded.data),
                    digest=hashlib.sha256(coded.data).hexdigest(),
                    **changes,
                )
            ),
            output=picture.output,
            look=batch.look,
            source_bytes=picture.bytes,
            source_mtime_ns=picture.mtime_ns,
            source_digest=digest_of(picture.path) if batch.with_digest else None,
            width_px=rgb.shape[1],
            height_px=rgb.shape[0],
            pages=len(pages),
            notes=coded.notes,
        )
        for page, rgb in enumerate(pages)
    )
    return Ready(index, coded.data, records)
