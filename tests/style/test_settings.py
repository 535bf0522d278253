"""Every setting within its range, and an error that names the field and the value outside."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.style import Settings
from pipeline.style.losses import GRAM_LOSSES, STYLE_LOSSES
from pipeline.style.settings import CHOICES

NUMBERS = (
    "content_weight",
    "style_weight",
    "tv_weight",
    "averaging",
    "tolerance",
    "learning_rate",
    "style_scale",
)
COUNTS = ("iterations", "warm_iterations", "coarse_iterations", "style_size", "seed")

OUT_OF_RANGE: list[tuple[str, Any]] = [
    ("iterations", 0),
    ("warm_iterations", -1),
    ("coarse_iterations", 0),
    ("learning_rate", 0.0),
    ("learning_rate", -0.1),
    ("learning_rate", math.inf),
    ("adam_betas", (1.0, 0.99)),
    ("adam_betas", (0.9, -0.1)),
    ("adam_betas", (0.9,)),
    ("adam_betas", (0.9, 0.9, 0.9)),
    ("adam_betas", 0.9),
    ("averaging", 1.0),
    ("averaging", -0.1),
    ("tolerance", 1.0),
    ("tolerance", -1e-4),
    ("content_layers", {"conv9_9": 1.0}),
    ("content_layers", {"conv4_2": -1.0}),
    ("content_layers", {"conv4_2": math.nan}),
    ("content_layers", {"conv4_2": "much"}),
    ("content_layers", "conv4_2"),
    ("content_layers", ["conv4_2"]),
    ("style_layers", {"relu1_1": 1.0}),
    ("style_layers", {"conv1_1": math.inf}),
    ("style_layers", None),
    ("clamp", "no"),
    ("scales", "all"),
    ("scales", 2),
    ("scales", [256, 128]),
    ("scales", [128, 128]),
    ("scales", [0, 128]),
    ("scales", [128.5]),
    ("scales", None),
    ("style_size", 0),
    ("style_scale", 0.0),
    ("style_scale", None),
    ("tile", 63),
    ("tile", "some"),
    ("tile", 100.0),
    ("tile", True),
    ("seed", -1),
    *[(name, bad) for name in ("content_weight", "style_weight", "tv_weight") for bad in (-1.0, math.inf)],
    *[(name, "much") for name in (*NUMBERS, *COUNTS)],
    *[(name, math.nan) for name in (*NUMBERS, *COUNTS)],
    *[(name, True) for name in (*NUMBERS, *COUNTS)],
    *[(name, 2.5) for name in COUNTS],
    *[(name, "another") for name in CHOICES],
    *[(name, None) for name in CHOICES],
]

WITHIN: list[tuple[str, Any]] = [
    ("iterations", 1),
    ("warm_iterations", 0),
    ("coarse_iterations", None),
    ("coarse_iterations", 1),
    ("learning_rate", None),
    ("learning_rate", 1),
    ("adam_betas", (0.0, 0.0)),
    ("adam_betas", [0.9, 0.999]),  # as from YAML
    ("averaging", 0.99),
    ("tolerance", 0),
    ("content_weight", 0),
    ("style_weight", 0),
    ("content_layers", {}),
    ("content_layers", {"conv5_4": 0}),
    ("style_layers", {"conv5_4": 2}),
    ("clamp", False),
    ("scales", "auto"),
    ("scales", 1),
    ("scales", []),
    ("scales", (64, 128)),
    ("scales", [64]),
    ("style_size", None),
    ("style_size", 1),
    ("style_scale", 2),
    ("tile", None),
    ("tile", 64),
    ("tile", "auto"),
    ("seed", 0),
    *[(name, choice) for name, choices in CHOICES.items() for choice in choices],
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_an_error_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(**{name: value})
    assert str(caught.value).startswith(f"{name} must be ")
    assert str(caught.value).endswith(f", got {value!r}")


@pytest.mark.parametrize(("name", "value"), WITHIN)
def test_a_value_within_its_range_is_taken(name: str, value: Any) -> None:
    assert getattr(Settings(**{name: value}), name) == value


def test_every_setting_is_tried() -> None:
    names = {field.name for field in fields(Settings)}
    assert {name for name, _ in OUT_OF_RANGE} == names
    assert {name for name, _ in WITHIN} >= names - {"tv_weight"}


def test_some_layer_is_to_count() -> None:
    with pytest.raises(ConfigError, match="content_layers and style_layers"):
        Settings(content_layers={}, style_layers={"conv1_1": 0.0})


def test_the_loss_is_the_one_of_its_name() -> None:
    assert {gram: Settings(gram=gram).loss for gram in GRAM_LOSSES} == GRAM_LOSSES
    assert {loss: Settings(style_loss=loss).loss for loss in STYLE_LOSSES} == STYLE_LOSSES


def test_coarse_sizes_have_the_iterations_of_the_final_one_or_their_own() -> None:
    assert Settings(iterations=7).coarse == 7
    assert Settings(iterations=7, coarse_iterations=3).coarse == 3


def test_the_method_holds_what_the_settings_say() -> None:
    method = Settings(
        optimizer="adam",
        learning_rate=0.1,
        adam_betas=(0.5, 0.6),
        variables="pixels",
        clamp=False,
        tolerance=0.01,
        averaging=0.9,
    ).method
    assert (method.optimizer, method.learning_rate, method.adam_betas) == ("adam", 0.1, (0.5, 0.6))
    assert (method.variables, method.bounded, method.tolerance, method.averaging) == (
        "pixels",
        False,
        0.01,
        0.9,
    )
