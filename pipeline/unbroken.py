"""Standard streams that outlive whoever reads them: a closed terminal or pipe must not end hours of work."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

_NOBODY_READS = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO)


class _Outlet(io.FileIO):
    """A descriptor to which words go as long as somebody reads them, or `anyway` as long as they can be written."""

    def __init__(self, descriptor: int, *, anyway: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._anyway = anyway

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if self._anyway or error.errno in _NOBODY_READS:
                return memoryview(data).nbytes
            raise


def outlive_readers() -> None:
    """Make writing to standard output and standard error no error where nobody reads it any more.

    What is told on standard error is not worth a job, even where the disk that it is kept on is full; a result that
    cannot be written to standard output still is an error.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            outlet = _Outlet(stream.fileno(), anyway=name == "stderr")
        except (AttributeError, OSError, ValueError):  # closed before we began, or no file
            setattr(sys, name, io.StringIO())
            continue
        setattr(
            sys,
            name,
            io.TextIOWrapper(
                io.BufferedWriter(outlet),
                encoding=stream.encoding,
                errors=stream.errors,
                line_buffering=stream.line_buffering or name == "stderr",
            ),
        )
