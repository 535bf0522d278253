"""The example jobs run as they stand, each at a tiny size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import load_config
from pipeline.run import run
from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
JOBS = sorted(
    path
    for path in (ROOT / "configs").glob("*.yaml")
    if "input" in yaml.safe_load(path.read_text(encoding="utf-8"))
)
TINY = ["transfer.size=32", "transfer.iterations=2", "transfer.warm_iterations=1", "transfer.style_size=null"]
PARTS: dict[str, list[str]] = {
    "demo": ["video.frames=[140,144]"],
    "video": ["video.frames=[72,78]"],  # over a cut
    "shots": ["video.frames=[134,139]"],
    "timeline": ["video.frames=[158,161]"],
    "multi_gpu": ["video.frames=[0,9]", "video.segment_frames=5", "video.blend_frames=2"],
}
"""What is enough of each to run everything that it is an example of."""


@pytest.fixture(scope="module", autouse=True)
def clip() -> None:
    """The clip that setup puts there, for those who run the tests without it."""
    if not (ROOT / "demo/bikes.mp4").is_file():
        subprocess.run([sys.executable, "scripts/sample_clips.py", "bikes.mp4", "demo"], cwd=ROOT, check=True)


def test_there_is_an_example_for_everything_that_the_readme_promises() -> None:
    assert {path.stem for path in JOBS} == {
        "archive", "demo", "harbor", "multi_gpu", "shots", "timeline", "video",
    }  # fmt: skip


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    own = [f"output={tmp_path / 'out'}", "execution.threads_per_worker=1"]
    changes = [*own, *TINY, *PARTS.get(path.stem, [])]
    summary = run(load_config(path, changes))
    assert (summary.status, summary.failures) == ("done", ())
    outputs = [output.output for output in summary.outputs]
    assert outputs
    assert all(output.is_file() for output in outputs)
    if path.stem == "shots":
        starts = {
            line["frame"]: line["start"] for line in map(_parsed, Workspace(tmp_path / "out").records.open())
        }
        assert starts[137] == "cold"


def _parsed(line: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(line)
    return found


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_an_example_says_how_it_is_run(path: Path) -> None:
    assert f"stylize run configs/{path.name}" in path.read_text(encoding="utf-8") or path.stem == "demo"
