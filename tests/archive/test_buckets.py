"""Batches: every picture is in one, all pictures of one are alike, and none is larger than it may be."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive.buckets import LARGEST, LARGEST_MEGAPIXELS, Buckets, largest_of

KEYS = st.integers(0, 4)


@given(keys=st.lists(KEYS, max_size=80), largest=st.integers(1, 9), window=st.integers(1, 20), data=st.data())
def test_every_item_comes_out_once_with_its_like_in_the_order_it_came(
    keys: list[int], largest: int, window: int, data: st.DataObject
) -> None:
    buckets: Buckets[tuple[int, int]] = Buckets(largest, window)
    own = {key: data.draw(st.none() | st.integers(1, 12)) for key in set(keys)}
    batches: list[list[tuple[int, int]]] = []
    waiting = 0
    for place, key in enumerate(keys):
        batch = buckets.add(key, (key, place), own[key])
        waiting += 1
        if batch is not None:
            is_full = len(batch) == min(largest, own[key] or largest)
            assert is_full or waiting == window, "it went out too early"
            batches.append(batch)
            waiting -= len(batch)
        assert waiting < window
    batches.extend(buckets.rest())
    assert sorted(item for batch in batches for item in batch) == sorted((k, i) for i, k in enumerate(keys))
    for batch in batches:
        (key,) = {key for key, _ in batch}
        assert 1 <= len(batch) <= min(largest, own[key] or largest)
        assert batch == sorted(batch)
    assert buckets.fullest() is None
    assert list(buckets.rest()) == []


@given(keys=st.lists(KEYS, min_size=1, max_size=40))
def test_the_fullest_goes_first(keys: list[int]) -> None:
    buckets: Buckets[int] = Buckets(largest=100)
    for key in keys:
        assert buckets.add(key, key) is None
    assert [len(batch) for batch in buckets.rest()] == sorted(Counter(keys).values(), reverse=True)


@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000))
def test_a_batch_has_few_megapixels_and_one_picture_at_least(width: int, height: int) -> None:
    count = largest_of((width, height))
    assert 1 <= count <= LARGEST
    assert count == 1 or count * width * height / 1e6 <= LARGEST_MEGAPIXELS
    assert count == LARGEST or (count + 1) * width * height / 1e6 > LARGEST_MEGAPIXELS
