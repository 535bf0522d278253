"""The losses, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from pipeline.style.losses import ROW, content_loss, gram, mean_square, ordered_sum, style_loss


def features(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_the_gram_matrix_of_ones_is_all_ones() -> None:
    assert torch.equal(gram(torch.ones(1, 3, 4, 5)), torch.ones(3, 3))


def test_the_gram_matrix_of_two_channels_at_two_positions() -> None:
    two = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, :, None]  # (1, channels, 1, positions)
    by_hand = [[(1 + 4) / 2, (3 + 8) / 2], [(3 + 8) / 2, (9 + 16) / 2]]
    assert gram(two).tolist() == by_hand


def test_features_times_k_give_a_gram_matrix_times_k_squared() -> None:
    x = features(1, 4, 5, 6)
    assert torch.allclose(gram(3 * x), 9 * gram(x), rtol=1e-5)


def test_the_content_loss_is_the_mean_squared_difference() -> None:
    there = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 1, 2)
    wanted = torch.tensor([1.0, 0.0, 0.0, 4.0]).reshape(1, 2, 1, 2)
    assert float(content_loss(there, wanted)) == (0 + 4 + 9 + 0) / 4


def test_the_style_loss_of_ones_against_nothing_is_the_papers_proportion() -> None:
    assert float(style_loss(torch.ones(1, 2, 3, 3), torch.zeros(2, 2))) == 1 / 1024


@pytest.mark.parametrize("repeats", [(1, 2), (3, 1), (4, 4)])
def test_losses_do_not_depend_on_the_size_of_the_picture(repeats: tuple[int, int]) -> None:
    x, y = features(1, 4, 5, 6), features(1, 4, 5, 6).flip(1)
    tiled_x, tiled_y = x.repeat(1, 1, *repeats), y.repeat(1, 1, *repeats)
    assert torch.allclose(content_loss(tiled_x, tiled_y), content_loss(x, y), rtol=1e-5)
    assert torch.allclose(style_loss(tiled_x, gram(y)), style_loss(x, gram(y)), rtol=1e-5)


def test_the_losses_have_the_right_gradients() -> None:
    x = features(1, 3, 4, 5, dtype=torch.float64).requires_grad_(True)
    wanted = features(1, 3, 4, 5, dtype=torch.float64).flip(0, 1)
    assert torch.autograd.gradcheck(lambda f: content_loss(f, wanted), x)
    assert torch.autograd.gradcheck(lambda f: style_loss(f, gram(wanted)) * 1024, x)
    assert torch.autograd.gradcheck(mean_square, x)


def test_the_gradient_passes_a_sum_of_several_rows() -> None:
    x = features(ROW * 2 + 3).requires_grad_(True)
    (gradient,) = torch.autograd.grad(ordered_sum(x * x), x)
    assert torch.equal(gradient, 2 * x)


SIZES = (1, ROW - 1, ROW, ROW + 1, 2 * ROW + 1, ROW * 40 + 7, 3_000_001)


@pytest.mark.parametrize("size", SIZES)
def test_the_ordered_sum_is_the_sum(size: int) -> None:
    x = features(size).abs()
    assert float(ordered_sum(x)) == pytest.approx(math.fsum(x.tolist()), rel=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_ordered_sum_has_the_same_bits_for_any_number_of_threads(
    size: int, with_threads: Callable[[int], None]
) -> None:
    x, sums = features(size), set()
    for threads in (1, 2, 3, 4):
        with_threads(threads)
        sums.add(float(ordered_sum(x)))
    assert len(sums) == 1
