"""Frames ↔ tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.frames import Frame

Floats = NDArray[np.float32]


def as_tensor(frame: Frame | NDArray[np.uint16] | Floats) -> Tensor:
    """(1, 3, h, w), float32, 0–1, of a frame (h, w, 3), uint8, uint16, or float32 in 0–1."""
    scale = {"uint8": 255, "uint16": 65535}.get(frame.dtype.name, 1)
    values = frame.astype(np.float32) if frame.dtype == np.uint16 else np.ascontiguousarray(frame)
    return (torch.from_numpy(values).permute(2, 0, 1)[None].float() / scale).contiguous()


def as_floats(image: Tensor) -> Floats:
    """A picture, float32 (h, w, 3) in 0–1, of a tensor (1, 3, h, w)."""
    return np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())


def as_frame(image: Tensor) -> Frame:
    """A frame, uint8 (h, w, 3), of a tensor (1, 3, h, w) in 0–1: rounded, as it is committed."""
    rounded = (image[0].permute(1, 2, 0) * 255).round().clamp(0, 255)
    return np.ascontiguousarray(rounded.to(torch.uint8).numpy())
