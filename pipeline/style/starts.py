"""What a painting is started from: at its first size as `init` says, at each later one from the size before.

Knows nothing of the network and of warm starts, which the caller brings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import DivergenceError
from . import color
from .optimize import Minimum, State
from .scales import resize, shape_of
from .settings import Settings
from .styles import Mixture, Styles
from .weights import IMAGENET_MEAN


def initial(contents: Tensor, settings: Settings, styles: Styles, mixture: Mixture | None) -> Tensor:
    """What cold paintings of `contents`, (batch, 3, h, w), begin with: one of the same shape, on the same device."""
    shape, device = shape_of(contents), contents.device
    if settings.init == "content":
        return contents
    if settings.init == "style":
        start = resize(styles.heaviest(mixture).to(device), shape)
    elif settings.init == "mean":
        start = torch.tensor(IMAGENET_MEAN, device=device)[None, :, None, None].expand(1, 3, *shape)
    else:
        generator = torch.Generator().manual_seed(settings.seed)
        start = torch.rand((1, 3, *shape), generator=generator).to(device)
    start = color.luminance(start) if settings.preserve_color == "luminance" else start
    return start.expand_as(contents).contiguous()


def following(
    contents: Tensor,
    minima: Sequence[Minimum | DivergenceError],
    settings: Settings,
    styles: Styles,
    mixture: Mixture | None,
) -> tuple[Tensor, list[State | None]]:
    """What to start from at the size of `contents`, and the optimizers' states, after `minima` at the size before."""
    shape = shape_of(contents)
    starts, states = [], list[State | None]()
    for minimum, content in zip(minima, torch.split(contents, 1), strict=True):
        if isinstance(minimum, DivergenceError):  # it may yet do at this size
            starts.append(initial(content, settings, styles, mixture))
            states.append(None)
        else:
            starts.append(resize(minimum.image.clamp(0, 1), shape))
            states.append(minimum.state.resized(shape))
    return torch.cat(starts), states
