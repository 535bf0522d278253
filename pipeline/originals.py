"""Whether the files that a job reads still are what they were when it looked at them.

A source that somebody saves over while a run works on it, or a style that has changed when a worker takes a dead
one's place, must not get into frames that are kept under the fingerprint of what was there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import MediaError
from pipeline.records import State, digest_of, state_of


class Original(NamedTuple):
    """A file as it was looked at: its size and its time of change, and the SHA-256 of its bytes."""

    state: State
    digest: str


class Originals:
    """Some files as they were looked at."""

    def __init__(self, files: Mapping[Path, Original]) -> None:
        self._files = dict(files)

    def check(self, paths: Iterable[Path]) -> None:
        """Raise `MediaError` where one of these files has changed or is gone; what was never looked at is passed over.

        A file of the same size and time is the same; of one with another time the bytes are compared, once.
        """
        for path in paths:
            was, state = self._files.get(path), state_of(path)
            if was is None or state == was.state:
                continue
            if state is None:
                raise MediaError(f"{path} is not there any more; put it back, and run again")
            if state[0] != was.state[0] or digest_of(path) != was.digest:
                raise MediaError(
                    f"{path} has changed since the run looked at it; run again, to take it as it is now"
                )
            self._files[path] = Original(state, was.digest)
