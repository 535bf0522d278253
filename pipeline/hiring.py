"""Who works for a run: connects to a cluster or starts one, has its machines checked, and hires the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config, Execution
from pipeline.execute.address import stay_local, use_token
from pipeline.execute.head import watching_head
from pipeline.execute.job import WorkerSettings, style_files
from pipeline.execute.preflight import Preflight, errand_of
from pipeline.execute.starting import Start
from pipeline.ledger import Watcher
from pipeline.originals import Original
from pipeline.shelf import Elsewhere
from pipeline.storage.places import here, url_of
from pipeline.survey import Brief
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.execute.scheduler import Farm

IDLE_BECAUSE = "there is less to do than there are machines, or they have no GPU, and others have"

Lost = Callable[[str], object]


class Crew:
    """The workers of a run, who come when there is work first; until then neither Ray nor torch is imported."""

    def __init__(
        self,
        config: Config,
        space: Workspace,
        brief: Brief,
        stack: ExitStack,
        watcher: Watcher,
        lost: Lost = lambda words: None,
    ) -> None:
        """`lost`: told from another thread where the head of a cluster is silent while it is needed."""
        self._config, self._originals, self._shelf = config, brief.originals, space.shelf
        self._stack, self._watcher, self._lost = stack, watcher, lost
        self._farm: Farm | None = None

    def watched(self) -> AbstractContextManager[None]:
        """While the cluster is needed, see whether its head is there; films are put together without it."""
        return watching_head(self._config.execution.address, self._lost)

    def at_work(self, most: int, stop: Callable[[], bool]) -> Farm | None:
        """The farm, with at most so many workers; None where `stop()` was true before it had started."""
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
            settings = replace(settings, elsewhere=self._shelf.elsewhere or elsewhere_of(self._config))
            options: dict[str, Any] = {"arrived": self._shelf.arrived} if self._shelf.arrived else {}
            options |= {"preflight": preflight, "stop": stop, "say": self._watcher.warned}
            start = self._stack.enter_context(
                Start(partial(_open, execution, settings, most, options), _close)
            )
            self._farm = start.wait(stop)
            if self._farm is None:
                return None
            self._stack.push(self._farm)
            if preflight and (idle := self._farm.idle_machines):
                self._watcher.warned(f"{idle} machines of the cluster get no work: {IDLE_BECAUSE}")
        return self._farm


def _open(execution: Execution, settings: WorkerSettings, most: int, options: Mapping[str, Any]) -> Farm:
    from pipeline.execute.scheduler import Farm  # Ray and torch, which take seconds

    return Farm(execution, settings, most, **options).__enter__()


def _close(farm: Farm) -> None:
    farm.__exit__(None, None, None)


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
