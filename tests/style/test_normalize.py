"""The means that normalize a network."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest
import torch

from pipeline.style import normalize
from pipeline.style.normalize import FLOOR, dead_leaves, normalization_means
from pipeline.style.weights import CONV_CHANNELS, Weights


def test_dead_leaves_are_the_same_for_the_same_seed() -> None:
    assert torch.equal(dead_leaves(3, 32), dead_leaves(3, 32))
    assert not torch.equal(dead_leaves(3, 32), dead_leaves(4, 32))


def test_dead_leaves_are_a_picture() -> None:
    picture = dead_leaves(0, 48)
    assert picture.shape == (1, 3, 48, 48)
    assert picture.dtype == torch.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.1


def test_the_packaged_weights_have_a_mean_for_each_filter_none_far_below_its_layer(real: Weights) -> None:
    table = json.loads(resources.files("pipeline.style").joinpath("packaged_means.json").read_text("utf-8"))
    means = normalization_means(real)
    floored = 0
    for name, (_, outputs) in CONV_CHANNELS.items():
        measured = torch.tensor(table["means"][name])
        floor = FLOOR * float(measured.mean())
        assert means[name].shape == (outputs,)
        assert torch.equal(means[name], measured.clamp(min=floor))
        floored += int((measured < floor).sum())
    assert floored > 0


def test_the_filters_of_a_layer_share_one_mean_where_the_weights_are_not_known(
    real: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normalize, "dead_leaves", lambda seed: dead_leaves(seed, 32))
    means = normalization_means(replace(real, sha256="another"))
    assert means.keys() == CONV_CHANNELS.keys()
    for name, (_, outputs) in CONV_CHANNELS.items():
        assert means[name].shape == (outputs,)
        assert means[name].unique().numel() == 1
        assert means[name][0] > 0
