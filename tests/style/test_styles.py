"""What is learned from which picture, at which size, for which region."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import ConfigError
from pipeline.style import Settings, Style, Weights, styles
from pipeline.style.color import luminance, match_color, match_histogram, match_luminance
from pipeline.style.evaluate import moments_of
from pipeline.style.losses import Moments
from pipeline.style.objective import Region
from pipeline.style.styles import KEPT_SIZES, LARGEST_PIECE_PX, Mixture, Styles, mask_at
from pipeline.style.vgg import VGG19
from tests.photos import photo, square_photo

LAYERS = {"conv1_1": 1.0, "conv3_1": 1.0}
SETTINGS = Settings(network="raw", style_layers=LAYERS)
CONTENT = square_photo("astronaut", 48)
A, B = square_photo("coffee", 48), square_photo("chelsea", 48)


@pytest.fixture(scope="module")
def network(narrow: Weights) -> VGG19:
    return VGG19(narrow, list(LAYERS))


def regions(
    network: VGG19, of: list[Style], contents: Tensor = CONTENT, factor: float = 1.0, **settings: Any
) -> list[Region]:
    return Styles(network, of, replace(SETTINGS, **settings)).regions(contents, factor, None)


def left(side: int = 48, white: float = 1.0) -> Tensor:
    mask = torch.zeros(1, 1, side, side)
    mask[..., : side // 2] = white
    return mask


def near(a: Moments, b: Moments, rtol: float = 1e-4) -> bool:
    return torch.allclose(a.mean, b.mean, rtol=rtol) and torch.allclose(a.gram, b.gram, rtol=rtol)


def same(found: Region, expected: Any) -> bool:
    return all(near(found.targets[layer], expected[layer]) for layer in LAYERS)


# --- where ---


def test_a_style_without_a_mask_is_everywhere(network: VGG19) -> None:
    (region,) = regions(network, [Style(A)])
    assert region.mask is None
    assert same(region, moments_of(network, A, LAYERS))


def test_a_style_without_a_mask_takes_what_the_others_leave(network: VGG19) -> None:
    masked, rest = regions(network, [Style(A, mask=left(white=0.75)), Style(B)])
    assert masked.mask is not None
    assert rest.mask is not None
    assert torch.allclose(masked.mask + rest.mask, torch.ones(1, 1, 48, 48))
    assert float(rest.mask[..., :24].max()) == pytest.approx(0.25)
    assert same(masked, moments_of(network, A, LAYERS))
    assert same(rest, moments_of(network, B, LAYERS))


def test_masks_that_overlap_leave_no_less_than_nothing(network: VGG19) -> None:
    _, _, rest = regions(network, [Style(A, mask=left()), Style(B, mask=torch.ones(1, 1, 48, 48)), Style(A)])
    assert rest.mask is not None
    assert not rest.mask.any()


def test_styles_with_equal_masks_are_blended(network: VGG19) -> None:
    (region,) = regions(network, [Style(A, 1.0, left()), Style(B, 3.0, left().clone())])
    a, b = (moments_of(network, picture, LAYERS) for picture in (A, B))
    for layer in LAYERS:
        expected = 0.25 * a[layer].gram + 0.75 * b[layer].gram
        assert torch.allclose(region.targets[layer].gram, expected, rtol=1e-4)


def test_weights_are_relative_within_a_region_and_mean_nothing_alone(network: VGG19) -> None:
    (once,), (tenfold,) = (
        regions(network, [Style(A, weight), Style(B, 3 * weight)]) for weight in (1.0, 10.0)
    )
    assert same(once, tenfold.targets)
    assert same(regions(network, [Style(A, 1000.0, left())])[0], moments_of(network, A, LAYERS))


def test_a_mask_is_stretched_to_the_content(network: VGG19) -> None:
    (region,) = regions(network, [Style(A, mask=left(10))], CONTENT[..., :30, :])
    assert region.mask is not None
    assert region.mask.shape == (1, 1, 30, 48)
    assert float(region.mask[..., :18].min()) == pytest.approx(1.0, abs=1e-5)
    assert float(region.mask[..., 30:].max()) == pytest.approx(0.0, abs=1e-5)


def test_a_mask_at_another_size_stays_within_0_and_1_and_keeps_its_mean() -> None:
    mask = (torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    for shape in ((13, 17), (80, 60)):
        found = mask_at(mask, shape)
        assert found.shape == (1, 1, *shape)
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
        assert float(found.mean()) == pytest.approx(float(mask.mean()), abs=0.01)


# --- what ---


def test_only_a_part_is_learned_from(network: VGG19) -> None:
    halves = torch.cat([A[..., :24], B[..., :24]], 3)
    (region,) = regions(network, [Style(halves, part=left())], style_layers={"conv1_1": 1.0})
    inside = network.features(halves)["conv1_1"][..., :24]
    assert torch.allclose(region.targets["conv1_1"].mean, inside.mean((2, 3)), rtol=1e-4)


def test_the_style_has_the_size_of_the_picture_or_its_own(network: VGG19) -> None:
    def learned(**settings: Any) -> float:
        return float(regions(network, [Style(photo("coffee", 96))], **settings)[0].targets["conv1_1"].count)

    height, width = photo("coffee", 96).shape[-2:]
    assert learned() == 48 * round(48 * height / width)
    assert learned(style_size=36) == 36 * round(36 * height / width)
    assert learned(style_scale=0.5) == 24 * round(24 * height / width)
    assert learned(style_size=60, style_scale=0.5, factor=0.8) == 24 * round(24 * height / width)
    assert learned(style_aspect="stretch") == 48 * 48


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int | None]]:
    """The width in px and the tile of each style picture that is looked at, in order."""
    seen: list[tuple[int, int | None]] = []

    def noted(*args: Any) -> Any:
        seen.append((args[1].shape[-1], args[4]))
        return moments_of(*args)

    monkeypatch.setattr(styles, "moments_of", noted)
    return seen


def test_a_style_of_the_same_size_is_looked_at_once(
    network: VGG19, calls: list[tuple[int, int | None]]
) -> None:
    known = Styles(network, [Style(A)], SETTINGS)
    for side in (48, 48, 32, 48):
        known.regions(square_photo("astronaut", side), 1.0, None)
    assert calls == [(48, LARGEST_PIECE_PX), (32, LARGEST_PIECE_PX)]
    for side in range(20, 20 + KEPT_SIZES):
        known.regions(square_photo("astronaut", side), 1.0, None)
    calls.clear()
    known.regions(CONTENT, 1.0, None)
    assert calls == [(48, LARGEST_PIECE_PX)]  # forgotten by then


def test_what_was_seen_in_one_piece_is_not_what_is_seen_in_tiles(
    network: VGG19, calls: list[tuple[int, int | None]]
) -> None:
    content = square_photo("astronaut", 150)
    known = Styles(network, [Style(square_photo("coffee", 150))], SETTINGS)
    whole, tiled, again = (known.regions(content, 1.0, tile_px) for tile_px in (None, 64, None))
    assert calls == [
        (150, LARGEST_PIECE_PX),
        (150, 64),
    ]  # so the bits do not depend on what was painted before
    again_first, whole_first = (found[0].targets["conv1_1"].first for found in (again, whole))
    assert torch.equal(again_first, whole_first)
    assert same(tiled[0], whole[0].targets)


# --- colors ---


@pytest.mark.parametrize(
    ("preserve_color", "recolor"),
    [("luminance", match_luminance), ("match", match_color), ("histogram", match_histogram)],
)
def test_a_style_is_recolored_by_each_content_of_a_batch(
    network: VGG19, preserve_color: str, recolor: Any
) -> None:
    contents = torch.cat([luminance(CONTENT), luminance(B) * 0.5])
    (region,) = regions(network, [Style(A)], contents, preserve_color=preserve_color)
    for i, content in enumerate(torch.split(contents, 1)):
        expected = moments_of(network, recolor(A, content), LAYERS)
        for layer in LAYERS:
            assert torch.allclose(region.targets[layer].gram[i], expected[layer].gram[0], rtol=1e-4)


# --- the border ---


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image": A[0]}, r"style's image must be \(1, 3, .*got torch.float32 of shape \(3, 48, 48\)"),
        ({"image": (A * 255).byte()}, "got torch.uint8"),
        ({"mask": left()[0]}, r"style's mask must be \(1, 1, "),
        ({"part": A}, r"style's part must be \(1, 1, "),
        ({"part": torch.zeros(1, 1, 8, 8)}, "part must not be black"),
        ({"weight": 0.0}, "weight must be above 0, got 0"),
        ({"weight": -1.0}, "weight must be above 0, got -1"),
    ],
)
def test_a_style_that_cannot_be_is_an_error(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Style(**{"image": A, **wrong})


def test_a_style_larger_than_its_content_is_looked_at_in_tiles(
    network: VGG19, calls: list[tuple[int, int | None]]
) -> None:
    known = Styles(network, [Style(A)], replace(SETTINGS, style_scale=16.0))
    known.regions(square_photo("astronaut", 80), 1.0, None)
    assert calls == [(16 * 80, LARGEST_PIECE_PX)]


# --- mixtures ---


def test_a_mixture_replaces_the_weights_and_looks_at_no_style_twice(
    network: VGG19, calls: list[tuple[int, int | None]]
) -> None:
    pictures = square_photo("coffee", 64), square_photo("rocket", 64)
    content = square_photo("astronaut", 64)
    styles = Styles(network, [Style(picture) for picture in pictures], SETTINGS)
    alone = [
        Styles(network, [Style(picture)], SETTINGS).regions(content, 1.0, None)[0] for picture in pictures
    ]
    calls.clear()
    ends = [
        styles.regions(content, 1.0, None, Mixture(shares, 1.0))[0] for shares in ((3.0, 0.0), (0.0, 1.0))
    ]
    middle = styles.regions(content, 1.0, None, Mixture((1.0, 3.0), 1.0))[0].targets
    assert len(calls) == 2
    for end, own in zip(ends, alone, strict=True):
        assert torch.equal(end.targets["conv1_1"].second, own.targets["conv1_1"].second)
    one, two = (own.targets["conv1_1"].gram for own in alone)
    assert torch.allclose(middle["conv1_1"].gram, one / 4 + two * 3 / 4)


@pytest.mark.parametrize(("shares", "weight"), [((0.0, 0.0), 1.0), ((-1.0, 2.0), 1.0), ((1.0,), -1.0)])
def test_a_mixture_of_nothing_or_less_is_refused(shares: tuple[float, ...], weight: float) -> None:
    with pytest.raises(ConfigError, match="a mixture must have a share above 0"):
        Mixture(shares, weight)


def test_the_heaviest_style_of_a_mixture_is_what_a_painting_starts_from(network: VGG19) -> None:
    pictures = square_photo("coffee", 64), square_photo("rocket", 64)
    styles = Styles(network, [Style(picture) for picture in pictures], SETTINGS)
    assert styles.heaviest(None) is pictures[0]
    assert styles.heaviest(Mixture((1.0, 2.0), 1.0)) is pictures[1]
