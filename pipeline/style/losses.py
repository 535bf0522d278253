"""The losses: what of the content and of the style a picture still lacks, and how rough it is.

Every loss is a mean over what it compares, one value per picture of a batch, so that a weight means the same at
every size. Those of the style look at `Moments` alone, which add up over tiles and regions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from .sums import ordered_sums

PAPER_PROPORTION = 1024
"""4 × 512 / 2, see `gram_loss`."""

WASSERSTEIN_PROPORTION, MEAN_STD_PROPORTION = 256, 128
"""Divisors with which these losses leave as much of the content as `gram_loss` does at the same weight.

Measured by the content loss after 100 iterations on two photographs: right to a factor of two for other pictures.
"""

VARIANCE_FLOOR = 1e-6
"""Part of the mean variance that is added to every variance before its root, whose slope is endless at 0."""


@dataclass(frozen=True)
class Moments:
    """Weighted sums over the positions of a feature map, F being (batch, C, positions) and m the weights.

    `count` = Σ m, (batch,); `first` = Σ m F, (batch, C); `second` = F diag(m) Fᵀ, (batch, C, C).
    """

    count: Tensor
    first: Tensor
    second: Tensor

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.first + other.first, self.second + other.second)

    @property
    def mean(self) -> Tensor:
        """(batch, C)."""
        return self.first / self.count[:, None]

    @property
    def gram(self) -> Tensor:
        """The Gram matrix per position, (batch, C, C): F Fᵀ / (h · w), the second raw moment."""
        return self.second / self.count[:, None, None]

    @property
    def covariance(self) -> Tensor:
        """(batch, C, C)."""
        return self.gram - self.mean[:, :, None] * self.mean[:, None, :]

    @cached_property
    def root(self) -> Tensor:
        """The symmetric root of the covariance, with `VARIANCE_FLOOR` on its diagonal, (batch, C, C)."""
        values, vectors = _eigh(self.covariance + _floor(self)[:, None, None] * _identity(self.first))
        return (vectors * values.clamp(min=0).sqrt()[:, None, :]) @ vectors.mT

    @property
    def variance(self) -> Tensor:
        """(batch, C), not below 0."""
        return (self.gram.diagonal(dim1=1, dim2=2) - self.mean.square()).clamp(min=0)


def moments(features: Tensor, mask: Tensor | None = None) -> Moments:
    """The moments of (batch, C, h, w) features; `mask`, (1, 1, h, w) in 0–1, weighs the positions.

    The paper's G is the second one. Of ones, divided by the positions, it is all ones:

    >>> import torch
    >>> moments(torch.ones(1, 2, 3, 5)).gram.tolist()
    [[[1.0, 1.0], [1.0, 1.0]]]
    """
    batch, positions = features.shape[0], features.shape[2] * features.shape[3]
    flat = _flat(features)
    if mask is None:
        ones = flat.new_ones((1, positions))
        return Moments(flat.new_full((batch,), positions), (ones @ flat)[:, 0], _second(features, features))
    weights = mask.reshape(1, -1)
    count = ordered_sums(weights).expand(batch)
    return Moments(count, (weights @ flat)[:, 0], _second(features, features * mask))


def squared_error(features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Σ m (F − P)² over the positions and channels of one layer, (batch,); m is 1 without a mask."""
    squares = (features - target).square()
    return ordered_sums(squares if mask is None else squares * mask)


