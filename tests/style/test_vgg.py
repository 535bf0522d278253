"""The network: its normalization, where it ends, and pictures of any size."""

from __future__ import annotations

import pytest
import torch

from pipeline.style.normalize import normalization_means
from pipeline.style.vgg import POOLS, VGG19, Pooling, mean_activations
from pipeline.style.weights import CONV_CHANNELS, Weights
from tests.photos import photo

BLOCKS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


@pytest.mark.parametrize(("pooling", "expected"), [("max", 4), ("average", 2.5), ("l2", 7.5**0.5)])
def test_four_values_are_pooled_to_one(pooling: str, expected: float) -> None:
    four = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert POOLS[pooling](four).item() == pytest.approx(expected)


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_normalizing_only_scales_each_channel(real: Weights, pooling: Pooling) -> None:
    picture, means = photo("astronaut", 48), normalization_means(real)
    raw = VGG19(real, BLOCKS, pooling=pooling).features(picture)
    normalized = VGG19(real, BLOCKS, pooling=pooling, means=means).features(picture)
    for layer in BLOCKS:
        expected = raw[layer] / means[layer][None, :, None, None]
        assert torch.allclose(normalized[layer], expected, rtol=1e-4, atol=1e-4 * float(expected.max()))


def test_normalized_filters_have_a_mean_activation_near_1_on_photographs(real: Weights) -> None:
    network = VGG19(real, BLOCKS, means=normalization_means(real))
    with torch.no_grad():
        found = [network.features(photo(name, 128)) for name in ("chelsea", "coffee")]
    for layer in BLOCKS:
        mean = torch.stack([f[layer].mean((0, 2, 3)) for f in found]).mean(0)
        assert 0.5 < float(mean.median()) < 2, layer


def test_mean_activations_count_every_picture_the_same(real: Weights) -> None:
    small, large = torch.rand(1, 3, 16, 16), torch.zeros(1, 3, 32, 32)
    both, first, second = (mean_activations(real, images) for images in ([small, large], [small], [large]))
    assert both.keys() == CONV_CHANNELS.keys()
    expected = (first["conv3_2"] + second["conv3_2"]) / 2
    assert torch.allclose(both["conv3_2"], expected, rtol=1e-4)


def test_the_network_ends_at_its_deepest_layer(real: Weights) -> None:
    first_three = {name: real.convs[name] for name in ("conv1_1", "conv1_2", "conv2_1")}
    network = VGG19(Weights(first_three, ""), ["conv2_1", "conv1_1"])
    assert network.features(photo("coffee", 16)).keys() == {"conv1_1", "conv2_1"}


def test_features_are_values_after_relu(real: Weights) -> None:
    with torch.no_grad():
        found = VGG19(real, list(CONV_CHANNELS)).features(photo("coffee", 32))
    assert all(float(values.min()) >= 0 and float(values.max()) > 0 for values in found.values())


def test_layers_asked_for_do_not_change_the_others(narrow: Weights) -> None:
    picture = photo("coffee", 32)
    alone = VGG19(narrow, ["conv4_2"]).features(picture)["conv4_2"]
    assert torch.equal(alone, VGG19(narrow, list(CONV_CHANNELS)).features(picture)["conv4_2"])


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3), (37, 23)])
def test_pictures_of_any_size_are_halved_but_never_to_nothing(
    narrow: Weights, size: tuple[int, int], pooling: Pooling
) -> None:
    found = VGG19(narrow, BLOCKS, pooling=pooling).features(torch.rand(1, 3, *size))
    for block, layer in enumerate(BLOCKS):
        height, width = (max(1, side >> block) for side in size)
        assert found[layer].shape == (1, 4, height, width)
        assert found[layer].isfinite().all()


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
@pytest.mark.parametrize("gray", [0.0, 0.5, 1.0])
def test_the_gradient_is_finite_even_on_a_constant_picture(
    real: Weights, pooling: Pooling, gray: float
) -> None:
    network = VGG19(real, ["conv5_1"], pooling=pooling, means=normalization_means(real))
    picture = torch.full((1, 3, 17, 16), gray, requires_grad=True)
    (gradient,) = torch.autograd.grad(network.features(picture)["conv5_1"].square().sum(), picture)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_filters_that_never_fire_have_a_gradient_of_0(narrow: Weights, pooling: Pooling) -> None:
    dead = {name: (weight, torch.full_like(bias, -1e3)) for name, (weight, bias) in narrow.convs.items()}
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    values = VGG19(Weights(dead, ""), ["conv3_1"], pooling=pooling).features(picture)["conv3_1"]
    (gradient,) = torch.autograd.grad(values.sum(), picture)
    assert torch.equal(gradient, torch.zeros_like(picture))
