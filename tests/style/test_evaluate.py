"""Tiles: the same losses and gradients as in one piece, and what happens where memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pipeline.style import Weights
from pipeline.style.evaluate import WHOLE, Evaluator, features_of, moments_of, spans, tiles
from pipeline.style.losses import GRAM_LOSSES, STYLE_LOSSES, StyleLoss, gram_loss
from pipeline.style.normalize import normalization_means
from pipeline.style.objective import Objective, Region, content_terms, style_terms
from pipeline.style.scales import Shape
from pipeline.style.vgg import VGG19, layer_shape, margin_px, stride_px
from tests.photos import photo

LAYERS = {"conv1_1": 1.0, "conv2_1": 2.0, "conv3_1": 1.0, "conv4_1": 0.5, "conv5_1": 1.0}
CONTENT = {"conv1_2": 1.0, "conv4_2": 1.0}
LOSSES = {**GRAM_LOSSES, **STYLE_LOSSES}


def pictures(shape: Shape, batch: int = 1, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((batch, 3, *shape), generator=generator, dtype=dtype)


def ramp(shape: Shape, dtype: torch.dtype = torch.float64) -> Tensor:
    """A mask from black at the left to white at the right."""
    return torch.linspace(0, 1, shape[1], dtype=dtype).expand(1, 1, *shape).contiguous()


def objective(
    network: VGG19,
    contents: Tensor,
    style: Tensor,
    loss: StyleLoss,
    masks: Sequence[Tensor | None] = (None,),
    content_mask: Tensor | None = None,
    tv_weight: float = 0.0,
) -> Objective:
    content = content_terms(features_of(network, contents, CONTENT), CONTENT, 1.0, content_mask)
    regions = [Region(mask, moments_of(network, style, LAYERS)) for mask in masks]
    return Objective(content, style_terms(regions, LAYERS, 10.0, loss), tv_weight)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.fixture(scope="module")
def network(narrow: Weights) -> VGG19:
    return VGG19(narrow, [*LAYERS, *CONTENT], dtype=torch.float64)


# --- tiled = whole ---


@pytest.mark.parametrize(
    ("shape", "tile_px"),
    [((131, 90), 64), ((65, 200), 64), ((65, 200), 96), ((15, 300), 80), ((33, 331), 112)],
)
@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_tiles_give_what_the_whole_gives(narrow: Weights, shape: Shape, tile_px: int, pooling: str) -> None:
    network = VGG19(narrow, [*LAYERS, *CONTENT], dtype=torch.float64, pooling=pooling)  # type: ignore[arg-type]
    images, contents = pictures(shape), pictures(shape, seed=1)
    of = objective(network, contents, pictures((70, 50), seed=2), gram_loss)
    losses, gradients = Evaluator(network, of)(images, [0])
    tiled_losses, tiled_gradients = Evaluator(network, of, tile_px)(images, [0])
    assert len(tiles(shape, tile_px, 80)) > 1
    assert torch.allclose(tiled_losses, losses, rtol=1e-11)
    assert relative(tiled_gradients, gradients) < 1e-10


@pytest.mark.parametrize("name", LOSSES)
def test_tiles_give_what_the_whole_gives_for_every_loss_with_masks_and_a_batch(
    network: VGG19, name: str
) -> None:
    shape = (65, 147)
    images, contents, mask = pictures(shape, 2), pictures(shape, 2, seed=1), ramp(shape)
    of = objective(
        network, contents, pictures((70, 50), seed=2), LOSSES[name], [mask, 1 - mask], mask.flip(-1), 3.0
    )
    losses, gradients = Evaluator(network, of)(images, [0, 1])
    tiled_losses, tiled_gradients = Evaluator(network, of, 64)(images, [0, 1])
    assert torch.allclose(tiled_losses, losses, rtol=1e-10)
    assert relative(tiled_gradients, gradients) < (1e-8 if name == "wasserstein" else 1e-10)


@pytest.mark.parametrize("padding", ["zeros", "replicate"])
def test_tiles_of_the_real_network_give_what_the_whole_gives(real: Weights, padding: str) -> None:
    network = VGG19(
        real,
        [*LAYERS, "conv4_2"],
        means=normalization_means(real),
        padding=padding,  # type: ignore[arg-type]
    )
    image, content = photo("chelsea", 131), photo("rocket", 131)[..., : photo("chelsea", 131).shape[-2], :]
    targets = content_terms(features_of(network, content, ["conv4_2"]), {"conv4_2": 1.0}, 1.0)
    region = Region(None, moments_of(network, photo("coffee", 96), LAYERS))
    of = Objective(targets, style_terms([region], LAYERS, 100.0, gram_loss))
    losses, gradients = Evaluator(network, of)(image, [0])
    tiled_losses, tiled_gradients = Evaluator(network, of, 64)(image, [0])
    assert torch.allclose(tiled_losses, losses, rtol=1e-5)
    assert relative(tiled_gradients, gradients) < 1e-5


@pytest.mark.parametrize("shape", [(131, 90), (65, 200), (15, 170)])
def test_features_and_moments_of_tiles_are_those_of_the_whole(network: VGG19, shape: Shape) -> None:
    image, mask = pictures(shape), ramp(shape)
    layers = [*LAYERS, *CONTENT]
    whole, tiled = (features_of(network, image, layers, tile_px) for tile_px in (None, 64))
    assert all(torch.allclose(tiled[layer], whole[layer], rtol=1e-10, atol=1e-12) for layer in layers)
    for weights in (None, mask):
        whole_m, tiled_m = (moments_of(network, image, layers, weights, tile_px) for tile_px in (None, 64))
        for layer in layers:
            assert torch.allclose(tiled_m[layer].count, whole_m[layer].count, rtol=1e-12)
            assert torch.allclose(tiled_m[layer].first, whole_m[layer].first, rtol=1e-10)
            assert torch.allclose(tiled_m[layer].second, whole_m[layer].second, rtol=1e-10)


def test_the_gradient_is_the_slope_of_the_loss(network: VGG19) -> None:
    shape, tiny = (40, 70), 1e-6
    image = pictures(shape)
    of = objective(network, pictures(shape, seed=1), pictures((70, 50), seed=2), gram_loss, tv_weight=2.0)
    evaluate, way = Evaluator(network, of, 64), pictures(shape, seed=3) - 0.5
    _, gradient = evaluate(image, [0])
    beyond, before = (evaluate(image + sign * tiny * way, [0])[0] for sign in (1, -1))
    assert float((beyond - before) / (2 * tiny)) == pytest.approx(float((gradient * way).sum()), rel=1e-5)


def test_evaluating_leaves_the_picture_as_it_is(network: VGG19) -> None:
    image = pictures((40, 70))
    of = objective(network, image, pictures((70, 50), seed=2), gram_loss, tv_weight=2.0)
    kept = image.clone()
    losses, gradients = Evaluator(network, of)(image, [0])
    assert torch.equal(image, kept)
    assert not (image.requires_grad or losses.requires_grad or gradients.requires_grad)


# --- the tiles ---


@pytest.mark.parametrize("tile_px", [64, 96, 250])
def test_every_position_of_every_layer_is_counted_exactly_once(tile_px: int) -> None:
    for length in range(1, 700, 3):
        for layer in ("conv1_1", "conv2_1", "conv3_1", "conv4_2", "conv5_1"):
            size, _ = layer_shape((length, 1), layer)
            counted = torch.zeros(size)
            for span in spans(length, tile_px, 80):
                counted[span.counted(stride_px(layer))] += 1
            assert counted.eq(1).all(), (length, layer)


@pytest.mark.parametrize("margin", [16, 80])
def test_what_counts_lies_at_the_same_place_in_the_tile_and_in_the_whole(margin: int) -> None:
    for length in range(16, 700, 5):
        place = torch.arange(length)
        for span in spans(length, 64, margin):
            for layer in ("conv1_1", "conv3_1", "conv5_1"):
                stride = stride_px(layer)
                whole = place[: length // stride * stride : stride][span.counted(stride)]
                evaluated = place[span.pixels()]
                inner = evaluated[: len(evaluated) // stride * stride : stride][span.inner(stride)]
                assert torch.equal(whole, inner), (length, layer, span)


def test_tiles_are_no_longer_than_asked_for_and_have_their_margins() -> None:
    for length in range(1, 900, 7):
        for span in spans(length, 96, 32):
            stop = length if span.stop is None else span.stop
            end = length if span.end is None else span.end
            assert stop - span.first <= 96 + (15 if span.stop is None else 0)
            assert span.start == max(0, span.first - 32)
            assert end >= min(length, stop + 32)


@pytest.mark.parametrize("tile_px", [None, 200, 256])
def test_a_picture_that_fits_is_one_tile(tile_px: int | None) -> None:
    assert tiles((131, 200), tile_px, 80) == [WHOLE]


@pytest.mark.parametrize("layer", ["conv1_2", "conv3_1", "conv4_2", "conv5_1"])
def test_the_margin_is_wide_enough_and_16_px_less_is_not(narrow: Weights, layer: str) -> None:
    network, margin, side = VGG19(narrow, [layer], dtype=torch.float64), margin_px([layer]), 368
    image = pictures((48, side))

    def seen(first: int) -> Tensor:
        """Whether the position that stands for the pixels from `first` sees each column; by its slope."""
        leaf = image.clone().requires_grad_(True)
        column = network.features(leaf)[layer][..., first // stride_px(layer)]
        (slope,) = torch.autograd.grad(column.sum(), leaf)
        return slope.abs().sum((0, 1, 2)) > 0

    first = 176
    columns = seen(first).nonzero().flatten()
    left = first - int(columns.min())
    right = int(columns.max()) - (first + stride_px(layer) - 1)
    assert margin - 16 < max(left, right) <= margin


# --- memory ---


def out_of_memory_above(
    monkeypatch: pytest.MonkeyPatch, pixels: int, error: Callable[[], Exception]
) -> list[int]:
    """Makes the network fail on pictures of more pixels; the list grows by the size of each it is given."""
    original, given = VGG19.features, list[int]()

    def features(self: VGG19, images: Tensor) -> Mapping[str, Tensor]:
        given.append(images.shape[-2] * images.shape[-1])
        if given[-1] > pixels:
            raise error()
        return original(self, images)

    monkeypatch.setattr(VGG19, "features", features)
    return given


ERRORS = {
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cpu": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 bytes"),
}


@pytest.fixture
def shallow(narrow: Weights) -> VGG19:
    """With a margin of 16 px, so that small tiles take less than the whole."""
    return VGG19(narrow, ["conv1_1"], dtype=torch.float64)


def shallow_objective(network: VGG19) -> Objective:
    of = moments_of(network, pictures((70, 50), seed=2), ["conv1_1"])
    return Objective((), style_terms([Region(None, of)], {"conv1_1": 1.0}, 1.0, gram_loss), 1.0)


@pytest.mark.parametrize("error", ERRORS)
def test_where_memory_runs_out_the_tile_is_halved_and_the_result_is_the_same(
    shallow: VGG19, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    of, image = shallow_objective(shallow), pictures((256, 256))
    losses, gradients = Evaluator(shallow, of)(image, [0])
    given = out_of_memory_above(monkeypatch, 100 * 100, ERRORS[error])
    evaluate = Evaluator(shallow, of)
    found = evaluate(image, [0])
    assert evaluate.tile_px == 64
    assert given[:3] == [256 * 256, 256 * 256, (128 + 16) ** 2]  # in one piece, once more, then halves
    assert torch.allclose(found[0], losses, rtol=1e-11)
    assert relative(found[1], gradients) < 1e-10
    given.clear()
    evaluate(image, [0])
    assert max(given) <= 100 * 100  # it has learned


def test_below_64_px_running_out_of_memory_is_an_error(
    shallow: VGG19, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = shallow_objective(shallow)
    evaluate = Evaluator(shallow, of)
    out_of_memory_above(monkeypatch, 0, ERRORS["cuda"])
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        evaluate(pictures((256, 256)), [0])


def test_any_other_error_passes_through(shallow: VGG19, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = Evaluator(shallow, shallow_objective(shallow))
    given = out_of_memory_above(monkeypatch, 0, lambda: RuntimeError("expected scalar type Float"))
    with pytest.raises(RuntimeError, match="expected scalar type"):
        evaluate(pictures((256, 256)), [0])
    assert given == [256 * 256]
    assert evaluate.tile_px is None


def test_a_broken_network_shows_in_the_loss(narrow: Weights) -> None:
    weight, bias = narrow.convs["conv1_1"]
    broken = VGG19(
        replace(narrow, convs={**narrow.convs, "conv1_1": (weight * torch.nan, bias)}), ["conv1_1"]
    )
    of = shallow_objective(VGG19(narrow, ["conv1_1"]))
    losses, gradients = Evaluator(broken, replace(of, tv_weight=0.0))(pictures((32, 32)).float(), [0])
    assert losses.isnan().all()
    assert gradients.isnan().any()
