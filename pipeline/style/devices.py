"""What a device has and can: its memory, and the precision of its convolutions."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux's control groups, in their second and first version, say how much memory a container may have."""

CPU_SHARE, CPU_MOST = 0.5, 8 * 2**30
"""A machine without an accelerator is somebody's laptop, or has several workers."""

GPU_SHARE = 0.8


def budget_bytes(device: torch.device, share: float = 1.0) -> float:
    """What work may take of a device's memory by default, of which `share` is ours.

    It does not look at what is in use, so that what follows from it is the same every time.
    """
    if device.type == "cpu":
        return min(CPU_SHARE * memory_bytes(device), CPU_MOST)
    return GPU_SHARE * share * memory_bytes(device)


def memory_bytes(device: torch.device) -> float:
    """All the memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _container_bytes())


def _container_bytes() -> float:
    """What a container may have at most; without end outside of one."""
    for path in CONTAINER_LIMITS:
        try:
            return int(path.read_text("ascii"))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return math.inf


def precision(name: str, device: torch.device) -> torch.dtype:
    """The type of the convolutions; auto: bfloat16 where CUDA has it in hardware, else float32.

    Statistics, losses and pixels are float32 in any case. On CPUs bfloat16 is slower.
    """
    if name != "auto":
        return DTYPES[name]
    is_fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if is_fast else torch.float32
