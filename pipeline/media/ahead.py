"""The headers of photographs behind a URL, several at a time: each takes a server's answer or two, and no work."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pipeline.media.items import Entry, Item
from pipeline.media.photos import PhotoHeader, read_photo_header
from pipeline.storage.places import url_of

AT_ONCE = 32
"""Headers that are asked for at the same time."""

Read = Callable[[], PhotoHeader]


def with_headers(
    items: Iterable[Item], is_wanted: Callable[[Entry], bool], max_pixels: int
) -> Iterator[tuple[Item, Read | None]]:
    """Items in order, photographs with what gives their header, or raises MediaError as `read_photo_header` does.

    Of those behind a URL the header is asked for ahead of their turn, if it `is_wanted`.
    """
    waiting: deque[tuple[Item, Read | None, bool]] = deque()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for item in items:
            read: Read | None = None
            is_asked = False
            if isinstance(item, Entry):
                read = partial(read_photo_header, item.path, max_pixels)
                is_asked = url_of(item.path) is not None and is_wanted(item)
                read = pool.submit(read).result if is_asked else read
            waiting.append((item, read, is_asked))
            while waiting and (len(waiting) > AT_ONCE or not waiting[0][2]):
                yield waiting.popleft()[:2]
        while waiting:
            yield waiting.popleft()[:2]
    finally:
        pool.shutdown(cancel_futures=True)
