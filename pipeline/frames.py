"""A finished frame's file: lossless, 8 bits per channel, PNG."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.durable import no_link
from pipeline.errors import MediaError
from pipeline.media.photo_formats import UNREADABLE, open_limited
from pipeline.settings.paths import kind_of

Frame = NDArray[np.uint8]

COMPRESSION = 3
"""zlib's level: above it, painted frames hardly get smaller."""


def encode_frame(frame: Frame) -> bytes:
    """A frame, uint8 (h, w, 3) RGB, as the bytes of its file; the same bytes for the same frame."""
    return bytes(iio.imwrite("<bytes>", frame, extension=".png", compress_level=COMPRESSION))


def decode_frame(path: Path, check: Callable[[bytes], None] | None = None) -> Frame:
    """A finished frame, uint8 (h, w, 3) RGB; `MediaError` where the file is damaged.

    `check` looks at the bytes of the file first, and raises what is wrong with them.
    """
    try:
        if kind_of(path) == "special":
            raise OSError("it is a device or a pipe")
        with os.fdopen(no_link(path, os.O_RDONLY), "rb") as file:  # nothing but what a run committed
            data = file.read()
        if check is not None:
            check(data)
        with open_limited(BytesIO(data), "PNG") as picture:
            if picture.mode != "RGB":
                raise ValueError(f"its mode is {picture.mode}")
            return np.array(picture, dtype=np.uint8)
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise MediaError(f"finished frame {path} cannot be read ({error.strerror}); run again") from error
        raise MediaError(f"finished frame {path} is damaged ({error}); delete it and run again") from error
