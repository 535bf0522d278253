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
    "warm_tolerance",
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
    ("warm_tolerance", 1.0),
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
    ("scales", []),
    ("scales", [15, 128]),
    ("scales", [128, 16385]),
    ("style_size", 31),
    ("style_scale", 0.0),
    ("style_scale", None),
    ("style_scale", 16.1),
    ("tile", 63),
    ("tile", "some"),
    ("tile", 100.0),
    ("tile", True),
    ("seed", -1),
    ("seed", 2**63),
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
    ("warm_tolerance", 0),
    ("tolerance", 0),
    ("content_weight", 0),
    ("style_weight", 0),
    ("content_layers", {"conv5_4": 2, "conv1_1": 0}),
    ("style_layers", {"conv5_4": 2}),
    ("clamp", False),
    ("scales", "auto"),
    ("scales", 1),
    ("scales", (64, 128)),
    ("scales", [16, 16384]),
    ("style_size", None),
    ("style_size", 32),
    ("style_scale", 16),
    ("tile", None),
    ("tile", 64),
    ("tile", "auto"),
    ("seed", 0),
    ("seed", 2**63 - 1),
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


COMBINATIONS: list[tuple[dict[str, Any], str]] = [
    ({"content_weight": 0, "style_weight": 0.0}, "content_weight and style_weight cannot both be 0"),
    ({"content_layers": {}}, "content_layers must have a weight above 0, got {}"),
    ({"style_layers": {"conv1_1": 0.0}}, "style_layers must have a weight above 0, got {'conv1_1': 0.0}"),
    (
        {"precision": "float16", "network": "raw"},
        "precision float16 cannot hold the raw network's activations; take bfloat16",
    ),
    *(
        (
            {"style_aspect": "stretch", **sized},
            "style_aspect stretch leaves nothing for style_size and style_scale to say",
        )
        for sized in ({"style_size": 64}, {"style_scale": 0.5}, {"style_size": 64, "style_scale": 2.0})
    ),
]


@pytest.mark.parametrize(("settings", "message"), COMBINATIONS)
def test_settings_that_exclude_each_other_are_an_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(**settings)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "settings",
    [
        {"content_weight": 0, "content_layers": {}},
        {"style_weight": 0, "style_layers": {"conv1_1": 0.0}},
        {"precision": "bfloat16", "network": "raw"},
        {"precision": "float16", "network": "normalized"},
        {"style_aspect": "stretch", "style_size": None, "style_scale": 1},
        {"style_aspect": "keep", "style_size": 64, "style_scale": 2.0},
    ],
)
def test_what_comes_near_to_that_is_taken(settings: dict[str, Any]) -> None:
    found = Settings(**settings)
    assert {name: getattr(found, name) for name in settings} == settings


def test_the_loss_is_the_one_of_its_name() -> None:
    assert {gram: Settings(gram=gram).loss for gram in GRAM_LOSSES} == GRAM_LOSSES
    assert {loss: Settings(style_loss=loss).loss for loss in STYLE_LOSSES} == STYLE_LOSSES


def test_coarse_sizes_have_half_of_the_final_ones_iterations_or_their_own() -> None:
    assert Settings(iterations=8).coarse == 4
    assert Settings(iterations=7).coarse == 4  # rounded up, and so
    assert Settings(iterations=1).coarse == 1  # never none
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
