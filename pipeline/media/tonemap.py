"""High dynamic range → BT.709: PQ or HLG in BT.2020 becomes R'G'B' for a display of 100 cd/m².

ITU-R BT.2446-1 (2021), section 4, method A, takes what is made for 1000 cd/m² to 100, keeping hues and the saturation
that the eye sees; then the primaries are converted as in BT.2087, and what lies outside is clipped. Departures: PQ
brighter than 1000 cd/m² is clipped (the report leaves that to its user), whatever the mastering display; HLG is
shown on a display of 1000 cd/m² (BT.2100, its gamma 1.2).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline.media.color import PQ

Floats = npt.NDArray[np.float32]

PEAK_HDR, PEAK_SDR = 1000.0, 100.0  # cd/m²
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # BT.2020
_TO_709 = np.array(  # BT.2087's, linear light
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_GAMMA = 2.4  # of BT.1886, the display that both ends of method A are made for
_ROWS = 64  # at a time, so that memory does not grow with the picture


def tone_map(coded: npt.NDArray[np.uint16], transfer: int) -> npt.NDArray[np.uint8]:
    """R'G'B' in BT.2020, full range, 16 bits, (h, w, 3), coded by PQ (16) or HLG (18) → R'G'B' in BT.709, 8 bits."""
    result = np.empty(coded.shape, np.uint8)
    for top in range(0, len(coded), _ROWS):
        rows = slice(top, top + _ROWS)
        result[rows] = _mapped(_display_light(coded[rows], transfer))
    return result


def _display_light(coded: npt.NDArray[np.uint16], transfer: int) -> Floats:
    """(R, G, B) of the light on a display of 1000 cd/m², 0–1, each to the power of 1 / 2.4."""
    if transfer == PQ:
        return _pq_table()[coded]
    scene = _hlg_table()[
        coded
    ]  # BT.2100, table 5: the display multiplies by its luminance to the power of 0.2
    luminance = np.maximum(scene @ _LUMINANCE, 1e-9)[..., None]
    return _power(scene * luminance ** np.float32(0.2), 1 / _GAMMA)


def _mapped(rgb: Floats) -> npt.NDArray[np.uint8]:
    """Method A, then BT.709: from display light to the power of 1 / 2.4 to R'G'B' of 8 bits."""
    luma = rgb @ _LUMINANCE
    mapped = _curve(luma)
    gain = mapped / np.maximum(1.1 * luma, 1e-6)
    blue = gain * (rgb[..., 2] - luma) / np.float32(1.8814)
    red = gain * (rgb[..., 0] - luma) / np.float32(1.4746)
    luma = mapped - np.maximum(0.1 * red, 0)
    narrow = np.stack(
        [luma + 1.4746 * red, luma - 0.16455 * blue - 0.57135 * red, luma + 1.8814 * blue], axis=-1
    )
    light = _power(narrow.astype(np.float32), _GAMMA) @ _TO_709.T
    return np.rint(255 * _power(light, 1 / _GAMMA)).astype(np.uint8)


def _curve(luma: Floats) -> Floats:
    """Method A's tone mapping of luma, 0–1 to 0–1: into a perceptual scale, through a knee, and back."""
    wide, narrow = (1 + 32 * (peak / 10000) ** (1 / _GAMMA) for peak in (PEAK_HDR, PEAK_SDR))
    p = np.log1p((wide - 1) * np.clip(luma, 0, 1)) / np.log(wide)
    knee = -1.1510 * p**2 + 2.7811 * p - 0.6302
    c = np.where(p <= 0.7399, 1.0770 * p, np.where(p < 0.9909, knee, 0.5 * p + 0.5))
    mapped: Floats = ((narrow**c - 1) / (narrow - 1)).astype(np.float32)
    return mapped


def _power(values: Floats, exponent: float) -> Floats:
    """0–1 to a power; what lies outside is clipped."""
    result: Floats = np.clip(values, 0, 1) ** np.float32(exponent)
    return result


@cache
def _pq_table() -> Floats:
    """For each of 65536 values, its light by SMPTE ST 2084's EOTF, over 1000 cd/m², to the power of 1 / 2.4."""
    value = np.linspace(0, 1, 65536) ** (32 / 2523)
    light = (np.maximum(value - 0.8359375, 0) / (18.8515625 - 18.6875 * value)) ** (16384 / 2610)
    return _power((light * 10000 / PEAK_HDR).astype(np.float32), 1 / _GAMMA)


@cache
def _hlg_table() -> Floats:
    """For each of 65536 values, the light of the scene, 0–1, by BT.2100's inverse OETF of HLG."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    value = np.linspace(0, 1, 65536)
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12).astype(np.float32)
