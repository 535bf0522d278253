"""Batches on a CPU: small pictures side by side, each with the bits that it has alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import ConfigError, DivergenceError
from pipeline.style import Iterate, Settings, Style, Stylization, Stylizer, Weights, side_by_side
from pipeline.style.builder import Builder
from pipeline.style.side_by_side import SMALL_PX, is_small
from pipeline.style.vgg import VGG19
from pipeline.style.weights import IMAGENET_MEAN
from pipeline.style.work import Work
from tests.photos import photo, square_photo

STYLE = photo("coffee", 96)
PLUMBING = Settings(network="raw", iterations=5, warm_iterations=3, scales=1, tolerance=0.0)
NAMES = ("astronaut", "chelsea", "rocket", "coffee", "hubble_deep_field")
ORDERS = ([0, 1, 2, 3, 4], [4, 2], [3, 0, 1], [1, 1], [2])

WithThreads = Callable[[int], None]


@pytest.fixture
def painter(narrow: Weights) -> Stylizer:
    return Stylizer(narrow, [Style(STYLE)], PLUMBING)


@pytest.fixture(scope="module")
def real_painter(real: Weights) -> Stylizer:
    return Stylizer(real, [Style(STYLE)], Settings(iterations=3, scales=1))


def pictures(height: int, width: int) -> Tensor:
    return torch.cat([square_photo(name, 64)[..., :height, :width] for name in NAMES])


def painted(results: list[Stylization | DivergenceError]) -> list[Tensor]:
    return [result.image for result in results if isinstance(result, Stylization)]


def seen_by_the_network(monkeypatch: pytest.MonkeyPatch, see: Callable[[Tensor], None]) -> None:
    """Has `see` called with all that the network is given, before it looks at it."""
    original = VGG19.features

    def features(self: VGG19, images: Tensor) -> Mapping[str, Tensor]:
        see(images)
        return original(self, images)

    monkeypatch.setattr(VGG19, "features", features)


# --- bits ---


@pytest.mark.parametrize("size", [(37, 51), (64, 33), (1, 40), (2, 2)])
def test_a_small_picture_has_the_same_bits_alone_and_in_any_company(
    painter: Stylizer, with_threads: WithThreads, size: tuple[int, int]
) -> None:
    contents = pictures(*size)
    with_threads(2)
    alone = [painter.stylize(one, threads="each") for one in torch.split(contents, 1)]
    for threads in (1, 2, 3):
        with_threads(threads)
        for order in ORDERS:
            found = painter.stylize_batch(contents[order])
            for i, one in zip(order, found, strict=True):
                assert isinstance(one, Stylization)
                assert one.trace == alone[i].trace
                assert torch.equal(one.image, alone[i].image)


@pytest.mark.parametrize("preserve_color", ["luminance", "histogram"])
def test_a_picture_that_keeps_its_colors_has_them_in_any_company(
    narrow: Weights, with_threads: WithThreads, preserve_color: str
) -> None:
    settings = Settings(
        network="raw", iterations=3, tolerance=0.0, scales=(24, 48), preserve_color=preserve_color
    )
    painter, contents = Stylizer(narrow, [Style(STYLE)], settings), pictures(48, 40)
    with_threads(2)
    alone = [painter.stylize(one, threads="each").image for one in torch.split(contents, 1)]
    assert torch.equal(torch.cat(painted(painter.stylize_batch(contents))), torch.cat(alone))


def test_real_weights_paint_a_small_picture_alike_with_any_number_of_threads(
    real: Weights, with_threads: WithThreads
) -> None:
    contents = pictures(64, 57)[:3]
    found = []
    for threads, order in ((1, [0]), (2, [2, 0]), (3, [0, 1, 2])):
        with_threads(threads)
        images = painted(
            Stylizer(real, [Style(STYLE)], Settings(iterations=4)).stylize_batch(contents[order])
        )
        found.append(images[order.index(0)])
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_what_was_painted_before_changes_nothing(real: Weights, with_threads: WithThreads) -> None:
    """The moments of the styles are kept, and belong to a number of threads as all bits do."""
    with_threads(2)
    content, settings = pictures(64, 57)[:1], Settings(iterations=2)
    fresh = Stylizer(real, [Style(STYLE)], settings).stylize(content)
    painter = Stylizer(real, [Style(STYLE)], settings)
    (small,) = painter.stylize_batch(content)
    again = painter.stylize(content)
    assert isinstance(small, Stylization)
    assert again.trace == fresh.trace
    assert torch.equal(again.image, fresh.image)
    assert torch.equal(painter.stylize(content, threads="each").image, small.image)


def test_warm_starts_belong_to_their_pictures(painter: Stylizer, with_threads: WithThreads) -> None:
    contents = pictures(40, 48)
    with_threads(2)
    starts = contents.flip(0)
    found = painted(painter.stylize_batch(contents, starts))
    for content, start, image in zip(torch.split(contents, 1), torch.split(starts, 1), found, strict=True):
        assert torch.equal(image, painter.stylize(content, start, threads="each").image)


@pytest.mark.parametrize("size", [(1, 64), (64, 1), (2, 2), (1, 1), (3, 40), (1, SMALL_PX + 40)])
def test_real_weights_paint_the_thinnest_pictures(
    real_painter: Stylizer, with_threads: WithThreads, size: tuple[int, int]
) -> None:
    """Each of VGG19's poolings would leave nothing of a side of one pixel."""
    with_threads(2)
    contents = torch.cat([photo(name, 200)[..., : size[0], : size[1]] for name in NAMES[:2]])
    for content, found in zip(torch.split(contents, 1), real_painter.stylize_batch(contents), strict=True):
        assert isinstance(found, Stylization)
        assert found.image.shape == (1, 3, *size)
        assert found.image.isfinite().all()
        assert found.loss < found.trace[0]
        assert torch.equal(found.image, real_painter.stylize(content, threads="each").image)


