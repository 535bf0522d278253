"""What the system refuses to write is told with what helps against that."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.durable import writing
from pipeline.errors import SpaceError


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EACCES, "change the rights, or choose another output"),
        (errno.EROFS, "choose another output"),
        (errno.ENOENT, "choose another output"),
        (errno.EIO, "make room or change the rights"),
    ],
)
def test_the_remedy_is_that_of_the_reason(number: int, remedy: str) -> None:
    with pytest.raises(SpaceError) as caught, writing(Path("out")):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == f"cannot write in out: {os.strerror(number)}; {remedy}, then run again"
