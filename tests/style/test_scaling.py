"""The changes of variables: linear, symmetric, and what they do to which frequency."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pipeline.style.scaling import EXPONENT, SCALINGS, frequencies, normalized, pixels
from pipeline.style.weights import IMAGENET_STD

SHAPES = [(1, 1), (1, 9), (8, 1), (6, 5), (7, 12)]
each_scaling = pytest.mark.parametrize("name", SCALINGS)


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, 3, height, width), generator=generator, dtype=torch.float64)


@each_scaling
@pytest.mark.parametrize("shape", SHAPES)
def test_a_scaling_is_linear_and_symmetric(name: str, shape: tuple[int, int]) -> None:
    a, b = noise(*shape), noise(*shape, seed=1)
    scaling = SCALINGS[name](a)
    assert torch.allclose(scaling(2 * a + b), 2 * scaling(a) + scaling(b))
    assert float((a * scaling(b)).sum()) == pytest.approx(float((scaling(a) * b).sum()), rel=1e-9)


@each_scaling
def test_a_scaling_is_positive_and_leaves_its_argument(name: str) -> None:
    a = noise(7, 12)
    kept = a.clone()
    assert float((a * SCALINGS[name](a)(a)).sum()) > 0
    assert torch.equal(a, kept)


def test_pixels_are_as_they_are_and_normalized_ones_go_by_imagenets_deviation() -> None:
    a = noise(4, 5)
    assert torch.equal(pixels(a)(a), a)
    expected = a * torch.tensor(IMAGENET_STD)[None, :, None, None]
    assert torch.allclose(normalized(a)(a), expected)


@pytest.mark.parametrize("periods", [1, 2, 4, 8])
def test_a_wave_is_scaled_by_the_root_of_its_length(periods: int) -> None:
    x = torch.arange(32, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * periods * x / 32).expand(1, 3, 16, 32)
    gain = (periods / 32 / 0.25) ** -EXPONENT
    assert torch.allclose(frequencies(wave)(wave), gain * wave, rtol=1e-6, atol=1e-7)


def test_the_mean_is_moved_as_far_as_the_longest_wave() -> None:
    constant = torch.ones(1, 3, 16, 32, dtype=torch.float64)
    assert torch.allclose(frequencies(constant)(constant), constant * (1 / 32 / 0.25) ** -EXPONENT)


def test_a_filtered_picture_has_the_same_bits_for_any_number_of_threads(
    with_threads: Callable[[int], None],
) -> None:
    picture, found = noise(270, 331).float(), []
    for threads in (1, 2, 3):
        with_threads(threads)
        found.append(frequencies(picture)(picture))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
