"""The objective: its terms, their shares, and where they look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pipeline.style import Weights
from pipeline.style.evaluate import Evaluator, features_of, moments_of
from pipeline.style.losses import STYLE_LOSSES, content_loss, gram_loss, moments, total_variation
from pipeline.style.normalize import normalization_means
from pipeline.style.objective import (
    Objective,
    PixelTerm,
    Region,
    at_layer,
    blend,
    content_terms,
    shares,
    style_terms,
)
from pipeline.style.vgg import VGG19
from tests.photos import photo, square_photo

CONTENT = {"conv4_2": 1.0}
STYLE = {"conv1_1": 1.0, "conv2_1": 1.0, "conv3_1": 1.0, "conv4_1": 1.0, "conv5_1": 1.0}


def objective(
    network: VGG19,
    content: Tensor,
    style: Tensor,
    content_layers: Mapping[str, float] = CONTENT,
    style_layers: Mapping[str, float] = STYLE,
    content_weight: float = 1.0,
    style_weight: float = 10.0,
    tv_weight: float = 0.0,
) -> Objective:
    return Objective(
        content_terms(features_of(network, content, content_layers), content_layers, content_weight),
        style_terms(
            [Region(None, moments_of(network, style, style_layers))], style_layers, style_weight, gram_loss
        ),
        tv_weight,
    )


def loss(network: VGG19, of: Objective, image: Tensor) -> Tensor:
    return Evaluator(network, of)(image, range(len(image)))[0]


@pytest.fixture
def network(narrow: Weights) -> VGG19:
    return VGG19(narrow, [*CONTENT, *STYLE])


def test_the_objective_is_the_weighted_sum_of_its_terms(network: VGG19) -> None:
    content, style, image = (square_photo(name, 32) for name in ("astronaut", "coffee", "chelsea"))
    p, a, f = (network.features(picture) for picture in (content, style, image))
    by_hand = (
        3 * content_loss(f["conv4_2"], p["conv4_2"])
        + 2 * gram_loss(moments(f["conv1_1"]), moments(a["conv1_1"]))
        + 6 * gram_loss(moments(f["conv3_1"]), moments(a["conv3_1"]))
        + 5 * total_variation(image)
    )
    found = objective(
        network, content, style, {"conv4_2": 5.0}, {"conv1_1": 1.0, "conv3_1": 3.0}, 3.0, 8.0, 5.0
    )
    assert torch.allclose(loss(network, found, image), by_hand, rtol=1e-5)


def test_the_weights_of_layers_are_relative(network: VGG19) -> None:
    content, style = square_photo("astronaut", 24), photo("coffee", 24)
    once = objective(network, content, style, {"conv4_2": 1.0}, {"conv1_1": 1.0, "conv2_1": 3.0})
    tenfold = objective(network, content, style, {"conv4_2": 10.0}, {"conv1_1": 10.0, "conv2_1": 30.0})
    image = square_photo("chelsea", 24)
    assert torch.allclose(loss(network, once, image), loss(network, tenfold, image), rtol=1e-6)


def test_a_weight_is_split_in_proportion_and_layers_without_a_share_are_left_out() -> None:
    assert shares({"conv1_1": 1.0, "conv2_1": 3.0, "conv3_1": 0.0}, 8.0) == {"conv1_1": 2.0, "conv2_1": 6.0}
    assert shares({"conv1_1": 1.0}, 0.0) == {}
    assert shares({"conv1_1": 0.0}, 1.0) == {}


def test_the_content_is_at_no_distance_from_itself(network: VGG19) -> None:
    content = square_photo("astronaut", 24)
    assert loss(network, objective(network, content, photo("coffee", 24), style_weight=0.0), content) == 0
    assert loss(network, objective(network, content, content), content) == 0


@pytest.mark.parametrize("weights", [{"content_weight": 0.0}, {"style_weight": 0.0}])
def test_a_loss_of_weight_0_leaves_the_other_alone(network: VGG19, weights: dict[str, float]) -> None:
    content, style, image = (square_photo(name, 24) for name in ("astronaut", "coffee", "chelsea"))
    both = loss(network, objective(network, content, style), image)
    assert 0 < loss(network, objective(network, content, style, **weights), image) < both


@pytest.mark.parametrize("tile_px", [None, 64])
@pytest.mark.parametrize("tv_weight", [0.0, 3.0])
def test_without_any_term_there_is_roughness_at_most(
    network: VGG19, tv_weight: float, tile_px: int | None
) -> None:
    image = square_photo("astronaut", 96)
    losses, gradients = Evaluator(network, Objective((), (), tv_weight), tile_px)(image, [0])
    assert torch.allclose(losses, tv_weight * total_variation(image))
    assert bool(gradients.any()) is (tv_weight > 0)


def test_several_styles_are_blended_in_proportion(network: VGG19) -> None:
    a, b = photo("coffee", 32), photo("chelsea", 20)
    of_a, of_b = (moments_of(network, picture, STYLE) for picture in (a, b))
    blended = blend([(of_a, 1.0), (of_b, 3.0)])
    for layer in STYLE:
        for name in ("count", "mean", "gram"):
            expected = 0.25 * getattr(of_a[layer], name) + 0.75 * getattr(of_b[layer], name)
            assert torch.allclose(getattr(blended[layer], name), expected, rtol=1e-5)


def test_one_style_blended_with_itself_is_itself(network: VGG19) -> None:
    alone = moments_of(network, photo("coffee", 32), STYLE)
    blended = blend([(alone, 2.0), (alone, 5.0)])
    assert all(torch.allclose(blended[layer].second, alone[layer].second, rtol=1e-5) for layer in STYLE)


def test_targets_hold_no_gradient_and_only_their_layers(network: VGG19) -> None:
    picture = photo("coffee", 24).clone().requires_grad_(True)
    content, style = features_of(network, picture, CONTENT), moments_of(network, picture, STYLE)
    assert content.keys() == CONTENT.keys()
    assert style.keys() == STYLE.keys()
    assert not any(target.requires_grad for target in content.values())
    assert not any(found.second.requires_grad for found in style.values())


# --- regions ---


def test_a_mask_at_a_layer_has_the_mean_of_the_pixels_of_each_position() -> None:
    mask = torch.zeros(1, 1, 5, 9)  # the last row and column belong to no position of conv2
    mask[..., :3] = 1
    mask[..., 8] = 1
    assert at_layer(mask, "conv2_1").tolist() == [[[[1.0, 0.5, 0.0, 0.0]] * 2]]
    assert torch.equal(at_layer(mask, "conv1_2"), mask)
    assert at_layer(mask, "conv5_1").shape == (1, 1, 1, 1)


def test_the_content_counts_where_its_mask_is_white(network: VGG19) -> None:
    content, image = square_photo("astronaut", 32), square_photo("chelsea", 32)
    targets, mask = features_of(network, content, ["conv1_1"]), torch.zeros(1, 1, 32, 32)
    mask[..., :8, :] = 1
    masked = Objective(content_terms(targets, {"conv1_1": 1.0}, 4.0, mask), ())
    f = features_of(network, image, ["conv1_1"])["conv1_1"]
    expected = 4.0 * (f - targets["conv1_1"])[..., :8, :].square().sum() / f.numel()
    assert torch.allclose(loss(network, masked, image), expected, rtol=1e-5)


def test_a_region_sees_its_own_positions_and_counts_by_its_part_of_the_picture(network: VGG19) -> None:
    image, style = square_photo("chelsea", 32), moments_of(network, square_photo("coffee", 32), ["conv1_1"])
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :8] = 1
    found = Objective((), style_terms([Region(mask, style)], {"conv1_1": 1.0}, 8.0, gram_loss))
    f = features_of(network, image, ["conv1_1"])["conv1_1"][..., :8]
    expected = 8.0 / 4 * gram_loss(moments(f), style["conv1_1"])
    assert torch.allclose(loss(network, found, image), expected, rtol=1e-5)


def test_a_region_that_is_nowhere_has_no_terms(network: VGG19) -> None:
    style = moments_of(network, photo("coffee", 32), STYLE)
    assert style_terms([Region(torch.zeros(1, 1, 32, 32), style)], STYLE, 1.0, gram_loss) == ()


def test_each_picture_of_a_batch_has_its_own_target(network: VGG19) -> None:
    pictures = torch.cat([square_photo(name, 24) for name in ("astronaut", "chelsea")])
    content = Objective(content_terms(features_of(network, pictures, CONTENT), CONTENT, 1.0), ())
    evaluate = Evaluator(network, content)
    assert torch.allclose(evaluate(pictures, [0, 1])[0], torch.zeros(2), atol=1e-9)
    assert (evaluate(pictures, [1, 0])[0] > 1e-3).all()
    assert torch.allclose(evaluate(pictures[1:], [1])[0], torch.zeros(1), atol=1e-9)


@pytest.mark.parametrize("name", ["gram", *STYLE_LOSSES])
def test_loss_and_gradient_have_the_same_bits_every_time_and_hardly_others_for_other_threads(
    real: Weights, with_threads: Callable[[int], None], name: str
) -> None:
    network = VGG19(real, [*CONTENT, "conv1_1", "conv3_1"], means=normalization_means(real))
    layers = {"conv1_1": 1.0, "conv3_1": 1.0}
    image, content = (square_photo(name, 128)[..., :96, :] for name in ("rocket", "chelsea"))
    found = []
    for threads in (2, 2, 1, 3):
        with_threads(threads)
        region = Region(None, moments_of(network, photo("coffee", 128), layers))
        style = style_terms([region], layers, 1.0, STYLE_LOSSES.get(name, gram_loss))
        targets = content_terms(features_of(network, content, CONTENT), CONTENT, 1.0)
        found.append(Evaluator(network, Objective(targets, style, 1.0))(image, [0]))
    (loss, gradient), again = found[:2]
    assert torch.equal(again[0], loss)
    assert torch.equal(again[1], gradient)
    for other_loss, other_gradient in found[2:]:
        assert torch.allclose(other_loss, loss, rtol=1e-5)
        assert float((other_gradient - gradient).norm() / gradient.norm()) < 1e-4


def test_a_pixel_term_is_the_mean_square_where_it_is_sure() -> None:
    image, target = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)
    confidence = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    value, gradient = PixelTerm(4.0, target, confidence).evaluate(image, [0])
    assert value.tolist() == [4 * 0.25 / 2]
    assert torch.equal(gradient[:, :, 1], torch.zeros(1, 3, 2))
    assert torch.allclose(gradient[:, :, 0], torch.full((1, 3, 2), 4 * 2 * -0.5 / 12))


def test_a_pixel_terms_gradient_is_that_of_its_value() -> None:
    generator = torch.Generator().manual_seed(0)
    image, target = (torch.rand(2, 3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    confidence = torch.rand(2, 1, 4, 5, generator=generator, dtype=torch.float64)
    term = PixelTerm(3.0, target, confidence)
    leaf = image.clone().requires_grad_(True)
    by_hand = 3.0 * (confidence * (leaf - target).square()).mean((1, 2, 3))
    (expected,) = torch.autograd.grad(by_hand.sum(), leaf)
    value, gradient = term.evaluate(image, [0, 1])
    assert torch.allclose(value, by_hand.detach())
    assert torch.allclose(gradient, expected)


def test_pixel_terms_add_to_the_objective(network: VGG19) -> None:
    content, style = square_photo("astronaut", 32), photo("coffee", 48)
    plain = objective(network, content, style)
    held = replace(plain, pixels=(PixelTerm(2.0, torch.zeros_like(content), torch.ones(1, 1, 32, 32)),))
    (base, slope), (more, pulled) = (Evaluator(network, of)(content, [0]) for of in (plain, held))
    assert torch.allclose(more - base, 2 * content.square().mean(), rtol=1e-4)
    assert torch.allclose(pulled - slope, 4 * content / content.numel(), atol=1e-5)
