"""Whether a run could write where it has to, found out by asking alone: nothing is made, and nothing changed.

What it could not is said in the words that a run says it in, since both go through `durable.writing`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pipeline.durable import writing
from pipeline.errors import PipelineError
from pipeline.places import refuse_links
from pipeline.workspace import Workspace


def refusal_of(space: Workspace, *, is_done: bool) -> str | None:
    """Why no run could take its folder or, unless `is_done`, write in it and beside it; None: it could.

    That another run holds it is none of this: that one ends.
    """
    try:
        refuse_links(space.root, space.segments)
        with writing(space.root):
            lock = space.root / "lock"
            if os.path.lexists(lock):
                _check(lock, os.R_OK | os.W_OK)
            if not is_done or not space.root.is_dir():
                _check_folder(space.root)
        if not is_done:
            with writing(space.output):
                _check_folder(space.output)
    except PipelineError as error:
        return str(error)
    return None


def _check_folder(folder: Path) -> None:
    """Raise the OSError of one who makes a folder, where it is not there yet, and writes in it."""
    for place in (folder, *folder.parents):
        try:
            is_folder = stat.S_ISDIR(place.stat().st_mode)
        except FileNotFoundError:
            if place.is_symlink():  # to nowhere: nothing is made through it
                raise _error(errno.EEXIST) from None
            continue
        if not is_folder:
            raise _error(errno.EEXIST)
        _check(place, os.W_OK | os.X_OK)
        return


def _check(path: Path, mode: int) -> None:
    """Raise the OSError of one who opens a file, or makes something in a folder."""
    if mode & os.R_OK and path.is_dir():
        raise _error(errno.EISDIR)
    if not os.access(path, mode):
        is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        raise _error(errno.EROFS if is_read_only else errno.EACCES)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
