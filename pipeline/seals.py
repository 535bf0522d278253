"""Whether a finished frame's file still is what was committed: by the digest that its record keeps.

It is looked at whenever a frame is read, and never by reading everything again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.errors import DamagedFrameError
from pipeline.records import frame_digest


class Seals:
    """The digests of one segment's frames. The journals of its records are read on as they grow."""

    def __init__(self, segment: Path) -> None:
        self._segment = segment
        self._read: dict[Path, int] = {}  # by journal, how much of it has been read
        self._known: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))

    def check(self, index: int, data: bytes) -> None:
        """Raise `DamagedFrameError` unless some record of frame `index` is of a file with just these bytes.

        A record of before there were digests tells the size alone; without any record there is nothing to compare.
        """
        if self._fits(index, data):
            return
        self._read_on()
        if index in self._known and not self._fits(index, data):
            raise DamagedFrameError(
                f"finished frame {index} in {self._segment} is not what was committed; run again, which makes it again",
                index,
                self._segment,
            )

    def _fits(self, index: int, data: bytes) -> bool:
        digests = self._known[index][len(data)] if index in self._known else set()
        return bool(digests) and ("" in digests or frame_digest(data) in digests)

    def _read_on(self) -> None:
        for path in sorted(self._segment.glob("records-*.jsonl")):
            for entry in self._new_lines(path):
                with suppress(KeyError, TypeError, ValueError, RecursionError):
                    record = json.loads(entry)
                    self._known[record["frame"]][record["bytes"]].add(record.get("digest", ""))

    def _new_lines(self, path: Path) -> Iterator[bytes]:
        """The whole lines that have been added since; half of one waits for its end."""
        with suppress(OSError), path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            for line in file:
                if line.endswith(b"\n"):
                    self._read[path] = self._read.get(path, 0) + len(line)
                    yield line
