"""Sums that do not depend on the number of threads, one per picture of a batch.

Convolutions keep no such promise (see `losses`), so a painting's bits belong to a number of threads all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

ROW = 4096
"""Elements that one thread adds up; below 32768 rows torch never splits the sum over the rows."""

FEW = 1 << 20
"""Elements that one thread adds up or multiplies in the time in which others wake up for a hundred such sums."""

PIECE = ROW * ROW
"""Elements of which products are held at once: 64 MB."""


def ordered_sums(x: Tensor) -> Tensor:
    """The sum over all but the first dimension, (batch,), with the same bits for any number of threads.

    torch splits a full reduction by the number of threads, but a reduction of rows by rows.
    """
    x = x.reshape(x.shape[0], -1)
    while x.shape[1] > ROW:
        whole = x.shape[1] // ROW * ROW
        rows = x[:, :whole].reshape(x.shape[0], -1, ROW).sum(2)
        rest = x[:, whole:]
        x = rows if rest.shape[1] == 0 else torch.cat([rows, rest.sum(1, keepdim=True)], 1)
    return x.sum(1)


@contextmanager
def one_thread(elements: int = 0) -> Iterator[None]:
    """Work with one thread; on tensors of so many elements only while that is less than waking the others."""
    threads = torch.get_num_threads()
    if threads == 1 or elements > FEW:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def ordered_sum(x: Tensor) -> Tensor:
    """The sum of all elements as a scalar."""
    return ordered_sums(x.reshape(1, -1))[0]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The scalar product of two tensors of one shape, a scalar; a piece at a time, so that it takes no room."""
    a, b = a.reshape(-1), b.reshape(-1)
    pieces = [ordered_sum(x * y) for x, y in zip(torch.split(a, PIECE), torch.split(b, PIECE), strict=True)]
    return pieces[0] if len(pieces) == 1 else ordered_sum(torch.stack(pieces))
