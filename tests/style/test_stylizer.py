"""The whole of it: pictures in, a painting out. Real weights for what is seen, narrow ones for the plumbing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style import Anchor, Guidance, Iterate, Settings, Style, Stylization, Stylizer, Weights
from pipeline.style.color import luminance
from pipeline.style.scales import resize
from pipeline.style.settings import CHOICES
from pipeline.style.vgg import VGG19
from pipeline.style.weights import IMAGENET_MEAN
from tests.photos import photo, square_photo

CONTENT = square_photo("astronaut", 64)
STYLE = photo("coffee", 96)
PLUMBING = Settings(network="raw", iterations=6, warm_iterations=4, scales=1, tolerance=0.0)


@pytest.fixture(scope="module")
def painter(real: Weights) -> Stylizer:
    return Stylizer(real, [Style(STYLE)], Settings(iterations=20, warm_iterations=5))


@pytest.fixture(scope="module")
def painting(painter: Stylizer) -> Stylization:
    return painter.stylize(CONTENT)


def paint(
    weights: Weights, content: Tensor = CONTENT, start: Tensor | None = None, **settings: Any
) -> Stylization:
    return Stylizer(weights, [Style(STYLE)], replace(PLUMBING, **settings)).stylize(content, start)


def plain(red: float, green: float, blue: float, side: int = 48) -> Tensor:
    """A color with a little texture."""
    waves = torch.sin(torch.arange(side) / 2)[None, None, None, :] * 0.05
    return (
        (torch.tensor([red, green, blue])[None, :, None, None] + waves).expand(1, 3, side, side).clamp(0, 1)
    )


def half(side: int = 64) -> Tensor:
    """A mask of the left half."""
    mask = torch.zeros(1, 1, side, side)
    mask[..., : side // 2] = 1
    return mask


def color(image: Tensor) -> Tensor:
    return image.mean((0, 2, 3))


def chroma(image: Tensor) -> Tensor:
    return image - luminance(image)


# --- real weights ---


def test_the_loss_falls_by_half_within_20_iterations(painting: Stylization) -> None:
    assert len(painting.trace) == 20
    assert painting.loss == min(painting.trace)
    assert painting.loss < painting.trace[0] / 2


def test_the_painting_is_a_picture_of_the_contents_size(painting: Stylization) -> None:
    assert painting.image.shape == CONTENT.shape
    assert painting.image.dtype == torch.float32
    assert painting.image.min() >= 0
    assert painting.image.max() <= 1


def test_the_same_picture_twice_gives_the_same_bits(painter: Stylizer, painting: Stylization) -> None:
    again = painter.stylize(CONTENT)
    assert torch.equal(again.image, painting.image)
    assert again.trace == painting.trace


def test_a_warm_start_from_the_result_goes_on_where_it_ended(
    painter: Stylizer, painting: Stylization
) -> None:
    warm = painter.stylize(CONTENT, painting.image)
    assert len(warm.trace) == 5
    assert warm.trace[0] == pytest.approx(painting.loss, rel=0.1)
    assert warm.loss <= warm.trace[0]


def test_the_raw_network_is_painted_with_as_well(real: Weights) -> None:
    lbfgs, adam = (paint(real, iterations=16, optimizer=o) for o in ("lbfgs", "adam"))
    assert lbfgs.loss < lbfgs.trace[0] / 4
    assert lbfgs.loss < adam.loss


def test_a_style_of_hardly_any_weight_changes_hardly_anything(real: Weights, painting: Stylization) -> None:
    pair = [Style(STYLE), Style(photo("chelsea", 64), 1e-6)]
    both = Stylizer(real, pair, Settings(iterations=1)).stylize(CONTENT)
    assert both.loss == pytest.approx(painting.trace[0], rel=1e-4)
    equal = [replace(style, weight=1.0) for style in pair]
    assert Stylizer(real, equal, Settings(iterations=1)).stylize(CONTENT).loss != pytest.approx(
        painting.trace[0], rel=0.05
    )


def test_a_matched_style_brings_the_painting_near_the_contents_colors(real: Weights) -> None:
    blue = CONTENT * torch.tensor([0.3, 0.5, 1.0])[None, :, None, None]

    def distance(preserve_color: str) -> float:
        settings = Settings(iterations=10, preserve_color=preserve_color)
        painted = Stylizer(real, [Style(STYLE)], settings).stylize(blue).image
        return float((color(painted) - color(blue)).abs().max())

    without = distance("none")
    assert distance("match") < without / 2
    assert distance("histogram") < without / 2


@pytest.mark.parametrize("with_both_masks", [True, False])
def test_two_styles_with_masks_each_color_their_half(real: Weights, with_both_masks: bool) -> None:
    red, blue = plain(0.8, 0.2, 0.2), plain(0.2, 0.2, 0.8)
    rest = 1 - half() if with_both_masks else None  # without one it takes what the other leaves
    settings = Settings(iterations=25, content_weight=0.1)
    painter = Stylizer(real, [Style(red, mask=half()), Style(blue, mask=rest)], settings)
    painted = painter.stylize(square_photo("chelsea", 64)).image
    left, right = color(painted[..., :24]), color(painted[..., 40:])  # away from the seam
    assert float((left - color(red)).norm()) < float((left - color(blue)).norm()) / 2
    assert float((right - color(blue)).norm()) < float((right - color(red)).norm()) / 2


def test_only_the_part_of_a_style_is_painted(real: Weights) -> None:
    red, blue = plain(0.8, 0.2, 0.2), plain(0.2, 0.2, 0.8)
    both = torch.cat([red, blue], 3)
    part = torch.zeros(1, 1, 48, 96)
    part[..., :40] = 1  # the red
    settings = Settings(iterations=20, content_weight=0.1)
    painted = Stylizer(real, [Style(both, part=part)], settings).stylize(square_photo("chelsea", 64)).image
    assert float((color(painted) - color(red)).norm()) < float((color(painted) - color(blue)).norm()) / 2


def test_where_the_content_mask_is_black_the_style_alone_counts(real: Weights) -> None:
    settings = Settings(iterations=20, init="mean", style_weight=10.0)
    masked = Stylizer(real, [Style(STYLE)], settings, content_mask=half()).stylize(CONTENT).image
    change = (luminance(masked) - luminance(CONTENT)).abs()[:, 0]
    assert float(change[..., :24].mean()) < float(change[..., 40:].mean()) * 0.7


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_shorter_precision_gives_about_the_same_loss(
    real: Weights, painting: Stylization, precision: str
) -> None:
    settings = Settings(iterations=1, precision=precision)
    found = Stylizer(real, [Style(STYLE)], settings).stylize(CONTENT)
    assert found.loss == pytest.approx(painting.trace[0], rel=0.02)
    assert found.loss != painting.trace[0]


def test_the_loss_falls_in_bfloat16_too(real: Weights, painting: Stylization) -> None:
    settings = Settings(iterations=12, precision="bfloat16")
    found = Stylizer(real, [Style(STYLE)], settings).stylize(CONTENT)
    assert found.loss == pytest.approx(min(painting.trace[:12]), rel=0.2)
    assert found.image.dtype == torch.float32


# --- plumbing ---


def test_every_evaluation_is_seen_and_counted(narrow: Weights) -> None:
    seen: list[Iterate] = []
    settings = replace(PLUMBING, scales=(16, 32, 64))
    result = Stylizer(narrow, [Style(STYLE)], settings).stylize(CONTENT, callback=seen.append)
    sides = [16] * settings.coarse + [32] * settings.coarse + [64] * settings.iterations
    assert [iterate.iteration for iterate in seen] == list(range(1, len(sides) + 1))
    assert {iterate.most for iterate in seen} == {len(sides)}
    assert tuple(iterate.loss for iterate in seen) == result.trace
    assert [tuple(i.image.shape) for i in seen] == [(1, 3, side, side) for side in sides]
    assert result.megapixel_iterations == pytest.approx(sum(side**2 for side in sides) / 1e6)


def test_coarse_sizes_have_iterations_of_their_own(narrow: Weights) -> None:
    result = paint(narrow, scales=(16, 32, 64), coarse_iterations=2)
    assert result.megapixel_iterations == pytest.approx((2 * 16**2 + 2 * 32**2 + 6 * 64**2) / 1e6)


@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("effort", [0.0, 0.4, 1.0, 2.0])
def test_how_many_evaluations_there_are_at_most_is_said_from_the_first(
    narrow: Weights, effort: float, averaging: float
) -> None:
    settings = replace(PLUMBING, scales=(16, 64), coarse_iterations=2, averaging=averaging)
    for start in (None, CONTENT):
        seen: list[Iterate] = []
        Stylizer(narrow, [Style(STYLE)], settings).stylize(CONTENT, start, seen.append, effort=effort)
        assert {iterate.most for iterate in seen} == {len(seen)}
        assert len({round(iterate.work + iterate.left, 9) for iterate in seen}) == 1
        assert seen[-1].left == 0


def test_one_scale_works_at_the_final_size_only(narrow: Weights) -> None:
    result = paint(narrow, CONTENT[..., :30, :50])
    assert result.megapixel_iterations == pytest.approx(6 * 30 * 50 / 1e6)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_is_that_of_the_final_size(narrow: Weights, optimizer: str) -> None:
    result = paint(narrow, scales=(16, 64), optimizer=optimizer)
    assert result.loss == min(result.trace[PLUMBING.coarse :])
    assert len(result.trace[PLUMBING.coarse :]) == PLUMBING.iterations


def test_a_warm_start_works_at_the_final_size_only(narrow: Weights) -> None:
    result = paint(narrow, start=CONTENT, scales=(16, 64))
    assert result.megapixel_iterations == pytest.approx(4 * 64**2 / 1e6)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_no_warm_iterations_give_the_start_back(narrow: Weights, optimizer: str) -> None:
    start = square_photo("chelsea", 64)
    result = paint(narrow, start=start, warm_iterations=0, optimizer=optimizer)
    assert torch.equal(result.image, start)
    assert len(result.trace) == 1


def test_a_cold_start_begins_with_what_init_says(narrow: Weights) -> None:
    def beginning(**settings: Any) -> Tensor:
        return paint(narrow, iterations=1, **settings).image

    assert torch.equal(beginning(init="content"), CONTENT)
    assert torch.equal(beginning(init="style"), resize(STYLE, (64, 64)))
    mean = beginning(init="mean")
    assert torch.equal(mean, torch.tensor(IMAGENET_MEAN)[None, :, None, None].expand(1, 3, 64, 64))
    noise = beginning(init="noise")
    assert torch.equal(noise, beginning(init="noise", seed=0))
    assert not torch.equal(noise, beginning(init="noise", seed=1))
    assert abs(float(noise.mean()) - 0.5) < 0.02


@pytest.mark.parametrize("scaled", [{"style_scale": 0.5}, {"style_size": 32}])
def test_a_style_half_as_large_is_one_of_half_the_size(narrow: Weights, scaled: dict[str, Any]) -> None:
    small = Stylizer(narrow, [Style(resize(STYLE, (21, 32)))], replace(PLUMBING, style_size=32))
    assert paint(narrow, **scaled).trace[0] == pytest.approx(small.stylize(CONTENT).trace[0], rel=0.02)
    assert paint(narrow).trace[0] != pytest.approx(small.stylize(CONTENT).trace[0], rel=0.02)


def test_keeping_the_luminance_keeps_the_contents_chroma(narrow: Weights) -> None:
    content = CONTENT * 0.3 + 0.35
    result = paint(narrow, content, preserve_color="luminance", style_weight=100.0)
    inside = ((result.image > 0) & (result.image < 1)).all(1, keepdim=True).expand_as(content)
    assert inside.float().mean() > 0.5
    assert torch.allclose(chroma(result.image)[inside], chroma(content)[inside], atol=1e-5)
    assert not torch.allclose(result.image, content, atol=1e-3)


def test_a_gray_painting_is_worked_on_without_color(narrow: Weights) -> None:
    warm = paint(narrow, start=square_photo("chelsea", 64), preserve_color="luminance", warm_iterations=1)
    gray = luminance(square_photo("chelsea", 64))
    assert torch.allclose(luminance(warm.image), gray, atol=0.2)
    for init in ("noise", "mean", "style"):
        found = paint(narrow, iterations=1, preserve_color="luminance", init=init)
        inside = ((found.image > 1e-4) & (found.image < 1 - 1e-4)).all(1, keepdim=True).expand_as(CONTENT)
        assert torch.allclose(chroma(found.image)[inside], chroma(CONTENT)[inside], atol=1e-5)


@pytest.mark.parametrize("styles", ["black", "black and white", "none is left"])
def test_a_black_mask_leaves_the_rest_to_the_others(narrow: Weights, styles: str) -> None:
    black, white = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    other, usual = Style(photo("chelsea", 48), mask=black), Style(STYLE, mask=white)
    given = {
        "black": [other],
        "black and white": [other, usual],
        "none is left": [usual, replace(other, mask=None)],
    }
    result = Stylizer(narrow, given[styles], PLUMBING).stylize(CONTENT)
    if styles == "black":
        assert torch.equal(result.image, CONTENT)  # nothing is wanted but the content
    else:
        alone = paint(narrow)
        assert result.trace[0] == pytest.approx(alone.trace[0], rel=1e-4)


def test_without_content_and_with_a_black_mask_the_start_stays(narrow: Weights) -> None:
    style = Style(STYLE, mask=torch.zeros(1, 1, 8, 8))
    settings = replace(PLUMBING, content_weight=0.0)
    result = Stylizer(narrow, [style], settings).stylize(CONTENT)
    assert torch.equal(result.image, CONTENT)
    assert result.loss == 0


@pytest.mark.parametrize("tile", [64, 80])
def test_tiles_change_the_painting_by_rounding_alone(narrow: Weights, tile: int) -> None:
    content = photo("astronaut", 150)
    whole, tiled = (paint(narrow, content, tile=t, iterations=4) for t in (None, tile))
    assert (whole.tile_px, tiled.tile_px) == (None, tile)
    assert tiled.trace[0] == pytest.approx(whole.trace[0], rel=1e-4)
    assert tiled.trace == pytest.approx(whole.trace, rel=1e-2)  # L-BFGS enlarges the rounding
    assert float((tiled.image - whole.image).abs().mean()) < 5e-3


def test_little_memory_makes_tiles(narrow: Weights) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING, memory_gib=0.1)
    assert painter.stylize(photo("astronaut", 100)).tile_px == 64


# --- memory ---

SHALLOW = {"content_layers": {"conv1_1": 1.0}, "style_layers": {"conv1_1": 1.0}}
"""With a margin of 16 px, so that small tiles take less than the whole."""


def out_of_memory_above(monkeypatch: pytest.MonkeyPatch, pixels: int) -> list[int]:
    """Makes the network fail on pictures of more pixels; the list grows by the size of each it is given."""
    original, given = VGG19.features, list[int]()

    def features(self: VGG19, images: Tensor) -> Mapping[str, Tensor]:
        given.append(images.shape[-2] * images.shape[-1])
        if given[-1] > pixels:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return original(self, images)

    monkeypatch.setattr(VGG19, "features", features)
    return given


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({}, 150 * 150),  # the content's features
        ({"content_weight": 0.0, "init": "noise"}, 150 * 150),  # the style's moments
        ({"style_size": 200}, 150 * 150),
        ({"style_size": 200, "content_weight": 0.0, "init": "noise"}, 200 * 200),
    ],
    ids=["content", "style", "content before a larger style", "larger style"],
)
def test_where_memory_runs_out_for_the_targets_the_painting_is_the_same_but_for_rounding(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], first: int
) -> None:
    content, style = square_photo("astronaut", 150), Style(square_photo("coffee", 150))
    of = replace(PLUMBING, **SHALLOW, iterations=3, **settings)
    undisturbed = Stylizer(narrow, [style], of).stylize(content)
    given = out_of_memory_above(monkeypatch, 100 * 100)
    found = Stylizer(narrow, [style], of).stylize(content)
    assert given[0] == first  # in one piece, which is too large
    assert (undisturbed.tile_px, found.tile_px) == (None, 64)
    assert found.trace == pytest.approx(undisturbed.trace, rel=1e-3)


def test_a_tile_that_memory_asked_for_is_kept_for_the_next_picture(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = out_of_memory_above(monkeypatch, 100 * 100)
    painter = Stylizer(narrow, [Style(STYLE)], replace(PLUMBING, **SHALLOW, iterations=2))
    assert painter.stylize(square_photo("astronaut", 150)).tile_px == 64
    assert max(given) > 100 * 100
    given.clear()
    assert painter.stylize(square_photo("chelsea", 150)).tile_px == 64
    assert max(given) <= 100 * 100


def test_a_picture_no_larger_than_the_tile_is_in_one_piece(narrow: Weights) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], replace(PLUMBING, **SHALLOW, iterations=1, tile=80))
    assert [painter.stylize(photo("astronaut", side)).tile_px for side in (150, 80, 150)] == [80, None, 80]


def test_a_style_larger_than_the_picture_has_memory_by_tiles_too(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, style = square_photo("astronaut", 100), Style(square_photo("coffee", 200))
    settings = replace(PLUMBING, **SHALLOW, iterations=2, style_size=200)
    undisturbed = Stylizer(narrow, [style], settings).stylize(content)
    given = out_of_memory_above(monkeypatch, 120 * 120)
    found = Stylizer(narrow, [style], settings).stylize(content)
    assert 200 * 200 in given
    assert found.trace == pytest.approx(undisturbed.trace, rel=1e-3)


def test_any_other_error_at_the_targets_passes_through(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Tensor] = []

    def broken(self: VGG19, images: Tensor) -> Mapping[str, Tensor]:
        given.append(images)
        raise RuntimeError("expected scalar type Float")

    monkeypatch.setattr(VGG19, "features", broken)
    with pytest.raises(RuntimeError, match="expected scalar type"):
        paint(narrow, square_photo("astronaut", 150))
    assert len(given) == 1


# --- every choice ---


@pytest.mark.parametrize(("name", "choice"), [(n, c) for n, choices in CHOICES.items() for c in choices])
def test_every_choice_paints(narrow: Weights, name: str, choice: str) -> None:
    if name == "network" and choice == "normalized":
        pytest.skip("a narrow network cannot be normalized")
    if choice == "float16":
        pytest.skip("not with a raw network, which the narrow one is; see the real weights above")
    result = paint(narrow, square_photo("astronaut", 32), iterations=3, **{name: choice})
    assert result.image.isfinite().all()
    assert result.loss <= result.trace[0]


# --- batches ---


@pytest.mark.parametrize("preserve_color", ["none", "luminance", "histogram"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_picture_of_a_batch_is_bit_for_bit_what_it_is_alone(
    narrow: Weights, optimizer: str, preserve_color: str
) -> None:
    contents = torch.cat([square_photo(name, 48) for name in ("astronaut", "chelsea", "rocket")])
    settings = replace(PLUMBING, optimizer=optimizer, preserve_color=preserve_color, scales=(24, 48))
    painter = Stylizer(narrow, [Style(STYLE)], settings)
    alone = [painter.stylize(content) for content in torch.split(contents, 1)]
    for order in ([0, 1, 2], [2, 0]):
        for i, found in zip(order, painter.stylize_batch(contents[order]), strict=True):
            assert isinstance(found, Stylization)
            assert found.trace == alone[i].trace
            assert torch.equal(found.image, alone[i].image)


def test_a_real_batch_is_bit_for_bit_its_pictures(real: Weights) -> None:
    contents = torch.cat([square_photo(name, 48) for name in ("astronaut", "chelsea")])
    painter = Stylizer(real, [Style(STYLE)], Settings(iterations=4))
    for content, found in zip(torch.split(contents, 1), painter.stylize_batch(contents), strict=True):
        assert isinstance(found, Stylization)
        assert torch.equal(found.image, painter.stylize(content).image)


def test_warm_starts_of_a_batch_belong_to_their_pictures(narrow: Weights) -> None:
    contents = torch.cat([square_photo(name, 48) for name in ("astronaut", "chelsea")])
    painter = Stylizer(narrow, [Style(STYLE)], replace(PLUMBING, warm_iterations=1))
    found = painter.stylize_batch(contents, contents.flip(0))
    assert all(isinstance(result, Stylization) for result in found)
    images = [result.image for result in found if isinstance(result, Stylization)]
    assert torch.equal(torch.cat(images), contents.flip(0))


def test_a_picture_of_a_batch_that_diverges_is_an_error_in_its_place(narrow: Weights) -> None:
    contents = torch.cat([CONTENT, CONTENT * torch.nan, square_photo("chelsea", 64)])
    seen: list[Iterate] = []
    painter = Stylizer(narrow, [Style(STYLE)], replace(PLUMBING, scales=(32, 64)))
    found = painter.stylize_batch(contents, callback=seen.append)
    assert [type(result) for result in found] == [Stylization, DivergenceError, Stylization]
    assert isinstance(found[0], Stylization)
    assert torch.equal(found[0].image, painter.stylize(CONTENT).image)
    evaluations = PLUMBING.coarse + PLUMBING.iterations
    assert [i.iteration for i in seen if i.picture == 2] == list(range(1, evaluations + 1))


def test_a_network_that_gives_no_finite_loss_is_an_error(narrow: Weights) -> None:
    weight, bias = narrow.convs["conv3_1"]
    broken = replace(narrow, convs={**narrow.convs, "conv3_1": (weight * torch.nan, bias)})
    with pytest.raises(DivergenceError, match="not finite"):
        paint(broken)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_pictures_of_any_size_are_painted(narrow: Weights, size: tuple[int, int]) -> None:
    for settings in (
        {},
        {"scales": (16, 24)},
        *({"preserve_color": choice} for choice in ("match", "luminance", "histogram")),
        *({"style_loss": choice} for choice in ("wasserstein", "mean_std")),
        {"style_aspect": "stretch"},
        {"tv_weight": 1.0},
    ):
        result = paint(narrow, CONTENT[..., : size[0], : size[1]], iterations=2, **settings)
        assert result.image.shape == (1, 3, *size)
        assert result.image.isfinite().all()


# --- guidance: what the neighbors of a frame say about it ---


def test_a_start_that_is_good_enough_is_the_result(narrow: Weights) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING)
    start = painter.stylize(CONTENT)
    left = painter.stylize(CONTENT, start.image, guidance=Guidance(enough=start.loss * 1.01))
    assert torch.equal(left.image, start.image)
    assert len(left.trace) == 1
    again = painter.stylize(CONTENT, start.image, guidance=Guidance(enough=start.loss * 0.5))
    assert len(again.trace) == PLUMBING.warm_iterations


def test_an_anchor_holds_the_picture_where_it_is_sure(narrow: Weights) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], replace(PLUMBING, warm_iterations=12))
    free = painter.stylize(CONTENT, CONTENT)
    anchor = Anchor(CONTENT, half(), 1e4 * free.loss)
    held = painter.stylize(CONTENT, CONTENT, guidance=Guidance([anchor]))
    change = (held.image - CONTENT).abs().mean((0, 1))
    freely = (free.image - CONTENT).abs().mean((0, 1))
    assert change[:, :28].mean() < freely[:, :28].mean() / 4
    assert change[:, 36:].mean() > freely[:, 36:].mean() / 2
    assert held.loss >= held.guided > 0


def test_what_is_fresh_is_painted_as_the_rest_is(
    real: Weights, painter: Stylizer, painting: Stylization
) -> None:
    """A painting of which a fifth is bare content: asked for once more, that fifth gets nearer to the style."""
    fresh = torch.zeros(1, 1, 64, 64)
    fresh[..., :13] = 1
    start = torch.where(fresh > 0, CONTENT, painting.image)
    style_alone = Stylizer(real, [Style(STYLE)], replace(painter.settings, content_weight=0.0))
    asked, not_asked = (
        painter.stylize(CONTENT, start, guidance=Guidance(fresh=where), effort=2) for where in (fresh, None)
    )
    strip = [style_alone.stylize(one.image[..., :13].contiguous(), one.image[..., :13].contiguous(), effort=0).loss
             for one in (asked, not_asked)]  # fmt: skip
    assert strip[0] < strip[1]


def test_effort_multiplies_the_iterations(narrow: Weights) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING)
    assert [len(painter.stylize(CONTENT, effort=e).trace) for e in (0.5, 1.0, 2.0)] == [3, 6, 12]
    assert len(painter.stylize(CONTENT, CONTENT, effort=0.0).trace) == 1


def test_the_rest_of_a_guided_loss_is_what_the_picture_has_on_its_own(narrow: Weights) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING)
    guidance = Guidance([Anchor(CONTENT * 0.5, half(), 3.0)], half())
    guided = painter.stylize(CONTENT, CONTENT, guidance=guidance)
    alone = painter.stylize(CONTENT, guided.image, effort=0.0)
    assert guided.guided > 0
    assert guided.loss - guided.guided == pytest.approx(alone.loss, rel=1e-4)
    evaluations = len(guided.trace) + 1  # one more, for what is fresh
    assert guided.megapixel_iterations == pytest.approx(evaluations * 64 * 64 / 1e6)


def test_a_still_frame_is_left_as_it_is_where_the_colors_are_kept_by_luminance(real: Weights) -> None:
    painter = Stylizer(
        real, [Style(STYLE)], Settings(iterations=15, warm_iterations=8, preserve_color="luminance")
    )
    first = painter.stylize(CONTENT)
    anchor = Anchor(first.image, torch.ones(1, 1, 64, 64), 20 * first.loss)
    again = painter.stylize(CONTENT, first.image, guidance=Guidance([anchor], enough=1.01 * first.loss))
    assert len(again.trace) == 1
    assert again.guided == pytest.approx(0, abs=1e-6)
