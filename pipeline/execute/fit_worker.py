"""A worker that looks first whether its machine can do the job. Plain; the scheduler makes Ray's actor of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.execute.job import Batch, Painted, Progress, SegmentJob, WorkerInfo, WorkerSettings
from pipeline.execute.preflight import UnfitError, Visit
from pipeline.storage.worker import RemoteWorker
from pipeline.workspace import FrameRecord

Make = Callable[[WorkerSettings], Any]
"""Makes a worker, or what stands in for one, in the process that is to be it."""


def make_worker(settings: WorkerSettings) -> Any:
    """The plain class; imported only where it works, since torch alone takes half a gigabyte."""
    from pipeline.execute.worker import Worker

    return Worker(settings) if settings.elsewhere is None else RemoteWorker(settings, Worker)


class FitWorker:
    """What `make` makes, set up only where `visit` finds nothing wrong with the machine.

    `gpus`: how many it is given. `node`, asked only on an unfit machine, is the cluster's name for it.
    """

    def __init__(
        self, make: Make, settings: WorkerSettings, visit: Visit | None, gpus: float, node: Callable[[], str]
    ) -> None:
        self._worker, self._visit, self._gpus, self._node = make(settings), visit, gpus, node

    def set_up(self) -> WorkerInfo:
        if self._visit is None:
            return self._worker.set_up()  # type: ignore[no-any-return]
        try:
            self._visit.check()
            info: WorkerInfo = self._worker.set_up()
            self._visit.check_device(info.device, self._gpus)
        except UnfitError as error:
            raise UnfitError(str(error), self._node()) from error
        return info

    def stylize_frame(self, index: int, job: SegmentJob | None) -> FrameRecord:
        return self._worker.stylize_frame(index, job)  # type: ignore[no-any-return]

    def paint_pictures(self, missing: Sequence[int], batch: Batch | None) -> Painted:
        return self._worker.paint_pictures(missing, batch)  # type: ignore[no-any-return]

    def progress(self) -> Progress | None:
        return self._worker.progress()  # type: ignore[no-any-return]
