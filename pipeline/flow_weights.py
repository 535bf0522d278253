"""RAFT's weights as a file: where it is, and whether it is the right one. Needs no torch; nothing is downloaded."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from pipeline.errors import WeightsError

URL = "https://download.pytorch.org/models/"
KNOWN = ("raft_large_C_T_SKHT_V2-ff5fadd5.pth", "raft_small_C_T_V2-01064c6d.pth")
"""Files of torchvision's that are looked for in the hub's cache, the best first."""


def flow_file(choice: Path | None) -> tuple[Path, str]:
    """The file with RAFT's weights, `choice` or torchvision's in the hub's cache, and its SHA-256.

    Raises `WeightsError` where it is not there, or is not what its name says.
    """
    path = choice or _cached()
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
        raise WeightsError(f"video.flow_weights: {path} is no file; {_remedy(_cache())}")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"video.flow_weights: {path} cannot be read: {error.strerror}; {_remedy(_cache())}"
        ) from error
    named = re.search(r"-([0-9a-f]{8,})$", path.stem)  # the hub's convention
    if named and not digest.startswith(named[1]):
        raise WeightsError(
            f"video.flow_weights: {path} is damaged or another file: its SHA-256 starts with {digest[:8]}, "
            f"not with {named[1]}; delete it and fetch it again"
        )
    return path, digest


def _cached() -> Path:
    folder = _cache()
    for name in KNOWN:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"video.flow is raft, but {folder} has no weights for it; {_remedy(folder)}")


def _remedy(folder: Path) -> str:
    return (
        f"fetch {URL}{KNOWN[0]} into {folder}, name a file that is there as video.flow_weights, "
        "or do without: video.flow: dis"
    )


def _cache() -> Path:
    """Where torch.hub keeps its files; torch itself would take a second to ask."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or Path(base, "torch")).expanduser() / "hub" / "checkpoints"
