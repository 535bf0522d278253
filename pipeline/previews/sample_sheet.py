"""A sheet of samples before a long run: a few telling frames, each beside its painting, and a grid over a setting.

Everything is painted by the worker that the run will have, in this process, small and with few iterations, so the
sheet shows what a setting does, and not yet how fine the result will be. Keeps nothing but the sheet.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.disk.packs import read_frame
from pipeline.errors import ConfigError, PipelineError
from pipeline.execute.job import SegmentJob
from pipeline.frames import Frame
from pipeline.media.geometry import fit, output_size
from pipeline.places import place_of
from pipeline.plan import Plan
from pipeline.previews.samples import FRAMES, Sample, choose, frame_of
from pipeline.previews.sheet import Cell, Row, save_sheet, sheet
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.execute.worker import Worker

CPU_PX, GPU_PX = 160, 512
"""Longest side of a sample: one of 160 px takes two cores 10 to 20 s."""

ITERATIONS = 60

LEFT_OUT = "without what shots and the timeline have of their own"

Paint = Callable[[Config, Sequence[Sample]], Iterator[Frame]]


@dataclass(frozen=True)
class Grid:
    """A setting and the values to try, as texts of `--set`.

    >>> Grid.parse("transfer.style_weight=100,1000")
    Grid(key='transfer.style_weight', values=('100', '1000'))
    """

    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Out of KEY=VALUE,VALUE,…; `ConfigError` where it is none. A value that holds a comma goes in brackets."""
        key, separator, values = text.partition("=")
        found = tuple(value.strip() for value in _split(values))
        if not separator or not key.strip() or not all(found):
            raise ConfigError(
                f"--grid takes KEY=VALUE,VALUE,… such as transfer.style_weight=100,1000,10000, got {text!r}"
            )
        return cls(key.strip(), found)


