"""What tests of faults share: short clips, quick farms, and what a job leaves when nothing happens to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import Config, load_config
from pipeline.ledger import Summary
from pipeline.run import run
from tests.archive.halls import NARROW
from tests.conftest import Job, committed
from tests.faults.crews import open_workshop
from tests.media.clips import write_clip

CLIP: dict[str, Any] = {
    "transfer": {"size": 48, "iterations": 4, "warm_iterations": 2},
    "video": {"cuts": [4], "segment_frames": None},
}
"""Two segments, of four and of five frames."""

CHAIN: dict[str, Any] = {
    "transfer": {**NARROW, "iterations": 3, "warm_iterations": 2},
    "video": {"cuts": "none"},
}
"""One chain, for real workers with the narrow network."""


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine frames with sound."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=9, sound_s=0.3)


@pytest.fixture
def textures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that paint a texture at once, and nothing waits for the disk."""
    open_workshop(monkeypatch)


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real workers in this process, with the narrow network."""
    open_workshop(monkeypatch, narrow=True)


Left = dict[str, bytes]


def left_by(output: Path) -> Left:
    """The bytes of all committed frames and of all results below an output folder."""
    files = [p for p in sorted(output.rglob("*")) if p.is_file() and ".stylize" not in p.parts]
    return {**committed(output), **{str(path.relative_to(output)): path.read_bytes() for path in files}}


Undisturbed = Callable[[Config], Left]


@pytest.fixture(scope="session")
def expected(clip: Path, style_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What `CLIP` leaves of the clip when nothing happens to it and workers paint a texture."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = {**CLIP, "input": str(clip), "output": str(folder / "out"), "style": str(style_image)}
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    with pytest.MonkeyPatch.context() as patches:
        open_workshop(patches)
        assert run(load_config(folder / "job.yaml")).status == "done"
    return left_by(folder / "out")


@pytest.fixture
def undisturbed() -> Undisturbed:
    """What a job leaves to which nothing happens; its output folder is as if it had never run."""

    def find(config: Config) -> Left:
        assert run(config).status == "done"
        found = left_by(config.output)
        shutil.rmtree(config.output)
        return found

    return find


def finish(config: Config, **changes: Any) -> Summary:
    """Run a job, which is to get done."""
    summary = run(config, **changes)
    assert summary.status == "done", summary.failures
    return summary


__all__ = ["CHAIN", "CLIP", "Job"]
