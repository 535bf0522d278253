"""What there is on one machine of what a job needs: code, weights, files, room, GPUs. Knows nothing of Ray."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pipeline
from pipeline.errors import PipelineError, WeightsError
from pipeline.execute.meeting import Meeting
from pipeline.flow_weights import flow_file
from pipeline.settings.paths import kind_of
from pipeline.weights import weights_file

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
    whether it found the job's own; `trouble`: why not, where that is known.
    """

    host: str
    versions: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    met: bool = True
    answer: str | None = None
    trouble: str = ""
    free_bytes: int = 2**40
    gpus: float = 0
    cuda_devices: int = 0


def examine(errand: Errand) -> NodeReport:
    """Look around on this machine; never raises for what is wrong with it."""
    met, answer, trouble = _meet(errand.meeting)
    return NodeReport(
        host=socket.gethostname(),
        versions=versions(),
        files={str(path): _look(path) for path in errand.files},
        weights=_weights(errand),
        met=met,
        answer=answer,
        trouble=trouble,
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


def _meet(meeting: Meeting) -> tuple[bool, str | None, str]:
    answer, token = f"answer-{socket.gethostname()}-{secrets.token_hex(6)}", None
    try:
        token = meeting.find("token")
        meeting.leave(answer, token or "")
    except (OSError, PipelineError) as error:
        return token is not None, None, str(error)
    return token is not None, answer, ""


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
