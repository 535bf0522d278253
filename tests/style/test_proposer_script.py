"""The network that proposes paintings: on a narrow VGG19, since how good they are is for the benchmark to say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.errors import ConfigError
from pipeline.style import Settings, Style, Stylizer, Weights
from pipeline.style.color import luminance
from tests.photos import photo, square_photo

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from proposer import Proposer, Training, train_proposer

CONTENTS = [square_photo(name, 32) for name in ("astronaut", "chelsea", "coffee")]
TRAINING = Training(steps=60, rate=5e-3, channels=4, blocks=1)


@pytest.fixture(scope="module")
def painter(narrow: Weights) -> Stylizer:
    return Stylizer(narrow, [Style(photo("coffee", 48))], Settings(network="raw", scales=1))


@pytest.fixture(scope="module")
def trained(painter: Stylizer) -> Proposer:
    return train_proposer(painter, CONTENTS, TRAINING)


def loss(painter: Stylizer, content: Tensor, image: Tensor) -> float:
    losses, _ = painter.judge(content)(image, [0])
    return float(losses)


def test_a_new_proposer_proposes_the_picture_itself() -> None:
    assert torch.equal(Proposer().propose(CONTENTS[0]), CONTENTS[0])


def test_training_lowers_the_loss_of_what_is_proposed(painter: Stylizer, trained: Proposer) -> None:
    before, after = (
        [loss(painter, one, image) for one, image in zip(CONTENTS, images, strict=True)]
        for images in (CONTENTS, [trained.propose(one) for one in CONTENTS])
    )
    assert all(new < 0.8 * old for old, new in zip(before, after, strict=True))


def test_what_is_judged_is_what_is_minimized(painter: Stylizer) -> None:
    assert painter.stylize(CONTENTS[0]).trace[0] == loss(painter, CONTENTS[0], CONTENTS[0])


def test_with_luminance_gray_pictures_are_judged_and_pulled_as_gray(narrow: Weights) -> None:
    settings = Settings(network="raw", scales=1, preserve_color="luminance")
    painter = Stylizer(narrow, [Style(photo("coffee", 48))], settings)
    losses, gradients = painter.judge(CONTENTS[0])(luminance(CONTENTS[0]), [0])
    assert float(losses) == painter.stylize(CONTENTS[0]).trace[0]
    assert torch.equal(gradients[:, 0], gradients[:, 2])


def test_training_leaves_the_random_numbers_of_others_alone(painter: Stylizer) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    train_proposer(painter, CONTENTS, Training(steps=1, channels=4, blocks=1))
    assert torch.equal(torch.rand(4), expected)


def test_every_picture_is_looked_at_before_one_is_again(painter: Stylizer) -> None:
    seen: list[tuple[int, int]] = []
    train_proposer(
        painter,
        CONTENTS,
        Training(steps=3, batch=2, channels=4, blocks=1),
        lambda step, index, _: seen.append((step, index)),
    )
    assert [step for step, _ in seen] == [0, 0, 1, 1, 2, 2]
    assert sorted(index for _, index in seen[:3]) == sorted(index for _, index in seen[3:]) == [0, 1, 2]


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (8, 9), (61, 18)])
def test_a_proposal_has_the_pictures_shape_and_stays_within_0_to_1(
    trained: Proposer, shape: tuple[int, int]
) -> None:
    contents = torch.rand((2, 3, *shape), generator=torch.Generator().manual_seed(0)).round()
    proposed = trained.propose(contents)
    assert proposed.shape == contents.shape
    assert proposed.dtype == torch.float32
    assert not proposed.requires_grad
    assert 0 <= float(proposed.min()) < float(proposed.max()) <= 1


def test_there_is_nothing_to_learn_from_no_pictures(painter: Stylizer) -> None:
    with pytest.raises(ConfigError, match="got none"):
        train_proposer(painter, [], TRAINING)
