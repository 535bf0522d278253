"""The terms of the objective: what of the content and of the style a picture still lacks.

Every loss is a mean over what it compares, so that a weight means the same at every size. Sums run in a fixed
order whatever the number of threads: with torch's own, two workers of one thread and one of two would drift apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

PAPER_PROPORTION = 1024
"""4 × 512 / 2, see `style_loss`."""

ROW = 4096
"""Elements that one thread adds up; below 32768 rows torch never splits the sum over the rows."""


def ordered_sum(x: Tensor) -> Tensor:
    """The sum of all elements as a scalar, with the same bits for any number of threads.

    torch splits a full reduction by the number of threads, but a reduction of rows by rows.
    """
    x = x.reshape(-1)
    while x.numel() > ROW:
        whole = x.numel() // ROW * ROW
        rows = x[:whole].view(-1, ROW).sum(1)
        rest = x[whole:]
        x = rows if rest.numel() == 0 else torch.cat([rows, rest.sum()[None]])
    return x.sum()


def mean_square(x: Tensor) -> Tensor:
    """The mean of the squares of all elements, a scalar; thread-count-proof as `ordered_sum`."""
    return ordered_sum(x * x) / x.numel()


def gram(features: Tensor) -> Tensor:
    """The Gram matrix of (1, C, h, w) features, (C, C): G = F Fᵀ / (h · w), F being (C, h · w).

    The paper's G is not divided; here it is, as in its authors' own PyTorch version, so that it does not grow
    with the picture. Of ones it is all ones.

    >>> import torch
    >>> gram(torch.ones(1, 2, 3, 5)).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    flat = features.flatten(2)[0]
    return flat @ flat.T / flat.shape[1]


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """mean((F − P)²) over all positions and channels of one layer; both (1, C, h, w).

    The paper's (its equation 1) is half the sum: C / 2 times this, and times the number of positions.
    """
    return mean_square(features - target)


def style_loss(features: Tensor, target: Tensor) -> Tensor:
    """mean((G − A)²) / 1024 of one layer; `features` (1, C, h, w), `target` a Gram matrix (C, C).

    The paper's (its equation 4) is 1 / (4 N² M²) of the sum with undivided G, which is mean((G − A)²) / 4. Dividing
    both by the C / 2 = 256 that `content_loss` leaves out at conv4_2 keeps the two in the paper's proportion; what
    is left of the departure is that content counts per position, and so its weight means the same at every size.
    """
    return mean_square(gram(features) - target) / PAPER_PROPORTION
