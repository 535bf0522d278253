"""The network: its normalization, where it ends, and pictures of any size."""

from __future__ import annotations

import pytest
import torch

from pipeline.style import vgg
from pipeline.style.normalize import normalization_means
from pipeline.style.vgg import (
    POOL_GAINS,
    POOLS,
    VGG19,
    Pooling,
    layer_shape,
    margin_px,
    mean_activations,
    stride_px,
)
from pipeline.style.weights import CONV_CHANNELS, Weights
from tests.photos import photo

BLOCKS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")


@pytest.mark.parametrize(("pooling", "expected"), [("max", 4), ("average", 2.5), ("l2", 7.5**0.5)])
def test_four_values_are_pooled_to_one(pooling: str, expected: float) -> None:
    four = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert POOLS[pooling](four).item() == pytest.approx(expected)


def test_normalizing_only_scales_each_channel(real: Weights) -> None:
    picture, means = photo("astronaut", 48), normalization_means(real)
    raw = VGG19(real, BLOCKS).features(picture)
    normalized = VGG19(real, BLOCKS, means=means).features(picture)
    for layer in BLOCKS:
        expected = raw[layer] / means[layer][None, :, None, None]
        assert torch.allclose(normalized[layer], expected, rtol=1e-4, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_normalized_filters_have_a_mean_activation_near_1_on_photographs(
    real: Weights, pooling: Pooling
) -> None:
    network = VGG19(real, BLOCKS, pooling=pooling, means=normalization_means(real))
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


@pytest.mark.parametrize("pooling", ["average", "l2"])
def test_a_normalized_network_makes_up_for_its_pooling_and_a_raw_one_does_not(
    real: Weights, pooling: Pooling
) -> None:
    layers, picture = ["conv1_2", "conv2_1"], torch.rand(1, 3, 16, 16)
    first_three = {name: real.convs[name] for name in ("conv1_1", "conv1_2", "conv2_1")}
    weight = torch.zeros(128, 64, 3, 3)
    weight[range(64), range(64), 1, 1] = 1.0  # what conv2_1 sees, as it is
    weights = Weights({**first_three, "conv2_1": (weight, torch.zeros(128))}, "")
    ones = {name: torch.ones(len(bias)) for name, (_, bias) in weights.convs.items()}
    for means, gain in ((None, 1.0), (ones, POOL_GAINS[pooling][0])):
        found = VGG19(weights, layers, pooling=pooling, means=means).features(picture)
        expected = POOLS[pooling](found["conv1_2"]) * gain
        assert torch.allclose(found["conv2_1"][:, :64], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("pooling", ["average", "l2"])
def test_with_its_gains_a_pooling_leaves_the_activations_of_max_pooling(
    real: Weights, pooling: Pooling
) -> None:
    means = normalization_means(real)
    networks = [VGG19(real, BLOCKS[1:], pooling=p, means=means) for p in ("max", pooling)]
    with torch.no_grad():
        found = [
            [network.features(photo(name, 128)) for name in ("chelsea", "coffee", "astronaut")]
            for network in networks
        ]
    for layer in BLOCKS[1:]:
        largest, other = (sum(float(f[layer].mean()) for f in features) for features in found)
        assert other == pytest.approx(largest, rel=0.25), layer  # at 256 px to 3 %


@pytest.mark.parametrize("block", [2, 3, 4, 5])
def test_the_gains_are_those_of_the_four_poolings_in_order(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    unbiased = {name: (weight, torch.zeros_like(bias)) for name, (weight, bias) in narrow.convs.items()}
    ones = {name: torch.ones(len(bias)) for name, (_, bias) in unbiased.items()}

    def features(*gains: float) -> dict[str, torch.Tensor]:
        monkeypatch.setattr(vgg, "POOL_GAINS", {"l2": gains})
        network = VGG19(Weights(unbiased, ""), BLOCKS, pooling="l2", means=ones)
        return network.features(photo("coffee", 32))

    plain = features(1.0, 1.0, 1.0, 1.0)
    found = features(*(8.0 if at == block else 1.0 for at in (2, 3, 4, 5)))
    for layer in BLOCKS:
        expected = plain[layer] * (8 if int(layer[4]) >= block else 1)
        assert torch.allclose(found[layer], expected, rtol=1e-5), layer


def test_a_repeated_edge_leaves_a_constant_picture_constant(real: Weights) -> None:
    picture = torch.full((1, 3, 9, 9), 0.9)
    repeated, zeros = (
        VGG19(real, ["conv1_1"], padding=padding).features(picture)["conv1_1"]
        for padding in ("replicate", "zeros")
    )
    assert torch.allclose(repeated, repeated[..., 4:5, 4:5].expand_as(repeated), rtol=1e-4, atol=1e-3)
    assert torch.allclose(repeated[..., 4, 4], zeros[..., 4, 4], rtol=1e-4, atol=1e-3)
    assert not torch.allclose(repeated, zeros, atol=1.0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_features_of_a_shorter_type_come_as_float32_and_near(real: Weights, dtype: torch.dtype) -> None:
    picture = photo("coffee", 32)
    exact, short = (
        VGG19(real, ["conv2_1"], means=normalization_means(real), dtype=d).features(picture)["conv2_1"]
        for d in (torch.float32, dtype)
    )
    assert short.dtype == torch.float32
    assert float((short - exact).norm() / exact.norm()) < 0.02
    assert not torch.equal(short, exact)


@pytest.mark.parametrize("size", [(1, 1), (31, 2), (37, 90)])
def test_the_shape_of_a_layer_is_that_of_its_features(narrow: Weights, size: tuple[int, int]) -> None:
    found = VGG19(narrow, list(CONV_CHANNELS)).features(torch.rand(1, 3, *size))
    assert {layer: layer_shape(size, layer) for layer in CONV_CHANNELS} == {
        layer: (values.shape[2], values.shape[3]) for layer, values in found.items()
    }


@pytest.mark.parametrize("layer", CONV_CHANNELS)
def test_a_position_sees_up_to_its_margin_and_not_beyond(layer: str) -> None:
    reach, stride = seen_px(layer), stride_px(layer)
    beyond = max(-reach.start, reach.stop - stride)
    assert margin_px([layer]) - 16 < beyond <= margin_px([layer])


def seen_px(layer: str) -> range:
    """The pixels along an axis that the position at 0 of a layer sees, worked backward through the network."""
    names = list(CONV_CHANNELS)
    first = last = 0
    for name in reversed(names[: names.index(layer) + 1]):
        first, last = first - 1, last + 1
        if name.endswith("_1") and name != "conv1_1":
            first, last = 2 * first, 2 * last + 1
    return range(first, last + 1)
