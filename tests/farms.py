"""A farm in this process whose workers paint a texture at once: whole jobs without Ray, torch or waiting."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.execute.events import Event, FrameFinished, SegmentFinished, Todo
from pipeline.execute.job import SegmentJob
from pipeline.frames import encode_frame
from pipeline.workspace import commit_frame
from tests.plans import record


def painted(index: int, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """A texture that moves, with a little noise, as paintings do and have."""
    y, x = np.mgrid[:height_px, :width_px]
    waves = [np.sin((x + index) / 3 + y / 7), np.sin(y / 4 + index / 5), np.cos((x + y) / 5)]
    noise = np.random.default_rng(index).normal(0, 6, (height_px, width_px, 3))
    return np.clip(np.stack(waves, -1) * 100 + 128 + noise, 0, 255).astype(np.uint8)


class TextureFarm:
    """Stands in for `Farm`: `WORKERS` segments in turn, a frame each; every commit is followed by its event."""

    WORKERS = 2

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stylize(
        self,
        todos: Sequence[Todo],
        stop: Callable[[], bool],
        choose: Callable[[Iterator[Todo]], Todo | None],
    ) -> Iterator[Event]:
        queue = deque(sorted(todos, key=lambda todo: -len(todo.missing)))
        unfinished, slots, deadline_s = {todo.key for todo in todos}, list[Todo](), time.monotonic() + 60
        while (queue or slots) and not stop():
            assert time.monotonic() < deadline_s, "this hangs"
            if len(slots) < self.WORKERS and queue:
                todo = choose(todo for todo in queue if not todo.needs & unfinished)
                if todo is not None:
                    queue.remove(todo)
                    slots.append(todo)
                elif not slots:
                    time.sleep(0.005)
                    continue
            todo = slots.pop(0)
            yield FrameFinished(paint(todo.job, todo.missing.popleft()), todo.job)
            if todo.missing:
                slots.append(todo)
            else:
                unfinished.discard(todo.key)
                yield SegmentFinished(todo.job)


def paint(job: SegmentJob, index: int) -> Any:
    """Commit a frame of a segment, and give its record."""
    data = encode_frame(painted(index, *job.size))
    own = job.own or (job.first, job.stop)
    done = record(
        index, source=job.source.name, segment=job.name, bytes=len(data), draft=not own[0] <= index < own[1]
    )
    commit_frame(job.folder, done, data)
    return done
