"""A finished frame's file: lossless, 8 bits per channel, PNG."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import MediaError
from pipeline.media.photo_formats import UNREADABLE, open_limited

Frame = NDArray[np.uint8]

COMPRESSION = 3
"""zlib's level: above it, painted frames hardly get smaller."""


def encode_frame(frame: Frame) -> bytes:
    """A frame, uint8 (h, w, 3) RGB, as the bytes of its file; the same bytes for the same frame."""
    return bytes(iio.imwrite("<bytes>", frame, extension=".png", compress_level=COMPRESSION))


def decode_frame(path: Path) -> Frame:
    """A finished frame, uint8 (h, w, 3) RGB; `MediaError` where the file is damaged."""
    try:
        with open_limited(path, "PNG") as picture:
            if picture.mode != "RGB":
                raise ValueError(f"its mode is {picture.mode}")
            return np.array(picture, dtype=np.uint8)
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise MediaError(f"finished frame {path} is damaged ({error}); delete it and run again") from error
