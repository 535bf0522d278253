"""The versions of what paints: without importing any of it, which would take seconds."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from pipeline import __version__

_PACKAGES = ("torch", "ray", "av", "opencv-python", "pillow", "numpy")


def versions(weights: str) -> dict[str, str]:
    """By name; `weights`: the SHA-256 of VGG19's."""
    return {
        "stylize": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        "VGG19's weights": f"SHA-256 {weights}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
