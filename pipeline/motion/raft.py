"""Optical flow by RAFT (Teed & Deng, ECCV 2020), torchvision's implementation: slower than DIS, and better at objects
that move far. The only module of motion/ that imports torch; nothing imports it unless RAFT is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.optical_flow import raft_large, raft_small

from pipeline.errors import WeightsError

from .flow import Estimate, Floats, Frame

SHORTEST_PX = 128
"""RAFT looks at eighths of the picture, and at these halved three times more."""

LONGEST_PX = 1024
"""Larger frames are reduced: RAFT compares every position with every other, for which 4K would take 67 GB."""

FIRST_LAYER = "feature_encoder.convnormrelu.0.weight"
MAKERS = {32: raft_small, 64: raft_large}
"""By the channels of the first layer, which is how a file says which of the two it is for."""


def load_raft(path: Path, device: torch.device | str = "cpu") -> Estimate:
    """RAFT with the weights of a file, as an `Estimate`; `WeightsError` where they are no RAFT of torchvision's.

    The same frames give the same bits on the same kind of device with the same number of threads.
    """
    state = _read(path)
    first = state.get(FIRST_LAYER)
    maker = MAKERS.get(len(first)) if isinstance(first, Tensor) and first.ndim else None
    if maker is None:
        raise WeightsError(f"video.flow_weights: {path} holds no RAFT of torchvision's: no {FIRST_LAYER}")
    network = maker()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise WeightsError(
            f"video.flow_weights: {path} does not fit torchvision's RAFT: {lines[-1].strip()}"
        ) from error
    network = network.eval().to(device)

    def estimate(start: Frame, end: Frame) -> Floats:
        return _estimate(network, start, end, torch.device(device))

    return estimate


def _estimate(network: Any, start: Frame, end: Frame, device: torch.device) -> Floats:
    """The flow from `start` to `end`, both uint8 (h, w, 3) and of any size, (h, w, 2) in px."""
    height, width = start.shape[:2]
    factor = min(1.0, LONGEST_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    first, second = (_prepared(frame, size, device) for frame in (start, end))
    with torch.inference_mode():
        found = network(first, second)[-1][0, :, : size[1], : size[0]]
    flow = np.ascontiguousarray(found.permute(1, 2, 0).float().cpu().numpy())
    if factor < 1:
        flow = np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        flow *= np.array([width / size[0], height / size[1]], dtype=np.float32)
    return flow


def _prepared(frame: Frame, size: tuple[int, int], device: torch.device) -> Tensor:
    """A frame at `size`, (1, 3, h, w) in −1 to 1, its right and lower edge repeated as far as RAFT wants."""
    if size != (frame.shape[1], frame.shape[0]):
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    image = torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None].float()
    right, below = (max(SHORTEST_PX, -(-side // 8) * 8) - side for side in size)
    return F.pad(image / 127.5 - 1, (0, right, 0, below), mode="replicate")


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds here, from KeyError to UnpicklingError
        raise WeightsError(
            f"video.flow_weights: {path} cannot be read as tensors ({type(error).__name__}); fetch it again"
        ) from error
    if not isinstance(state, dict) or any(
        type(name) is not str or not isinstance(value, Tensor) for name, value in state.items()
    ):
        raise WeightsError(
            f"video.flow_weights: {path} holds a {type(state).__name__}, not a table of tensors by name"
        )
    return state
