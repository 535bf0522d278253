"""The colors of 16-bit pictures by their ICC profile → sRGB. LittleCMS, as Pillow has it, knows 8 bits only.

Covers profiles of a matrix and tone curves (ICC.1:2022, annex F.3), which all RGB working spaces are; those of
tables are not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_SRGB_D50 = np.array(  # columns: red, green and blue of sRGB, adapted to D50 (IEC 61966-2-1, amendment 1)
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
_CURVES = {b"RGB ": (b"rTRC", b"gTRC", b"bTRC"), b"GRAY": (b"kTRC", b"kTRC", b"kTRC")}
_ROWS = 64  # at a time, so that the floats stay small


@dataclass(frozen=True)
class MatrixProfile:
    """Light by code, (65536,) for each channel; and the matrix from it to linear sRGB."""

    light: tuple[Floats, Floats, Floats]
    matrix: Floats


def parse_profile(profile: bytes) -> MatrixProfile | None:
    """The profile, if it is one of a matrix and curves for RGB, or of a curve for gray; else None."""
    try:
        tags = _tags(profile)
        names = _CURVES[profile[16:20]]
        if b"A2B0" in tags or profile[20:24] != b"XYZ ":
            return None
        red, green, blue = (_curve(tags[name]) for name in names)
        matrix = np.eye(3)
        if profile[16:20] == b"RGB ":
            columns = [_numbers(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
            matrix = np.linalg.inv(_SRGB_D50) @ np.array(columns).T
    except (KeyError, ValueError, IndexError, struct.error, ZeroDivisionError):
        return None
    return MatrixProfile((red, green, blue), matrix.astype(np.float32))


def apply_profile(rgb: npt.NDArray[np.uint16], profile: MatrixProfile) -> npt.NDArray[np.uint16]:
    """Codes (h, w, 3) of the profile's space → sRGB, what lies outside clipped."""
    result = np.empty_like(rgb)
    for top in range(0, len(rgb), _ROWS):
        rows = slice(top, top + _ROWS)
        light = np.stack([curve[rgb[rows, :, i]] for i, curve in enumerate(profile.light)], axis=-1)
        linear = np.clip(light @ profile.matrix.T, 0, 1)
        coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)
        result[rows] = np.rint(65535 * coded)
    return result


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """The tags of a profile by their signatures."""
    (count,) = struct.unpack_from(">L", profile, 128)
    entries = [struct.unpack_from(">4sLL", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name: profile[start : start + size] for name, start, size in entries}


def _numbers(data: bytes) -> list[float]:
    """Fixed-point numbers, 15 bits before and 16 behind the point, with a sign."""
    return [value / 65536 for value in struct.unpack(f">{len(data) // 4}l", data)]


def _curve(tag: bytes) -> Floats:
    """Light, 0–1, for every code of 16 bits: a gamma, a table, or a formula."""
    x = np.linspace(0, 1, 65536)
    if tag[:4] == b"para":
        (kind,) = struct.unpack(">H", tag[8:10])
        return _formula(x, kind, _numbers(tag[12 : len(tag) // 4 * 4])).astype(np.float32)
    if tag[:4] != b"curv":
        raise ValueError("a curve of an unknown type")
    (count,) = struct.unpack(">L", tag[8:12])
    table = struct.unpack(f">{count}H", tag[12 : 12 + 2 * count])
    if count < 2:
        return (x ** (table[0] / 256 if count else 1)).astype(np.float32)
    return np.interp(x, np.linspace(0, 1, count), np.array(table) / 65535).astype(np.float32)


def _formula(x: npt.NDArray[np.float64], kind: int, values: list[float]) -> npt.NDArray[np.float64]:
    """The parametric curves 0 to 4 (ICC.1:2022, table 68), all as (a x + b)^g + e from d on, c x + f below."""
    g, a, b, c, d, e, f = (*values, *[0.0] * 7)[:7]
    match kind:
        case 0:
            a, b, c, d, e, f = 1, 0, 0, 0, 0, 0
        case 1:
            c, d, e, f = 0, -b / a, 0, 0
        case 2:
            c, d, e, f = 0, -b / a, c, c
        case 3:
            e, f = 0, 0
        case 4:
            pass
        case _:
            raise ValueError("a curve of an unknown type")
    power = np.maximum(a * x + b, 0) ** g + e
    return np.clip(np.where(x >= d, power, c * x + f), 0, 1).astype(np.float64)
