"""A finished frame's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import MediaError
from pipeline.frames import decode_frame, encode_frame
from tests.media.clips import picture


def noise(width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1), (50, 1)])
def test_a_frame_comes_back_as_it_was(tmp_path: Path, size: tuple[int, int]) -> None:
    frame = noise(*size)
    path = tmp_path / "00000000.png"
    path.write_bytes(encode_frame(frame))
    decoded = decode_frame(path)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, frame)


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_a_frame_of_one_gray_keeps_its_three_channels(tmp_path: Path, gray: int) -> None:
    path = tmp_path / "00000000.png"
    path.write_bytes(encode_frame(np.full((5, 7, 3), gray, np.uint8)))
    assert decode_frame(path).shape == (5, 7, 3)


def test_the_same_frame_gives_the_same_bytes() -> None:
    assert encode_frame(picture(3)) == encode_frame(picture(3).copy())
    assert encode_frame(picture(3)) != encode_frame(picture(4))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_damaged_frame_is_named_with_the_remedy(tmp_path: Path, share: float) -> None:
    path = tmp_path / "00000012.png"
    data = encode_frame(noise(64, 48))
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(
        MediaError, match=r"finished frame .*00000012\.png is damaged.*delete it and run again"
    ):
        decode_frame(path)


def test_a_flipped_byte_is_seen(tmp_path: Path) -> None:
    data = bytearray(encode_frame(noise(64, 48)))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "00000012.png"
    path.write_bytes(data)
    with pytest.raises(MediaError, match="is damaged"):
        decode_frame(path)
