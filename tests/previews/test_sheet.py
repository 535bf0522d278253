"""Labeled sheets: everything is there, at its size, and nothing lies over anything else."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from pipeline.errors import SpaceError
from pipeline.previews.sheet import BACKGROUND, Cell, Picture, Row, _wrapped, save_sheet, sheet

COLORS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
LONG = "a label that is much longer than its picture is wide, with_a_word_that_no_single_line_could_ever_hold_whole"


def plain(color: tuple[int, int, int], height: int, width: int) -> Picture:
    return np.full((height, width, 3), color, np.uint8)


def box(picture: Picture, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of what has exactly this color."""
    rows, columns = np.nonzero((picture == color).all(2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def ink(picture: Picture) -> np.ndarray:
    """Where neither background nor one of the test's pictures is."""
    free = (picture == BACKGROUND).all(2)
    for color in COLORS:
        free |= (picture == color).all(2)
    return ~free


def four(label: str = "label") -> Picture:
    cells = [Cell(plain(color, 160, 160), label) for color in COLORS]
    return sheet([Row(cells[:2], "first"), Row(cells[2:], "second")], "title")


def test_pictures_of_any_size_come_to_one_size_undistorted() -> None:
    shapes = [(200, 400), (30, 15), (1, 1), (900, 900)]
    cells = [Cell(plain(color, *shape)) for color, shape in zip(COLORS, shapes, strict=True)]
    found = sheet([Row(cells)], cell_px=200)
    sizes = [(bottom - top, right - left) for top, bottom, left, right in (box(found, c) for c in COLORS)]
    assert sizes == [(100, 200), (200, 100), (200, 200), (200, 200)]


@pytest.mark.parametrize(("longest_px", "expected_px"), [(40, 160), (300, 300), (1024, 512)])
def test_a_cell_is_as_large_as_its_picture_within_what_can_be_read_and_shown(
    longest_px: int, expected_px: int
) -> None:
    top, bottom, *_ = box(sheet([Row([Cell(plain(COLORS[0], longest_px, longest_px // 2))])]), COLORS[0])
    assert bottom - top == expected_px


def test_pictures_stand_in_straight_rows_and_columns_evenly_spaced() -> None:
    cells = [Cell(plain(color, 160, 160), "x") for color in COLORS]
    found = sheet([Row(cells[:3]), Row(cells[3:])])
    boxes = [box(found, color) for color in COLORS]
    assert len({b[0] for b in boxes[:3]}) == 1
    gaps = {right[2] - left[3] for left, right in pairwise(boxes[:3])}
    assert len(gaps) == 1
    assert min(gaps) > 0
    assert boxes[3][2] == boxes[0][2]
    assert (
        found.shape[1] - boxes[2][3] == boxes[0][2] == boxes[0][0]
    )  # the margins at the right, left and top


def test_each_label_stands_below_its_picture_and_each_rows_at_its_left() -> None:
    found = four()
    for color in COLORS:
        top, bottom, left, right = box(found, color)
        assert ink(found)[bottom : bottom + 40, left:right].any()
        assert ink(found)[top:bottom, :left].any() or left > 200
    assert ink(found)[: box(found, COLORS[0])[0]].any(), "the title"


@pytest.mark.parametrize("label", ["label", LONG, f"{LONG}\n{LONG}"])
def test_nothing_lies_over_anything_else_nor_beyond_the_edge(label: str) -> None:
    found = four(label)
    boxes = [box(found, color) for color in COLORS]
    for color, (top, bottom, left, right) in zip(COLORS, boxes, strict=True):
        assert (found[top:bottom, left:right] == color).all()
    columns = boxes[0][3] + 1, boxes[1][2] - 1  # an underscore is a pixel longer than its place
    assert not ink(found)[boxes[0][1] :, columns[0] : columns[1]].any(), "between the columns"
    lines_of_text = ink(found)[boxes[0][1] : boxes[2][0]].any(1)
    assert not lines_of_text[-8:].any(), "between a label and the row below it"
    for edge in (found[:8], found[-8:], found[:, :8], found[:, -8:]):
        assert (edge == BACKGROUND).all()


def test_a_long_label_is_wrapped_and_keeps_every_letter() -> None:
    font = ImageFont.load_default(14)
    lines = _wrapped(LONG, font, 120)
    assert "".join(lines).replace(" ", "") == LONG.replace(" ", "")
    assert max(font.getbbox(line)[2] for line in lines) <= 120


def test_a_rows_label_longer_than_its_pictures_are_high_makes_room() -> None:
    cells = [Cell(plain(color, 20, 160)) for color in COLORS[:2]]
    found = sheet([Row(cells[:1], LONG), Row(cells[1:], LONG)])
    left = box(found, COLORS[0])[2]
    blank = ~ink(found)[:, :left].any(1)
    runs = [len(run) for run in "".join("_" if row else "x" for row in blank).split("x") if run]
    assert max(runs[1:-1]) > 16, "a gap between the two labels"


def test_a_sheet_without_words_is_pictures_and_background_alone() -> None:
    assert not ink(sheet([Row([Cell(plain(COLORS[0], 160, 160))])])).any()


def test_a_saved_sheet_reads_back_the_same_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    picture = four()
    save_sheet(tmp_path / "new" / "sheet.png", picture)
    assert np.array_equal(np.array(Image.open(tmp_path / "new" / "sheet.png")), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]


def test_a_sheet_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpaceError, match="file"):
        save_sheet(tmp_path / "file" / "sheet.png", four())


def test_sheets_need_no_torch() -> None:
    code = "import pipeline.previews.sheet, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