# --- threads ---


def test_only_the_longest_side_says_what_is_small() -> None:
    assert is_small((SMALL_PX, 1)) and is_small((1, SMALL_PX)) and is_small((SMALL_PX, SMALL_PX))
    assert not is_small((SMALL_PX + 1, 1)) and not is_small((1, SMALL_PX + 1))


def test_two_small_pictures_are_looked_at_at_the_same_time_with_one_thread_each(
    painter: Stylizer, with_threads: WithThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, numbers = threading.Barrier(2, timeout=20), set[int]()

    def see(images: Tensor) -> None:
        numbers.add(torch.get_num_threads())
        both.wait()  # breaks where nobody else comes

    with_threads(2)
    painter.stylize_batch(pictures(40, 40)[:1])  # learns the style
    seen_by_the_network(monkeypatch, see)
    assert len(painted(painter.stylize_batch(pictures(40, 40)[:4]))) == 4
    assert numbers == {1}
    assert torch.get_num_threads() == 2


def test_large_pictures_are_painted_one_after_the_other_with_all_threads(
    painter: Stylizer, with_threads: WithThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "SMALL_PX", 39)
    numbers, painters, seen = set[int](), set[int](), list[int]()

    def see(images: Tensor) -> None:
        numbers.add(torch.get_num_threads())
        painters.add(threading.get_ident())

    with_threads(2)
    seen_by_the_network(monkeypatch, see)
    painter.stylize_batch(pictures(30, 40)[:2], callback=lambda it: seen.append(it.picture))
    assert numbers == {2}
    assert painters == {threading.get_ident()}
    assert seen == [0] * PLUMBING.iterations + [1] * PLUMBING.iterations


def test_a_frame_of_a_film_has_all_threads_however_small(
    painter: Stylizer, with_threads: WithThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []
    with_threads(2)
    seen_by_the_network(monkeypatch, lambda images: numbers.append(torch.get_num_threads()))
    painter.stylize(pictures(40, 40)[:1])
    painter.stylize(pictures(40, 40)[:1], pictures(40, 40)[1:2])
    assert set(numbers) == {2}


def test_where_memory_is_short_fewer_are_painted_at_the_same_time(
    narrow: Weights, with_threads: WithThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING, memory_gib=0.1)
    alone = painter.stylize(pictures(40, 40)[:1], threads="each")
    threads = set[int]()
    with_threads(3)
    for count, expected in ((3, 3), (1, 1)):
        monkeypatch.setattr(Builder, "fitting", lambda self, shape, at_once, most=count: min(most, at_once))
        threads.clear()
        found = painter.stylize_batch(
            pictures(40, 40), callback=lambda it: threads.add(threading.get_ident())
        )
        assert 1 <= len(threads) <= expected
        assert torch.equal(painted(found)[0], alone.image)
    assert threads == {threading.get_ident()}


def test_threads_that_start_later_have_the_number_that_was_set(
    painter: Stylizer, with_threads: WithThreads
) -> None:
    with_threads(2)
    painter.stylize_batch(pictures(40, 40)[:2])
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2
    assert torch.get_num_threads() == 2


# --- callbacks and errors ---


def test_a_callback_is_called_by_one_thread_at_a_time(painter: Stylizer, with_threads: WithThreads) -> None:
    seen: list[Iterate] = []
    is_called = threading.Lock()

    def callback(iterate: Iterate) -> None:
        assert is_called.acquire(blocking=False), "two threads call at the same time"
        seen.append(iterate)
        time.sleep(0.002)
        is_called.release()

    with_threads(3)
    found = painter.stylize_batch(pictures(40, 48), callback=callback)
    for index, result in enumerate(found):
        assert isinstance(result, Stylization)
        own = [iterate for iterate in seen if iterate.picture == index]
        assert [iterate.iteration for iterate in own] == list(range(1, PLUMBING.iterations + 1))
        assert tuple(iterate.loss for iterate in own) == result.trace


def test_an_error_in_a_callback_reaches_the_caller_and_ends_the_others(
    narrow: Weights, with_threads: WithThreads
) -> None:
    painter = Stylizer(
        narrow, [Style(STYLE)], Settings(network="raw", iterations=200, scales=1, tolerance=0.0)
    )
    seen: list[int] = []

    def callback(iterate: Iterate) -> None:
        seen.append(iterate.picture)
        if iterate.picture == 1 and iterate.iteration == 3:
            raise KeyError("enough")

    with_threads(2)
    with pytest.raises(KeyError, match="enough"):
        painter.stylize_batch(pictures(40, 40), callback=callback)
    assert seen.count(1) == 3
    assert all(seen.count(other) < 200 for other in (0, 2))  # the third may have begun
    assert not {3, 4} & set(seen)
    assert torch.get_num_threads() == 2


def test_an_error_of_the_network_reaches_the_caller(
    painter: Stylizer, with_threads: WithThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(images: Tensor) -> None:
        raise RuntimeError("expected scalar type Float")

    with_threads(2)
    seen_by_the_network(monkeypatch, broken)
    with pytest.raises(RuntimeError, match="expected scalar type"):
        painter.stylize_batch(pictures(40, 40))


def test_a_picture_that_diverges_is_an_error_in_its_place(
    painter: Stylizer, with_threads: WithThreads
) -> None:
    contents = pictures(40, 48)
    contents[1] *= torch.nan
    with_threads(2)
    found = painter.stylize_batch(contents)
    assert [type(one) is DivergenceError for one in found] == [False, True, False, False, False]
    with pytest.raises(DivergenceError):
        painter.stylize(contents[1:2], threads="each")


# --- a content mask for each picture ---


def half(height: int = 40, width: int = 48) -> Tensor:
    """A mask of the left half."""
    mask = torch.zeros(1, 1, height, width)
    mask[..., : width // 2] = 1
    return mask


MEAN = torch.tensor(IMAGENET_MEAN)[None, :, None, None]
MASKED = Settings(network="raw", iterations=6, scales=1, tolerance=0.0, style_weight=0.0, init="mean",
                  content_layers={"conv1_1": 1.0}, variables="pixels")  # fmt: skip


def test_nothing_pulls_where_a_pictures_mask_is_black(narrow: Weights, with_threads: WithThreads) -> None:
    contents, painter = pictures(40, 48)[:3], Stylizer(narrow, [Style(STYLE)], MASKED)
    with_threads(2)
    whole, left, still = painted(painter.stylize_batch(contents, content_masks=[None, half(), half() * 0]))
    assert torch.equal(still, MEAN.expand_as(still))
    assert torch.equal(left[..., 26:], MEAN.expand_as(left)[..., 26:])  # conv1_1 sees one pixel further
    assert not torch.equal(left[..., :22], MEAN.expand_as(left)[..., :22])
    assert not torch.equal(whole[..., 26:], MEAN.expand_as(whole)[..., 26:])


def test_a_mask_is_stretched_to_the_picture_and_is_its_own_in_any_company(
    narrow: Weights, with_threads: WithThreads
) -> None:
    contents, masks = pictures(40, 48), [half(20, 24), None, half(7, 9), torch.ones(1, 1, 1, 1), None]
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING)
    with_threads(2)
    together = painted(painter.stylize_batch(contents, content_masks=masks))
    for one, mask, image in zip(torch.split(contents, 1), masks, together, strict=True):
        own = Stylizer(narrow, [Style(STYLE)], PLUMBING, content_mask=mask)
        assert torch.equal(image, own.stylize(one, threads="each").image)


def test_a_picture_without_a_mask_has_the_stylizers(narrow: Weights) -> None:
    contents = pictures(40, 48)[:2]
    painter = Stylizer(narrow, [Style(STYLE)], PLUMBING, content_mask=half())
    plain = painted(painter.stylize_batch(contents))
    mixed = painted(painter.stylize_batch(contents, content_masks=[None, torch.ones(1, 1, 8, 8)]))
    assert torch.equal(mixed[0], plain[0])
    assert not torch.equal(mixed[1], plain[1])


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([None], "content_masks must be one for each of 2 pictures, or None, got 1"),
        (
            [None, torch.ones(1, 3, 4, 4)],
            r"must be \(1, 1, height, width\), floats in 0–1, got .*\(1, 3, 4, 4\)",
        ),
        ([torch.ones(1, 1, 4, 4, dtype=torch.uint8), None], r"got torch.uint8"),
    ],
)
def test_masks_that_cannot_be_meant_are_refused(painter: Stylizer, masks: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        painter.stylize_batch(pictures(40, 48)[:2], content_masks=masks)


def test_masks_of_pictures_that_are_evaluated_together_are_each_ones_own(narrow: Weights) -> None:
    """As on a GPU, where the pictures of a batch share an evaluation."""
    contents, masks = pictures(40, 48)[:3], [half(), None, half(7, 9)]
    settings = replace(PLUMBING, init="mean", iterations=1, style_weight=0.0)
    together = Stylizer(narrow, [Style(STYLE)], settings)._paint(contents, None, Work(masks))
    for one, mask, found in zip(torch.split(contents, 1), masks, together, strict=True):
        alone = Stylizer(narrow, [Style(STYLE)], settings, content_mask=mask).stylize(one)
        assert isinstance(found, Stylization)
        assert found.loss == pytest.approx(alone.loss, rel=1e-4)
    losses = [found.loss for found in together if isinstance(found, Stylization)]
    assert len(set(losses)) == 3
