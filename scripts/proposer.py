"""A small network that proposes a painting of a picture at once, for the optimization to start from.

Of Johnson et al. 2016 (*Perceptual Losses for Real-Time Style Transfer*), with instance normalization (Ulyanov et al.
2016), and trained on what the optimization minimizes: for one network, one set of styles and one size. Departures: far
narrower and shallower; it says what to add to the picture instead of the picture; the logarithm of the loss is
lowered, so that no picture counts more than another; and pixels at 0 or 1 pull no further out, as in `lbfgs`. Knows
nothing of files, nor of what is made of its proposals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.errors import ConfigError
from pipeline.style import Stylizer
from pipeline.style.optimize import Evaluate
from pipeline.style.scales import shape_of
from pipeline.style.steps import held

Watch = Callable[[int, int, float], None]
"""Sees (step, which content, loss) of each proposal in training."""

GAIN = 0.1
"""What the last layer says counts by this. Its sums are of over a thousand numbers, which Adam moves all at once."""

BETAS = (0.9, 0.99)
"""Adam's: the style's loss is of fourth order, and what a proposal that overshot has left must be forgotten soon."""

WARM_UP = 20
"""Steps over which the rate rises."""


class Proposer(nn.Module):
    """Maps pictures to proposals; new, it proposes each picture itself.

    `channels`: at full size; twice and four times as many at a half and at a fourth. `blocks`: residual ones, there.
    """

    def __init__(self, channels: int = 16, blocks: int = 4, seed: int = 0) -> None:
        super().__init__()
        self.channels, self.blocks = channels, blocks
        full, half, fourth = channels, channels * 2, channels * 4
        self.trunk = nn.Sequential(
            *_conv(3, full, 9),
            *_conv(full, half, 3, stride=2),
            *_conv(half, fourth, 3, stride=2),
            *(_Residual(fourth) for _ in range(blocks)),
            nn.Upsample(scale_factor=2),
            *_conv(fourth, half, 3),
            nn.Upsample(scale_factor=2),
            *_conv(half, full, 3),
        )
        self.last = _padded(full, 3, 9)
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _draw(module, generator)
        nn.init.zeros_(self.last.weight)

    def forward(self, contents: Tensor) -> Tensor:
        """Proposals of `contents`, (b, 3, h, w) in 0–1, that may leave 0–1."""
        height, width = shape_of(contents)
        change: Tensor = self.last(self.trunk((contents - 0.5) * 4))  # up to 3 px longer
        return contents + GAIN * change[:, :, :height, :width]

    def propose(self, contents: Tensor) -> Tensor:
        """Proposals, (b, 3, h, w) in 0–1, of `contents`, (b, 3, h, w) in 0–1 with sides of at least 8 px."""
        with torch.no_grad():
            found: Tensor = self(contents)
        return found.clamp(0, 1)


@dataclass(frozen=True)
class Training:
    """How to train. `steps`: changes of the weights. `batch`: pictures that each looks at. `rate`: Adam's at its
    highest, from where it falls to 0 as a cosine. `channels`, `blocks`: see `Proposer`. `seed`: of the first weights
    and of the pictures' order.
    """

    steps: int = 1000
    batch: int = 1
    rate: float = 1e-3
    channels: int = 16
    blocks: int = 4
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Adam's rate at a step, from 0."""
        falling = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)
        return self.rate * falling * min(1.0, (step + 1) / WARM_UP)


def train_proposer(
    stylizer: Stylizer,
    contents: Sequence[Tensor],
    training: Training,
    watch: Watch | None = None,
) -> Proposer:
    """A proposer of what `stylizer` makes of `contents`, each (1, 3, h, w) in 0–1, and of pictures like them.

    Costs steps × batch evaluations, and once the targets of each content. `watch` sees (step, which content, its
    loss). Same input, same bits, on a CPU with the same number of threads. Raises `ConfigError` without contents.
    """
    if not contents:
        raise ConfigError("a proposer must have pictures to be trained on, got none")
    proposer = Proposer(training.channels, training.blocks, training.seed).to(stylizer.device)
    optimizer = torch.optim.Adam(proposer.parameters(), betas=BETAS)
    judges = [stylizer.judge(content) for content in contents]
    order = _order(len(contents), training.seed)
    for step in range(training.steps):
        optimizer.param_groups[0]["lr"] = training.rate_at(step)
        optimizer.zero_grad()
        for index in (next(order) for _ in range(training.batch)):
            loss = _teach(proposer, contents[index].to(stylizer.device), judges[index])
            if watch:
                watch(step, index, loss)
        optimizer.step()
    return proposer


def _teach(proposer: Proposer, content: Tensor, judge: Evaluate) -> float:
    """Add the gradient of the logarithm of one proposal's loss to those of the weights; the loss."""
    proposed = proposer(content)
    images = proposed.detach().clamp(0, 1)
    losses, gradients = judge(images, [0])
    loss = float(losses)
    if math.isfinite(loss) and loss > 0:
        proposed.backward(gradients.masked_fill(held(images, gradients), 0) / loss)
    return loss


def _order(count: int, seed: int) -> Iterator[int]:
    """Indices below `count` without end: all of them, in another order each time."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).tolist()


class _Residual(nn.Module):
    """x + f(x), f two convolutions with a ReLU between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_conv(channels, channels, 3), *_conv(channels, channels, 3)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x)
        return x + change


def _conv(inputs: int, outputs: int, side: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """A convolution, its normalization and its ReLU."""
    return _padded(inputs, outputs, side, stride), nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()


def _padded(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that sees the border once more outside of it: zeros there would be painted as a frame.

    Its weights are `_draw`'s to set; torch would take them from the random numbers of the whole process.
    """
    conv: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, inputs, outputs, side, stride, padding=side // 2, padding_mode="replicate"
    )
    return conv


def _draw(conv: nn.Conv2d, generator: torch.Generator) -> None:
    """He's initialization, from a generator of its own."""
    fan_in = conv.weight[0].numel()
    with torch.no_grad():
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=generator) * math.sqrt(2 / fan_in))
        if conv.bias is not None:
            conv.bias.zero_()
