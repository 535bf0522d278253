"""Pictures side by side on one labeled sheet, for eyes that compare.

Knows Pillow and numpy, and where a line of text has to break; knows nothing of what the pictures are.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.workspace import replace

Picture = NDArray[np.uint8]
"""uint8 (height, width, 3), sRGB."""

BACKGROUND, INK, FAINT_INK = (250, 249, 246), (32, 32, 32), (110, 108, 104)
SMALLEST_CELL_PX, LARGEST_CELL_PX = 160, 512
CELL_PX_PER_TEXT_PX = 15
SMALLEST_TEXT_PX, LARGEST_TEXT_PX = 12, 30
TITLE = 1.5
"""Size of the title's letters, relative to the labels'."""
ROW_LABEL = 0.5
"""Greatest width of the labels at the left, relative to a cell's."""
PLAIN = str.maketrans({"×": "x", "–": "-", "—": "-", "…": "..."})
"""What Pillow's own font lacks, and what stands in for it."""


@dataclass(frozen=True)
class Cell:
    """A picture, uint8 (height, width, 3) of any size, and what stands below it.

    The first line of the label is its heading; the lines after it, set apart by a line feed, are printed fainter.
    """

    picture: Picture
    label: str = ""


@dataclass(frozen=True)
class Row:
    """Cells from left to right, and what stands at their left."""

    cells: Sequence[Cell]
    label: str = ""


def sheet(rows: Sequence[Row], title: str = "", cell_px: int | None = None) -> Picture:
    """The rows one below the other on a light ground, uint8 (height, width, 3).

    Every picture is brought, without distortion, to a longest side of `cell_px`; None: that of the largest one,
    within 160 to 512. A label as wide as its cell goes on in the next line.
    """
    if cell_px is None:
        longest_px = max(max(cell.picture.shape[:2]) for row in rows for cell in row.cells)
        cell_px = min(max(longest_px, SMALLEST_CELL_PX), LARGEST_CELL_PX)
    layout = _Layout(rows, title, cell_px)
    canvas = Image.new("RGB", layout.size_px, BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    layout.title.draw(draw, layout.margin_px, layout.margin_px)
    for row, top in zip(layout.rows, layout.tops_px(), strict=True):
        row.label.draw(draw, layout.margin_px, top + max(0, row.picture_px - row.label.height_px) // 2)
        for (picture, label), left in zip(row.cells, layout.lefts_px(), strict=False):
            canvas.paste(picture, (left, top + (row.picture_px - picture.height) // 2))
            label.draw(draw, left, top + row.picture_px + layout.text_px // 2)
    return np.array(canvas, dtype=np.uint8)


def save_sheet(path: Path, picture: Picture) -> None:
    """Write a picture as PNG, all of it or nothing; raises `SpaceError` where that is not possible."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    replace(path, file.getvalue())


class _Text:
    """Lines of text broken to a width; nothing of a text is ever cut off."""

    def __init__(self, text: str, size_px: int, width_px: int) -> None:
        self._font = ImageFont.load_default(size_px)
        self._leading_px = round(1.3 * size_px)
        self._lines = [
            (line, FAINT_INK if number else INK)
            for number, paragraph in enumerate(text.translate(PLAIN).split("\n") if text else [])
            for line in _wrapped(paragraph, self._font, width_px)
        ]
        self.height_px = self._leading_px * len(self._lines)
        self.width_px = max((_width_px(line, self._font) for line, _ in self._lines), default=0)

    def draw(self, draw: ImageDraw.ImageDraw, left_px: int, top_px: int) -> None:
        for number, (line, color) in enumerate(self._lines):
            draw.text((left_px, top_px + number * self._leading_px), line, color, self._font)


@dataclass(frozen=True)
class _Placed:
    """A row with its pictures at their sizes and its texts in lines."""

    cells: Sequence[tuple[Image.Image, _Text]]
    label: _Text

    @property
    def picture_px(self) -> int:
        """Height of the highest picture."""
        return max(picture.height for picture, _ in self.cells)

    def height_px(self, gap_px: int) -> int:
        """With the labels, `gap_px` below the pictures."""
        labels_px = max(label.height_px for _, label in self.cells)
        return max(self.picture_px + (gap_px + labels_px if labels_px else 0), self.label.height_px)


class _Layout:
    """Where everything goes, in px; the columns are as wide as the widest picture."""

    def __init__(self, rows: Sequence[Row], title: str, cell_px: int) -> None:
        pictures = [[_scaled(cell.picture, cell_px) for cell in row.cells] for row in rows]
        self._column_px = max(SMALLEST_CELL_PX // 2, *(picture.width for row in pictures for picture in row))
        self.text_px = min(max(self._column_px // CELL_PX_PER_TEXT_PX, SMALLEST_TEXT_PX), LARGEST_TEXT_PX)
        self.margin_px, self.gap_px = round(1.5 * self.text_px), self.text_px
        self.rows = [self._placed(row, done) for row, done in zip(rows, pictures, strict=True)]
        widest_px = max(row.label.width_px for row in self.rows)
        self._indent_px = self.margin_px + (widest_px + self.gap_px if widest_px else 0)
        self._columns = max(len(row.cells) for row in rows)
        width_px = self.lefts_px()[-1] + self._column_px + self.margin_px
        self.title = _Text(title, round(TITLE * self.text_px), width_px - 2 * self.margin_px)
        bottom_px = list(self.tops_px())[-1] + self.rows[-1].height_px(self.text_px // 2)
        self.size_px = width_px, bottom_px + self.margin_px

    def _placed(self, row: Row, pictures: Sequence[Image.Image]) -> _Placed:
        labels = [_Text(cell.label, self.text_px, self._column_px) for cell in row.cells]
        label = _Text(row.label, self.text_px, round(ROW_LABEL * self._column_px))
        return _Placed(list(zip(pictures, labels, strict=True)), label)

    def lefts_px(self) -> list[int]:
        """The left edges of the columns."""
        return [self._indent_px + n * (self._column_px + self.gap_px) for n in range(self._columns)]

    def tops_px(self) -> Iterator[int]:
        """The upper edges of the rows' pictures."""
        top_px = self.margin_px + (self.title.height_px + self.gap_px if self.title.height_px else 0)
        for row in self.rows:
            yield top_px
            top_px += row.height_px(self.text_px // 2) + round(1.5 * self.gap_px)


def _scaled(picture: Picture, longest_px: int) -> Image.Image:
    height, width = picture.shape[:2]
    factor = longest_px / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = Image.fromarray(picture)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _wrapped(paragraph: str, font: Font, width_px: int) -> list[str]:
    """Lines no wider than `width_px`, broken between words, and within one that is wider alone."""
    lines = [""]
    for word in paragraph.split():
        longer = f"{lines[-1]} {word}".strip()
        if _width_px(longer, font) <= width_px:
            lines[-1] = longer
            continue
        *whole, rest = _pieces(word, font, width_px)
        lines += [*whole, rest]
    return [line for line in lines if line] or [""]


def _pieces(word: str, font: Font, width_px: int) -> list[str]:
    """A word in pieces no wider than `width_px`, a letter at least."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and _width_px(pieces[-1] + letter, font) > width_px:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _width_px(line: str, font: Font) -> int:
    """By what is drawn: letters may reach beyond the place that they advance by."""
    return math.ceil(font.getbbox(line)[2])
