"""The objective of pictures at one size, and the tiles that it is evaluated in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.style import Anchor, Guidance, Settings, Style, Weights
from pipeline.style.builder import Builder, in_gray, layers_of
from pipeline.style.styles import Styles
from pipeline.style.vgg import VGG19
from pipeline.style.work import Work
from tests.photos import photo, square_photo

CONTENT = square_photo("astronaut", 48)


def builder(weights: Weights, budget_bytes: float = 2**40, **changed: Any) -> Builder:
    settings = Settings(network="raw", **changed)
    network = VGG19(weights, layers_of(settings))
    return Builder(network, Styles(network, [Style(photo("coffee", 48))], settings), settings, budget_bytes)


def test_layers_that_no_loss_looks_at_are_left_out() -> None:
    layers = {"conv1_1": 1.0, "conv2_1": 0.0}
    settings = Settings(content_layers={"conv4_2": 1.0}, style_layers=layers, content_weight=0.0)
    assert layers_of(settings) == ["conv1_1"]


def test_no_larger_tile_is_begun_with_after_memory_ran_out(narrow: Weights) -> None:
    of = builder(narrow)
    assert of.tile((256, 200), 1) is None
    of.remember((256, 200), 128)
    assert of.tile((256, 200), 1) == 128
    assert of.tile((255, 200), 1) is None, "another size"


def test_a_tile_that_is_set_is_the_tile(narrow: Weights) -> None:
    of = builder(narrow, tile=96)
    assert of.tile((256, 256), 1) == 96
    of.remember((256, 256), 128)
    assert of.tile((256, 256), 1) == 96


@pytest.mark.parametrize(("gib", "fit"), [(8.0, 4), (1.25, 2), (1.1, 1)])
def test_as_many_fit_as_need_no_smaller_tiles(narrow: Weights, gib: float, fit: int) -> None:
    """A picture of 240 × 240 px takes about 150 MB, besides the network's 1 GB."""
    assert builder(narrow, gib * 2**30).fitting((240, 240), 4) == fit


def test_what_the_guidance_adds_is_left_with_the_work(narrow: Weights) -> None:
    anchor = Anchor(CONTENT, torch.ones(1, 1, 48, 48), 2.0)
    fresh = torch.ones(1, 1, 48, 48)
    for guidance, anchors, again in ((None, 0, False), (Guidance((anchor,), fresh), 1, True)):
        work = Work([None], guidance=guidance)
        builder(narrow).evaluator(CONTENT, 1.0, None, work)
        assert (len(work.asked.pixels), bool(work.asked.style)) == (anchors, again)


def test_a_step_of_a_gray_picture_moves_all_channels_alike() -> None:
    def evaluate(images: Tensor, which: object) -> tuple[Tensor, Tensor]:
        return images.sum((1, 2, 3)), images

    losses, gradients = in_gray(evaluate)(torch.tensor([1.0, 2.0, 6.0])[None, :, None, None], [0])
    assert losses.tolist() == [9.0]
    assert gradients.flatten().tolist() == [3.0, 3.0, 3.0]
