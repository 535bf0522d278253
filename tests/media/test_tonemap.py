"""High dynamic range becomes BT.709 by BT.2446's method A, in its own words and in a file."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.media.color import HLG, PQ
from pipeline.media.decode import decode_frames
from pipeline.media.encode import encode_video
from pipeline.media.formats import Encoding, coding_of
from pipeline.media.probe import ColorTags, Probe, probe
from pipeline.media.tonemap import tone_map
from tests.media.certified import verify_video

from .clips import source_of, write_clip

Color = tuple[float, float, float]


def pq(light: float) -> float:
    """SMPTE ST 2084's inverse EOTF: cd/m² → code, 0–1."""
    y = (light / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg(scene: float) -> float:
    """BT.2100's OETF of HLG: the scene's light, 0–1 → code, 0–1."""
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


def coded(*colors: Color) -> Any:
    return np.array([colors], np.float64) @ np.eye(3) * 65535 + 0.5


def mapped(colors: list[Color], transfer: int = PQ) -> list[list[int]]:
    return tone_map(coded(*colors).astype(np.uint16), transfer)[0].tolist()  # type: ignore[no-any-return]


def method_a(red: float, green: float, blue: float) -> list[float]:
    """BT.2446-1, section 4, step by step for one color of light in cd/m², then BT.2087; 0–255."""
    r, g, b = ((light / 1000) ** (1 / 2.4) for light in (red, green, blue))
    luma = 0.2627 * r + 0.6780 * g + 0.0593 * b
    wide = 1 + 32 * (1000 / 10000) ** (1 / 2.4)
    p = math.log(1 + (wide - 1) * luma) / math.log(wide)
    if p <= 0.7399:
        c = 1.0770 * p
    elif p < 0.9909:
        c = -1.1510 * p**2 + 2.7811 * p - 0.6302
    else:
        c = 0.5000 * p + 0.5000
    narrow = 1 + 32 * (100 / 10000) ** (1 / 2.4)
    sdr = (narrow**c - 1) / (narrow - 1)
    f = sdr / (1.1 * luma)
    cb, cr = f * (b - luma) / 1.8814, f * (r - luma) / 1.4746
    y = sdr - max(0.1 * cr, 0)
    wide_rgb = [
        y + 1.4746 * cr,
        y - 0.0593 / 0.6780 * 1.8814 * cb - 0.2627 / 0.6780 * 1.4746 * cr,
        y + 1.8814 * cb,
    ]
    light = [max(0, min(1, v)) ** 2.4 for v in wide_rgb]
    rows = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
    return [
        255 * max(0, min(1, sum(m * v for m, v in zip(row, light, strict=True)))) ** (1 / 2.4) for row in rows
    ]


def test_pq_is_mapped_as_the_report_says() -> None:
    lights = [(203, 203, 203), (1, 1, 1), (50, 20, 5), (600, 300, 90), (20, 60, 300), (950, 990, 980)]
    for light, got in zip(lights, mapped([tuple(map(pq, light)) for light in lights]), strict=True):  # type: ignore[misc]
        assert np.abs(np.array(got) - method_a(*light)).max() <= 1, light


def test_black_white_and_reference_white_are_where_the_report_puts_them() -> None:
    white, reference = pq(1000), pq(203)
    assert mapped([(0.0, 0.0, 0.0), (white,) * 3, (reference,) * 3, (1.0, 1.0, 1.0)]) == [
        [0, 0, 0],
        [255, 255, 255],
        [175, 175, 175],  # 0.687 of the signal
        [255, 255, 255],  # 10000 cd/m² are clipped
    ]


def test_hlg_shows_what_pq_shows_of_the_same_display_light() -> None:
    for scene in (0.01, 0.05, 0.265, 0.7, 1.0):
        light = 1000 * scene**1.2
        (one,), (other,) = mapped([(hlg(scene),) * 3], HLG), mapped([(pq(light),) * 3])
        assert np.abs(np.array(one) - other).max() <= 1, scene
    reds = [(hlg(0.5), hlg(0.1), hlg(0.02))]
    gain = 1000 * (0.2627 * 0.5 + 0.6780 * 0.1 + 0.0593 * 0.02) ** 0.2
    assert np.abs(np.array(mapped(reds, HLG)[0]) - method_a(0.5 * gain, 0.1 * gain, 0.02 * gain)).max() <= 1


def test_brighter_is_never_darker_and_gray_stays_gray() -> None:
    ramp = np.repeat(np.linspace(0, 65535, 2000).astype(np.uint16)[None, :, None], 3, axis=2)
    for transfer in (PQ, HLG):
        result = tone_map(ramp, transfer)[0].astype(int)
        assert (np.diff(result[:, 0]) >= 0).all()
        assert np.abs(result - result[:, :1]).max() <= 1


# --- in files ---


def write_hdr(path: Path, colors: list[Color], transfer: int, size: tuple[int, int] = (64, 48)) -> Path:
    """One flat frame of 10 bits for each color of coded R'G'B', in BT.2020, of limited range."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(
            "libx265", rate=25, options={"x265-params": "log-level=none:lossless=1:bframes=0"}
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = (
            9,
            transfer,
            9,
            1,
        )
        for index, (r, g, b) in enumerate(colors):
            luma = 0.2627 * r + 0.6780 * g + 0.0593 * b
            values = (64 + 876 * luma, 512 + 896 * (b - luma) / 1.8814, 512 + 896 * (r - luma) / 1.4746)
            frame = av.VideoFrame(*size, "yuv420p10le")
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(np.full(plane.buffer_size // 2, round(value), np.uint16).tobytes())
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def probed(path: Path, **changes: Any) -> Probe:
    return replace(probe(source_of(path), rate=Fraction(25)), **changes)


LIGHTS = [(203, 203, 203), (600, 300, 90), (20, 60, 300), (5, 2, 1)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_pq_file_is_read_as_bt709(tmp_path: Path, name: str) -> None:
    path = write_hdr(tmp_path / name, [tuple(map(pq, light)) for light in LIGHTS], PQ)  # type: ignore[misc]
    found = probed(path, is_tonemapped=True)
    assert (found.hdr, found.bits, found.color) == ("PQ", 10, ColorTags(9, 16, 9, 1))
    for light, rgb in zip(LIGHTS, decode_frames(source_of(path), found, 0, 4), strict=True):
        assert np.abs(rgb[24, 32] - np.array(method_a(*light))).max() <= 2, light


def test_tone_mapped_output_is_tagged_as_bt709(tmp_path: Path) -> None:
    path = write_hdr(tmp_path / "a.mp4", [(0.6, 0.5, 0.4)] * 3, HLG)
    source, found = source_of(path), probed(path, is_tonemapped=True)
    frames = list(decode_frames(source, found, 0, 3))
    for name in ("b.mp4", "b.webm", "b.mkv"):
        encode_video(frames, tmp_path / name, source, found, 0, 3)
        assert verify_video(tmp_path / name, source, found, 0, 3, (64, 48)) == []
        assert probed(tmp_path / name).color == ColorTags(1, 1, 1, 1)
    assert "color transfer 1 instead of 18" in verify_video(
        tmp_path / "b.mp4", source, replace(found, is_tonemapped=False), 0, 3, (64, 48)
    )


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("b.mp4", "hevc"), ("b.mov", "hevc"), ("b.mkv", "hevc"), ("b.webm", "libdav1d"), ("b.ts", "hevc")],
)
def test_what_is_kept_has_10_bits_and_the_tags_of_the_source(
    tmp_path: Path, name: str, codec: str, transfer: int
) -> None:
    path = write_hdr(tmp_path / "a.mp4", [(0.7, 0.5, 0.3), (0.1, 0.2, 0.6)], transfer)
    source, found = source_of(path), probed(path)
    container = name[2:]
    coding = coding_of(Encoding(), container, is_hdr=True)
    frames = list(decode_frames(source, found, 0, 2))
    assert np.abs(frames[0][24, 32] / 255 - (0.7, 0.5, 0.3)).max() < 0.01  # as coded
    notes = encode_video(frames, tmp_path / name, source, found, 0, 2, coding)
    assert notes == ("what the source says of its mastering display and its brightest frame is left out",)
    assert verify_video(tmp_path / name, source, found, 0, 2, (64, 48)) == []
    became = probed(tmp_path / name)
    assert (became.bits, became.color) == (10, ColorTags(9, transfer, 9, 1))
    with av.open(str(tmp_path / name)) as container_:
        assert container_.streams.video[0].codec_context.name == codec
    for rgb, was in zip(decode_frames(source_of(tmp_path / name), became, 0, 2), frames, strict=True):
        assert np.abs(rgb.astype(int) - was).max() <= 4


def test_high_dynamic_range_without_a_matrix_is_taken_as_bt2020(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=2, tags={"color_trc": 16})
    assert probed(path).shown.matrix == 9
