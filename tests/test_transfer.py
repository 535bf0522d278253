"""The section `transfer` and the engine's settings are one: the same fields, defaults and limits."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from pipeline.config import Transfer
from pipeline.errors import ConfigError
from pipeline.execute.worker import style_settings
from pipeline.style import Settings
from pipeline.style.settings import CHOICES

NAN, INF = float("nan"), float("inf")

# By setting: what is just within its limits, and what is just outside. Of words, see CHOICES below.
LIMITS: dict[str, tuple[list[Any], list[Any]]] = {
    "iterations": ([1], [0]),
    "warm_iterations": ([0], [-1]),
    "coarse_iterations": ([None, 1], [0]),
    "learning_rate": ([None, 1e-9, 1e9], [0.0, -1.0, INF, NAN]),
    "adam_betas": ([(0.0, 0.0), (0.999, 0.999)], [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9,), (0.9, 0.9, 0.9)]),
    "clamp": ([True, False], []),
    "averaging": ([0.0, 0.999], [-0.1, 1.0, NAN]),
    "content_weight": ([0.0, 1e9], [-0.1, INF, NAN]),
    "style_weight": ([0.0, 1e9], [-0.1, INF, NAN]),
    "tv_weight": ([0.0, 1e9], [-0.1, INF, NAN]),
    "content_layers": ([{"conv5_4": 0.0, "conv1_2": 1.0}], [{"conv6_1": 1.0}, {"conv1_1": -1.0}, {"conv1_1": INF}, {}]),
    "style_layers": ([{"conv5_4": 0.0, "conv1_2": 1.0}], [{"conv1_3": 1.0}, {"conv1_1": -1.0}, {"conv1_1": 0.0}]),
    "scales": (["auto", 1, (16,), (64, 512)], ["all", 2, (), (15,), (64, 64), (64, 32)]),
    "style_size": ([None, 32], [31]),
    "style_scale": ([0.01, 16.0], [0.0, 16.1, NAN]),
    "tolerance": ([0.0, 0.999], [-0.1, 1.0, NAN]),
    "warm_tolerance": ([0.0, 0.999], [-0.1, 1.0, NAN]),
    "tile": (["auto", None, 64], ["all", 63, 0, True]),
    "seed": ([0, 2**63 - 1], [-1, 2**63]),
}  # fmt: skip
LIMITS |= {name: (list(words), ["nothing"]) for name, words in CHOICES.items()}
WITHIN = [(name, value) for name, (inside, _) in LIMITS.items() for value in inside]
OUTSIDE = [(name, value) for name, (_, outside) in LIMITS.items() for value in outside]


def test_every_setting_of_the_engine_is_one_of_transfer_and_is_tried_below() -> None:
    names = {field.name for field in fields(Settings)}
    assert set(Transfer.model_fields) == names | {"size"}
    assert set(LIMITS) == names


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_a_setting_has_the_same_default_here_and_there(field: Any) -> None:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    ours = getattr(Transfer(), field.name)
    assert ours == default
    assert type(ours) is type(default)


@pytest.mark.parametrize("name", CHOICES)
def test_a_setting_has_the_same_words_here_and_there(name: str) -> None:
    assert sorted(get_args(Transfer.model_fields[name].annotation)) == sorted(CHOICES[name])


@pytest.mark.parametrize(("name", "value"), WITHIN)
def test_what_is_within_the_limits_is_taken_here_and_there(name: str, value: Any) -> None:
    size = (
        {"size": value[-1]}
        if name == "scales" and isinstance(value, tuple) and value[-1] >= 32
        else {"size": None}
    )
    transfer = Transfer(**{**size, name: value})
    assert getattr(style_settings(transfer), name) == value


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_what_is_just_outside_the_limits_is_refused_here_and_there(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Transfer(**{"size": None, name: value})
    assert name in str(caught.value)
    with pytest.raises(ConfigError, match=f"^{name} must "):
        Settings(**{name: value})


def test_neither_paints_where_nothing_is_compared() -> None:
    nothing = {"content_weight": 0.0, "style_weight": 0.0, "tv_weight": 1.0}
    with pytest.raises(ValidationError, match="cannot both be 0"):
        Transfer(**nothing)
    with pytest.raises(ConfigError, match=r"^content_weight and style_weight cannot both be 0"):
        Settings(**nothing)


@pytest.mark.parametrize(
    "values",
    [
        {"precision": "float16", "network": "raw"},
        {"style_aspect": "stretch", "style_size": 64},
        {"style_aspect": "stretch", "style_scale": 2.0},
    ],
)
def test_what_excludes_each_other_does_so_here_and_there(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"float16|stretch"):
        Transfer(**values)
    with pytest.raises(ConfigError, match=r"float16|stretch"):
        Settings(**values)
    for name in values:  # each alone is allowed
        style_settings(Transfer(**{name: values[name]}))


def test_layers_may_be_empty_where_their_weight_is_0() -> None:
    transfer = Transfer(content_weight=0.0, content_layers={})
    assert style_settings(transfer).content_layers == {}
