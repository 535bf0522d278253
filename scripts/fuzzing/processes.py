"""Cases in processes of their own: one that crashes or hangs is a finding, and the others go on."""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from .cases import Target, case_of, finding_in
from .journals import JOURNALS
from .media import MEDIA
from .runs import RUNS
from .texts import TEXTS

TARGETS: dict[str, Target] = {target.name: target for target in (*TEXTS, *JOURNALS, *RUNS, *MEDIA)}

PATIENCE_S = 60.0  # for one case, on a machine that has other things to do
_LOOK_EVERY_S = 0.1
_MEMORY_BYTES = 8 << 30
_SPAWN = multiprocessing.get_context("spawn")  # a fork would take the threads of libav along, half alive


@dataclass(frozen=True)
class Finding:
    """A case that went wrong: its number, and what is wrong with it."""

    target: str
    number: int
    trouble: str


def run_here(target: Target, seed: int, numbers: Iterable[int], folder: Path) -> Iterator[Finding | None]:
    """Run cases in this process, their files below `folder`; gives what is wrong with each, None: nothing."""
    target.prepare(folder)
    for number in numbers:
        trouble = finding_in(target, folder, case_of(target, seed, number))
        yield Finding(target.name, number, trouble) if trouble else None


@dataclass
class _Worker:
    """A process that runs every `step`-th case; `started` of them, of which the last may have brought it down."""

    target: str
    seed: int
    numbers: range
    folder: Path
    started: Any = field(default_factory=lambda: _SPAWN.Value("q", 0))
    queue: Any = field(default_factory=_SPAWN.SimpleQueue)
    seen: tuple[int, float] = (0, 0.0)  # `started`, and since when it has been that
    process: BaseProcess | None = None

    def start(self) -> None:
        """Go on after the cases that were started."""
        left = self.numbers[self.started.value :]
        arguments = (self.target, self.seed, left, self.folder, self.started, self.queue)
        self.process = _SPAWN.Process(target=_work, args=arguments, daemon=True)
        self.process.start()
        self.seen = (self.started.value, time.monotonic())

    def findings(self) -> Iterator[Finding]:
        """What has been found since; a process that is dead or hangs is replaced."""
        while not self.queue.empty():
            yield self.queue.get()
        if self.seen[0] != self.started.value:
            self.seen = (self.started.value, time.monotonic())
        trouble = self._trouble()
        if trouble and self.started.value:
            yield Finding(self.target, self.numbers[self.started.value - 1], trouble)
            self.stop()
            self.start()
        elif trouble:
            raise RuntimeError(f"no case of {self.target} could be started: {trouble}")

    def _trouble(self) -> str:
        assert self.process is not None
        if self.process.exitcode:
            return f"the process died with exit code {self.process.exitcode} (below 0: by that signal)"
        is_stuck = self.process.is_alive() and time.monotonic() - self.seen[1] > PATIENCE_S
        return f"the case took more than {PATIENCE_S:g} s" if is_stuck else ""

    def is_done(self) -> bool:
        """Whether the process has gone through all cases, and all it said was heard."""
        return self.process is not None and self.process.exitcode == 0 and self.queue.empty()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()


def _work(name: str, seed: int, numbers: range, folder: Path, started: Any, queue: Any) -> None:
    """What a process does: its cases, of which it says only what is wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    folder.mkdir(exist_ok=True)

    def counted() -> Iterator[int]:
        for number in numbers:
            started.value += 1
            yield number

    for finding in run_here(TARGETS[name], seed, counted(), folder):
        if finding:
            queue.put(finding)


def run_apart(
    target: Target, seed: int, cases: range, jobs: int, is_over: Callable[[], bool]
) -> Iterator[tuple[int, list[Finding]]]:
    """Run cases in `jobs` processes until `is_over`; again and again, how many were started and what was found."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        workers = [
            _Worker(target.name, seed, cases[i::jobs], Path(name, str(i)))
            for i in range(min(jobs, len(cases)))
        ]
        try:
            for worker in workers:
                worker.start()
            while not is_over() and not all(worker.is_done() for worker in workers):
                time.sleep(_LOOK_EVERY_S)
                found = [finding for worker in workers for finding in worker.findings()]
                yield sum(worker.started.value for worker in workers), found
            yield sum(worker.started.value for worker in workers), []
        finally:
            for worker in workers:
                worker.stop()
