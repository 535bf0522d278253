"""The objective: its terms, their shares, and the same bits for any number of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from pipeline.style import Weights
from pipeline.style.losses import content_loss, gram, style_loss
from pipeline.style.normalize import normalization_means
from pipeline.style.objective import Objective, content_targets, style_targets
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
) -> Objective:
    return Objective(
        network,
        content_targets(network, content, content_layers),
        style_targets(network, [(style, 1.0)], style_layers),
        content_layers=content_layers,
        style_layers=style_layers,
        content_weight=content_weight,
        style_weight=style_weight,
    )


@pytest.fixture
def network(narrow: Weights) -> VGG19:
    return VGG19(narrow, [*CONTENT, *STYLE])


def test_the_objective_is_the_weighted_sum_of_its_terms(network: VGG19) -> None:
    content, style, image = (photo(name, 32) for name in ("astronaut", "coffee", "chelsea"))
    content = content[..., : image.shape[-2], :]
    p, a, f = (network.features(picture) for picture in (content, style, image))
    by_hand = 3 * content_loss(f["conv4_2"], p["conv4_2"]) + 8 * (
        0.25 * style_loss(f["conv1_1"], gram(a["conv1_1"]))
        + 0.75 * style_loss(f["conv3_1"], gram(a["conv3_1"]))
    )
    found = objective(network, content, style, {"conv4_2": 5.0}, {"conv1_1": 1.0, "conv3_1": 3.0}, 3.0, 8.0)
    assert torch.allclose(found(image), by_hand, rtol=1e-5)


def test_the_weights_of_layers_are_relative(network: VGG19) -> None:
    content, style = square_photo("astronaut", 24), photo("coffee", 24)
    once = objective(network, content, style, {"conv4_2": 1.0}, {"conv1_1": 1.0, "conv2_1": 3.0})
    tenfold = objective(network, content, style, {"conv4_2": 10.0}, {"conv1_1": 10.0, "conv2_1": 30.0})
    image = square_photo("chelsea", 24)
    assert torch.allclose(once(image), tenfold(image), rtol=1e-6)


def test_the_content_is_at_no_distance_from_itself(network: VGG19) -> None:
    content = square_photo("astronaut", 24)
    assert objective(network, content, photo("coffee", 24), style_weight=0.0)(content) == 0
    assert objective(network, content, content)(content) == 0


@pytest.mark.parametrize("weights", [{"content_weight": 0.0}, {"style_weight": 0.0}])
def test_a_loss_of_weight_0_leaves_the_other_alone(network: VGG19, weights: dict[str, float]) -> None:
    content, style, image = (square_photo(name, 24) for name in ("astronaut", "coffee", "chelsea"))
    both = objective(network, content, style)(image)
    assert 0 < objective(network, content, style, **weights)(image) < both


def test_layers_all_of_weight_0_are_allowed_where_their_loss_is(network: VGG19) -> None:
    content, style = square_photo("astronaut", 24), square_photo("coffee", 24)
    without = objective(network, content, style, {"conv4_2": 0.0}, content_weight=0.0)
    assert torch.equal(without(style), torch.tensor(0.0))


def test_several_styles_are_blended_in_proportion(network: VGG19) -> None:
    a, b = photo("coffee", 32), photo("chelsea", 20)
    blend = style_targets(network, [(a, 1.0), (b, 3.0)], STYLE)
    for layer in STYLE:
        of_a, of_b = (gram(network.features(picture)[layer]) for picture in (a, b))
        assert torch.allclose(blend[layer], 0.25 * of_a + 0.75 * of_b, rtol=1e-5)


def test_targets_hold_no_gradient_and_only_their_layers(network: VGG19) -> None:
    picture = photo("coffee", 24).clone().requires_grad_(True)
    content = content_targets(network, picture, CONTENT)
    style = style_targets(network, [(picture, 1.0)], STYLE)
    assert content.keys() == CONTENT.keys()
    assert style.keys() == STYLE.keys()
    assert not any(target.requires_grad for target in (*content.values(), *style.values()))


def test_loss_and_gradient_have_the_same_bits_for_any_number_of_threads(
    real: Weights, with_threads: Callable[[int], None]
) -> None:
    network = VGG19(real, [*CONTENT, *STYLE], means=normalization_means(real))
    images = [square_photo(name, 128)[..., :54, :] for name in ("rocket", "chelsea", "astronaut")]
    found = []
    for threads in (1, 2, 3):
        with_threads(threads)
        judge = objective(network, images[0], photo("coffee", 128))
        leaves = [image.clone().requires_grad_(True) for image in images]
        losses = [judge(leaf) for leaf in leaves]
        found.append([*losses, *torch.autograd.grad(torch.stack(losses).sum(), leaves)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))
