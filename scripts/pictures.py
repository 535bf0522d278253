"""Pictures for the benchmarks: photographs that come with scikit-image, and our own scene and paintings."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from pipeline.execute.tensors import as_tensor
from pipeline.execute.worker import read_mask, read_style
from pipeline.style.scales import resize, shape_at

CONFIGS = Path(__file__).parents[1] / "configs"
PAINTING, MOSAIC = CONFIGS / "paintings/swirl.png", CONFIGS / "paintings/mosaic.png"
SCENE, SKY = CONFIGS / "pictures/harbor.png", CONFIGS / "pictures/harbor_sky.png"


def photograph(name: str, longest_px: int) -> Tensor:
    """A photograph such as "coffee", (1, 3, h, w) in 0–1, with its longest side brought to `longest_px`."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("scikit-image is not installed; ./scripts/setup installs what benchmarks need")
    folder = Path(spec.submodule_search_locations[0], "data")
    found = sorted(folder.glob(f"{name}.*"))
    if not found:
        raise SystemExit(f"scikit-image has no picture {name} in {folder}")
    return picture(found[0], longest_px)


def picture(path: Path, longest_px: int) -> Tensor:
    """A picture from a file, (1, 3, h, w) in 0–1, with its longest side brought to `longest_px`."""
    image = as_tensor(read_style(path))
    return resize(image, shape_at(image, longest_px))


def mask(path: Path) -> Tensor:
    """A mask from a file, (1, 1, h, w) in 0–1."""
    return read_mask(path)
