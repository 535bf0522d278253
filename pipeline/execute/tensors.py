"""Frames ↔ tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.frames import Frame

Floats = NDArray[np.float32]


def as_tensor(frame: Frame | Floats) -> Tensor:
    """(1, 3, h, w), float32, 0–1, of a frame (h, w, 3), uint8 or float32 in 0–1."""
    scale = 255 if frame.dtype == np.uint8 else 1
    tensor = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    return (tensor.float() / scale).contiguous()


def as_frame(image: Tensor) -> Frame:
    """A frame, uint8 (h, w, 3), of a tensor (1, 3, h, w) in 0–1: rounded, as it is committed."""
    rounded = (image[0].permute(1, 2, 0) * 255).round().clamp(0, 255)
    return np.ascontiguousarray(rounded.to(torch.uint8).numpy())
