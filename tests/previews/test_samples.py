"""A sheet of samples before a run: which frames are chosen, and what is painted in which way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Config, Transfer, load_config
from pipeline.errors import ConfigError
from pipeline.frames import Frame
from pipeline.look import look
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit
from pipeline.previews import sample_sheet
from pipeline.previews.sample_sheet import Grid, parse_times, small
from pipeline.previews.samples import Sample, choose, farthest
from tests.conftest import tree
from tests.media.clips import read_number, write_clip

WriteJob = Callable[..., Path]
Painted = list[tuple[Config, Sample]]


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> Painted:
    """What is painted: in this stand-in the frame itself, upside down."""
    found: Painted = []

    def paint(config: Config, chosen: Sequence[Sample]) -> Iterator[Frame]:
        for sample in chosen:
            found.append((config, sample))
            yield next(decode_frames(sample.source, sample.probe, sample.index, sample.index + 1))[::-1]

    monkeypatch.setattr(sample_sheet.draw, "__defaults__", (paint, lambda _: None))
    return found


@pytest.fixture
def path(write_job: WriteJob, tmp_path: Path) -> Path:
    clip = write_clip(tmp_path / "clip.mp4", frames=24)
    return write_job(clip, video={"cuts": [8, 16], "segment_frames": None})


def preview(path: Path, *args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["preview", str(path), *args])
    return result.exit_code, result.output


def test_a_few_frames_of_different_shots_are_painted_and_only_the_sheet_is_written(
    path: Path, painted: Painted, tmp_path: Path
) -> None:
    before = tree(tmp_path)
    code, told = preview(path)
    sheet = tmp_path / "out/.stylize/preview/samples.png"
    assert (code, told.strip()) == (0, f"wrote {sheet}")
    assert {sample.index // 8 for _, sample in painted} == {0, 1, 2}
    assert set(tree(tmp_path)) - set(before) == {"out/.stylize/preview/samples.png"}
    height, width, _ = iio.imread(sheet).shape
    assert height > 3 * 100 > width / 3


def test_times_choose_the_frames_that_are_shown_then(path: Path, painted: Painted) -> None:
    code, _ = preview(path, "--at", "0,0:00.5")
    assert code == 0
    assert [sample.index for _, sample in painted] == [0, 12]
    frames = [read_number(next(decode_frames(s.source, s.probe, s.index, s.index + 1))) for _, s in painted]
    assert frames == [0, 12]


@pytest.mark.parametrize("times", ["1:00", "-1", "1:2:3:4", "soon", "1/0", "0:1,,2"])
def test_times_that_are_none_or_too_late_are_told(path: Path, painted: Painted, times: str) -> None:
    code, told = preview(path, "--at", times)
    assert code == 2
    assert told.startswith("stylize: --at ")
    assert not painted


def test_a_grid_paints_every_frame_with_every_value_and_else_the_same(path: Path, painted: Painted) -> None:
    code, _ = preview(path, "--grid", "transfer.style_weight=10,1000", "--frames", "2", "--size", "32")
    assert code == 0
    weights = [config.transfer.style_weight for config, _ in painted]
    assert weights == [10, 10, 1000, 1000]
    assert painted[0][1] == painted[2][1]
    assert {config.transfer.size for config, _ in painted} == {32}


@pytest.mark.parametrize(("timeline", "is_said"), [([], False), ([{"at": 0, "style_weight": 10}], True)])
def test_a_sheet_says_that_a_grid_leaves_the_timeline_out(
    timeline: object,
    is_said: bool,
    write_job: WriteJob,
    tmp_path: Path,
    painted: Painted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles, drawn = list[str](), sample_sheet.sheet

    def sheet(rows: Any, title: str, cell_px: int) -> Any:
        titles.append(title)
        return drawn(rows, title, cell_px=cell_px)

    monkeypatch.setattr(sample_sheet, "sheet", sheet)
    path = write_job(
        write_clip(tmp_path / "clip.mp4", frames=3), video={"timeline": timeline, "cuts": "none"}
    )
    for grid in ((), ("--grid", "transfer.style_weight=10,1000")):
        assert preview(path, "--frames", "1", "--size", "32", *grid)[0] == 0
    assert [sample_sheet.LEFT_OUT in title for title in titles] == [False, is_said]


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        ("transfer.style_weight", "--grid takes KEY=VALUE"),
        ("transfer.style_weight=", "--grid takes KEY=VALUE"),
        ("transfer.style_wight=1,2", "did you mean"),
        ("transfer.style_weight=1,-2", "transfer.style_weight must be"),
    ],
)
def test_a_wrong_grid_is_one_message_before_anything_is_painted(
    path: Path, painted: Painted, grid: str, told: str
) -> None:
    code, text = preview(path, "--grid", grid)
    assert (code, told in text) == (2, True), text
    assert not painted


def test_values_that_are_lists_are_one_each() -> None:
    assert Grid.parse("transfer.scales=[32,64],auto").values == ("[32,64]", "auto")
    assert Grid.parse("style=[{image: a.png, weight: 1}],b.png").values == (
        "[{image: a.png, weight: 1}]",
        "b.png",
    )


def test_a_job_that_has_begun_is_shown_by_its_videos_unless_a_sheet_is_asked_for(
    path: Path, painted: Painted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.previews.preview.look", look)
    monkeypatch.setattr("pipeline.previews.preview.is_begun", lambda seen, space: True)
    code, told = preview(path)
    assert (code, painted, "0 of 24 frames painted" in told) == (0, [], True)
    found = json.loads(preview(path, "--frames", "1", "--json")[1])
    assert (len(painted), found["sheet"][-11:]) == (1, "samples.png")


def test_photographs_are_taken_from_all_over_and_the_next_where_one_is_broken(
    write_job: WriteJob, tmp_path: Path, painted: Painted
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(9):
        iio.imwrite(folder / f"p{index}.png", np.full((20, 30 + index, 3), index * 20, np.uint8))
    cut_off = (folder / "p4.png").read_bytes()[:-40]  # its header can be read
    (folder / "p4.png").write_bytes(cut_off)
    code, _ = preview(write_job(folder, folders="archive"), "--frames", "3")
    assert code == 0
    assert [sample.label for _, sample in painted] == ["p1.png", "p5.png", "p7.png"]


def test_samples_are_small_and_quick_and_style_sizes_shrink_with_them(path: Path) -> None:
    config = load_config(path, ["transfer.size=640", "transfer.style_size=320", "transfer.scales=[64,640]"])
    found = small(config, 160).transfer
    assert (found.size, found.style_size, found.scales) == (160, 80, "auto")
    assert small(load_config(path, ["transfer.size=64"]), 160).transfer.size == 64
    assert small(load_config(path, ["transfer.iterations=9"]), 160).transfer.iterations == 9
    assert Transfer.model_validate(found.model_dump()) == found


def test_the_chosen_differ_as_much_as_they_can() -> None:
    points = [np.array([x, y]) for x, y in [(0.0, 0.0), (0.1, 0.0), (9.0, 9.0), (9.0, 8.9), (0.0, 9.0)]]
    assert set(farthest(points, 3)) & {0, 1}
    assert len({points[n].round().tobytes() for n in farthest(points, 3)}) == 3
    assert farthest([], 3) == []
    assert sorted(farthest(points, 9)) == [0, 1, 2, 3, 4]


def test_times_in_seconds_minutes_and_hours() -> None:
    assert parse_times("12, 0:12.5,1:02:03") == (12, Fraction(25, 2), 3723)


def test_nothing_readable_is_told(write_job: WriteJob, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    config = load_config(write_job(tmp_path / "bad.mp4"))
    with pytest.raises(ConfigError, match="nothing of the input can be read"):
        choose(config, look(config).plan, None, 3)


def test_the_real_worker_paints_a_sample_as_a_run_would(path: Path, tmp_path: Path) -> None:
    config = small(load_config(path, ["transfer.iterations=2"]), 48)
    (sample,) = choose(config, look(config).plan, (Fraction(0),), 1)
    (painting,) = sample_sheet.paint(config, [sample])
    assert max(painting.shape[:2]) == 48
    content = next(decode_frames(sample.source, sample.probe, 0, 1))
    assert np.abs(painting.astype(int) - fit(content, painting.shape[1::-1]).astype(int)).mean() > 3
    assert not list(tmp_path.rglob("*.jsonl"))
