"""What an optimizer is: a generator of pictures to be evaluated, one picture at a time.

So each picture of a batch has an optimizer of its own, which never hears of the others, and only the evaluations,
which cost everything, are done together.
"""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor

Steps = Generator[Tensor, tuple[float, Tensor], None]
"""Yields pictures, (1, 3, h, w), and is sent the loss and the gradient, (1, 3, h, w), of each."""


def held(x: Tensor, gradient: Tensor) -> Tensor:
    """Which pixels are at 0 or 1 and would be sent further out by a step against the gradient."""
    return ((x <= 0) & (gradient > 0)) | ((x >= 1) & (gradient < 0))
