"""A look at a job: what a run would find and do, without touching anything."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.archive.job import findings_of
from pipeline.archive.summary import Pictures, count_up
from pipeline.assemble import current_outputs, without_blocked
from pipeline.config import Config
from pipeline.plan import Failure, Plan
from pipeline.resume import Stock, take_stock
from pipeline.survey import Notebook, Watch, brief_of, survey
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Sight:
    """The plan of the films, what is finished of it, and what there is of photographs.

    `written`: the names of the films whose outputs are there as they should be.
    """

    plan: Plan
    stock: Stock
    pictures: Pictures
    written: frozenset[str]

    @property
    def frames(self) -> int:
        """The number of frames and pages of all sources."""
        return self.plan.frames + self.pictures.done + self.pictures.left

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What cannot be done."""
        return (*self.plan.failures, *self.pictures.failures)

    @property
    def reused(self) -> int:
        """How many of them are finished."""
        return self.stock.reused + self.pictures.done

    @property
    def is_done(self) -> bool:
        """Whether a run would find nothing to do."""
        return len(self.written) == len(self.plan.sources) and not self.pictures.left


def look(config: Config, watch: Watch = lambda _: None) -> Sight:
    """Look at everything; without the lock, so beside a run, too. `watch` is told how far it is.

    Raises the `PipelineError`s that concern the job as a whole.
    """
    space = Workspace(config.output)
    space.shelf.refresh()
    brief = brief_of(config, Notebook(space.read(space.probes)))
    with findings_of(config, space, brief) as findings:
        pictures = count_up(findings, lambda count: watch(f"{count} photographs"))
    plan = without_blocked(survey(config, brief, pictures.films, watch), space)
    written = frozenset(current_outputs(plan.sources, space))
    return Sight(plan, take_stock(plan, space, clean=False, written=written), pictures, written)
