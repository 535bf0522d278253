"""What an optimizer is: a generator of pictures to be evaluated, one picture at a time.

So each picture of a batch has an optimizer of its own, which never hears of the others, and only the evaluations,
which cost everything, are done together.
"""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor

Steps = Generator[Tensor, tuple[float, Tensor], None]
"""Yields pictures, (1, 3, h, w), and is sent the loss and the gradient, (1, 3, h, w), of each."""
