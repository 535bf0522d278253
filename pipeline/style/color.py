"""Keeping the colors of the content. After Gatys et al., *Preserving Color in Neural Artistic Style Transfer*, 2016.

`luminance`: the painting is made in gray, from a gray style whose light is brought to the content's, and takes the
content's chroma. `match`: the style's colors are brought to the content's mean and covariance before the run.
`histogram`: to its distribution in each channel, which follows colors that no normal distribution describes.

Images are (1, 3, h, w), float32, sRGB, 0–1. Statistics run in float64 on the CPU, in fixed order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .sums import ordered_sum

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as the paper's YIQ


def luminance(image: Tensor) -> Tensor:
    """The luma of `image` in all three channels."""
    weights = torch.tensor(LUMA, device=image.device)[None, :, None, None]
    return (image * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1).contiguous()


def with_chroma_of(gray: Tensor, content: Tensor) -> Tensor:
    """`gray`'s luma with `content`'s chroma (section 3.2 of the paper).

    Departure: where a color would leave 0–1 its chroma is reduced until it fits. Clipped, the luma would be another one
    than was painted, and the next frame of a film would begin beside the minimum.
    """
    luma, chroma = luminance(gray).clamp(0, 1), content - luminance(content)
    room = torch.where(chroma > 0, 1 - luma, luma) / chroma.abs().clamp(min=1e-6)
    return (luma + room.amin(1, keepdim=True).clamp(max=1) * chroma).clamp(0, 1)


def match_luminance(style: Tensor, content: Tensor) -> Tensor:
    """`style`'s luma with the mean and the standard deviation of `content`'s, clipped to 0–1 (section 3.2)."""
    ours, theirs = (luminance(image)[0, 0].detach().cpu().double() for image in (style, content))
    mean_s, mean_c = _ordered_mean(ours), _ordered_mean(theirs)
    spread_s, spread_c = (
        _ordered_mean((luma - mean).square()).sqrt() for luma, mean in ((ours, mean_s), (theirs, mean_c))
    )
    matched = (ours - mean_s) * (spread_c / spread_s.clamp(min=1e-3)) + mean_c
    return matched.clamp(0, 1).to(style.device, torch.float32).expand(1, 3, -1, -1).contiguous()


def match_histogram(style: Tensor, content: Tensor) -> Tensor:
    """`style` with the distribution of `content`'s values in each channel, value for value in their order."""
    matched = torch.empty_like(style)
    for channel in range(3):
        ours, theirs = style[0, channel].flatten(), content[0, channel].flatten().sort().values
        ranks = ours.sort(stable=True).indices.argsort().double() * (
            (len(theirs) - 1) / max(1, len(ours) - 1)
        )
        matched[0, channel] = theirs[ranks.round().long().to(theirs.device)].reshape(style.shape[-2:])
    return matched


def match_color(style: Tensor, content: Tensor) -> Tensor:
    """`style` with the mean and covariance of `content`'s colors, clipped to 0–1 (section 3.1 of the paper).

    The linear map is Σc^½ Σs^−½ (the paper's image analogies variant, by eigendecomposition).
    """
    mean_s, root_s = _statistics(style, -0.5)
    mean_c, root_c = _statistics(content, 0.5)
    flat = style.detach().cpu().double().flatten(2)[0]
    mapped = root_c @ root_s @ (flat - mean_s) + mean_c
    return mapped.reshape(style.shape).clamp(0, 1).to(style.device, torch.float32)


def _statistics(image: Tensor, power: float) -> tuple[Tensor, Tensor]:
    """The mean color, (3, 1), and the covariance raised to `power`, (3, 3)."""
    flat = image.detach().cpu().double().flatten(2)[0]
    mean = torch.stack([_ordered_mean(channel) for channel in flat])[:, None]
    centered = flat - mean
    covariance = torch.stack([torch.stack([_ordered_mean(a * b) for b in centered]) for a in centered])
    values, vectors = torch.linalg.eigh(covariance + 1e-5 * torch.eye(3, dtype=torch.float64))
    return mean, vectors @ torch.diag(values**power) @ vectors.T


def _ordered_mean(x: Tensor) -> Tensor:
    return ordered_sum(x) / x.numel()
