"""Whether the machines of a cluster can do a job, found out before any of it is handed out. Knows nothing of Ray.

`examine` looks around on one machine, and on the one that runs the job; `problems` compares the two. What differs
would otherwise show hours later, as other pixels, or as frames that nobody finds.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pipeline
from pipeline.config import Config
from pipeline.config_paths import kind_of, root_of
from pipeline.errors import ClusterError, PipelineError, WeightsError
from pipeline.execute.meeting import Meeting, SharedFolder
from pipeline.flow_weights import flow_file
from pipeline.weights import weights_file
from pipeline.workspace import FOLDER

LEAST_FREE_BYTES = 256 * 2**20
"""Free where results are written: some frames at once, of whatever size. `room` knows what the whole job takes."""

DIGESTED_BYTES = 64 * 2**20
"""Larger files are compared by their size: a film is read as a whole nowhere, just to look at it."""

LIBRARIES = ("torch", "ray")

CUDA_TIMEOUT_S = 120  # torch's import takes that long from a cold network folder

_COUNT_CUDA = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"


@dataclass(frozen=True)
class Errand:
    """What a machine is to look at. `gpus`: how many Ray gives away on it."""

    output: Path
    meeting: Meeting
    files: tuple[Path, ...] = ()
    weights: str | Path = "packaged"
    flow: bool = False
    flow_weights: Path | None = None
    gpus: float = 0


@dataclass(frozen=True)
class NodeReport:
    """What was found on a machine. `versions` and `files` are compared by name with those where the job runs.

    `answer`: the name of the text that it left at the meeting place, None where it could not write there, and `met`
    whether it found the job's own.
    """

    host: str
    versions: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    met: bool = True
    answer: str | None = None
    free_bytes: int = 2**40
    gpus: float = 0
    cuda_devices: int = 0


@dataclass(frozen=True)
class Problem:
    """What is wrong with one machine, and what to do about it."""

    node: str
    what: str
    remedy: str


# --- on every machine ---


def examine(errand: Errand) -> NodeReport:
    """Look around on this machine; never raises for what is wrong with it."""
    met, answer = _meet(errand.meeting)
    return NodeReport(
        host=socket.gethostname(),
        versions=versions(),
        files={str(path): _look(path) for path in errand.files},
        weights=_weights(errand),
        met=met,
        answer=answer,
        free_bytes=_free_bytes(errand.output),
        gpus=errand.gpus,
        cuda_devices=_cuda_devices() if errand.gpus else 0,
    )


def versions() -> dict[str, str]:
    """What has to be the same on all machines: our very code, and the others' minor versions."""
    ours = {"stylize": f"{pipeline.__version__} ({source_digest()[:12]})"}
    return ours | {"python": _minor(platform.python_version())} | {name: _version(name) for name in LIBRARIES}


def source_digest(root: Path = Path(pipeline.__file__).parent) -> str:
    """The SHA-256 of all files of this package that are not made by Python itself, with their names."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".yaml", ".json"):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return _minor(version(name))
    except PackageNotFoundError:
        return "not installed"


def _minor(full: str) -> str:
    return ".".join(full.split(".")[:2])


def _meet(meeting: Meeting) -> tuple[bool, str | None]:
    token = meeting.find("token")
    answer = f"answer-{socket.gethostname()}-{secrets.token_hex(6)}"
    try:
        meeting.leave(answer, token or "")
    except (OSError, PipelineError):
        return token is not None, None
    return token is not None, answer


def _look(path: Path) -> str:
    """What a path is here, in a few words that are the same wherever it is the same."""
    kind = kind_of(path)
    try:
        if kind == "folder":
            os.scandir(path).close()
            return "a folder"
        size = path.stat().st_size
        if size > DIGESTED_BYTES:
            with path.open("rb"):
                return f"{size} bytes"
        return f"{size} bytes, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    except OSError as error:
        return f"not to be read ({error.strerror or error})"


def _weights(errand: Errand) -> str:
    try:
        flow = f", flow {flow_file(errand.flow_weights)[1]}" if errand.flow else ""
        return weights_file(errand.weights)[1] + flow
    except WeightsError as error:
        return str(error)


def _free_bytes(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.parents) if kind_of(path) != "nothing")
    return shutil.disk_usage(existing).free


def _cuda_devices() -> int:
    """The GPUs that torch can use, asked in a process of its own: Ray hides them from a task that reserves none."""
    hidden = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-c", _COUNT_CUDA]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=CUDA_TIMEOUT_S)
        return int(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


# --- on a machine that may have joined later ---


class UnfitError(ClusterError):
    """A machine cannot do the job; others may."""


@dataclass(frozen=True)
class Visit:
    """What a worker compares its own machine with before it begins: the cheap part, without the GPUs."""

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

    def for_node(self, gpus: float) -> Errand:
        """The errand of a machine that has so many GPUs."""
        return replace(self.errand, gpus=gpus)

    def problems(self, node: str, found: NodeReport | Exception) -> list[Problem]:
        """What keeps a machine from doing the job, given its report, or what came of asking for one."""
        assert self._here is not None, "enter it first"
        if isinstance(found, Exception):
            what = f"cannot be asked: {type(found).__name__}: {next(iter(str(found).splitlines()), '')}"
            remedy = (
                "install stylize there, of the same version as here, into the Python that its Ray runs on"
            )
            return [Problem(node, what, remedy)]
        both_ways = found.met and found.answer is not None
        answered = both_ways and self.errand.meeting.find(found.answer or "") == self._token
        return list(_differences(node, self._here, found, answered=answered))


def _differences(node: str, here: NodeReport, there: NodeReport, *, answered: bool) -> Iterator[Problem]:
    """What is wrong with a machine, most telling first."""
    for name, value in there.versions.items():
        if value != here.versions[name]:
            remedy = "install the same there as here; one image for all machines is the surest way"
            yield Problem(node, f"{name} is {value} there, {here.versions[name]} here", remedy)
    if not there.met or not answered:
        way = "sees nothing of what is written here" if not there.met else "what it writes is not seen here"
        yield Problem(node, f"the output folder is not shared: {way}", "mount it under the same path there")
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


def refusal(problems: Sequence[Problem]) -> ClusterError:
    """All that is wrong, a line each, by machine."""
    nodes = dict.fromkeys(problem.node for problem in problems)
    lines = [f"  {one.node}: {one.what} → {one.remedy}" for one in problems]
    count = "1 machine" if len(nodes) == 1 else f"{len(nodes)} machines"
    head = (
        f"{count} of the cluster cannot do this job; mend what is below, or take them out (ray stop there):"
    )
    return ClusterError("\n".join([head, *lines]))


def errand_of(config: Config, meeting: Callable[[Path], Meeting] = SharedFolder) -> Errand:
    """What every machine is to look at for a job."""
    moments = [one for moment in config.video.timeline for one in moment.style or ()]
    paths = [path for one in (*config.style, *moments) for path in (one.image, one.mask, one.part)]
    styles = [path for path in paths if path is not None]
    masks = () if config.content_mask is None else (config.content_mask,)
    inputs = [Path(text) if kind_of(Path(text)) != "nothing" else root_of(text) for text in config.input]
    return Errand(
        output=config.output,
        meeting=meeting(config.output / FOLDER / "preflight"),
        files=tuple(dict.fromkeys([*inputs, *styles, *masks])),
        weights=config.weights,
        flow=config.video.flow == "raft",
        flow_weights=config.video.flow_weights,
    )
