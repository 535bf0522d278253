"""Changes of variables x = T z, in which the optimizers take their steps; they decide what is steep and what is flat.

T is linear and symmetric, and the pixels x stay what is kept: a step in z is T times it in x, and the gradient with
respect to z is T times that with respect to x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .weights import IMAGENET_STD

Scaling = Callable[[Tensor], Tensor]
"""Multiplies (1, 3, h, w) by T."""

EXPONENT = 0.5
"""Of the frequency. With 0, 0.35 and 1 L-BFGS takes more evaluations, see `scripts/bench_optimizers.py`."""


def pixels(like: Tensor) -> Scaling:
    """T = 1: the variables are the pixels, 0–1."""
    return lambda x: x


def normalized(like: Tensor) -> Scaling:
    """T = diag(σ) with ImageNet's σ: the variables are VGG19's inputs, as in most tutorials."""
    std = torch.tensor(IMAGENET_STD, device=like.device)[None, :, None, None]
    return lambda x: x * std


def frequencies(like: Tensor) -> Scaling:
    """T = the filter (f / f₀)^−½, f being the spatial frequency: coarse structure is moved further than fine.

    The amplitudes of photographs fall off with f (Field 1987), and Olah et al. 2017 (*Feature visualization*) scale
    their variables by f^−1; for quasi-Newton steps on these losses that is too much.
    """
    height, width = like.shape[-2:]
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    lowest = 1 / max(height, width)
    frequency = (down.square() + across.square()).sqrt().clamp(min=lowest)
    gains = ((frequency / 0.25) ** -EXPONENT).to(like.device)

    def filtered(x: Tensor) -> Tensor:
        y = torch.empty_like(x)
        for channel in range(x.shape[1]):  # one after another, since a spectrum takes twice as much memory
            y[:, channel] = torch.fft.irfft2(torch.fft.rfft2(x[:, channel]) * gains, s=(height, width))
        return y

    return filtered


SCALINGS: Mapping[str, Callable[[Tensor], Scaling]] = {
    "pixels": pixels,
    "normalized": normalized,
    "frequencies": frequencies,
}
