"""The losses, by hand, and their slopes against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor

from pipeline.style import losses
from pipeline.style.losses import (
    GRAM_LOSSES,
    MEAN_STD_PROPORTION,
    PAPER_PROPORTION,
    STYLE_LOSSES,
    VARIANCE_FLOOR,
    WASSERSTEIN_PROPORTION,
    Moments,
    content_loss,
    element_gram_loss,
    gram_loss,
    mean_std_loss,
    moments,
    paper_gram_loss,
    squared_error,
    total_variation,
    undivided_gram_loss,
    wasserstein_loss,
)

LOSSES = {**GRAM_LOSSES, **STYLE_LOSSES}
each_loss = pytest.mark.parametrize("name", LOSSES)

Loss = Callable[[Tensor], Tensor]


def features(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gaussian(mean: list[float], deviations: list[float]) -> Moments:
    """The moments of a normal distribution with a diagonal covariance, of one position's count."""
    mu, sigma = (torch.tensor([x], dtype=torch.float64) for x in (mean, deviations))
    second = torch.diag_embed(sigma.square()) + mu[:, :, None] * mu[:, None, :]
    return Moments(torch.ones(1, dtype=torch.float64), mu, second)


def half(height: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A mask of the left half."""
    mask = torch.zeros(1, 1, height, width, dtype=dtype)
    mask[..., : width // 2] = 1
    return mask


def equal(a: Moments, b: Moments) -> bool:
    return all(torch.allclose(getattr(a, f.name), getattr(b, f.name), rtol=1e-12) for f in fields(Moments))


# --- moments ---


def test_the_gram_matrix_of_ones_is_all_ones() -> None:
    assert torch.equal(moments(torch.ones(1, 3, 4, 5)).gram, torch.ones(1, 3, 3))


def test_the_moments_of_two_channels_at_two_positions() -> None:
    found = moments(torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, :, None])  # (1, channels, 1, positions)
    assert found.count.tolist() == [2]
    assert found.mean.tolist() == [[1.5, 3.5]]
    assert found.gram.tolist() == [[[(1 + 4) / 2, (3 + 8) / 2], [(3 + 8) / 2, (9 + 16) / 2]]]
    assert found.covariance.tolist() == [[[0.25, 0.25], [0.25, 0.25]]]
    assert found.variance.tolist() == [[0.25, 0.25]]


def test_a_variance_is_never_below_0() -> None:
    same = torch.full((1, 2, 7, 7), 3.3333)  # its mean square and squared mean differ by rounding
    assert (moments(same).variance >= 0).all()
    assert Moments(torch.ones(1), torch.ones(1, 1), torch.full((1, 1, 1), 0.9)).variance.item() == 0


def test_features_times_k_give_a_gram_matrix_times_k_squared() -> None:
    x = features(1, 4, 5, 6)
    assert torch.allclose(moments(3 * x).gram, 9 * moments(x).gram)


def test_moments_add_up_over_parts() -> None:
    x = features(2, 3, 6, 8)
    parts = [x[..., :2, :], x[..., 2:, :5], x[..., 2:, 5:]]
    first, second, third = (moments(part) for part in parts)
    assert equal(first + second + third, moments(x))


def test_moments_under_a_mask_of_one_half_are_those_of_the_half() -> None:
    x = features(2, 3, 5, 8)
    assert equal(moments(x, half(5, 8)), moments(x[..., :4]))


def test_a_gray_mask_weighs_positions() -> None:
    x, mask = features(1, 2, 1, 3), torch.tensor([0.5, 0.25, 1.0], dtype=torch.float64).reshape(1, 1, 1, 3)
    a, b, c = (x[0, :, 0, i] for i in range(3))
    found = moments(x, mask)
    assert found.count.item() == 1.75
    assert torch.allclose(found.first[0], 0.5 * a + 0.25 * b + c)
    assert torch.allclose(
        found.second[0], 0.5 * torch.outer(a, a) + 0.25 * torch.outer(b, b) + torch.outer(c, c)
    )


def test_the_root_of_a_covariance_is_symmetric_and_its_square_is_the_covariance() -> None:
    found = moments(features(2, 3, 5, 6))
    floor = VARIANCE_FLOOR * found.variance.mean(1)[:, None, None] * torch.eye(3, dtype=torch.float64)
    assert torch.allclose(found.root, found.root.mT, atol=1e-12)
    assert torch.allclose(found.root @ found.root, found.covariance + floor, rtol=1e-10, atol=1e-12)
    assert (torch.linalg.eigvalsh(found.root) > 0).all()


def test_the_root_of_a_singular_covariance_is_finite() -> None:
    assert moments(torch.ones(1, 4, 3, 3)).root.tolist() == torch.zeros(1, 4, 4).tolist()
    assert moments(features(1, 5, 1, 2, dtype=torch.float32)).root.isfinite().all()


def test_the_root_of_the_style_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    real = losses._eigh
    monkeypatch.setattr(losses, "_eigh", lambda matrix: seen.append(matrix) or real(matrix))
    target = moments(features(1, 3, 4, 5, seed=1))
    for seed in range(3):
        wasserstein_loss(moments(features(1, 3, 4, 5, seed=seed)), target)
    assert len(seen) == 3 + 1


# --- content ---


def test_the_content_loss_is_the_mean_squared_difference() -> None:
    there = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 1, 2)
    wanted = torch.tensor([1.0, 0.0, 0.0, 4.0]).reshape(1, 2, 1, 2)
    assert content_loss(there, wanted).tolist() == [(0 + 4 + 9 + 0) / 4]


def test_under_a_mask_only_its_positions_differ() -> None:
    x, y = features(2, 3, 4, 6), features(2, 3, 4, 6, seed=1)
    assert torch.allclose(squared_error(x, y, half(4, 6)), squared_error(x[..., :3], y[..., :3]))


# --- style: by hand ---


def test_the_style_loss_of_ones_against_nothing_is_the_papers_proportion() -> None:
    ones, nothing = moments(torch.ones(1, 2, 3, 3)), moments(torch.zeros(1, 2, 3, 3))
    assert gram_loss(ones, nothing).tolist() == [1 / PAPER_PROPORTION]


def test_the_papers_equation_4_by_hand() -> None:
    x, y = features(1, 3, 4, 5), features(1, 3, 4, 5, seed=1)
    undivided = [picture[0].flatten(1) @ picture[0].flatten(1).T for picture in (x, y)]
    by_hand = (undivided[0] - undivided[1]).square().sum() / (4 * 3**2 * (4 * 5) ** 2)
    assert paper_gram_loss(moments(x), moments(y)).item() == pytest.approx(by_hand.item(), rel=1e-12)


def test_the_gram_losses_differ_by_known_factors_alone() -> None:
    channels, positions = 3, 20
    found, target = moments(features(2, channels, 4, 5)), moments(features(1, channels, 5, 4, seed=1))
    mean_square = paper_gram_loss(found, target) * 4
    assert torch.allclose(gram_loss(found, target), mean_square / PAPER_PROPORTION)
    assert torch.allclose(element_gram_loss(found, target), mean_square / channels**2)
    assert torch.allclose(undivided_gram_loss(found, target), mean_square * positions / channels)


def test_the_undivided_loss_by_hand() -> None:
    ones, nothing = moments(torch.ones(1, 2, 3, 3)), moments(torch.zeros(1, 2, 3, 3))
    assert undivided_gram_loss(ones, nothing).tolist() == [9**2 / (2 * 9)]


def test_mean_and_deviation_by_hand() -> None:
    found, target = gaussian([1.0, 2.0], [1.0, 3.0]), gaussian([0.0, 4.0], [2.0, 3.0])
    by_hand = (1 + 4) / 2 + (1 + 0) / 2
    assert mean_std_loss(found, target).item() == pytest.approx(by_hand / MEAN_STD_PROPORTION, rel=1e-5)


def test_the_distance_of_two_diagonal_normal_distributions_in_closed_form() -> None:
    found, target = gaussian([1.0, 2.0, 0.0], [1.0, 3.0, 0.5]), gaussian([0.0, 4.0, 0.0], [2.0, 3.0, 0.25])
    closed = (1 + 4 + 0 + (1 - 2) ** 2 + 0 + 0.25**2) / 3
    assert wasserstein_loss(found, target).item() == pytest.approx(closed / WASSERSTEIN_PROPORTION, rel=1e-5)


def test_turning_two_distributions_alike_keeps_their_distance() -> None:
    turn, _ = torch.linalg.qr(features(3, 3))
    x, y = features(1, 3, 4, 5), features(1, 3, 4, 5, seed=1)
    turned = [moments(torch.einsum("ij,bjhw->bihw", turn, picture)) for picture in (x, y)]
    straight = wasserstein_loss(moments(x), moments(y))
    assert torch.allclose(wasserstein_loss(*turned), straight, rtol=1e-5)


@each_loss
def test_a_style_is_at_no_distance_from_itself(name: str) -> None:
    x = moments(features(2, 4, 5, 6))
    assert torch.allclose(LOSSES[name](x, x), torch.zeros(2, dtype=torch.float64), atol=1e-12)


@each_loss
def test_every_style_loss_is_above_0_for_another_style(name: str) -> None:
    found, target = moments(features(2, 4, 5, 6)), moments(features(1, 4, 5, 6, seed=1) * 2 + 1)
    assert (LOSSES[name](found, target) > 1e-3).all()


@each_loss
def test_each_picture_of_a_batch_has_the_loss_it_has_alone(name: str) -> None:
    x, target = features(2, 4, 5, 6, dtype=torch.float32), moments(features(1, 4, 5, 6, seed=1).float())
    x = x * torch.tensor([1.0, 1e4])[:, None, None, None]  # the large one is not to drown the other
    alone = torch.cat([LOSSES[name](moments(picture), target) for picture in torch.split(x, 1)])
    assert torch.allclose(LOSSES[name](moments(x), target), alone, rtol=1e-5)


@pytest.mark.parametrize("repeats", [(1, 2), (3, 1), (2, 2)])
@each_loss
def test_style_losses_do_not_depend_on_the_size_of_the_picture(name: str, repeats: tuple[int, int]) -> None:
    x, y = features(1, 4, 5, 6), features(1, 4, 5, 6, seed=1)
    once = LOSSES[name](moments(x), moments(y))
    larger = LOSSES[name](moments(x.repeat(1, 1, *repeats)), moments(y.repeat(1, 1, *repeats)))
    growth = math.prod(repeats) if name == "undivided" else 1
    assert torch.allclose(larger, once * growth, rtol=1e-10)


def test_content_and_roughness_do_not_depend_on_the_size_of_the_picture() -> None:
    x, y = features(1, 4, 5, 6), features(1, 4, 5, 6, seed=1)
    larger = content_loss(x.repeat(1, 1, 2, 2), y.repeat(1, 1, 2, 2))
    assert torch.allclose(larger, content_loss(x, y), rtol=1e-12)
    ramp = torch.arange(12.0)[None, None, None].expand(1, 3, 5, 12)
    assert torch.allclose(total_variation(ramp), total_variation(ramp[..., :4]))


# --- total variation ---


def test_a_constant_picture_has_no_roughness() -> None:
    assert total_variation(torch.full((2, 3, 4, 5), 0.7)).tolist() == [0, 0]


def test_a_ramp_has_the_square_of_its_slope_as_roughness() -> None:
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    ramp = (2 * x + 3 * y).expand(1, 3, 4, 6)
    assert total_variation(ramp).tolist() == [4 + 9]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_the_roughness_of_a_line_is_finite(shape: tuple[int, int]) -> None:
    x = features(1, 3, *shape).requires_grad_(True)
    (gradient,) = torch.autograd.grad(total_variation(x).sum(), x)
    assert gradient.isfinite().all()


# --- slopes ---


def check(loss: Loss, x: Tensor) -> bool:
    """Compare the slopes with finite differences, the loss brought to about 1 for the sake of the tolerances."""
    size = float(loss(x).detach().abs().max().clamp(min=1e-9))
    passed: bool = torch.autograd.gradcheck(
        lambda f: loss(f) / size, x.requires_grad_(True), atol=1e-5, rtol=1e-4
    )
    return passed


@pytest.mark.parametrize("mask", [None, half(4, 5)], ids=["whole", "masked"])
def test_the_slopes_of_the_content_loss(mask: Tensor | None) -> None:
    wanted = features(2, 3, 4, 5, seed=1)
    assert check(lambda f: content_loss(f, wanted, mask), features(2, 3, 4, 5))


def test_the_slopes_of_the_roughness() -> None:
    assert check(total_variation, features(2, 3, 4, 5))


@pytest.mark.parametrize("mask", [None, half(4, 5)], ids=["whole", "masked"])
@each_loss
def test_the_slopes_of_a_style_loss(name: str, mask: Tensor | None) -> None:
    target = moments(features(1, 3, 6, 6, seed=1) * 2 + 0.5)
    assert check(lambda f: LOSSES[name](moments(f, mask), target), features(2, 3, 4, 5))


@each_loss
def test_the_slopes_of_a_style_loss_with_fewer_positions_than_channels(name: str) -> None:
    target = moments(features(1, 5, 2, 2, seed=1))  # both covariances are singular
    x = features(1, 5, 1, 3).requires_grad_(True)

    def loss(f: Tensor) -> Tensor:
        return LOSSES[name](moments(f), target)

    # Shorter steps drown in the rounding of eigenvalues of 1e-12, longer ones leave the floor under them.
    assert torch.autograd.gradcheck(loss, x, eps=1e-5, atol=1e-4, rtol=1e-3)


@each_loss
def test_the_slopes_of_a_style_loss_where_eigenvalues_are_repeated(name: str) -> None:
    cross = torch.tensor([[1.0, -1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 1, -1]])
    x = cross.double().reshape(1, 3, 1, 6)  # its covariance is a third of the identity
    target = moments(2 * x + 0.5)
    assert check(lambda f: LOSSES[name](moments(f), target), x)


@each_loss
def test_the_slopes_at_the_style_itself_are_0(name: str) -> None:
    x = features(1, 3, 4, 5).requires_grad_(True)
    (slope,) = torch.autograd.grad(LOSSES[name](moments(x), moments(x.detach())).sum(), x)
    assert float(slope.abs().max()) < 1e-8


@each_loss
@pytest.mark.parametrize("value", [0.0, 0.37])
def test_a_single_position_has_finite_slopes(name: str, value: float) -> None:
    x = torch.full((1, 4, 1, 1), value).requires_grad_(True)
    target = moments(torch.full((1, 4, 1, 1), 0.61))  # no variance at all
    loss = LOSSES[name](moments(x), target)
    (slope,) = torch.autograd.grad(loss.sum(), x)
    assert loss.isfinite().all()
    assert slope.isfinite().all()


def test_found_without_any_variance_has_finite_slopes_too() -> None:
    x = torch.zeros(1, 4, 3, 3).requires_grad_(True)
    for loss in STYLE_LOSSES.values():
        (slope,) = torch.autograd.grad(loss(moments(x), moments(torch.zeros(1, 4, 2, 2))).sum(), x)
        assert slope.isfinite().all()


def test_a_picture_that_is_not_finite_leaves_the_others_of_its_batch_alone() -> None:
    x, style = features(2, 3, 4, 5), moments(features(1, 3, 4, 5))
    alone = wasserstein_loss(moments(x[1:]), style)
    x[0, 0, 0, 0] = math.inf
    found = wasserstein_loss(moments(x), style)
    assert math.isnan(float(found[0]))
    assert torch.allclose(found[1:], alone, rtol=1e-5)


def test_a_distance_is_never_below_zero() -> None:
    bright = moments(features(1, 3, 4, 5) * 1e-3 + 400)
    assert float(wasserstein_loss(bright, bright)) >= 0
