"""The sample film: `scripts/make_film.py` moves a camera through the harbor, in two shots, and nothing else changes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.probe import probe
from pipeline.motion.flow import estimate_motion
from tests.media.clips import source_of

ROOT = Path(__file__).parents[1]
SIZE = (72, 48)
Frames = list[np.ndarray]


@pytest.fixture(scope="module")
def make_film() -> Iterator[ModuleType]:
    """The script, which finds its neighbors beside it, as it does when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        import make_film

        yield make_film
    for name in [n for n in sys.modules if n.partition(".")[0] in ("make_film", "make_scene", "scene")]:
        del sys.modules[name]


def rendered(make_film: ModuleType) -> Frames:
    """Three frames of the first shot, two of the second."""
    shots = [replace(shot, frames=count) for shot, count in zip(make_film.SHOTS, (3, 2), strict=True)]
    return list(make_film.render_film(*SIZE, shots))


@pytest.fixture(scope="module")
def frames(make_film: ModuleType) -> Frames:
    return rendered(make_film)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference, in 8-bit steps."""
    return float(np.abs(first.astype(float) - second).mean())


def test_the_same_film_is_rendered_twice(make_film: ModuleType, frames: Frames) -> None:
    assert all(np.array_equal(a, b) for a, b in zip(rendered(make_film), frames, strict=True))


def test_neighbors_differ_and_the_two_shots_differ_more(frames: Frames) -> None:
    first, second, cut, third = (difference(a, b) for a, b in pairwise(frames))
    assert min(first, second, third) > 1
    assert cut > 3 * max(first, second, third)


def test_what_is_near_moves_farther_than_what_is_far(frames: Frames) -> None:
    """The tree at the left goes to the left, the village at the right hardly moves."""
    flow = estimate_motion(frames[0], frames[1]).flow[..., 0]
    tree, village = np.median(flow[8:24, 8:30]), np.median(flow[14:24, 52:])
    assert abs(tree) > 0.4
    assert abs(tree) > 2 * abs(village)


def test_the_exposure_stays(frames: Frames) -> None:
    means = [frame.mean() for frame in frames[:3]]
    assert max(means) - min(means) < 2


def test_the_sailboat_sails_and_the_rest_stays(make_film: ModuleType) -> None:
    from scene.harbor import at_sail, build_world

    world = build_world(7)
    moved = [new.anchor - old.anchor for new, old in zip(at_sail(world, 2.0).parts, world.parts, strict=True)]
    lengths = np.array([np.linalg.norm(way) for way in moved])
    assert np.count_nonzero(lengths) == 5  # hull, cabin, mast and two sails
    assert lengths[lengths > 0] == pytest.approx(2.0)


def test_the_file_holds_the_frames(make_film: ModuleType, frames: Frames, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    make_film.write_film(path, iter(frames), *SIZE)
    source = source_of(path)
    read = list(decode_frames(source, probe(source, rate=make_film.RATE), 0, len(frames)))
    assert len(read) == len(frames)
    luma = np.array([0.2126, 0.7152, 0.0722])  # colors are halved in the file, light and dark are not
    assert max(difference(a @ luma, b @ luma) for a, b in zip(read, frames, strict=True)) < 2
