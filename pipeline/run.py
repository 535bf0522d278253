"""A whole job: look → plan → stylize → assemble and verify. Everything that happens, in the order it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.assemble import current_outputs, without_blocked
from pipeline.config import Config
from pipeline.errors import SpaceError
from pipeline.execute.address import use_token
from pipeline.execute.events import Event, Todo
from pipeline.execute.job import WorkerSettings, style_files
from pipeline.keeper import Keeper
from pipeline.ledger import Ledger, Summary, Watcher
from pipeline.plan import Plan
from pipeline.preview import Preview, previews_of
from pipeline.resume import Stock, plan_to_json, take_stock, todos
from pipeline.room import foresee
from pipeline.survey import Notebook, survey
from pipeline.workspace import Workspace, rebuild_journal


def run(config: Config, watcher: Watcher | None = None, stop: Callable[[], bool] = lambda: False) -> Summary:
    """Do a job, or what is left of it; a finished one is a no-op.

    `watcher` sees what happens; once `stop()` is true, every worker finishes its frame and the rest is left for the
    next run. Raises the `PipelineError`s that concern the job as a whole; those of one source are in the summary.
    """
    began = time.monotonic()
    watcher = watcher or Watcher()
    space = Workspace(config.output)
    with space.locked(), ThreadPoolExecutor(max_workers=1) as encoder:
        plan, stock = _look(config, space, watcher)
        missing = todos(plan, stock, space)
        if missing:
            _check_room(config, plan, stock, space, watcher)
        keeper = Keeper(plan, stock, space, config, encoder)
        ledger = Ledger(plan, stock, space, watcher, keeper)
        for event in _stylize(config, missing, stop, keeper.choose):
            ledger.note(event)
        return ledger.close(interrupted=stop(), wall_s=time.monotonic() - began)


def preview(config: Config) -> tuple[Plan, list[Preview]]:
    """Show what is finished of a job so far; without the lock, so beside a run, too. Starts no work."""
    plan, stock = look(config)
    return plan, previews_of(plan, stock, Workspace(config.output))


def look(config: Config) -> tuple[Plan, Stock]:
    """What a run would find and do, without touching anything."""
    space = Workspace(config.output)
    plan = without_blocked(survey(config, Notebook(space.read(space.probes))), space)
    return plan, take_stock(plan, space, clean=False, written=current_outputs(plan.sources, space))


def _look(config: Config, space: Workspace, watcher: Watcher) -> tuple[Plan, Stock]:
    notebook = Notebook(space.read(space.probes))
    plan = without_blocked(survey(config, notebook, watcher.looking_at), space)
    stock = take_stock(plan, space, written=current_outputs(plan.sources, space))
    if notebook.changed:
        space.write(space.probes, notebook.data)
    if plan_to_json(plan) != space.read(space.plan):
        space.write(space.plan, plan_to_json(plan))
    rebuild_journal(space.records, stock.records)
    watcher.planned(plan, stock)
    return plan, stock


def _check_room(config: Config, plan: Plan, stock: Stock, space: Workspace, watcher: Watcher) -> None:
    outlook = foresee(config, plan, stock, space)
    if outlook.refusal:
        raise SpaceError(outlook.refusal)
    if outlook.warning:
        watcher.warned(outlook.warning)


def _stylize(
    config: Config,
    missing: Sequence[Todo],
    stop: Callable[[], bool],
    choose: Callable[[Iterator[Todo]], Todo | None],
) -> Iterator[Event]:
    """Run what is missing on a farm of workers; without anything missing, neither Ray nor torch is imported."""
    if not missing or stop():
        return
    if config.execution.address is not None:
        use_token()
    from pipeline.execute.scheduler import Farm

    memory = config.execution.memory_per_worker
    settings = WorkerSettings(
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
    )
    with Farm(config.execution, settings, segments=len(missing)) as farm:
        yield from farm.stylize(missing, stop, choose)