def content_loss(features: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """mean((F − P)²) over all positions and channels of one layer, (batch,); all are (batch, C, h, w).

    The paper's (its equation 1) is half the sum: C / 2 times this, and times the number of positions.
    """
    return squared_error(features, target, mask) / features[0].numel()


def gram_loss(found: Moments, target: Moments) -> Tensor:
    """mean((G − A)²) / 1024 of one layer, (batch,), with G and A per position.

    The paper's (its equation 4) is 1 / (4 N² M²) of the sum with undivided G, which is mean((G − A)²) / 4. Dividing
    both by the C / 2 = 256 that `content_loss` leaves out at conv4_2 keeps the two in the paper's proportion; what
    is left of the departure is that content counts per position, and so its weight means the same at every size.
    """
    return _mean_square(found.gram - target.gram) / PAPER_PROPORTION


def paper_gram_loss(found: Moments, target: Moments) -> Tensor:
    """1 / (4 N² M²) · Σ (G − A)² with undivided G, as the paper has it; N channels, M positions."""
    return _mean_square(found.gram - target.gram) / 4


def element_gram_loss(found: Moments, target: Moments) -> Tensor:
    """mean((G − A)²) with G and A divided by C · h · w, as in fast neural style (Johnson et al. 2016)."""
    return _mean_square(found.gram - target.gram) / found.first.shape[1] ** 2


def undivided_gram_loss(found: Moments, target: Moments) -> Tensor:
    """mean((G − A)²) / (C · h · w) with undivided G and A, as many tutorials have it.

    It grows with the number of positions, so a weight belongs to a size. A has the style picture's positions.
    """
    channels = found.first.shape[1]
    return _mean_square(found.second - target.second) / (channels * found.count)


def mean_std_loss(found: Moments, target: Moments) -> Tensor:
    """(mean((μ − ν)²) + mean((σ − τ)²)) / 128 over the channels (Huang & Belongie 2017, equation 13, squared)."""
    deviations = [(m.variance + _floor(target)[:, None]).sqrt() for m in (found, target)]
    means = _mean_square(found.mean - target.mean)
    return (means + _mean_square(deviations[0] - deviations[1])) / MEAN_STD_PROPORTION


def wasserstein_loss(found: Moments, target: Moments) -> Tensor:
    """W₂² / (256 C) between the normal distributions of mean and covariance of the features, (batch,).

    |μ − ν|² + tr(Σ + T − 2 (T^½ Σ T^½)^½) (Dowson & Landau 1982). `VARIANCE_FLOOR` is on both diagonals: a root's
    slope is endless where the covariance is singular, as it is with fewer positions than channels.
    """
    channels = found.first.shape[1]
    floor = _floor(target)[:, None, None] * _identity(found.first)
    ours, theirs = found.covariance + floor, target.covariance + floor
    root = target.root
    traces = ours.diagonal(dim1=1, dim2=2).sum(1) + theirs.diagonal(dim1=1, dim2=2).sum(1)
    distance = traces - 2 * _trace_of_root(root @ ours @ root)
    means = (found.mean - target.mean).square().sum(1)
    return (means + distance.clamp(min=0)) / (channels * WASSERSTEIN_PROPORTION)  # rounding may go below


def total_variation(images: Tensor) -> Tensor:
    """The mean squared difference of neighbors, down and across added, (batch,); `images` (batch, C, h, w).

    The roughness of Mahendran & Vedaldi 2015 (β = 2), as a mean.
    """
    down, across = images.diff(dim=2), images.diff(dim=3)
    return sum(
        (ordered_sums(step.square()) / max(1, step[0].numel()) for step in (down, across)),
        start=images.new_zeros(images.shape[0]),
    )


StyleLoss = Callable[[Moments, Moments], Tensor]

GRAM_LOSSES: Mapping[str, StyleLoss] = {
    "per_position": gram_loss,
    "paper": paper_gram_loss,
    "per_element": element_gram_loss,
    "undivided": undivided_gram_loss,
}
STYLE_LOSSES: Mapping[str, StyleLoss] = {"wasserstein": wasserstein_loss, "mean_std": mean_std_loss}


def _mean_square(x: Tensor) -> Tensor:
    return ordered_sums(x.square()) / x[0].numel()


def _identity(features: Tensor) -> Tensor:
    return torch.eye(features.shape[1], dtype=features.dtype, device=features.device)


def _floor(target: Moments) -> Tensor:
    return VARIANCE_FLOOR * target.variance.mean(1)


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh`, with eigenvalues of NaN where a matrix is not finite, which it would refuse.

    On a CPU with one thread, since the bits that LAPACK gives depend on their number.
    """
    finite = matrix.isfinite().flatten(1).all(1)[:, None, None]
    matrix = matrix.where(finite, torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device))
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if matrix.device.type == "cpu" else threads)
    try:
        values, vectors = torch.linalg.eigh(matrix)
    finally:
        torch.set_num_threads(threads)
    return values.where(finite[:, :, 0], math.nan), vectors


def _trace_of_root(matrix: Tensor) -> Tensor:
    """tr(M^½) of symmetric, positive matrices, (batch,); only its first derivative is there."""
    trace: Tensor = _TraceOfRoot.apply(matrix)
    return trace


def _flat(features: Tensor) -> Tensor:
    """(batch, C, h, w) as (batch, positions, C), which is how channels_last has them in memory."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _second(features: Tensor, weighted: Tensor) -> Tensor:
    """F diag(m) Fᵀ, (batch, C, C), of F and m F, (batch, C, h, w)."""
    found: Tensor = _Second.apply(features, weighted.detach())
    return found


class _Second(torch.autograd.Function):
    """With the slope (D + Dᵀ) F m in one product; by itself torch takes two, and turns their layout around.

    On a CPU a single picture's are convolutions of 1 × 1, which take oneDNN half the time of a product (0.9 ms
    instead of 2.0 at conv1_1 of 256 × 170 px on two cores). Their last bits depend on the number of threads.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weighted: Tensor) -> Tensor:
        ctx.save_for_backward(weighted)
        channels = features.shape[1]
        if len(features) == 1 and not features.is_cuda:
            found: Tensor = conv2d_weight(features, (channels, channels, 1, 1), weighted)  # type: ignore[no-untyped-call]
            return found[None, :, :, 0, 0]
        return _flat(features).mT @ _flat(weighted)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (weighted,) = ctx.saved_tensors
        slope = slopes[0] + slopes[0].mT
        if len(slope) == 1 and not slope.is_cuda:
            return F.conv2d(weighted, slope[0, :, :, None, None]), None
        product = _flat(weighted) @ slope
        return product.reshape(-1, *weighted.shape[2:], weighted.shape[1]).permute(0, 3, 1, 2), None


class _TraceOfRoot(torch.autograd.Function):
    """With the slope ½ M^−½ by eigenvalues: torch's own, by eigenvectors, breaks down where two are equal."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        values, vectors = _eigh(matrix)
        largest = values.amax(1, keepdim=True).clamp(min=1e-30)  # each picture's own
        least = torch.finfo(values.dtype).eps * largest
        roots = values.clamp(min=least).sqrt()
        ctx.save_for_backward(roots, vectors)
        trace: Tensor = roots.sum(1)
        return trace

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        roots, vectors = ctx.saved_tensors
        inverse: Tensor = (vectors / (2 * roots)[:, None, :]) @ vectors.mT
        return slopes[0][:, None, None] * inverse
