"""Which matrix and which range turn YUV into RGB and back: what the tags say, and what stands in for them.

Numbers are the code points of ISO/IEC 23091-2, as in the streams; 2 is "unspecified". The transfer function
is never converted: R'G'B' goes to the network as it is, and back with the source's tags.
"""

from __future__ import annotations

from dataclasses import dataclass

BT709, BT601, BT2020, UNSPECIFIED = 1, 6, 9, 2
PQ, HLG = 16, 18  # the transfers of high dynamic range
LIMITED, FULL = 1, 2  # AVColorRange

# Matrix → the primaries and the transfer that belong to it, for streams that name the matrix only.
_FAMILY = {1: (1, 1), 4: (4, 4), 5: (5, 6), 6: (6, 6), 7: (7, 7), 9: (9, 14)}
# Matrix code point → swscale's number of it. What is missing (RGB, YCgCo, constant luminance) is decoded
# by swscale on its own terms, and encoded as the default of the size.
_SWSCALE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}


@dataclass(frozen=True)
class ColorTags:
    """Color tags of a stream, as code points of ISO/IEC 23091-2; 2 = unspecified."""

    primaries: int
    transfer: int
    matrix: int
    range: int  # AVColorRange: 0 unspecified, 1 limited, 2 full


def resolve_tags(tags: ColorTags, coded_height_px: int) -> ColorTags:
    """The tags with every gap filled: BT.601 below 720 lines, else BT.709, BT.2020 with PQ or HLG; limited range.

    `coded_height_px` is the height before rotation: it is the camera's, which the convention is about.
    A matrix that 4:2:0 video cannot be written with (RGB's, for one) becomes the default of the size too.

    >>> resolve_tags(ColorTags(2, 2, 2, 0), 576)
    ColorTags(primaries=6, transfer=6, matrix=6, range=1)
    """
    default = BT601 if coded_height_px < 720 else BT709
    if tags.transfer in (PQ, HLG):
        default = BT2020
    matrix = tags.matrix if tags.matrix in _SWSCALE else default
    primaries, transfer = _FAMILY[matrix]
    return ColorTags(
        primaries=primaries if tags.primaries in (0, UNSPECIFIED) else tags.primaries,
        transfer=transfer if tags.transfer in (0, UNSPECIFIED) else tags.transfer,
        matrix=matrix,
        range=tags.range if tags.range in (LIMITED, FULL) else LIMITED,
    )


def swscale_matrix(tags: ColorTags) -> int:
    """swscale's number of the matrix of resolved tags."""
    return _SWSCALE[tags.matrix]
