"""Finished frames that are not what was committed any more: made again before the frame that starts from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import DamagedFrameError
from pipeline.records import FrameRecord


def make_whole(
    index: int, folder: Path, make: Callable[[int], FrameRecord], throw_away: Callable[[Path, int], object]
) -> FrameRecord:
    """Make a frame of the segment in `folder`, and before it, once each, those of the segment that are damaged.

    One that is damaged in another segment is thrown away, so that the next run makes it again, and raised.
    """
    wanted, healed = [index], set[int]()
    while True:
        try:
            record = make(wanted[-1])
        except DamagedFrameError as error:
            throw_away(error.folder, error.frame)
            if error.folder != folder or error.frame in healed:
                raise
            healed.add(error.frame)
            wanted.append(error.frame)
        else:
            wanted.pop()
            if not wanted:
                return record
