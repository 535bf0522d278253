"""Whether the machines of a cluster can do a job, found out before any of it is handed out. Knows nothing of Ray.

Each looks around, see `inspection`, and so does the one that runs the job; here the two are compared. What differs
would otherwise show hours later, as other pixels, or as frames that nobody finds.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import ClusterError
from pipeline.execute.inspection import Errand, NodeReport, examine
from pipeline.execute.meeting import Meeting, SharedFolder
from pipeline.execute.pool import Node
from pipeline.settings.paths import kind_of, root_of
from pipeline.workspace import FOLDER

LEAST_FREE_BYTES = 256 * 2**20
"""Free where results are written: some frames at once, of whatever size. `disk.room` knows what the whole job takes."""

Ask = Callable[[Callable[[Any], Any], Mapping[str, Any]], Mapping[str, Any]]
"""Calls a function on machines, by their names with an argument each: what it returned, or the error that came."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one machine, and what to do about it."""

    node: str
    what: str
    remedy: str


# --- on a machine that may have joined later ---


class UnfitError(ClusterError):
    """A machine cannot do the job; others may. `node`: Ray's name for it, where that is known."""

    def __init__(self, message: str, node: str = "") -> None:
        super().__init__(message, node)  # both in args, so that it pickles
        self.node = node

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Visit:
    """What a worker compares its own machine with before it begins; the GPUs once it has come up."""

    errand: Errand
    here: NodeReport
    token: str

    def check(self) -> None:
        """Raise `UnfitError` where this machine is not as the one where the job runs."""
        there = examine(self.errand)
        shares = self.errand.meeting.find("token") == self.token
        found = list(_differences(there.host, self.here, there, answered=shares and there.answer is not None))
        if found:
            what = "; ".join(problem.what for problem in found)
            raise UnfitError(f"{there.host} cannot do this job: {what}")

    def check_device(self, device: str, gpus: float) -> None:
        """Raise `UnfitError` where a worker with so many GPUs has come up without one, by torch's name for its device.

        Such a frame would come out, after hours, in other bits than its neighbors'.
        """
        if gpus and device == "cpu":
            raise UnfitError(
                f"{socket.gethostname()} cannot do this job: Ray gives away GPUs there, and torch can use none; "
                "see nvidia-smi and `stylize doctor` there"
            )


# --- where the job runs ---


class Preflight:
    """Knows what is to be the same on every machine. Use it with `with`, which leaves the token where all find it."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self._token = secrets.token_hex(16)
        self._here: NodeReport | None = None

    def __enter__(self) -> Preflight:
        self.errand.meeting.clear()
        self.errand.meeting.leave("token", self._token)
        self._here = examine(self.errand)
        return self

    def __exit__(self, *_: object) -> None:
        self.errand.meeting.clear()

    @property
    def visit(self) -> Visit:
        """What workers take along."""
        assert self._here is not None, "enter it first"
        return Visit(self.errand, self._here, self._token)

    def check(self, machines: Mapping[str, Node], ask: Ask) -> None:
        """Ask machines whether they can do the job; raises `ClusterError` with all that is wrong."""
        found = ask(examine, {name: self.for_node(node.gpus) for name, node in machines.items()})
        troubles = {name: self.problems(machines[name].host, found[name]) for name in found}
        if any(troubles.values()):
            raise refusal([one for one in troubles.values() if one])

    def for_node(self, gpus: float) -> Errand:
        """The errand of a machine that has so many GPUs."""
        return replace(self.errand, gpus=gpus)

    def problems(self, node: str, found: NodeReport | Exception) -> list[Problem]:
        """What keeps a machine from doing the job, given its report, or what came of asking for one."""
        assert self._here is not None, "enter it first"
        if isinstance(found, Exception):
            what = f"cannot be asked: {type(found).__name__}: {next(iter(str(found).splitlines()), '')}"
            return [Problem(node, what, _remedy(found))]
        both_ways = found.met and found.answer is not None
        answered = both_ways and self.errand.meeting.find(found.answer or "") == self._token
        return list(_differences(node, self._here, found, answered=answered))


def _remedy(error: Exception) -> str:
    """What to do about a machine that cannot be asked."""
    if isinstance(error, TimeoutError):
        return "see whether it is busy, or its disks are slow, and run again; or take it out"
    return "install stylize there, of the same version as here, into the Python that its Ray runs on"


def _differences(node: str, here: NodeReport, there: NodeReport, *, answered: bool) -> Iterator[Problem]:
    """What is wrong with a machine, most telling first."""
    for name, value in there.versions.items():
        if value != here.versions[name]:
            remedy = "install the same there as here; one image for all machines is the surest way"
            yield Problem(node, f"{name} is {value} there, {here.versions[name]} here", remedy)
    if not there.met or not answered:
        way = "sees nothing of what is written here" if not there.met else "what it writes is not seen here"
        what = f"the output folder is not shared: {there.trouble or way}"
        yield Problem(node, what, "mount it under the same path there, with the right to write")
    for path, seen in there.files.items():
        if seen != here.files[path]:
            yield Problem(node, f"{path} is {seen} there, {here.files[path]} here", "share or copy it there")
    if there.weights != here.weights:
        yield Problem(
            node, f"weights: {there.weights} there, {here.weights} here", "install the same ones there"
        )
    if there.free_bytes < LEAST_FREE_BYTES:
        free = f"{there.free_bytes / 2**20:.0f} MiB free where results are written"
        yield Problem(node, free, f"make room, at least {LEAST_FREE_BYTES // 2**20} MiB")
    if there.gpus > there.cuda_devices:
        cuda = f"Ray gives away {there.gpus:g} GPUs there, and torch can use {there.cuda_devices}"
        yield Problem(
            node, cuda, "see nvidia-smi and `stylize doctor` there; mend the driver, or torch's build"
        )


def refusal(troubles: Sequence[Sequence[Problem]]) -> ClusterError:
    """All that is wrong with some machines, a line each."""
    lines = [f"  {one.node}: {one.what} → {one.remedy}" for problems in troubles for one in problems]
    count = "1 machine" if len(troubles) == 1 else f"{len(troubles)} machines"
    head = (
        f"{count} of the cluster cannot do this job; mend what is below, or take them out (ray stop there):"
    )
    return ClusterError("\n".join([head, *lines]))


def errand_of(
    config: Config, meeting: Meeting | None = None, is_carried: Callable[[Path], bool] = lambda _: False
) -> Errand:
    """What every machine is to look at for a job; `is_carried`: whether a file is brought there with the work."""
    moments = [one for moment in config.video.timeline for one in moment.style or ()]
    paths = [path for one in (*config.style, *moments) for path in (one.image, one.mask, one.part)]
    inputs = [Path(text) if kind_of(Path(text)) != "nothing" else root_of(text) for text in config.input]
    looked_at = [path for path in (*inputs, *paths, config.content_mask) if path is not None]
    brings_weights = isinstance(config.weights, Path) and is_carried(config.weights)
    return Errand(
        output=config.output,
        meeting=meeting or SharedFolder(config.output / FOLDER / "preflight"),
        files=tuple(path for path in dict.fromkeys(looked_at) if not is_carried(path)),
        weights="packaged" if brings_weights else config.weights,
        flow=config.video.flow == "raft",
        flow_weights=config.video.flow_weights,
    )
