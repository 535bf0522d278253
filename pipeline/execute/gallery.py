"""A batch of photographs in work: read ahead, painted side by side, written behind.

What a picture becomes depends on it and the settings alone, not on the batch that it came in, nor on the order.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from pipeline.errors import DivergenceError, MediaError
from pipeline.execute.delivery import Courier, Ready
from pipeline.execute.job import Batch, Painted, Picture, Progress, Unpainted
from pipeline.execute.patience import MemoryRanOutError, twice
from pipeline.execute.tensors import as_floats, as_frame, as_tensor
from pipeline.execute.together import Together
from pipeline.media.geometry import output_size
from pipeline.media.photos import Page, Photo, encode_photo, read_photo
from pipeline.motion.measures import look_of
from pipeline.records import PictureRecord, digest_of, state_of
from pipeline.style import Mixture, Stylization
from pipeline.style.work import Callback

CALL_S = 0.5
"""A call paints on until it has lasted so long, so that calls and disk syncs stay rare where pictures are quick."""

AHEAD = 8
"""Pictures that are read before their turn, at their painted size."""


class Painter(Protocol):
    """What a gallery needs of a `Stylizer`."""

    def at_once(self, shape: tuple[int, int], most: int) -> int: ...

    def stylize_batch(
        self,
        contents: Tensor,
        starts: Tensor | None = None,
        callback: Callback | None = None,
        *,
        content_masks: Sequence[Tensor | None] | None = None,
        mixture: Mixture | None = None,
    ) -> Sequence[Stylization | DivergenceError]: ...


@dataclass(frozen=True)
class _Opened:
    index: int
    photo: Photo
    digest: str | None  # of the source's bytes


@dataclass(frozen=True)
class _PaintedPhoto:
    opened: _Opened
    pages: tuple[Stylization, ...]
    seconds: float


class Gallery:
    """Paints the pictures of one batch; use it with `with`. `mask`: where the content counts, else the painter's."""

    def __init__(
        self,
        batch: Batch,
        painter: Painter,
        worker: str,
        watch: Callable[[Progress], None],
        *,
        mixture: Mixture | None = None,
        mask: Tensor | None = None,
        courier: Courier | None = None,
    ) -> None:
        self.batch, self._courier = batch, courier or Courier()
        self._painter, self._worker, self._watch = painter, worker, watch
        self._mixture, self._mask = mixture, mask
        self._readers, self._writer = ThreadPoolExecutor(2), ThreadPoolExecutor(1)
        self._read: dict[int, Future[_Opened]] = {}
        self._written: dict[tuple[int, ...], Future[Painted]] = {}  # by the places of the pictures in it

    def close(self) -> None:
        """Let its threads go."""
        self._readers.shutdown(cancel_futures=True)
        self._writer.shutdown()

    def paint(self, missing: Sequence[int]) -> Painted:
        """Make some of the missing pictures finished, by their places in the batch, and say what became of any.

        What is being written when the others are painted is told by the next call; so some of the missing may be in
        work already. Without any left to paint, and without any asked for, it waits until all are written.
        Raises `SpaceError` where the results cannot be written.
        """
        began, at_work = time.monotonic(), {index for places in self._written for index in places}
        left, failed, is_fresh = (
            deque(index for index in missing if index not in at_work),
            list[Unpainted](),
            True,
        )
        while left and (is_fresh or time.monotonic() - began < CALL_S):
            is_fresh, group = False, self._next_group(left, failed)
            if group:
                painted = self._paint_group(group, failed)
                places = tuple(one.opened.index for one in painted)
                self._written[places] = self._writer.submit(self._deliver, painted)
        answers = [self._answer(places) for places in self._done(wait_for_all=not left)]
        records = {index: pages for answer in answers for index, pages in answer.records.items()}
        return Painted(records, (*failed, *(one for answer in answers for one in answer.failed)))

    def _done(self, *, wait_for_all: bool) -> list[tuple[int, ...]]:
        """The groups that are written; of those that are not, the last may be written while others are painted."""
        *earlier, last = self._written or ((),)
        chosen = [*earlier, *([last] if last and (wait_for_all or self._written[last].done()) else [])]
        return [places for places in chosen if places in self._written]

    def _answer(self, places: tuple[int, ...]) -> Painted:
        """What became of a group; what cannot be written costs no other group."""
        try:
            return self._written.pop(places).result()
        except MediaError as error:
            return Painted({}, tuple(Unpainted(index, str(error)) for index in places))

    # --- reading ---

    def _next_group(self, left: deque[int], failed: list[Unpainted]) -> list[_Opened]:
        """Take pictures from `left` that are painted at the same time; what cannot be read goes to `failed`."""
        group: list[_Opened] = []
        most = self._at_once(self.batch.pictures[left[0]])
        while left and len(group) < most and self._fits(left[0], group):
            self._look_ahead(left)
            index = left.popleft()
            try:
                group.append(self._read.pop(index).result())
            except MediaError as error:
                failed.append(
                    Unpainted(index, str(error), is_unreadable=_is_as_listed(self.batch.pictures[index]))
                )
        self._look_ahead(left)
        return group

    def _fits(self, index: int, group: Sequence[_Opened]) -> bool:
        """Whether a picture can be painted together with a group: one page each, of one size."""
        pictures = [self.batch.pictures[place] for place in (index, *(one.index for one in group))]
        return len(pictures) == 1 or (
            all(one.pages == 1 for one in pictures) and len({self._size(one) for one in pictures}) == 1
        )

    def _at_once(self, picture: Picture) -> int:
        width, height = self._size(picture)
        return self._painter.at_once((height, width), len(self.batch.pictures))

    def _size(self, picture: Picture) -> tuple[int, int]:
        return self._fitted(*picture.size)

    def _fitted(self, width_px: int, height_px: int) -> tuple[int, int]:
        return output_size(width_px, height_px, self.batch.longest_px, even=False)

    def _look_ahead(self, left: Sequence[int]) -> None:
        for index in list(left)[:AHEAD]:
            if index not in self._read:
                self._read[index] = self._readers.submit(self._open, index)

    def _open(self, index: int) -> _Opened:
        picture, digest = self.batch.pictures[index], None
        with self._courier.at_hand(picture):
            if self.batch.with_digest:
                digest = digest_of(picture.path)
            photo = read_photo(picture.path, self._fitted, self.batch.max_pixels)
            if not _is_as_listed(picture):
                raise MediaError(f"{picture.path} has changed since it was listed; run again")
        return _Opened(index, photo, digest)

    # --- painting ---

    def _paint_group(self, group: Sequence[_Opened], failed: list[Unpainted]) -> list[_PaintedPhoto]:
        began = time.monotonic()
        pages = [page for opened in group for page in opened.photo.pages]
        try:
            results = iter(
                [one for run in _runs(pages) for one in twice(partial(self._paint_pages, group, run))]
            )
        except MemoryRanOutError as error:
            return self._paint_apart(group, failed, error)
        found: list[tuple[_Opened, tuple[Stylization, ...]]] = []
        for opened in group:
            done = [next(results) for _ in opened.photo.pages]
            errors = [one for one in done if isinstance(one, DivergenceError)]
            if errors:
                failed.append(Unpainted(opened.index, f"{self._name(opened)}: {errors[0]}"))
            else:
                found.append((opened, tuple(one for one in done if isinstance(one, Stylization))))
        seconds = (time.monotonic() - began) / len(group)
        return [_PaintedPhoto(opened, done, seconds) for opened, done in found]

    def _paint_apart(
        self, group: Sequence[_Opened], failed: list[Unpainted], error: MemoryRanOutError
    ) -> list[_PaintedPhoto]:
        """One picture after the other, where memory is not enough for all of a group; one alone has failed."""
        if len(group) > 1:
            return [done for opened in group for done in self._paint_group([opened], failed)]
        failed.append(Unpainted(group[0].index, f"{self._name(group[0])}: {error}"))
        return []

    def _paint_pages(
        self, group: Sequence[_Opened], pages: Sequence[Page]
    ) -> Sequence[Stylization | DivergenceError]:
        name = self._name(group[0])
        return self._painter.stylize_batch(
            torch.cat([as_tensor(page.rgb) for page in pages]),
            callback=Together(name, len(pages), self._watch),
            content_masks=None if self._mask is None else [self._mask] * len(pages),
            mixture=self._mixture,
        )

    def _name(self, opened: _Opened) -> str:
        return self.batch.pictures[opened.index].name

    # --- writing ---

    def _deliver(self, painted: Sequence[_PaintedPhoto]) -> Painted:
        ready: list[Ready] = []
        failed: list[Unpainted] = []
        for one in painted:
            try:
                ready.append(self._encode(one))
            except MediaError as error:
                failed.append(Unpainted(one.opened.index, f"{self._name(one.opened)}: {error}"))
        done = self._courier.deliver(self.batch, ready)
        return Painted(done.records, (*failed, *done.failed))

    def _encode(self, painted: _PaintedPhoto) -> Ready:
        opened, batch = painted.opened, self.batch
        coded = encode_photo([as_floats(one.image) for one in painted.pages], opened.photo, batch.format)
        records = tuple(
            self._record(page, one, painted, coded.data, coded.notes)
            for page, one in enumerate(painted.pages)
        )
        return Ready(opened.index, coded.data, records)

    def _record(
        self, page: int, result: Stylization, painted: _PaintedPhoto, data: bytes, notes: tuple[str, ...]
    ) -> PictureRecord:
        picture = self.batch.pictures[painted.opened.index]
        return PictureRecord(
            source=picture.name,
            frame=page,
            segment=self.batch.name,
            start="cold",
            iterations=len(result.trace),
            loss=result.loss,
            trace=result.trace,
            megapixel_iterations=result.megapixel_iterations,
            warp_error=None,
            seconds=round(painted.seconds / len(painted.pages), 3),
            worker=self._worker,
            bytes=len(data),
            tile=result.tile_px,
            **asdict(look_of(as_frame(result.image))),
            output=picture.output,
            look=self.batch.look,
            source_bytes=picture.bytes,
            source_mtime_ns=picture.mtime_ns,
            source_digest=painted.opened.digest,
            digest=hashlib.sha256(data).hexdigest(),
            width_px=result.image.shape[-1],
            height_px=result.image.shape[-2],
            pages=len(painted.pages),
            notes=notes,
        )


def _is_as_listed(picture: Picture) -> bool:
    return state_of(picture.path) == (picture.bytes, picture.mtime_ns)


def _runs(pages: Sequence[Page]) -> Iterator[list[Page]]:
    """Neighbors of one size."""
    run: list[Page] = []
    for page in pages:
        if run and run[0].rgb.shape != page.rgb.shape:
            yield run
            run = []
        run.append(page)
    yield run
