"""Sums of the same bits for any number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from pipeline.style.sums import ROW, dot, ordered_sum, ordered_sums

SIZES = (1, ROW - 1, ROW, ROW + 1, 2 * ROW + 1, ROW * 40 + 7, 3_000_001)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES)
def test_the_ordered_sum_is_the_sum(size: int) -> None:
    x = numbers(size).abs()
    assert float(ordered_sum(x)) == pytest.approx(math.fsum(x.tolist()), rel=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_ordered_sum_has_the_same_bits_for_any_number_of_threads(
    size: int, with_threads: Callable[[int], None]
) -> None:
    x, sums = numbers(size), set()
    for threads in (1, 2, 3, 4):
        with_threads(threads)
        sums.add(float(ordered_sum(x)))
    assert len(sums) == 1


def test_each_picture_of_a_batch_has_a_sum_of_its_own() -> None:
    x = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    assert ordered_sums(x).tolist() == [3.0, 7.0]


@pytest.mark.parametrize("size", [ROW + 1, 3 * ROW])
def test_the_sums_of_a_batch_are_bit_for_bit_those_of_its_pictures(size: int) -> None:
    x = numbers(3, 2, size)
    assert torch.equal(ordered_sums(x), torch.stack([ordered_sum(picture) for picture in x]))


def test_a_sum_of_any_shape_or_stride_is_the_same() -> None:
    x = numbers(30, 40, 50)
    assert torch.equal(ordered_sum(x.mT), ordered_sum(x.mT.contiguous()))
    assert ordered_sum(x).ndim == 0


def test_the_gradient_passes_a_sum_of_several_rows() -> None:
    x = numbers(ROW * 2 + 3).requires_grad_(True)
    (gradient,) = torch.autograd.grad(ordered_sum(x * x), x)
    assert torch.equal(gradient, 2 * x)


def test_the_scalar_product_by_hand() -> None:
    assert dot(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])) == 70.0
