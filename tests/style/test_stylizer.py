"""The whole of it: pictures in, a painting out. Real weights for what is seen, narrow ones for the plumbing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style import Settings, Stylization, Stylizer, Weights, stylizer
from pipeline.style.color import luminance
from pipeline.style.optimize import Minimum, minimize
from pipeline.style.scales import resize
from tests.photos import photo, square_photo

CONTENT = square_photo("astronaut", 64)
STYLE = photo("coffee", 96)
PLUMBING = Settings(network="raw", iterations=6, warm_iterations=4, scales=1, tolerance=0.0)


@pytest.fixture(scope="module")
def painter(real: Weights) -> Stylizer:
    return Stylizer(real, [(STYLE, 1.0)], Settings(iterations=20, warm_iterations=5))


@pytest.fixture(scope="module")
def painting(painter: Stylizer) -> Stylization:
    return painter.stylize(CONTENT)


def paint(weights: Weights, content: Tensor = CONTENT, start: Tensor | None = None, **settings: Any) -> Any:
    return Stylizer(weights, [(STYLE, 1.0)], replace(PLUMBING, **settings)).stylize(content, start)


def chroma(image: Tensor) -> Tensor:
    return image - luminance(image)


# --- real weights ---


def test_the_loss_falls_by_half_within_20_iterations(painting: Stylization) -> None:
    assert len(painting.trace) == 20
    assert painting.loss == min(painting.trace)
    assert painting.loss < painting.trace[0] / 2


def test_the_painting_is_a_picture_of_the_contents_size(painting: Stylization) -> None:
    assert painting.image.shape == CONTENT.shape
    assert painting.image.dtype == torch.float32
    assert painting.image.min() >= 0
    assert painting.image.max() <= 1


def test_the_same_picture_twice_gives_the_same_bits(painter: Stylizer, painting: Stylization) -> None:
    again = painter.stylize(CONTENT)
    assert torch.equal(again.image, painting.image)
    assert again.trace == painting.trace


def test_a_warm_start_from_the_result_goes_on_where_it_ended(
    painter: Stylizer, painting: Stylization
) -> None:
    warm = painter.stylize(CONTENT, painting.image)
    assert len(warm.trace) == 5
    assert warm.trace[0] == pytest.approx(painting.loss, rel=0.1)
    assert warm.loss <= warm.trace[0]


def test_the_raw_network_is_painted_with_as_well(real: Weights) -> None:
    lbfgs, adam = (paint(real, iterations=25, optimizer=o, style_weight=1000.0) for o in ("lbfgs", "adam"))
    assert lbfgs.loss < lbfgs.trace[0] / 4
    assert lbfgs.loss < adam.loss


def test_a_style_of_hardly_any_weight_changes_hardly_anything(real: Weights, painting: Stylization) -> None:
    pair = [(STYLE, 1.0), (photo("chelsea", 64), 1e-6)]
    both = Stylizer(real, pair, Settings(iterations=1)).stylize(CONTENT)
    assert both.loss == pytest.approx(painting.trace[0], rel=1e-4)
    equal = Stylizer(real, [(s, 1.0) for s, _ in pair], Settings(iterations=1)).stylize(CONTENT)
    assert equal.loss != pytest.approx(painting.trace[0], rel=0.05)


def test_a_matched_style_brings_the_painting_near_the_contents_colors(real: Weights) -> None:
    blue = CONTENT * torch.tensor([0.3, 0.5, 1.0])[None, :, None, None]

    def distance(preserve_color: str) -> float:
        settings = Settings(iterations=20, preserve_color=preserve_color)
        painted = Stylizer(real, [(STYLE, 1.0)], settings).stylize(blue).image
        return float((painted.mean((2, 3)) - blue.mean((2, 3))).abs().max())

    assert distance("match") < distance("none") / 2


# --- plumbing ---


def test_every_evaluation_is_seen_and_counted(narrow: Weights) -> None:
    seen: list[tuple[int, float, int]] = []

    def watch(count: int, loss: float, image: Tensor) -> None:
        seen.append((count, loss, image.shape[-2] * image.shape[-1]))

    settings = replace(PLUMBING, scales=(16, 32, 64))
    result = Stylizer(narrow, [(STYLE, 1.0)], settings).stylize(CONTENT, callback=watch)
    assert [count for count, _, _ in seen] == list(range(1, 19))
    assert tuple(loss for _, loss, _ in seen) == result.trace
    assert [pixels for _, _, pixels in seen] == [16 * 16] * 6 + [32 * 32] * 6 + [64 * 64] * 6
    assert result.megapixel_iterations == pytest.approx(6 * (16**2 + 32**2 + 64**2) / 1e6)


def test_one_scale_works_at_the_final_size_only(narrow: Weights) -> None:
    result = paint(narrow, CONTENT[..., :30, :50])
    assert result.megapixel_iterations == pytest.approx(6 * 30 * 50 / 1e6)


def test_the_loss_is_that_of_the_final_size(narrow: Weights) -> None:
    result = paint(narrow, scales=(16, 64))
    assert result.loss == min(result.trace[6:])


def test_a_warm_start_works_at_the_final_size_only(narrow: Weights) -> None:
    result = paint(narrow, start=CONTENT, scales=(16, 64))
    assert result.megapixel_iterations == pytest.approx(4 * 64**2 / 1e6)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_no_warm_iterations_give_the_start_back(narrow: Weights, optimizer: str) -> None:
    start = square_photo("chelsea", 64)
    result = paint(narrow, start=start, warm_iterations=0, optimizer=optimizer)
    assert torch.equal(result.image, start)
    assert len(result.trace) == 1


def test_a_cold_start_begins_with_what_init_says(narrow: Weights) -> None:
    def beginning(**settings: Any) -> Tensor:
        image: Tensor = paint(narrow, iterations=1, **settings).image
        return image

    assert torch.equal(beginning(init="content"), CONTENT)
    assert torch.equal(beginning(init="style"), resize(STYLE, (64, 64)))
    noise = beginning(init="noise")
    assert torch.equal(noise, beginning(init="noise", seed=0))
    assert not torch.equal(noise, beginning(init="noise", seed=1))
    assert abs(float(noise.mean()) - 0.5) < 0.02


def test_keeping_the_luminance_keeps_the_contents_chroma(narrow: Weights) -> None:
    content = CONTENT * 0.3 + 0.35
    result = paint(narrow, content, preserve_color="luminance", style_weight=1.0)
    inside = ((result.image > 0) & (result.image < 1)).all(1, keepdim=True).expand_as(content)
    assert inside.float().mean() > 0.5
    assert torch.allclose(chroma(result.image)[inside], chroma(content)[inside], atol=1e-5)
    assert not torch.allclose(result.image, content, atol=1e-3)


def test_a_gray_painting_is_worked_on_without_color(narrow: Weights) -> None:
    warm = paint(narrow, start=square_photo("chelsea", 64), preserve_color="luminance", warm_iterations=1)
    gray = luminance(square_photo("chelsea", 64))
    assert torch.allclose(luminance(warm.image), gray, atol=0.2)
    noise = paint(narrow, iterations=1, preserve_color="luminance", init="noise")
    inside = ((noise.image > 0) & (noise.image < 1)).all(1, keepdim=True).expand_as(CONTENT)
    assert torch.allclose(chroma(noise.image)[inside], chroma(CONTENT)[inside], atol=1e-5)


def test_the_size_of_the_style_follows_style_size_and_the_scale(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    original = stylizer.style_targets

    def noted(network: Any, styles: Any, layers: Any) -> Any:
        sizes.append(tuple(picture.shape[-1] for picture, _ in styles))
        return original(network, styles, layers)

    monkeypatch.setattr(stylizer, "style_targets", noted)
    painter = Stylizer(narrow, [(STYLE, 1.0)], replace(PLUMBING, scales=(32, 64), iterations=1))
    painter.stylize(CONTENT)
    painter.stylize(CONTENT)
    assert sizes == [(32,), (64,)]  # once for both pictures
    sizes.clear()
    paint(narrow, scales=(32, 64), iterations=1, style_size=80)
    assert sizes == [(40,), (80,)]


def diverging(times: int, calls: list[dict[str, Any]]) -> Callable[..., Minimum]:
    """`minimize` that fails the first `times` times."""

    def fake(*args: Any, **kwargs: Any) -> Minimum:
        calls.append(kwargs)
        if len(calls) <= times:
            raise DivergenceError("the loss is not finite")
        return minimize(*args, **kwargs)

    return fake


def test_a_picture_that_diverges_is_tried_again_with_small_steps_of_adam(
    narrow: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(stylizer, "minimize", diverging(1, calls))
    result = paint(narrow)
    assert [call["optimizer"] for call in calls] == ["lbfgs", "adam"]
    assert calls[1]["learning_rate"] == stylizer.SAFER_RATE
    assert result.image.isfinite().all()


def test_a_picture_that_diverges_twice_is_an_error(narrow: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stylizer, "minimize", diverging(2, []))
    with pytest.raises(DivergenceError):
        paint(narrow)


def test_a_network_that_gives_no_finite_loss_is_an_error(narrow: Weights) -> None:
    weight, bias = narrow.convs["conv3_1"]
    broken = replace(narrow, convs={**narrow.convs, "conv3_1": (weight * torch.nan, bias)})
    with pytest.raises(DivergenceError, match="not finite"):
        paint(broken)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_pictures_of_any_size_are_painted(narrow: Weights, size: tuple[int, int]) -> None:
    for settings in ({}, {"scales": (16, 24)}, {"preserve_color": "match"}, {"preserve_color": "luminance"}):
        result = paint(narrow, CONTENT[..., : size[0], : size[1]], iterations=2, **settings)
        assert result.image.shape == (1, 3, *size)
        assert result.image.isfinite().all()
