"""Keeping the colors of the content."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pipeline.style.color import luminance, match_color, match_histogram, match_luminance, with_chroma_of
from tests.photos import photo


def covariance(image: Tensor) -> Tensor:
    return torch.cov(image[0].flatten(1).double(), correction=0)


def test_luminance_is_the_same_in_all_channels_and_that_of_gray_is_gray() -> None:
    luma = luminance(torch.tensor([1.0, 0.0, 0.0])[None, :, None, None])
    assert luma.flatten().tolist() == pytest.approx([0.299] * 3)
    gray = torch.rand(1, 1, 4, 5).expand(1, 3, 4, 5)
    assert torch.allclose(luminance(gray), gray, atol=1e-6)


def test_a_gray_painting_gets_the_contents_chroma() -> None:
    content = torch.rand(1, 3, 8, 8) * 0.2 + 0.4
    painting = luminance(torch.rand(1, 3, 8, 8) * 0.2 + 0.4)
    colored = with_chroma_of(painting, content)
    assert torch.allclose(luminance(colored), painting, atol=1e-5)
    assert torch.allclose(colored - luminance(colored), content - luminance(content), atol=1e-5)


def test_colors_beyond_white_and_black_are_paler_and_as_light_as_painted() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None]
    for gray in (0.0, 0.2, 0.9, 1.0):
        painting = torch.full((1, 3, 1, 1), gray)
        colored = with_chroma_of(painting, red)
        assert colored.min() >= 0
        assert colored.max() <= 1
        assert torch.allclose(luminance(colored), painting, atol=1e-6)
        red_part, green_part, blue_part = colored.flatten().tolist()
        assert red_part >= green_part == pytest.approx(blue_part, abs=1e-6)


def test_a_matched_style_has_the_contents_mean_and_covariance() -> None:
    style, content = (photo(name, 48) * 0.3 + 0.35 for name in ("coffee", "astronaut"))  # nothing to clip
    matched = match_color(style, content)
    assert matched.shape == style.shape
    assert torch.allclose(matched.mean((2, 3)), content.mean((2, 3)), atol=1e-4)
    assert torch.allclose(covariance(matched), covariance(content), atol=1e-4)
    assert not torch.allclose(covariance(style), covariance(content), atol=1e-3)


def test_a_style_matched_to_itself_stays() -> None:
    style = photo("coffee", 32)
    assert torch.allclose(match_color(style, style), style, atol=1e-4)


@pytest.mark.parametrize("gray", ["style", "content", "both"])
def test_pictures_of_one_color_are_matched_too(gray: str) -> None:
    plain, colored = torch.full((1, 3, 6, 6), 0.25), photo("coffee", 32)
    style = colored if gray == "content" else plain
    content = colored if gray == "style" else plain + 0.5
    matched = match_color(style, content)
    assert matched.isfinite().all()
    assert torch.allclose(matched.mean((2, 3)), content.mean((2, 3)), atol=0.02)


def test_matching_has_the_same_bits_for_any_number_of_threads(with_threads: Callable[[int], None]) -> None:
    style, content = photo("coffee", 600), photo("astronaut", 512)
    found = []
    for threads in (1, 2, 3):
        with_threads(threads)
        found.append(match_color(style, content))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_style_matched_by_histogram_has_the_contents_values_in_its_own_order() -> None:
    style, content = photo("coffee", 32), photo("astronaut", 48)
    same_size = content[..., : style.shape[-2], : style.shape[-1]]
    matched = match_histogram(style, same_size)
    for channel in range(3):
        ours, theirs = style[0, channel].flatten(), matched[0, channel].flatten()
        assert torch.equal(theirs.sort().values, same_size[0, channel].flatten().sort().values)
        assert (theirs[ours.sort(stable=True).indices].diff() >= 0).all()  # lighter stays lighter


def test_a_histogram_of_another_number_of_pixels_keeps_its_ends_and_its_quantiles() -> None:
    style, content = photo("coffee", 64), photo("astronaut", 40)
    matched = match_histogram(style, content)
    assert matched.shape == style.shape
    quantiles = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    for channel in range(3):
        ours, theirs = (image[0, channel].flatten().quantile(quantiles) for image in (matched, content))
        assert torch.allclose(ours, theirs, atol=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7)])
def test_a_histogram_of_a_single_pixel_is_matched_too(shape: tuple[int, int]) -> None:
    matched = match_histogram(torch.rand(1, 3, *shape), torch.full((1, 3, 1, 1), 0.25))
    assert torch.equal(matched, torch.full((1, 3, *shape), 0.25))


def test_a_style_matched_in_luminance_is_gray_with_the_contents_mean_and_spread() -> None:
    style, content = (photo(name, 48) * 0.3 + 0.35 for name in ("coffee", "astronaut"))  # nothing to clip
    matched = match_luminance(style, content)
    assert torch.equal(matched[:, 0], matched[:, 1])
    assert torch.equal(matched[:, 0], matched[:, 2])
    ours, theirs = matched[0, 0].double(), luminance(content)[0, 0].double()
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=1e-4)
    assert float(ours.std(correction=0)) == pytest.approx(float(theirs.std(correction=0)), abs=1e-4)
