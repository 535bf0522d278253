"""Crews that work in this process, each worker in a place of its own, as on machines that share nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from pipeline.config import Execution
from pipeline.disk.packs import has_frame, read_frame
from pipeline.execute import scheduler, worker
from pipeline.execute.delivery import Courier
from pipeline.execute.events import (
    BatchTodo,
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    SegmentFinished,
    Todo,
)
from pipeline.execute.job import Batch, Painted, SegmentJob, Unpainted, WorkerInfo, WorkerSettings
from pipeline.execute.queue import Queue
from pipeline.execute.worker import Worker
from pipeline.frames import encode_frame
from pipeline.media.decode import decode_frames
from pipeline.records import frame_digest
from pipeline.storage.worker import RemoteWorker
from pipeline.workspace import FrameRecord, commit_frame, finished_frames
from tests.execute.narrow import narrow_weights
from tests.farms import _ready, painted
from tests.plans import record


class Hand:
    """Paints a texture on what it finds of the frame before, as a real worker does on its painting."""

    painted: ClassVar[list[tuple[str, int]]] = []  # of all hands, each frame and picture that was painted

    def __init__(
        self, settings: WorkerSettings, *, name: str = "here-1", courier: Courier | None = None
    ) -> None:
        self._settings, self._name, self._courier = settings, name, courier or Courier()
        self._job: SegmentJob | None = None
        self._batch: Batch | None = None

    def set_up(self) -> WorkerInfo:
        assert all(style.image.exists() for style in self._settings.styles)
        return WorkerInfo(self._name, "cpu", 1)

    def progress(self) -> None:
        return None

    def stylize_frame(self, index: int, job: SegmentJob | None = None) -> FrameRecord:
        self._job = job = job or self._job
        assert job is not None
        content = next(decode_frames(job.source, job.probe, index, index + 1))
        picture = painted(index, *job.size) // 2 + np.uint8(content.mean() / 8)
        if index > job.first:
            assert has_frame(job.folder, index - 1), "what it starts from is not at hand"
            before = finished_frames(job.folder, clean=False)[index - 1]
            picture = picture // 2 + read_frame(job.folder, index - 1) // 4 + np.uint8(before.loss)
        data = encode_frame(picture)
        done = record(index, source=job.source.name, segment=job.name, bytes=len(data),
                      digest=frame_digest(data), worker=self._name,
                      loss=float(index % 7), draft=job.is_draft(index))  # fmt: skip
        commit_frame(job.folder, done, data)
        Hand.painted.append((job.source.name, index))
        return done

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None = None) -> Painted:
        self._batch = batch = batch or self._batch
        assert batch is not None
        index = missing[0]
        try:
            with self._courier.at_hand(batch.pictures[index]):
                ready = _ready(batch, index, worker=self._name)
        except Exception as error:
            return Painted({}, (Unpainted(index, str(error)),))
        Hand.painted.append((batch.pictures[index].name, 0))
        return self._courier.deliver(batch, [ready])


def narrow_hand(settings: WorkerSettings, **options: Any) -> Worker:
    """The real one, with the narrow network."""
    return Worker(settings, **options)


class Crew:
    """Stands in for `Farm`: `size` workers in turn, a frame or picture each. `event`: called with each, may raise."""

    size = 2
    hand: Callable[..., Any] = Hand
    before: Callable[[Any, Todo | BatchTodo], None] | None = None  # may raise `Killed`
    after: Callable[[Event], None] | None = None

    def __init__(self, execution: Execution, settings: WorkerSettings, most: int, **options: Any) -> None:
        self._settings, self._arrived = replace(settings, threads=1), options.get("arrived")
        self._staff = [self._hire() for _ in range(min(self.size, most))]

    def _hire(self) -> Any:
        make = type(self).hand
        new = make(self._settings) if self._settings.elsewhere is None else RemoteWorker(self._settings, make)
        new.set_up()
        return new

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
        at: dict[int, Todo | BatchTodo] = {}
        opened: dict[int, Any] = {}
        while at or not queue.is_over:
            if stop():
                queue.clear()
                return
            for place in range(len(self._staff)):
                if place not in at and (todo := queue.take(len(self._staff))):
                    at[place] = todo
                if place not in at:
                    continue
                todo, is_open = at[place], opened.get(place) is at[place].job
                opened[place] = todo.job
                try:
                    if Crew.before is not None:
                        Crew.before(self._staff[place], todo)
                    yield from self._work(self._staff[place], todo, queue, is_open)
                except Killed:
                    self._staff[place] = self._hire()
                    opened.pop(place)
                    queue.put_back(at.pop(place))
                    continue
                if not todo.missing:
                    del at[place]

    def _work(self, one: Any, todo: Todo | BatchTodo, queue: Queue, is_open: bool) -> Iterator[Event]:
        for event in self._events(one, todo, queue, is_open):
            yield event
            if Crew.after is not None:
                Crew.after(event)

    def _events(self, one: Any, todo: Todo | BatchTodo, queue: Queue, is_open: bool) -> Iterator[Event]:
        if isinstance(todo, Todo):
            found = one.stylize_frame(todo.missing[0], None if is_open else todo.job)
            todo.missing.popleft()
            if self._arrived:
                assert self._arrived(todo.job.folder / f"{found.frame:08d}.png")
            yield FrameFinished(found, todo.job)
            if not todo.missing:
                queue.finish(todo)
                yield SegmentFinished(todo.job)
            return
        done = one.paint_pictures(tuple(todo.missing), None if is_open else todo.job)
        for index, records in done.records.items():
            todo.missing.remove(index)
            yield PictureFinished(todo.job, index, records)
        for failed in done.failed:
            todo.missing.remove(failed.index)
            yield PictureFailed(todo.job, failed.index, failed.error)


class Killed(BaseException):
    """Ends a worker, or the run."""


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> type[Crew]:
    """From now on jobs are done by this crew."""
    monkeypatch.setattr(Crew, "hand", Hand)
    monkeypatch.setattr(Crew, "before", None)
    monkeypatch.setattr(Crew, "after", None)
    monkeypatch.setattr(Hand, "painted", [])
    monkeypatch.setattr(scheduler, "Farm", Crew)
    monkeypatch.setattr(worker, "load_weights", lambda choice: narrow_weights())
    return Crew


def end_after(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a run end, as by a Ctrl-C, once so many frames are finished."""
    left = iter(range(frames - 1))

    def after(event: Event) -> None:
        if isinstance(event, FrameFinished) and next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(Crew, "after", after)
