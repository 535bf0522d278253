"""A worker for jobs whose input or output is behind a URL: what the plain one is, in a place of its own.

Paths in a job are the run's. Here they become paths of this process; what they stand for is fetched before the plain
worker needs it, and what it has finished is put before anybody is told. The plain worker knows nothing of it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.disk.packs import throw_away_damaged
from pipeline.errors import MediaError, PipelineError
from pipeline.execute.delivery import Courier
from pipeline.execute.healing import make_whole
from pipeline.execute.job import Batch, Painted, Progress, SegmentJob, WorkerInfo, WorkerSettings
from pipeline.records import FrameRecord, digest_of
from pipeline.storage.courier import RemoteCourier
from pipeline.storage.hand import bring
from pipeline.storage.luggage import luggage_name, moved
from pipeline.storage.places import below_of, make_place, scratch, url_below, with_urls
from pipeline.storage.remote import Remote
from pipeline.storage.staging import Staging


class Make(Protocol):
    """Makes the plain worker."""

    def __call__(self, settings: WorkerSettings, *, name: str, courier: Courier) -> Any: ...


class RemoteWorker:
    """As `execute.worker.Worker`, which `make` makes."""

    def __init__(self, settings: WorkerSettings, make: Make) -> None:
        assert settings.elsewhere is not None, "this is for jobs with URLs"
        self._settings, self._make, self._elsewhere = settings, make, settings.elsewhere
        token = secrets.token_hex(4)
        self._name = f"{socket.gethostname()}-{os.getpid()}-{token}"  # containers may share host and process
        self._root = scratch() / f"{os.getpid()}-{token}"
        self._worker: Any = None
        self._courier = RemoteCourier(self._url_of, self._name)
        self._job: SegmentJob | None = None  # as the run has it
        self._staging: Staging | None = None
        self._openings = 0
        self._checked: set[tuple[str, str]] = set()  # sources that are as the run read them

    def set_up(self) -> WorkerInfo:
        """Fetch what the settings name, and set the plain worker up."""
        make_place(self._root)
        settings = moved(replace(self._settings, elsewhere=None), self._here)
        originals = {self._here(path): one for path, one in self._settings.originals.items()}
        settings = replace(settings, originals=originals)
        self._worker = self._make(settings, name=self._name, courier=self._courier)
        info: WorkerInfo = self._worker.set_up()
        return info

    @contextmanager
    def _telling_urls(self) -> Iterator[None]:
        """Let errors name what a person knows: the paths here are nobody's."""
        try:
            yield
        except PipelineError as error:
            error.args = (with_urls(str(error)), *error.args[1:])
            raise

    def stylize_frame(self, index: int, job: SegmentJob | None = None) -> FrameRecord:
        """Make one frame of a segment finished, for all machines, and return its record."""
        with self._telling_urls():
            return self._stylize(index, job)

    def _stylize(self, index: int, job: SegmentJob | None) -> FrameRecord:
        if job is not None:
            self._close_segment()
        self._job = job or self._job
        assert self._job is not None, "a segment comes first"
        return make_whole(index, self._place(self._job.folder), self._make_one, self._throw_away)

    def _make_one(self, index: int) -> FrameRecord:
        assert self._job is not None, "a segment comes first"
        opens = self._staging is None
        staging = self._staging or self._open(self._job)
        self._staging = None  # opened anew after an error
        with ExitStack() as stack:
            stack.callback(staging.close)
            staging.prepare(index, self._settings.long_term)
            record: FrameRecord = self._worker.stylize_frame(index, staging.job if opens else None)
            put = staging.finish(record, f"{self._name}-{self._openings}")
            if put is None:  # another's bytes: whatever is remembered here of this frame is not so
                return staging.settle(record)
            stack.pop_all()
        self._staging = staging
        return put

    def _throw_away(self, folder: Path, index: int) -> None:
        """Throw a damaged frame away; behind a URL that is done as it is fetched, see `staging`."""
        if self._url_of(folder) is None:
            throw_away_damaged(folder, [index])

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None = None) -> Painted:
        """Make some photographs of a batch finished, as the plain worker does."""
        if batch is not None:
            self._close_segment()
            self._courier.open()
            batch = replace(
                batch,
                pictures=moved(batch.pictures, self._place),
                output=self._place(batch.output),
                journal=self._place(batch.journal),
                direction=moved(batch.direction, self._here),
                mask=moved(batch.mask, self._here),
            )
        with self._telling_urls():
            painted: Painted = self._worker.paint_pictures(missing, batch)
        failed = tuple(replace(one, error=with_urls(one.error)) for one in painted.failed)
        return replace(painted, failed=failed)

    def progress(self) -> Progress | None:
        """Where the worker is; also while it is being set up."""
        found: Progress | None = None if self._worker is None else self._worker.progress()
        return found

    def close(self) -> None:
        """Remove all that is here."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _open(self, job: SegmentJob) -> Staging:
        self._openings += 1
        here = replace(
            job,
            source=moved(job.source, self._place),
            folder=self._place(job.folder),
            drafts=moved(job.drafts, self._place),
            direction=moved(job.direction, self._here),
            originals={self._place(path): one for path, one in job.originals.items()},
        )
        self._check(here)
        return Staging(here, self._url_of, max((1, *self._settings.long_term)))

    def _check(self, job: SegmentJob) -> None:
        """Raise `MediaError` where a film is not the one any more that the run has planned."""
        path = job.source.files[0]
        url = self._url_of(path)
        if len(job.source.files) > 1 or url is None or job.digest is None:
            return
        bring(url, path)
        if (url, job.digest) not in self._checked:
            if hashlib.sha256(digest_of(path).encode()).hexdigest() != job.digest:
                raise MediaError(f"{url} has changed since the job was planned; run again")
            self._checked.add((url, job.digest))

    def _close_segment(self) -> None:
        if self._staging is not None:
            self._staging.close()
        self._staging = None

    # --- paths ---

    def _place(self, path: Path) -> Path:
        """The path here of one of the run's that is behind a URL; others are the same on all machines."""
        below = below_of(path, self._elsewhere.root)
        return path if below is None else self._root / below

    def _here(self, path: Path) -> Path:
        """The same, and of what the run sent along: styles, masks, weights."""
        place, luggage = self._place(path), self._elsewhere.luggage
        if place != path or luggage is None:
            return place
        name = luggage_name(path)
        unpacked = self._root / "luggage" / name
        return unpacked if unpacked.exists() or Remote(luggage).fetch(name, unpacked) else path

    def _url_of(self, path: Path) -> str | None:
        return url_below(path, self._root)
