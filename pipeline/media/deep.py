"""Frames of more than 8 bits per channel → R'G'B' of 16, by the matrix and the range of their tags.

libswscale only brings chroma to the size of luma here, which it does exactly. Its own way to RGB is off by up to 1.25
of 255 steps for full-range video of 10 bits, and by 1 on the way to 16 bits (libswscale of FFmpeg 8.1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.media.color import FULL, ColorTags

Floats = npt.NDArray[np.float32]

_RED_AND_BLUE = {  # by matrix code point: the shares of red and blue in luma (ITU-T H.273, table 4)
    1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593),
}  # fmt: skip


def deep_rgb(yuv: npt.NDArray[np.uint16], tags: ColorTags, bits: int) -> npt.NDArray[np.uint16]:
    """Y'CbCr 4:4:4, (h, w, 3), `bits` in the upper bits of 16 → R'G'B', (h, w, 3), full range.

    >>> white = np.array([940, 512, 512], np.uint16).reshape(1, 1, 3) << 6
    >>> deep_rgb(white, ColorTags(9, 16, 9, 1), 10).tolist()
    [[[65535, 65535, 65535]]]
    """
    red, blue = _RED_AND_BLUE[tags.matrix]
    values = yuv.astype(np.float32)
    if tags.range == FULL:
        top = np.float32(65536 - 2 ** (16 - bits))
        luma, chroma = values[..., 0] / top, (values[..., 1:] - 32768) / top
    else:
        luma, chroma = (values[..., 0] / 256 - 16) / 219, (values[..., 1:] / 256 - 128) / 224
    r = luma + np.float32(2 * (1 - red)) * chroma[..., 1]
    b = luma + np.float32(2 * (1 - blue)) * chroma[..., 0]
    g = (luma - np.float32(red) * r - np.float32(blue) * b) / np.float32(1 - red - blue)
    rgb: Floats = np.clip(np.stack([r, g, b], axis=-1), 0, 1)
    return np.rint(65535 * rgb).astype(np.uint16)


def in_8_bits(rgb: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """16 bits, rounded to 8."""
    return ((rgb.astype(np.uint32) + 128) // 257).astype(np.uint8)
