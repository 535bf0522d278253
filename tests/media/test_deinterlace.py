"""Two fields become one whole frame: the same one wherever decoding began, at the same time as before."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.media.decode import decode_frames
from pipeline.media.probe import Probe, probe

from .clips import picture, read_number, source_of, write_clip
from .conftest import OPEN_GOP

FIELDS = {"x264-params": "interlaced=1:keyint=12:weightp=0", "flags": "+ildct"}
MPEG2 = {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}}


def woven(index: int, fields: str = "tff") -> Any:
    """Frame `index` with a bar that moves by 4 px from the first field to the second one."""
    rgb = picture(0).copy()
    rgb[16:] = 60
    for field, row in enumerate((16, 17) if fields == "tff" else (17, 16)):
        x = 8 * index % 40 + 4 * field
        rgb[row::2, x : x + 8] = 220
    return rgb


def write_interlaced(path: Path, frames: int = 30, fields: Any = "tff", **options: Any) -> Path:
    settings: dict[str, Any] = {"options": FIELDS, **options}
    rgb = [woven(i, fields) for i in range(frames)]
    return write_clip(path, rgb=rgb, pts=range(frames), fields=fields, **settings)


def probed(path: Path, *, deinterlace: bool = True) -> Probe:
    return replace(probe(source_of(path), rate=Fraction(25)), is_deinterlaced=deinterlace)


def decoded(path: Path, found: Probe, first: int = 0, stop: int | None = None) -> list[Any]:
    return list(decode_frames(source_of(path), found, first, found.frames if stop is None else stop))


def combing(rgb: Any) -> float:
    """How much neighboring lines differ, beyond those two apart: high where two fields are woven."""
    rows = rgb[16:, :, 1].astype(float)
    return float(np.abs(rows[1:-1] * 2 - rows[:-2] - rows[2:]).mean() - np.abs(rows[2:] - rows[:-2]).mean())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("h264.mp4", {}),
        ("open.mkv", {"options": {**FIELDS, "x264-params": f"{OPEN_GOP['x264-params']}:interlaced=1"}}),
        ("mpeg2.ts", MPEG2),
    ],
)
def test_a_frame_is_the_same_wherever_decoding_began(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    path = write_interlaced(tmp_path / name, **settings)
    found = probed(path)
    assert found.interlaced == 30
    straight = decoded(path, found)
    assert len(straight) == 30
    for first in range(30):
        part = decoded(path, found, first, min(first + 2, 30))
        for index, rgb in enumerate(part, start=first):
            np.testing.assert_array_equal(rgb, straight[index], err_msg=f"frame {index} from {first}")


@pytest.mark.parametrize("fields", ["tff", "bff"])
@pytest.mark.parametrize("settings", [{"options": {**FIELDS, "crf": "2"}}, MPEG2], ids=["h264", "mpeg2"])
def test_combs_go_away_and_the_first_field_stays(
    tmp_path: Path, fields: str, settings: dict[str, Any]
) -> None:
    path = write_interlaced(tmp_path / "a.mkv", fields=fields, **settings)
    whole, woven_ = (decoded(path, probed(path, deinterlace=on)) for on in (True, False))
    for index in range(2, 28):
        assert combing(woven_[index]) > 5
        assert combing(whole[index]) < combing(woven_[index]) / 4
        assert np.abs(whole[index][:8].astype(int) - woven_[index][:8]).mean() < 1.5
        for row in (28, 29):  # the first field's bar, in its own lines and in those of the second
            assert int((whole[index][row, :, 1] > 140).nonzero()[0][0]) == 8 * index % 40


def test_frames_stay_in_their_places(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=30, options=FIELDS, fields="tff")
    found = probed(path)
    assert [read_number(rgb) for rgb in decoded(path, found)] == list(range(30))


def test_a_rotated_interlaced_clip_comes_upright(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", frames=5, options=FIELDS, fields="tff", rotate_ccw_deg=90)
    assert np.abs(decoded(path, probed(path))[3].astype(int) - np.rot90(picture(3))).mean() < 6


def test_progressive_frames_pass_as_they_are(clip: Path) -> None:
    found = probed(clip)
    assert found.interlaced == 0
    np.testing.assert_array_equal(decoded(clip, found), decoded(clip, replace(found, is_deinterlaced=False)))


def test_a_clip_of_one_frame_is_deinterlaced_too(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "a.mp4", frames=1)
    assert len(decoded(path, probed(path))) == 1
