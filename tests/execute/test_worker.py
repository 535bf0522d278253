"""A worker without Ray: what it reads, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.config import Transfer
from pipeline.execute import worker as worker_module
from pipeline.execute.job import Progress, SegmentJob, StyleFiles, WorkerSettings
from pipeline.execute.worker import Worker, load_style, read_mask
from pipeline.frames import decode_frame
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.style import Stylizer
from pipeline.workspace import frame_path
from tests.photos import full_photo

LEFT = np.zeros((10, 20), np.uint8)
LEFT[:, :10] = 255
QUICK = Transfer(size=64, iterations=8, scales=1, variables="pixels")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photograph of 64 × 48, a style, and a mask that is white on its left half."""
    Image.fromarray(full_photo("astronaut")).resize((64, 48)).save(tmp_path / "photo.png")
    Image.fromarray(full_photo("coffee")).resize((72, 48)).save(tmp_path / "style.png")
    Image.fromarray(LEFT).save(tmp_path / "left.png")
    return tmp_path


def settings_of(folder: Path, transfer: Transfer = QUICK, **changes: Any) -> WorkerSettings:
    style = StyleFiles(folder / "style.png")
    return WorkerSettings(**{"weights": "packaged", "styles": (style,), "transfer": transfer, "threads": 1,
                             "warm_start": "flow", **changes})  # fmt: skip


def paint(folder: Path, size: tuple[int, int] = (64, 48), **changes: Any) -> tuple[np.ndarray, Any]:
    """The photograph's painting, and its record."""
    path = folder / "photo.png"
    source = Source("still", path, path.name, (path,))
    out = folder / f"out{len(list(folder.iterdir()))}"
    found = probe(source, rate=Fraction(1))
    worker = Worker(settings_of(folder, **changes))
    worker.set_up()
    record = worker.stylize_frame(0, SegmentJob("photo.png[0-0]", source, found, 0, 1, size, out))
    return decode_frame(frame_path(out, 0)).astype(float), record


def test_a_mask_is_read_as_gray_between_0_and_1(folder: Path) -> None:
    mask = read_mask(folder / "left.png")
    assert mask.shape == (1, 1, 10, 20)
    assert mask.dtype == torch.float32
    assert torch.equal(mask[0, 0] * 255, torch.from_numpy(LEFT).float())
    Image.new("RGB", (3, 2), (255, 0, 51)).save(folder / "color.png")
    assert read_mask(folder / "color.png").unique().tolist() == pytest.approx([0.4])


def test_a_style_has_the_masks_that_its_files_say(folder: Path) -> None:
    left, all_of_it = folder / "left.png", load_style(StyleFiles(folder / "style.png", 2.0))
    assert (all_of_it.weight, all_of_it.mask, all_of_it.part) == (2.0, None, None)
    masked = load_style(StyleFiles(folder / "style.png", mask=left))
    learned = load_style(StyleFiles(folder / "style.png", part=left))
    assert masked.part is None
    assert learned.mask is None
    assert masked.mask is not None and torch.equal(masked.mask, read_mask(left))
    assert learned.part is not None and torch.equal(learned.part, read_mask(left))


def test_a_style_is_painted_where_its_mask_is_white(folder: Path) -> None:
    near = QUICK.model_copy(update={"content_weight": 0.0, "style_layers": {"conv1_2": 1.0}})  # sees 2 px far
    style = StyleFiles(folder / "style.png", mask=folder / "left.png")
    painting, _ = paint(folder, transfer=near, styles=(style,))
    change = np.abs(painting - np.asarray(Image.open(folder / "photo.png"), float))
    assert change[:, :30].mean() > 5
    assert change[:, 36:].max() == 0


def test_the_content_counts_where_its_mask_is_white(folder: Path) -> None:
    near = QUICK.model_copy(update={"style_weight": 0.0, "content_layers": {"conv1_2": 1.0}, "init": "noise"})
    painting, _ = paint(folder, transfer=near, content_mask=folder / "left.png")
    error = np.abs(painting - np.asarray(Image.open(folder / "photo.png"), float))
    assert error[:, :30].mean() < error[:, 36:].mean() / 2


def test_another_part_of_the_painting_is_another_style(folder: Path) -> None:
    whole, _ = paint(folder)
    part, _ = paint(folder, styles=(StyleFiles(folder / "style.png", part=folder / "left.png"),))
    assert np.abs(part - whole).mean() > 1


def test_a_picture_beyond_the_memory_is_painted_in_tiles_and_the_record_says_so(folder: Path) -> None:
    size, tiled = (96, 72), QUICK.model_copy(update={"tile": 64})
    assert paint(folder, size)[1].tile is None
    assert paint(folder, size, transfer=tiled)[1].tile == 64
    assert paint(folder, size, memory_gib=0.5)[1].tile == 64  # the smallest there is
    assert paint(folder, (64, 48), transfer=tiled)[1].tile is None  # no larger than a tile


def test_a_worker_says_at_which_evaluation_it_is_and_how_many_there_are_at_most(folder: Path) -> None:
    path, transfer = folder / "photo.png", QUICK.model_copy(update={"scales": (32, 64), "tolerance": 0.0})
    source = Source("still", path, path.name, (path,))
    job = SegmentJob("a", source, probe(source, rate=Fraction(1)), 0, 1, (64, 48), folder / "out", effort=0.5)
    worker = Worker(settings_of(folder, transfer=transfer))
    worker.set_up()
    assert worker.progress() is None
    record = worker.stylize_frame(0, job)
    found = worker.progress()
    assert found is not None
    assert replace(found, work=0.0, left=0.0) == Progress("a", 0, 2 + 4, 2 + 4, record.trace[-1])
    assert found.work == pytest.approx(record.megapixel_iterations)


def test_the_share_of_a_gpu_is_that_of_its_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    class Noted(Stylizer):
        def __init__(self, *args: Any, **options: Any) -> None:
            given.append(options)
            super().__init__(*args, **options)

    monkeypatch.setattr(worker_module, "Stylizer", Noted)
    Worker(settings_of(folder, gpu_share=0.25)).set_up()
    assert given == [{"content_mask": None, "memory_gib": None, "memory_share": 0.25}]
