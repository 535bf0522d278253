"""Weights of both kinds, brought to one convention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import WeightsError
from pipeline.style.vgg import VGG19
from pipeline.style.weights import (
    CONV_CHANNELS,
    TORCHVISION_POSITIONS,
    Weights,
    from_packaged,
    from_torchvision,
)
from pipeline.weights import packaged_path


@pytest.fixture(scope="module")
def tables() -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(packaged_path(), weights_only=True)
    return found


def state_dict(**changed: Any) -> Mapping[str, Any]:
    """Convolutions in torchvision's shapes, one number each, so that they take no memory."""
    state: dict[str, Any] = {}
    for position, (inputs, outputs) in zip(TORCHVISION_POSITIONS, CONV_CHANNELS.values(), strict=True):
        state[f"features.{position}.weight"] = torch.tensor(position + 0.5).expand(outputs, inputs, 3, 3)
        state[f"features.{position}.bias"] = torch.tensor(position + 0.25).expand(outputs)
    return {**state, **{name.replace("_", "."): value for name, value in changed.items()}}


def test_the_packaged_weights_are_sixteen_convolutions_of_vgg19(real: Weights) -> None:
    assert list(real.convs) == list(CONV_CHANNELS)
    for name, (inputs, outputs) in CONV_CHANNELS.items():
        weight, bias = real.convs[name]
        assert weight.shape == (outputs, inputs, 3, 3)
        assert bias.shape == (outputs,)
        assert weight.dtype == bias.dtype == torch.float32


def test_a_constant_picture_gives_what_the_caffe_convention_says(
    real: Weights, tables: dict[str, Tensor]
) -> None:
    color = torch.tensor([0.9, 0.2, 0.4])
    bgr = 255 * color.flip(0) - torch.tensor([103.939, 116.779, 123.68])
    kernel = tables["block1_conv1_W_table"][tables["block1_conv1_W_q"].long()]
    expected = (kernel.sum((2, 3)) @ bgr + tables["block1_conv1_b"]).relu()
    found = VGG19(real, ["conv1_1"]).features(color[None, :, None, None].expand(1, 3, 5, 5))["conv1_1"]
    assert torch.allclose(found[0, :, 2, 2], expected, rtol=1e-4, atol=1e-3)


def test_a_packaged_file_that_lacks_a_table_is_refused(tables: dict[str, Tensor]) -> None:
    rest = {name: table for name, table in tables.items() if name != "block3_conv2_b"}
    with pytest.raises(WeightsError, match="weights: packaged, but the file holds no block3_conv2_b"):
        from_packaged(rest, "")


def test_torchvisions_entries_become_the_layers_in_order() -> None:
    weights = from_torchvision({**state_dict(), "classifier.0.weight": torch.zeros(1)}, "abc")
    assert weights.sha256 == "abc"
    for position, name in zip(TORCHVISION_POSITIONS, CONV_CHANNELS, strict=True):
        weight, bias = weights.convs[name]
        assert weight.unique().item() == position + 0.5
        assert bias.unique().item() == position + 0.25


@pytest.mark.parametrize(
    "wrong",
    [
        {"features_5_weight": torch.zeros(1)},
        {"features_5_weight": None},
        {"features_5_weight": [0.0]},
        {"features_5_bias": None},
        {"features_5_bias": torch.zeros(127)},
    ],
)
def test_a_state_dict_of_another_network_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=r"no VGG19 of torchvision's: features\.5 should be conv2_1"):
        from_torchvision(state_dict(**wrong), "")
