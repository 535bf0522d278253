"""A browser for all tests of pages, and a page of a job with a film and photographs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pipeline.config import load_config
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.media.clips import picture, write_clip
from tests.report.browser import chromium
from tests.report.jobs import FiguredFarm

FRAMES = 28


@dataclass(frozen=True)
class Made:
    """A job that was done, and its page."""

    job: Path
    page: Path

    @property
    def space(self) -> Workspace:
        return Workspace(load_config(self.job).output)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, style_image: Path) -> Made:
    """A film of 28 frames in two shots, painted from its third frame on, three photographs, and a broken one."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "in/sub").mkdir(parents=True)
    write_clip(folder / "in/clip.mp4", frames=FRAMES + 2, size=(160, 120), sound_s=0.5)
    for index, name in enumerate(("a.jpg", "b.png", "sub/c.jpg")):
        Image.fromarray(picture(index, 120, 90)).save(folder / "in" / name)
    (folder / "in/broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    video = {"cuts": [13], "segment_frames": 8, "blend_frames": 2, "frames": [2, FRAMES + 2]}
    return do(folder, {"style": str(style_image), "transfer": {"size": 160}, "video": video})


def do(folder: Path, sections: dict[str, Any], farm: Any = FiguredFarm) -> Made:
    """Do a job with the input `folder/in`, and give its page."""
    job = folder / "job.yaml"
    job.write_text(yaml.safe_dump({"input": "in", "output": "out", **sections}), encoding="utf-8")
    config = load_config(job)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.execute.scheduler.Farm", farm)
        run(config, command=(str(job),))
    return Made(job, Workspace(config.output).report)
