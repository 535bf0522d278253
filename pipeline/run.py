"""A whole job: look → plan → stylize → assemble and verify → report. Everything that happens, in the order it happens.

Photographs are painted as they are listed, and films when the listing is over, which for most inputs is at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pipeline.archive.job import stream_of
from pipeline.archive.stream import Stream
from pipeline.assemble import current_outputs, without_blocked
from pipeline.chronicle import Chronicle
from pipeline.config import Config, plain
from pipeline.disk.keeper import Keeper
from pipeline.disk.room import foresee
from pipeline.errors import SpaceError
from pipeline.execute.queue import Queue
from pipeline.hiring import Crew, Lost
from pipeline.ledger import Ledger, Summary, Watcher, Watchers
from pipeline.media.sources import Source
from pipeline.plan import Plan
from pipeline.report import is_current, make_way, write_report
from pipeline.resume import Stock, plan_to_json, take_stock, todos
from pipeline.rights import refusal_of
from pipeline.survey import Brief, Notebook, brief_of, survey
from pipeline.versions import versions
from pipeline.workspace import Workspace, rebuild_journal

LISTING_S = 3.0
"""A listing that takes longer has its photographs painted meanwhile."""

Stop = Callable[[], bool]


def run(
    config: Config,
    watcher: Watcher | None = None,
    stop: Stop = lambda: False,
    command: Sequence[str] = (),
    lost: Lost = lambda words: None,
) -> Summary:
    """Do a job, or what is left of it; a finished one is a no-op.

    `watcher` sees what happens; once `stop()` is true, every worker finishes what it has in work and the rest is left
    for the next run. `command`: the config's path and options, for the report. `lost` is called from another
    thread, with words, where the head of a cluster is gone while work is done there, which Ray waits for, and then ends
    this process. Raises the `PipelineError`s that concern the job as a whole; those of one source are in the summary.
    """
    watcher, space = watcher or Watcher(), Workspace(config.output)
    with space.locked():
        status = "error"
        try:
            summary = _work(config, space, watcher, stop, command, lost)
            status = summary.status
        finally:
            watcher.ended("interrupted" if status == "error" and stop() else status)
    if stop():  # whoever asked for that is not kept waiting
        watcher.warned(f"the report was left out; to make it: {config.origin.command('report')}")
    else:
        _report(config, watcher, command)
    return summary


def _work(
    config: Config, space: Workspace, watcher: Watcher, stop: Stop, command: Sequence[str], lost: Lost
) -> Summary:
    began = time.monotonic()
    with ExitStack() as stack:
        brief = brief_of(config, Notebook(space.read(space.probes)))
        make_way(config, space)
        chronicle = stack.enter_context(Chronicle(space, _told(config, brief, command)))
        stream = stack.enter_context(stream_of(config, space, brief))
        encoder = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        watcher = Watchers(chronicle, watcher)
        crew = Crew(config, space, brief, stack, watcher, lost)
        job = _Job(config, space, brief, watcher, stop, encoder, crew)
        films = stream.films(LISTING_S)
        if films is None:  # a large archive
            job.work(None, stream)
            films = None if stop() else stream.films()
        ledger = job.work(films, stream)
        summary = ledger.close(interrupted=stop(), wall_s=time.monotonic() - began)
        chronicle.conclude(summary)
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
        watcher.warned(
            f"the report could not be written ({error}); to try again: {config.origin.command('report')}"
        )


@dataclass(frozen=True)
class _Job:
    """What every step of a run needs."""

    config: Config
    space: Workspace
    brief: Brief
    watcher: Watcher
    stop: Stop
    encoder: ThreadPoolExecutor
    crew: Crew

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
        with self.crew.watched():
            farm = self.crew.at_work(most, self.stop)
            if farm is None:
                queue.clear()
                return
            for event in farm.stylize(queue, self.stop):
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
        if refusal := refusal_of(self.space, is_done=False):
            raise SpaceError(refusal)
        written = current_outputs(plan.sources, self.space)
        outlook = foresee(self.config, plan, stock, self.space, written)
        if outlook.refusal:
            raise SpaceError(outlook.refusal)
        if outlook.warning:
            self.watcher.warned(outlook.warning)
