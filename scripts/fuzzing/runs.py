"""The readers of a whole job: shot lists, the small files of a run folder, and the command line with its `--set`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from typer.testing import CliRunner

from pipeline.assemble import written
from pipeline.cli import app
from pipeline.config import Config, load_config
from pipeline.errors import ConfigError, PipelineError
from pipeline.live.status import lines, read_status
from pipeline.look import look
from pipeline.resume import plan_to_json
from pipeline.shots.shotlist import check_frames, check_names, read_shots
from pipeline.survey import Notebook, brief_of, survey
from pipeline.workspace import Workspace

from .cases import Case, Target, WrongError
from .damage import TOKENS, damaged_bytes, damaged_value, json_line
from .texts import override, small_picture

FRAMES = 3

# --- shot lists ---

_SHOTS: dict[str, Any] = {
    "clip.mp4": {
        "timeline": [{"at": 0, "style": "s.png"}, {"at": "0:00.08", "style": "s.png", "style_weight": 10}],
        "shots": [
            {"frames": [0, 2], "transfer": {"iterations": 5, "scales": [16, 32]}},
            {"frames": [2, 3], "skip": True, "style": [{"image": "s.png", "weight": 2.0, "mask": "s.png"}]},
        ],
    },
    "b.mp4": [{"frames": [0, 3], "style_weight": 400}],
}


def _shots(rng: Random) -> Case:
    value = damaged_value(rng, _SHOTS) if rng.random() < 0.8 else _SHOTS
    text = json_line(value)
    return Case({"shots.yaml": damaged_bytes(rng, text, TOKENS) if rng.random() < 0.5 else text})


def _read_shots(folder: Path, case: Case) -> Iterator[str]:
    scripts = read_shots(folder / "shots.yaml", _job(folder))
    check_names(scripts, ["clip.mp4", "b.mp4"])
    for name, script in scripts.items():
        check_frames(name, script, FRAMES, (0, FRAMES))
        if [frame for shot in script.shots for frame in range(*shot.frames)] != list(range(FRAMES)):
            raise WrongError(f"shots that are not all frames: {script.shots}")
    yield from ()


# --- a run folder ---

_STATUS = {
    "status": "running", "process": 2**22, "host": "elsewhere", "began": 1.5, "updated": 2.5, "total": 9, "done": 3,
    "is_counted": True, "eta_s": 1.5, "per_minute": None, "last": None, "workers": [], "failures": [], "lost": 0,
    "failed": 0,
}  # fmt: skip


@cache
def _kept() -> dict[str, Any]:
    """What a run of the job keeps in its small files, with paths below FOLDER."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        config = _job(folder)
        notebook = Notebook()
        brief = brief_of(config, notebook)
        pictures = look(config).pictures
        plan = survey(config, brief, pictures.films)
        parts = {look.fingerprint: dict(look.parts) for look in pictures.looks.values()}
        found = {"plan.json": plan_to_json(plan), "probes.json": notebook.data, "looks.json": parts}
        shutil.rmtree(folder / "out", ignore_errors=True)
        return dict(json.loads(json.dumps(found).replace(name, "FOLDER")))


def _folder(rng: Random) -> Case:
    files = {}
    for name, value in {**_kept(), "status.json": _STATUS}.items():
        for _ in range(rng.choice((0, 1, 1, 3))):
            value = damaged_value(rng, value)
        text = json_line(value)
        files[name] = damaged_bytes(rng, text, TOKENS) if rng.random() < 0.2 else text
    return Case({f"out/.stylize/{name}": data for name, data in files.items()})


def _read_folder(folder: Path, case: Case) -> Iterator[str]:
    for name, data in case.files.items():
        (folder / name).write_bytes(data.replace(b"FOLDER", str(folder).encode()))
    space = Workspace(folder / "out")
    seen = look(_job(folder))
    found = read_status(space)
    yield from () if found is None else lines(found)
    for reasons in seen.stock.reasons.values():
        yield from reasons
    yield from (failure.error for failure in seen.failures)
    if len(seen.plan.sources) + len(seen.plan.failures) != 1 or written(space).outputs:
        raise WrongError(f"not what there is: {seen.plan}")


# --- the command line ---


def _command(rng: Random) -> Case:
    texts = tuple(override(rng).replace("\0", "0") for _ in range(rng.choice((1, 1, 2, 3))))
    status = damaged_value(rng, _STATUS)
    return Case({"out/.stylize/status.json": json_line(status)}, texts)


def _run_command(folder: Path, case: Case) -> Iterator[str]:
    arguments = [
        "status",
        str(folder / "job.yaml"),
        *(part for text in case.texts for part in ("--set", text)),
    ]
    told = CliRunner().invoke(app, arguments)
    if told.exit_code not in (0, 2) or "unexpected" in told.output.split("\n")[0]:
        raise WrongError(f"exit code {told.exit_code}: {told.output[:500]!r} {told.exception!r}")
    yield from (line for line in told.output.split("\n") if line)


# --- what they have in common ---


def _job(folder: Path) -> Config:
    return load_config(folder / "job.yaml")


def _prepare(folder: Path) -> None:
    """A job with a film and a photograph; the weights are never read, only hashed."""
    small_picture(folder / "s.png")
    small_picture(folder / "in/a.png")
    (folder / "w.pth").write_bytes(b"weights")
    job = {"input": "in", "output": "out", "style": "s.png", "weights": "w.pth", "transfer": {"size": 32}}
    (folder / "job.yaml").write_text(json.dumps(job))
    with av.open(str(folder / "in/clip.mp4"), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        for index in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 80 * index, np.uint8), format="rgb24")
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


RUNS = (
    Target("shots", _shots, _read_shots, ConfigError, _prepare),
    Target("folder", _folder, _read_folder, PipelineError, _prepare),
    Target("command", _command, _run_command, ConfigError, _prepare),
)
