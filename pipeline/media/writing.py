"""What can go wrong while writing a file, as our errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from pipeline.errors import MediaError, SpaceError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turns errors inside into SpaceError (no room, no right to write) or MediaError (everything else)."""
    try:
        yield
    except (OSError, av.FFmpegError, ValueError) as error:
        code = getattr(error, "errno", None)
        reason = getattr(error, "strerror", None) or error
        if code in _NO_ROOM:
            raise SpaceError(
                f"no room to write {target} ({reason}); free some space, then run again"
            ) from error
        if code in _NO_RIGHT:
            raise SpaceError(
                f"no permission to write {target} ({reason}); change it, or the output"
            ) from error
        raise MediaError(f"{target} cannot be written ({reason})") from error
