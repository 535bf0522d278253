"""What a painting is started from, size by size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style import Mixture, Settings, Style, Weights
from pipeline.style.adam import AdamMoments
from pipeline.style.color import luminance
from pipeline.style.optimize import Minimum
from pipeline.style.scales import resize
from pipeline.style.starts import following, initial
from pipeline.style.styles import Styles
from pipeline.style.vgg import VGG19
from pipeline.style.weights import IMAGENET_MEAN
from tests.photos import photo, square_photo

CONTENTS = torch.cat([square_photo("astronaut", 32), square_photo("chelsea", 32)])
FIRST, SECOND = photo("coffee", 48), photo("chelsea", 40)


@pytest.fixture
def styles(narrow: Weights) -> Styles:
    network = VGG19(narrow, ["conv1_1"])
    return Styles(network, [Style(FIRST), Style(SECOND)], Settings(network="raw"))


def begun(styles: Styles, mixture: Mixture | None = None, **settings: Any) -> Tensor:
    return initial(CONTENTS, Settings(network="raw", **settings), styles, mixture)


def test_a_cold_painting_begins_with_what_init_says(styles: Styles) -> None:
    assert torch.equal(begun(styles, init="content"), CONTENTS)
    assert torch.equal(begun(styles, init="style"), resize(FIRST, (32, 32)).expand(2, 3, 32, 32))
    mean = torch.tensor(IMAGENET_MEAN)[None, :, None, None].expand(2, 3, 32, 32)
    assert torch.equal(begun(styles, init="mean"), mean)
    noise = begun(styles, init="noise", seed=3)
    assert torch.equal(noise, begun(styles, init="noise", seed=3))
    assert torch.equal(noise[0], noise[1]), "of a batch as alone"
    assert not torch.equal(noise, begun(styles, init="noise", seed=4))


def test_of_a_mixture_the_style_with_the_largest_share_is_begun_with(styles: Styles) -> None:
    start = begun(styles, Mixture((1.0, 2.0), 1.0), init="style")
    assert torch.equal(start[:1], resize(SECOND, (32, 32)))


def test_a_gray_painting_begins_gray(styles: Styles) -> None:
    for init in ("style", "mean", "noise"):
        start = begun(styles, init=init, preserve_color="luminance")
        assert torch.allclose(start, luminance(start), atol=1e-6)


def test_a_later_size_goes_on_from_the_one_before_and_where_that_diverged_begins_anew(styles: Styles) -> None:
    image = square_photo("coffee", 16) * 1.5  # beyond 0–1
    state = AdamMoments(7, torch.zeros_like(image), torch.zeros_like(image))
    minima = [Minimum(image, 1.0, (1.0,), state), DivergenceError("not finite")]
    starts, states = following(CONTENTS, minima, Settings(network="raw", init="content"), styles, None)
    assert torch.equal(starts[:1], resize(image.clamp(0, 1), (32, 32)))
    assert torch.equal(starts[1:], CONTENTS[1:])
    assert isinstance(states[0], AdamMoments) and states[0].mean is not None
    assert (states[0].steps, states[0].mean.shape[-2:]) == (7, (32, 32))
    assert states[1] is None
