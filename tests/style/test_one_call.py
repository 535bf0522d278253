"""The engine in one call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import ConfigError, DivergenceError
from pipeline.style import Iterate, Settings, Style, Stylizer, Weights, stylize
from tests.photos import photo, square_photo

CONTENT, STYLE = square_photo("astronaut", 48), photo("coffee", 40)
QUICK: dict[str, Any] = {"network": "raw", "iterations": 4, "scales": 1}


def test_one_call_is_a_stylizer_with_these_settings(narrow: Weights) -> None:
    kept = Stylizer(narrow, [Style(STYLE)], Settings(**QUICK)).stylize(CONTENT)
    assert torch.equal(stylize(CONTENT, STYLE, narrow, **QUICK), kept.image)


def test_a_picture_comes_back_in_the_shape_it_came_in(narrow: Weights) -> None:
    batched = stylize(CONTENT, STYLE, narrow, **QUICK)
    single = stylize(CONTENT[0], STYLE[0], narrow, **QUICK)
    assert batched.shape == (1, 3, 48, 48)
    assert torch.equal(single, batched[0])
    assert batched.min() >= 0
    assert batched.max() <= 1


def test_a_picture_in_float64_comes_back_in_float32(narrow: Weights) -> None:
    assert stylize(CONTENT.double(), STYLE.half(), narrow, **QUICK).dtype == torch.float32


def test_the_callback_sees_every_evaluation(narrow: Weights) -> None:
    seen: list[Iterate] = []
    painted = stylize(CONTENT, STYLE, narrow, callback=seen.append, **QUICK)
    assert [iterate.iteration for iterate in seen] == [1, 2, 3, 4]
    assert {iterate.picture for iterate in seen} == {0}
    assert torch.equal(min(seen, key=lambda iterate: iterate.loss).image, painted)


def test_several_styles_are_taken_as_styles(narrow: Weights) -> None:
    other = photo("chelsea", 40)
    one, both = (
        stylize(CONTENT, styles, narrow, **QUICK)
        for styles in ([Style(STYLE)], [Style(STYLE), Style(other, 3.0)])
    )
    assert not torch.equal(one, both)


@pytest.mark.parametrize("name", ["content", "style"])
@pytest.mark.parametrize(
    ("picture", "shown"),
    [
        (torch.zeros(2, 3, 8, 8), "torch.float32 of shape (2, 3, 8, 8)"),
        (torch.zeros(8, 8, 3), "torch.float32 of shape (8, 8, 3)"),
        (torch.zeros(1, 8, 8), "torch.float32 of shape (1, 8, 8)"),
        (torch.zeros(8, 8), "torch.float32 of shape (8, 8)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "torch.uint8 of shape (3, 8, 8)"),
    ],
)
def test_a_picture_of_another_shape_is_an_error_that_names_it(
    narrow: Weights, name: str, picture: Tensor, shown: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        stylize(**{"content": CONTENT, "style": STYLE, "weights": narrow, **QUICK, name: picture})
    assert str(caught.value).startswith(f"{name} must be one picture")
    assert str(caught.value).endswith(shown)


def test_no_style_at_all_is_an_error(narrow: Weights) -> None:
    with pytest.raises(ConfigError, match="at least one Style"):
        stylize(CONTENT, [], narrow, **QUICK)


def test_an_unknown_setting_is_an_error_that_names_it(narrow: Weights) -> None:
    with pytest.raises(ConfigError, match="no such setting: itertions, sizes"):
        stylize(CONTENT, STYLE, narrow, sizes=3, itertions=3)


def test_a_setting_out_of_range_is_an_error_that_names_it(narrow: Weights) -> None:
    with pytest.raises(ConfigError, match="iterations must be at least 1, got 0"):
        stylize(CONTENT, STYLE, narrow, iterations=0)


def test_a_loss_that_is_never_finite_is_an_error(narrow: Weights) -> None:
    weight, bias = narrow.convs["conv1_1"]
    broken = Weights({**narrow.convs, "conv1_1": (weight * float("inf"), bias)}, "broken")
    with pytest.raises(DivergenceError):
        stylize(CONTENT, STYLE, broken, **QUICK)


def test_a_caller_without_gradients_changes_nothing(narrow: Weights) -> None:
    with torch.no_grad():
        painted = stylize(CONTENT, STYLE, narrow, **QUICK)
    assert torch.equal(painted, stylize(CONTENT.requires_grad_(False), STYLE, narrow, **QUICK))


def test_a_content_with_a_gradient_gives_a_painting_without(narrow: Weights) -> None:
    assert not stylize(CONTENT.clone().requires_grad_(True), STYLE, narrow, **QUICK).requires_grad


@pytest.mark.parametrize(
    ("contents", "starts"),
    [
        (torch.zeros(1, 1, 32, 32), None),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), None),
        (torch.zeros(3, 32, 32), None),
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 31)),
    ],
)
def test_pictures_of_another_shape_or_kind_are_refused(
    narrow: Weights, contents: Tensor, starts: Tensor | None
) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], Settings(**QUICK))
    with pytest.raises(ConfigError, match="must"):
        painter.stylize_batch(contents, starts)


@pytest.mark.parametrize("factor", [255.0, -1.0, float("nan")])
def test_a_picture_beyond_0_to_1_is_refused(narrow: Weights, factor: float) -> None:
    with pytest.raises(ConfigError, match="content must be within 0–1"):
        stylize(CONTENT * factor, STYLE, narrow, **QUICK)
    with pytest.raises(ConfigError, match="style must be within 0–1"):
        stylize(CONTENT, STYLE * factor, narrow, **QUICK)


def test_what_is_no_tensor_is_refused(narrow: Weights) -> None:
    with pytest.raises(ConfigError, match="content must be a torch tensor, got ndarray"):
        stylize(CONTENT.numpy(), STYLE, narrow, **QUICK)  # type: ignore[arg-type]
