"""The sample picture: `scripts/make_scene.py` renders the same harbor every time, and its mask is the sky."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
Rendered = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def make_scene() -> Iterator[ModuleType]:
    """The script, which finds its neighbors beside it, as it does when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        import make_scene

        yield make_scene
    for name in [name for name in sys.modules if name.partition(".")[0] in ("make_scene", "scene")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def rendered(make_scene: ModuleType) -> Rendered:
    return make_scene.render(48, 32, seed=7)


@pytest.fixture(scope="module")
def committed() -> Rendered:
    """The files of the repository, at the small size."""
    pictures = ROOT / "configs/pictures"
    with Image.open(pictures / "harbor.png") as picture, Image.open(pictures / "harbor_sky.png") as mask:
        return np.asarray(picture.reduce(16)), np.asarray(mask.reduce(16))


def test_the_same_seed_renders_the_same_picture(make_scene: ModuleType, rendered: Rendered) -> None:
    again = make_scene.render(48, 32, seed=7)
    assert all(np.array_equal(first, second) for first, second in zip(rendered, again, strict=True))


def test_another_seed_renders_another_picture(make_scene: ModuleType, rendered: Rendered) -> None:
    assert not np.array_equal(make_scene.render(48, 32, seed=8)[0], rendered[0])


def test_a_picture_uses_the_range_and_clips_nothing(rendered: Rendered) -> None:
    picture = rendered[0]
    assert picture.shape == (32, 48, 3)
    assert picture.dtype == np.uint8
    assert picture.min() < 40
    assert 200 < picture.max() < 255


def test_the_mask_is_white_in_the_sky_black_in_the_water_and_soft_between(rendered: Rendered) -> None:
    mask = rendered[1]
    assert mask.shape == (32, 48)
    assert (mask[:3, 16:32] == 255).all()
    assert (mask[20:] == 0).all()
    assert ((mask > 0) & (mask < 255)).any()


def test_where_the_mask_is_white_the_picture_is_bluer_and_brighter_than_elsewhere(rendered: Rendered) -> None:
    picture, mask = rendered
    sky, rest = picture[mask == 255].mean(axis=0), picture[mask == 0].mean(axis=0)
    assert sky.mean() > rest.mean() + 30
    assert sky[2] - sky[0] > rest[2] - rest[0]


def test_the_committed_files_are_what_the_script_renders(rendered: Rendered, committed: Rendered) -> None:
    """Only about: textures finer than a pixel fade with the size, and edges fall between other rays."""
    pairs = zip(rendered, committed, strict=True)
    picture, mask = (np.abs(small.astype(float) - large).mean() for small, large in pairs)
    assert picture < 11  # 7.2; another seed's differs by 18.7
    assert mask < 2.5  # 1.0; another seed's differs by 4.3


def test_a_ray_meets_the_near_side_of_a_box_at_the_distance_in_between(make_scene: ModuleType) -> None:
    from scene import solids

    box = solids.Part(solids.box(1.0, 2.0, 1.0), np.array([0.0, 0.0, 5.0]), np.eye(3), None)
    origins, directions = np.array([[0.0, 1.0, 0.0]] * 2), np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    distance, face = box.intersect(origins, directions)
    assert distance.tolist() == [4.0, np.inf]  # ahead, and past it
    assert box.normals_at(origins[:1], face[:1]).tolist() == [[0.0, 0.0, -1.0]]


def test_a_ray_meets_sloping_ground_where_the_lines_cross(make_scene: ModuleType) -> None:
    from scene import solids

    ramp = solids.HeightMap(np.tile(np.arange(20.0)[:, None], (1, 20)), (0.0, 0.0), 1.0)  # height = z
    distance = ramp.intersect(
        np.array([[9.5, 8.0, 0.0]]), np.array([[0.0, 0.0, 1.0]]), 0.1, np.array([15.0]), 0.01
    )
    assert distance[0] == pytest.approx(8.0, abs=0.02)


def test_a_bundle_finds_the_rays_that_meet_a_sphere_whatever_their_blocks_are_like(
    make_scene: ModuleType,
) -> None:
    from scene import noise, tracing

    rng = np.random.default_rng(0)
    axes = np.repeat(rng.normal(size=(40, 3)), 25, axis=0)  # blocks of 32 mix two or three of these
    directions = noise.normalized(
        axes + np.repeat(np.linspace(0, 0.8, 40), 25)[:, None] * rng.normal(size=(1000, 3))
    )
    origins = np.repeat(rng.normal(0, 3, (40, 3)), 25, axis=0)
    bundle = tracing.Bundle(origins, directions)
    for center, radius in zip(rng.normal(0, 9, (50, 3)), rng.uniform(0.3, 4, 50), strict=True):
        along = ((center - origins) * directions).sum(axis=1)
        ahead = np.maximum(along, 0)[:, None] * directions + origins
        meets = np.linalg.norm(center - ahead, axis=1) < radius
        assert np.isin(np.flatnonzero(meets), bundle.near(center, radius)).all()
