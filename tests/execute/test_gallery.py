"""A batch of photographs in work, with a painter that needs no network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor

from pipeline.errors import DivergenceError, SpaceError
from pipeline.execute import delivery
from pipeline.execute import gallery as gallery_module
from pipeline.execute.gallery import Gallery
from pipeline.execute.job import Painted, Picture, Progress
from pipeline.media.photos import PhotoFormat
from pipeline.records import digest_of, state_of
from pipeline.style import Stylization
from pipeline.style.work import Callback, Iterate
from pipeline.workspace import Workspace
from tests.archive.makers import batch_of, picture_of
from tests.media.clips import picture
from tests.media.torture import scene


class Painter:
    """Inverts pictures, at most `most` at once; those that are all black diverge."""

    def __init__(self, most: int = 3) -> None:
        self._most = most
        self.shapes: list[tuple[int, ...]] = []
        self.masks: list[object] = []

    def at_once(self, shape: tuple[int, int], most: int) -> int:
        return min(self._most, most)

    def stylize_batch(
        self,
        contents: Tensor,
        starts: Tensor | None = None,
        callback: Callback | None = None,
        *,
        content_masks: Sequence[Tensor | None] | None = None,
        mixture: object = None,
    ) -> Sequence[Stylization | DivergenceError]:
        assert starts is None and callback is not None
        self.shapes.append(tuple(contents.shape))
        self.masks.append(content_masks)
        callback(Iterate(0, 7, 9, 1.5, contents[:1], 1.0, 3.0))
        return [self._paint(one[None]) for one in contents]

    def _paint(self, content: Tensor) -> Stylization | DivergenceError:
        if content.mean() < 0.02:
            return DivergenceError("the loss is not finite")
        return Stylization(1 - content, 1.0, (2.0, 1.0), 0.1, tile_px=None)


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    (tmp_path / "in").mkdir()
    return Workspace(tmp_path / "out")


@pytest.fixture
def galleries() -> Iterator[list[Gallery]]:
    """Those that a test opened; closed when it is over."""
    opened: list[Gallery] = []
    yield opened
    for one in opened:
        one.close()


@pytest.fixture
def paint(space: Workspace, galleries: list[Gallery]) -> Callable[..., Painted]:
    """Opens pictures of the input folder as a batch and paints all of them in one call."""

    def work(*pictures: Picture, painter: Painter | None = None, **changes: Any) -> Painted:
        options = {name: changes.pop(name) for name in ("mask", "watch") if name in changes}
        watch = options.pop("watch", lambda progress: None)
        job = batch_of(space, *pictures, **{"longest_px": 32, **changes})
        galleries.append(Gallery(job, painter or Painter(), "w-1", watch, **options))
        return galleries[-1].paint(range(len(pictures)))

    return work


@pytest.fixture(autouse=True)
def _one_call_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery_module, "CALL_S", 60.0)


def photo(
    space: Workspace, name: str, index: int = 0, size: tuple[int, int] = (64, 48), **changes: Any
) -> Picture:
    """A PNG in the input folder."""
    path = space.output.parent / "in" / name
    Image.fromarray(picture(index, *size)).save(path, "PNG")
    return picture_of(path, size=size, **changes)


def shown(space: Workspace, name: str) -> np.ndarray:
    return np.asarray(Image.open(space.output / name).convert("RGB")).astype(int)


def test_each_picture_becomes_its_own_painting_at_its_size(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    pictures = [photo(space, f"{index}.png", index) for index in range(5)]
    painter = Painter()
    done = paint(*pictures, painter=painter)
    assert sorted(done.records) == [0, 1, 2, 3, 4] and done.failed == ()
    assert painter.shapes == [(3, 3, 24, 32), (2, 3, 24, 32)]
    for index in range(5):
        small = np.asarray(Image.fromarray(picture(index)).resize((32, 24), Image.Resampling.BOX)).astype(int)
        assert np.abs(255 - small - shown(space, f"{index}.png")).mean() < 12


def test_a_record_says_what_was_painted_from_what_into_what(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    one = photo(space, "a.png")
    (record,) = paint(one, with_digest=True).records[0]
    target = space.output / "a.png"
    assert (record.source, record.output, record.frame, record.pages) == ("a.png", "a.png", 0, 1)
    assert (record.source_bytes, record.source_mtime_ns) == state_of(one.path)
    assert record.source_digest == digest_of(one.path)
    assert (record.bytes, record.mtime_ns) == state_of(target)
    assert record.digest == digest_of(target)
    assert (record.width_px, record.height_px) == (32, 24)
    assert (record.iterations, record.trace, record.loss) == (2, (2.0, 1.0), 1.0)
    assert (record.start, record.worker, record.look) == ("cold", "w-1", "a look")
    assert 0 < (record.brightness or 0) < 1
    (other,) = paint(photo(space, "b.png")).records[0]
    assert other.source_digest is None


def test_a_picture_that_fails_costs_no_other(space: Workspace, paint: Callable[..., Painted]) -> None:
    pictures = [photo(space, f"{index}.png", index) for index in range(7)]
    pictures[0].path.unlink()
    half = pictures[2].path.read_bytes()[:-400]
    pictures[2].path.write_bytes(half)
    pictures[2] = picture_of(pictures[2].path)
    Image.new("RGB", (64, 48)).save(pictures[3].path)
    pictures[3] = picture_of(pictures[3].path)
    os.utime(pictures[4].path, ns=(1, 1))
    space.output.mkdir()
    (space.output / "5.png").write_bytes(b"somebody's own")
    done = paint(*pictures)
    assert sorted(done.records) == [1, 6]
    errors = {failed.index: failed.error for failed in done.failed}
    assert sorted(errors) == [0, 2, 3, 4, 5]
    assert [failed.index for failed in done.failed if failed.is_unreadable] == [2]
    for index, words in {
        0: "No such file", 2: "is empty", 3: "3.png: the loss is not finite", 4: "has changed since it was listed",
        5: "is there already",
    }.items():  # fmt: skip
        assert words in errors[index], errors[index]
    assert sorted(path.name for path in space.output.iterdir()) == [".stylize", "1.png", "5.png", "6.png"]
    assert (space.output / "5.png").read_bytes() == b"somebody's own"


def test_a_batch_of_nothing_but_failures_ends(space: Workspace, paint: Callable[..., Painted]) -> None:
    pictures = [photo(space, f"{index}.png") for index in range(12)]
    for one in pictures:
        one.path.write_bytes(b"")
    done = paint(*pictures)
    assert done.records == {} and sorted(failed.index for failed in done.failed) == list(range(12))


def test_all_pages_of_a_tiff_are_painted_each_at_its_size(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    path = space.output.parent / "in/pages.tif"
    pages = [scene(64, 48), scene(64, 48)[::-1], scene(20, 30)]
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, photometric="rgb")
    painter = Painter(most=8)
    one = photo(space, "one.png", size=(64, 48))
    done = paint(one, picture_of(path, pages=3), one, painter=painter)
    assert [(r.frame, r.pages, r.width_px, r.height_px) for r in done.records[1]] == [
        (0, 3, 32, 24), (1, 3, 32, 24), (2, 3, 21, 32),
    ]  # fmt: skip
    assert painter.shapes == [(1, 3, 24, 32), (2, 3, 24, 32), (1, 3, 32, 21), (1, 3, 24, 32)]
    with tifffile.TiffFile(space.output / "pages.tif") as file:
        found = [page.asarray().astype(int) for page in file.pages]
    assert [page.shape for page in found] == [(24, 32, 3), (24, 32, 3), (32, 21, 3)]
    for page, original in zip(found, pages, strict=True):
        inverted = 255 - original.astype(int)
        height, width = inverted.shape[:2]
        assert np.abs(page[2, 2] - inverted[height // 10, width // 10]).max() < 8
        assert np.abs(page[-3, -3] - inverted[-height // 10, -width // 10]).max() < 8


def test_a_page_that_diverges_costs_its_picture_and_no_more(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    path = space.output.parent / "in/pages.tif"
    Image.fromarray(scene()).save(path, save_all=True, append_images=[Image.new("RGB", (60, 40))])
    done = paint(picture_of(path, size=(60, 40), pages=2), photo(space, "a.png"))
    assert list(done.records) == [1]
    assert "pages.tif: the loss is not finite" in done.failed[0].error
    assert not (space.output / "pages.tif").exists()


def test_pictures_of_other_sizes_are_never_in_one_tensor(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    sizes = [(64, 48), (64, 48), (48, 64), (64, 48), (128, 96)]
    painter = Painter(most=8)
    done = paint(*(photo(space, f"{i}.png", i, size) for i, size in enumerate(sizes)), painter=painter)
    assert len(done.records) == 5
    assert painter.shapes == [(2, 3, 24, 32), (1, 3, 32, 24), (2, 3, 24, 32)]


def test_never_more_are_painted_at_once_than_their_size_allows(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    class Careful(Painter):
        def at_once(self, shape: tuple[int, int], most: int) -> int:
            return 4 if max(shape) < 50 else 1

    sizes = [(40, 30), (64, 48), (64, 48), (40, 30), (40, 30)]
    painter = Careful()
    paint(
        *(photo(space, f"{i}.png", i, size) for i, size in enumerate(sizes)), painter=painter, longest_px=None
    )
    assert painter.shapes == [(1, 3, 30, 40), (1, 3, 48, 64), (1, 3, 48, 64), (2, 3, 30, 40)]


def test_the_bytes_do_not_depend_on_the_batch_or_the_order(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    pictures = [photo(space, f"{index}.png", index) for index in range(4)]
    results = []
    for number, order in enumerate(([0, 1, 2, 3], [3, 1, 0, 2])):
        output = space.output / str(number)
        output.mkdir(parents=True)
        paint(*(pictures[index] for index in order), output=output, painter=Painter(most=1 + 3 * number))
        results.append({path.name: path.read_bytes() for path in output.glob("*.png")})
    assert len(results[0]) == 4 and results[0] == results[1]


def test_a_call_ends_after_a_while_and_the_next_goes_on(
    space: Workspace, galleries: list[Gallery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_module, "CALL_S", 0.0)
    pictures = [photo(space, f"{index}.png", index) for index in range(6)]
    galleries.append(Gallery(batch_of(space, *pictures), Painter(most=2), "w-1", lambda progress: None))
    told = [sorted(galleries[0].paint(range(6)).records)]
    assert told[0] in ([], [0, 1])  # it may still be writing, which the next call tells
    assert not (space.output / "2.png").exists()
    while (known := sorted(index for some in told for index in some)) != [0, 1, 2, 3, 4, 5]:
        told.append(sorted(galleries[0].paint([i for i in (3, 2, 4, 5, 0, 1) if i not in known]).records))
    assert len(told) <= 4


def test_without_any_asked_for_a_call_waits_for_what_is_being_written(
    space: Workspace, galleries: list[Gallery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_module, "CALL_S", 0.0)
    pictures = [photo(space, f"{index}.png", index) for index in range(3)]
    galleries.append(Gallery(batch_of(space, *pictures), Painter(most=1), "w-1", lambda progress: None))
    told = [*galleries[0].paint(range(3)).records, *galleries[0].paint([]).records]
    assert told == [0]


def test_few_pictures_are_read_before_their_turn(
    space: Workspace, paint: Callable[..., Painted], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    ahead: list[int] = []
    open_one = gallery_module.read_photo

    def read_photo(file: Path, *others: Any) -> Any:
        read.append(file.name)
        return open_one(file, *others)

    class Slow(Painter):
        def stylize_batch(self, contents: Tensor, *args: Any, **options: Any) -> Any:
            time.sleep(0.05)
            ahead.append(len(read) - sum(shape[0] for shape in self.shapes))
            return super().stylize_batch(contents, *args, **options)

    monkeypatch.setattr(gallery_module, "read_photo", read_photo)
    done = paint(*(photo(space, f"{index}.png", index) for index in range(30)), painter=Slow(most=2))
    assert len(done.records) == 30
    assert sorted(read) == sorted(f"{index}.png" for index in range(30))
    assert 3 < max(ahead) <= gallery_module.AHEAD + 2


def test_a_full_disk_ends_the_call(
    space: Workspace, paint: Callable[..., Painted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(delivery, "write_synced", refuse)
    with pytest.raises(SpaceError, match="No space left on device"):
        paint(photo(space, "a.png"))
    assert not (space.output / "a.png").exists()


def test_a_format_that_cannot_hold_a_picture_costs_only_that(
    space: Workspace, paint: Callable[..., Painted], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = photo(space, "large.png", size=(17_000, 2))
    done = paint(large, photo(space, "a.png"), format=PhotoFormat("webp"), longest_px=None, max_pixels=10**8)
    assert list(done.records) == [1]
    assert "large.png" in done.failed[0].error


def test_the_mask_of_a_batch_counts_for_each_picture_and_progress_is_told(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    mask, painter, told = torch.ones(1, 1, 4, 4), Painter(most=2), list[Progress]()
    paint(*(photo(space, f"{i}.png") for i in range(2)), painter=painter, mask=mask, watch=told.append)
    assert painter.masks == [[mask, mask]]
    assert told == [Progress("0.png", 0, 7, 9, 1.5, 1.0, 7.0, pictures=2)]


def test_pictures_for_which_memory_is_not_enough_together_are_painted_one_by_one(
    space: Workspace, paint: Callable[..., Painted]
) -> None:
    class Small(Painter):
        def stylize_batch(self, contents: Tensor, *args: Any, **options: Any) -> Any:
            if len(contents) > 1:
                self.shapes.append(tuple(contents.shape))
                raise MemoryError
            return super().stylize_batch(contents, *args, **options)

    painter = Small()
    done = paint(*(photo(space, f"{index}.png", index) for index in range(3)), painter=painter)
    assert (sorted(done.records), done.failed) == ([0, 1, 2], ())
    assert [shape[0] for shape in painter.shapes] == [3, 3, 1, 1, 1]