def _split(text: str) -> list[str]:
    """At the commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def parse_times(text: str) -> tuple[Fraction, ...]:
    """Times in seconds out of a list such as 12, 0:12.5 or 1:02:03; `ConfigError` where one is none.

    >>> parse_times("0:12,1:03")
    (Fraction(12, 1), Fraction(63, 1))
    """
    return tuple(_seconds(one.strip()) for one in text.split(","))


def _seconds(text: str) -> Fraction:
    try:
        parts = [Fraction(part) for part in text.split(":")]
        if len(parts) > 3 or any(part < 0 for part in parts) or "/" in text:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"--at takes times such as 0:12,1:03.5, got {text!r}") from None
    seconds = Fraction(0)
    for part in parts:
        seconds = 60 * seconds + part
    return seconds


@dataclass(frozen=True)
class Wish:
    """What a person asks of a sheet; `at` in seconds of each video, `longest_px` None: what is there in seconds."""

    at: tuple[Fraction, ...] | None = None
    grid: Grid | None = None
    count: int = FRAMES
    longest_px: int | None = None


def make_sheet(
    config: Config,
    plan: Plan,
    wish: Wish,
    reload: Callable[[str], Config],
    watch: Callable[[str], None] = lambda _: None,
) -> Path:
    """Choose samples, paint them, and write the sheet; returns its path.

    `reload` gives the config with one more `--set`. A grid is painted without what shots have of their own. Raises
    `ConfigError` where there is nothing to sample or a value of the grid is wrong, `SpaceError`, and a worker's errors.
    """
    samples = choose(config, plan, wish.at, wish.count)
    longest_px = wish.longest_px or default_px()
    if wish.grid is None:
        return draw(Workspace(config.output), [Column("", small(config, longest_px))], samples, watch=watch)
    texts = [f"{wish.grid.key}={value}" for value in wish.grid.values]
    columns = [Column(text.replace("=", "\n"), small(reload(text), longest_px)) for text in texts]
    plainly = [replace(sample, direction=None) for sample in samples]
    note = LEFT_OUT if plainly != samples else ""
    return draw(Workspace(config.output), columns, plainly, watch=watch, note=note)


# --- painting ---


def small(config: Config, longest_px: int) -> Config:
    """The config with its paintings small and quick; sizes in px of style images shrink with them."""
    transfer = config.transfer
    before_px = transfer.size or GPU_PX
    size = min(before_px, longest_px)
    style_px = None if transfer.style_size is None else max(32, transfer.style_size * size // before_px)
    changed = {
        "size": size,
        "iterations": min(transfer.iterations, ITERATIONS),
        "scales": "auto" if isinstance(transfer.scales, tuple) else transfer.scales,
        "style_size": style_px,
    }
    return config.model_copy(update={"transfer": transfer.model_copy(update=changed)})


def paint(config: Config, samples: Sequence[Sample]) -> Iterator[Frame]:
    """Paint frames as a run with this config would, each from scratch, uint8 (h, w, 3); errors as of a worker."""
    from pipeline.hiring import worker_settings

    worker = _worker()(worker_settings(config))
    worker.set_up()
    with tempfile.TemporaryDirectory(prefix="stylize-") as folder:
        for number, sample in enumerate(samples):
            job = _job(config, sample, Path(folder) / str(number))
            worker.stylize_frame(sample.index, job)
            yield read_frame(job.folder, sample.index)


def _worker() -> type[Worker]:
    from pipeline.execute.worker import Worker  # torch takes its seconds

    return Worker


def _job(config: Config, sample: Sample, folder: Path) -> SegmentJob:
    found, is_still = sample.probe, sample.source.kind == "still"
    size = output_size(found.width_px, found.height_px, config.transfer.size, even=not is_still)
    own = sample.direction
    if own is not None:  # what a shot has of its own, as small
        own = replace(
            own, transfer=small(config.model_copy(update={"transfer": own.transfer}), max(size)).transfer
        )
    return SegmentJob(
        "sample", sample.source, found, sample.index, sample.index + 1, size, folder, direction=own
    )


# --- the sheet ---


@dataclass(frozen=True)
class Column:
    """One way to paint, and what it is called."""

    label: str
    config: Config


def draw(
    space: Workspace,
    columns: Sequence[Column],
    samples: Sequence[Sample],
    paint: Paint = paint,
    watch: Callable[[str], None] = lambda _: None,
    *,
    note: str = "",
) -> Path:
    """Paint every sample in every way, and write the sheet, `note` in its title; returns its path.

    Errors as of `paint`, and `SpaceError`; `MediaError` where a link leads it elsewhere.
    """
    path = place_of(space.output, str(space.previews.relative_to(space.output) / "samples.png"))
    began, total = time.monotonic(), len(columns) * len(samples)
    paintings: dict[tuple[int, int], Frame] = {}
    for place, column in enumerate(columns):
        watch(f"painting {len(paintings) + 1} of {total}")
        try:
            for number, painting in enumerate(paint(column.config, samples)):
                paintings[place, number] = painting
                watch(f"painting {min(total, len(paintings) + 1)} of {total}")
        except PipelineError as error:
            label = column.label.replace("\n", " ")
            raise (type(error)(f"{label}: {error}") if label else error) from error
    rows = [_row(sample, columns, paintings, number) for number, sample in enumerate(samples)]
    transfer = columns[0].config.transfer
    title = (
        f"{transfer.size} px, {transfer.iterations} iterations, painted in {time.monotonic() - began:.0f} s"
    )
    title += f", {note}" if note else ""
    save_sheet(path, sheet(rows, title, cell_px=max(256, min(transfer.size or 256, 512))))
    return path


def _row(
    sample: Sample, columns: Sequence[Column], paintings: Mapping[tuple[int, int], Frame], number: int
) -> Row:
    (content,) = frame_of(sample.source, sample.probe, sample.index)
    height, width = paintings[0, number].shape[:2]
    cells = [Cell(fit(content, (width, height)), sample.label)]
    cells += [Cell(paintings[place, number], column.label) for place, column in enumerate(columns)]
    return Row(cells)


def default_px() -> int:
    """How large a sample may be to be there in seconds."""
    from pipeline.execute.worker import best_device

    return CPU_PX if best_device().type == "cpu" else GPU_PX
