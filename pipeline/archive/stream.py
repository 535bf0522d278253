"""The photographs of a job as a stream: listed and looked up in a thread of their own, handed out in batches.

The thread stops where enough batches wait, so nothing grows with the number of files; what workers have finished goes
into the journal in groups. While the listing is not over, another thread counts how much there is.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from math import ceil
from typing import Self

from pipeline.archive.buckets import Buckets, largest_of
from pipeline.archive.findings import Done, Finding, Planned, max_pixels, wish_of
from pipeline.archive.index import PictureIndex, SeenPictures
from pipeline.archive.looks import Looks
from pipeline.archive.tally import TOLD, Tally
from pipeline.config import Config
from pipeline.errors import ConfigError, PipelineError
from pipeline.execute.events import BatchTodo, Event, PictureFailed, PictureFinished
from pipeline.execute.job import Batch
from pipeline.media.listing import Refused, Skipped
from pipeline.media.sources import Source
from pipeline.plan import Failure
from pipeline.records import PictureRecord
from pipeline.workspace import Workspace

WAITING = 256
"""Batches that wait for workers, at most."""

FLUSH_S = 0.5
"""What is finished is in the journal after so long; until then it is in the files of those who painted it."""

HUNGRY_S = 0.2
"""While workers wait, a batch that is not full goes out this often."""

ENDLESS = 10**9


class Stream:
    """Gives batches, see `queue.Batches`, and takes down what becomes of them; use it with `with`.

    `findings` is walked through in the stream's own thread; `census`, which may be None, counts the files meanwhile.
    """

    def __init__(
        self,
        config: Config,
        space: Workspace,
        index: PictureIndex,
        looks: Looks,
        findings: Iterator[Finding],
        census: Iterable[object] | None = None,
    ) -> None:
        self._config, self._space, self._index, self._looks = config, space, index, looks
        self._findings, self._census = findings, census
        self.tally = Tally()
        self._films: list[Source] = []
        self._ready: deque[BatchTodo] = deque()
        self._lock = threading.Condition()
        self._is_listed = self._is_closed = self._is_blocked = self._is_used = False
        self._error: BaseException | None = None
        self._fed_s = self._flushed_s = time.monotonic()
        self._is_hungry = False
        self._left: dict[
            str, int
        ] = {}  # by a batch's name in the run folder, how many of its pictures are open
        self._planned = self._closed = 0  # pictures; the first is the listing's, the second the run's
        self._finished: list[tuple[PictureRecord, ...]] = []
        self._closed_batches: list[Batch] = []
        self._threads = [threading.Thread(target=self._list, daemon=True)]
        if census is not None:
            self._threads.append(threading.Thread(target=self._count, daemon=True))

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            self._lock.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self.flush()

    # --- what the scheduler asks ---

    def take(self, workers: int = 1) -> BatchTodo | None:
        """The next batch; None: none is ready. At the end the workers share what is left in small parts."""
        with self._lock:
            self._raise()
            if not self._ready:
                self._is_hungry = True
                return None
            todo = self._ready.popleft()
            self._is_used = True
            self._lock.notify_all()
            if self._is_listed:
                left = len(todo.missing) + sum(len(other.missing) for other in self._ready)
                share = max(2, ceil(left / (2 * workers)))
                if len(todo.missing) > share:
                    indices = list(todo.missing)
                    self._ready.appendleft(BatchTodo(todo.job, deque(indices[share:])))
                    return BatchTodo(todo.job, deque(indices[:share]))
            return todo

    @property
    def is_over(self) -> bool:
        """Whether everything has been listed and handed out."""
        with self._lock:
            self._raise()
            return self._is_listed and not self._ready

    # --- what the run asks and tells ---

    def films(self, within_s: float | None = None) -> tuple[Source, ...] | None:
        """The films that the input leads to; None where it has not all been listed by then.

        Without `within_s` it waits until then, so someone has to take the batches meanwhile.
        """
        deadline_s = None if within_s is None else time.monotonic() + within_s
        with self._lock:
            while not self._is_listed and (deadline_s is None or not self._is_blocked):
                self._raise()
                rest_s = None if deadline_s is None else deadline_s - time.monotonic()
                if rest_s is not None and rest_s <= 0:
                    break
                self._lock.wait(0.1 if rest_s is None else min(0.1, rest_s))
            self._raise()
            return tuple(self._films) if self._is_listed else None

    def has_batches(self, stop: Callable[[], bool]) -> bool:
        """Whether there is anything to paint; waits until that is known, or until it does not matter any more."""
        with self._lock:
            while not (self._ready or self._is_listed or stop()):
                self._is_hungry = True
                self._raise()
                self._lock.wait(0.1)
            self._raise()
            return bool(self._ready)

    @property
    def waiting(self) -> int:
        """How many pictures wait for a worker, or as good as endlessly many where not all has been listed."""
        with self._lock:
            return sum(len(todo.missing) for todo in self._ready) if self._is_listed else ENDLESS

    def note(self, event: Event) -> None:
        """Take down what became of a picture."""
        match event:
            case PictureFinished(batch, _, records):
                self._finished.append(records)
                tally = self.tally
                tally.painted += len(records)
                tally.iterations += sum(record.iterations for record in records)
                tally.megapixel_iterations += sum(record.megapixel_iterations for record in records)
                self._close_one(batch)
            case PictureFailed(batch, index, error):
                self.tally.failed += batch.pictures[index].pages
                self.tally.failures.append(Failure(batch.pictures[index].name, None, error))
                self._close_one(batch)
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Bring the journal up to date, and remove the files that were needed until then."""
        if self._finished:
            self._looks.keep(self._space)
            self._index.add(self._finished)
        self._finished = []
        for batch in self._closed_batches:
            self._index.adopt(self._space.shelf.journals_of(batch.journal))
        self._closed_batches = []
        self._flushed_s = time.monotonic()

    @property
    def is_done(self) -> bool:
        """Whether everything has been listed, and all of it is painted or has failed."""
        return self._is_listed and self._planned == self._closed

    def seen(self) -> SeenPictures:
        """The photographs of this job whose results are there, to be walked through at any time."""
        self.flush()
        return self._index.all_seen()

    def _close_one(self, batch: Batch) -> None:
        self._closed += 1
        left = self._left[batch.journal.name] = self._left.get(batch.journal.name, len(batch.pictures)) - 1
        if not left:
            del self._left[batch.journal.name]
            self._closed_batches.append(batch)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    # --- the thread that lists ---

    def _list(self) -> None:
        buckets: Buckets[Planned] = Buckets()
        try:
            for finding in self._findings:
                if self._is_closed:
                    return
                self._take_in(finding, buckets)
            for items in buckets.rest():
                self._offer(items)
        except ConfigError as error:
            if self._is_used:  # an input that leads nowhere must not end what the others have begun
                self.tally.failures.append(Failure("input", None, str(error)))
            else:
                self._error = error
            for items in buckets.rest():
                self._offer(items)
        except BaseException as error:
            self._error = error
        with self._lock:
            self._is_listed = True
            self.tally.listed = self.tally.files
            self._lock.notify_all()

    def _take_in(self, finding: Finding, buckets: Buckets[Planned]) -> None:
        match finding:
            case Done(row):
                self._index.see(row.id)
                self.tally.files += 1
                self.tally.reused += row.pages
            case Planned(picture, look, size, reasons):
                self.tally.files += 1
                self.tally.planned += picture.pages
                self._planned += 1
                if reasons and len(self.tally.reasons) < TOLD:
                    self.tally.reasons[picture.name] = reasons
                items = buckets.add((size, look.fingerprint), finding, largest_of(size))
                if items is not None:
                    self._offer(items)
            case Refused(name, reason):
                self.tally.files += 1
                self.tally.refused += 1
                self.tally.failures.append(Failure(name, None, reason))
            case Skipped(path):
                self.tally.skipped_count += 1
                if len(self.tally.skipped) < TOLD:
                    self.tally.skipped.append(str(path))
            case Source():
                self._films.append(finding)
        if self._is_hungry and time.monotonic() - self._fed_s > HUNGRY_S:
            items = buckets.fullest()
            if items is not None:
                self._offer(items)

    def _offer(self, items: list[Planned]) -> None:
        """Have a batch wait for a worker; while too many do, wait."""
        with self._lock:
            while len(self._ready) >= WAITING and not self._is_closed:
                if not self._is_blocked:
                    self._begin_census()
                self._lock.notify_all()
                self._lock.wait()
            self._ready.append(self._todo(items))
            self._is_hungry, self._fed_s = False, time.monotonic()
            self._lock.notify_all()

    def _todo(self, items: list[Planned]) -> BatchTodo:
        self._space.shelf.carry(items[0].look.direction, items[0].look.mask)
        look, config, names = items[0].look, self._config, [item.picture.name for item in items]
        batch = Batch(
            name=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
            pictures=tuple(item.picture for item in items),
            output=self._space.output,
            journal=self._space.pictures / f"{secrets.token_hex(8)}.jsonl",
            look=look.fingerprint,
            longest_px=config.transfer.size,
            max_pixels=max_pixels(config),
            format=wish_of(config),
            with_digest=config.archive.identity == "content",
            direction=look.direction,
            mask=look.mask,
        )
        return BatchTodo(batch, deque(range(len(names))))

    def _begin_census(self) -> None:
        self._is_blocked = True
        for thread in self._threads[1:]:
            thread.start()

    def _count(self) -> None:
        """Count what there is, where that takes long to reach."""
        count = 0
        with suppress(PipelineError):  # the listing itself says what is wrong
            for _ in self._census or ():
                if self._is_closed or self._is_listed:
                    return
                count += 1
            self.tally.listed = count
