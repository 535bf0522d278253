"""A whole job: look → plan → stylize → assemble and verify → report. Everything that happens, in the order it happens.

Photographs are painted as they are listed, and films when the listing is over, which for most inputs is at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.archive.job import stream_of
from pipeline.archive.stream import Stream
from pipeline.assemble import current_outputs, without_blocked
from pipeline.chronicle import Chronicle
from pipeline.config import Config, plain
from pipeline.errors import SpaceError
from pipeline.execute.address import stay_local, use_token
from pipeline.execute.job import WorkerSettings, style_files
from pipeline.execute.preflight import Preflight, errand_of
from pipeline.execute.queue import Queue
from pipeline.keeper import Keeper
from pipeline.ledger import Ledger, Summary, Watcher
from pipeline.media.sources import Source
from pipeline.originals import Original
from pipeline.plan import Plan
from pipeline.progress import Watchers
from pipeline.report import fits, is_current, write_report
from pipeline.resume import Stock, plan_to_json, take_stock, todos
from pipeline.room import foresee
from pipeline.shelf import Elsewhere
from pipeline.storage.places import here, url_of
from pipeline.survey import Brief, Notebook, brief_of, survey
from pipeline.versions import versions
from pipeline.workspace import Workspace, rebuild_journal

if TYPE_CHECKING:
    from pipeline.execute.scheduler import Farm

LISTING_S = 3.0
"""A listing that takes longer has its photographs painted meanwhile."""

IDLE_BECAUSE = "there is less to do than there are machines, or they have no GPU, and others have"

Stop = Callable[[], bool]


def run(
    config: Config, watcher: Watcher | None = None, stop: Stop = lambda: False, command: Sequence[str] = ()
) -> Summary:
    """Do a job, or what is left of it; a finished one is a no-op.

    `watcher` sees what happens; once `stop()` is true, every worker finishes what it has in work and the rest is left
    for the next run. `command`: the config's path and options, for the report. Raises the `PipelineError`s that
    concern the job as a whole; those of one source are in the summary.
    """
    watcher = watcher or Watcher()
    summary = _work(config, watcher, stop, command)
    _report(config, watcher, command)
    return summary


def _work(config: Config, watcher: Watcher, stop: Stop, command: Sequence[str]) -> Summary:
    began = time.monotonic()
    space = Workspace(config.output)
    with space.locked(), ExitStack() as stack:
        brief = brief_of(config, Notebook(space.read(space.probes)))
        if not fits(config, space):
            space.report.unlink(missing_ok=True)  # it can be made again at once, so it is the first to go
        chronicle = stack.enter_context(Chronicle(space, _told(config, brief, command)))
        stream = stack.enter_context(stream_of(config, space, brief))
        encoder = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        watcher = Watchers(chronicle, watcher)
        job = _Job(config, space, brief, watcher, stop, encoder, _Crew(config, space, brief, stack, watcher))
        films = stream.films(LISTING_S)
        if films is None:  # a large archive
            job.work(None, stream)
            films = None if stop() else stream.films()
        ledger = job.work(films, stream)
        summary = ledger.close(interrupted=stop(), wall_s=time.monotonic() - began)
        chronicle.ended(summary)
        return summary


def _told(config: Config, brief: Brief, command: Sequence[str]) -> Mapping[str, Any]:
    """What the chronicle says of a run as it begins."""
    told = {"settings": plain(config), "versions": versions(brief.judges.weights)}
    return {"command": list(command), **told}


def _report(config: Config, watcher: Watcher, command: Sequence[str]) -> None:
    """Write the page of the run, unless it is there and nothing has changed since."""
    try:
        if not is_current(Workspace(config.output)):
            write_report(config, command)
    except Exception as error:  # the results are there, whatever becomes of their page
        watcher.warned(f"the report could not be written ({error}); to try again: stylize report")


@dataclass(frozen=True)
class _Job:
    """What every step of a run needs."""

    config: Config
    space: Workspace
    brief: Brief
    watcher: Watcher
    stop: Stop
    encoder: ThreadPoolExecutor
    crew: _Crew

    def work(self, films: Sequence[Source] | None, stream: Stream) -> Ledger:
        """Do what is missing of films, where they are known, and of the photographs in the stream."""
        plan, stock = (Plan(), Stock({}, {})) if films is None else self._look(films)
        self.watcher.planned(plan, stock, stream.tally)
        missing = todos(plan, stock, self.space, self.config.transfer)
        if missing:
            self._check_room(plan, stock)
        keeper = Keeper(plan, stock, self.space, self.config, self.encoder)
        ledger = Ledger(plan, stock, self.space, self.watcher, keeper, stream)
        if (missing or stream.has_batches(self.stop)) and not self.stop():
            self.space.shelf.carry(*(todo.job.direction for todo in missing))
            self._stylize(Queue(missing, keeper.choose, stream), len(missing) + stream.waiting, ledger)
        while not self.stop() and (damaged := ledger.mend(self.config.transfer)):
            self._stylize(Queue(damaged, keeper.choose), len(damaged), ledger)
        return ledger

    def _stylize(self, queue: Queue, most: int, ledger: Ledger) -> None:
        for event in self.crew.at_work(most).stylize(queue, self.stop):
            ledger.note(event)

    def _look(self, films: Sequence[Source]) -> tuple[Plan, Stock]:
        """The plan of the films, and what is there of it; both written down."""
        space, notebook = self.space, self.brief.notebook
        plan = without_blocked(survey(self.config, self.brief, films, self.watcher.looking_at), space)
        stock = take_stock(plan, space, written=current_outputs(plan.sources, space))
        if notebook.changed:
            space.write(space.probes, notebook.data)
        if plan_to_json(plan) != space.read(space.plan):
            space.write(space.plan, plan_to_json(plan))
        rebuild_journal(space.records, stock.records)
        return plan, stock.without_traces()

    def _check_room(self, plan: Plan, stock: Stock) -> None:
        outlook = foresee(self.config, plan, stock, self.space)
        if outlook.refusal:
            raise SpaceError(outlook.refusal)
        if outlook.warning:
            self.watcher.warned(outlook.warning)


class _Crew:
    """The workers of a run, who come when there is work first; until then neither Ray nor torch is imported."""

    def __init__(
        self, config: Config, space: Workspace, brief: Brief, stack: ExitStack, watcher: Watcher
    ) -> None:
        self._config, self._originals, self._shelf = config, brief.originals, space.shelf
        self._stack, self._watcher = stack, watcher
        self._farm: Farm | None = None

    def at_work(self, most: int) -> Farm:
        """The farm, with at most so many workers."""
        if self._farm is None:
            execution, settings = self._config.execution, worker_settings(self._config, self._originals)
            self._shelf.carry(settings)
            preflight = None
            if execution.address is None:
                stay_local()
            else:
                use_token()
                errand = errand_of(self._config, self._shelf.meeting, self._shelf.is_carried)
                preflight = self._stack.enter_context(Preflight(errand))
            from pipeline.execute.scheduler import Farm

            settings = replace(settings, elsewhere=self._shelf.elsewhere or elsewhere_of(self._config))
            options: dict[str, Any] = {"arrived": self._shelf.arrived} if self._shelf.arrived else {}
            farm = Farm(execution, settings, most, preflight=preflight, **options)
            self._farm = self._stack.enter_context(farm)
            if preflight and (idle := self._farm.idle_machines):
                self._watcher.warned(f"{idle} machines of the cluster get no work: {IDLE_BECAUSE}")
        return self._farm


def elsewhere_of(config: Config) -> Elsewhere | None:
    """What workers are to know of an input behind URLs; None: all of it is on disks that they share."""
    is_remote = any(url_of(Path(text)) for text in config.input)
    return Elsewhere(here(), None) if is_remote else None


def worker_settings(config: Config, originals: Mapping[Path, Original] | None = None) -> WorkerSettings:
    """What of the config the workers are set up with; `originals`: the files of its styles and masks, as they were."""
    memory = config.execution.memory_per_worker
    return WorkerSettings(
        weights=config.weights,
        styles=style_files(config.style),
        transfer=config.transfer,
        threads=None,
        warm_start=config.video.warm_start,
        temporal_weight=config.video.temporal_weight,
        long_term=config.video.long_term,
        may_use_gpu=config.execution.gpus_per_worker != 0,
        content_mask=config.content_mask,
        memory_gib=None if memory == "auto" else memory,
        flow=config.video.flow,
        flow_weights=config.video.flow_weights,
        originals=originals or {},
    )
