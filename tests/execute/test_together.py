"""How far photographs are that are painted together."""

from __future__ import annotations

import torch

from pipeline.execute.job import Progress
from pipeline.execute.together import Together
from pipeline.style import Iterate


def test_pages_that_have_not_begun_are_still_to_come() -> None:
    told: list[Progress] = []
    watch, image = Together("a.jpg", 3, told.append), torch.zeros(1, 3, 2, 2)
    for picture, work in ((0, 1.0), (1, 1.0), (0, 2.0)):
        watch(Iterate(picture, 7, 9, 1.5, image, work, 4.0 - work))
    assert [(one.work, one.left, one.pictures) for one in told] == [(1, 11, 3), (2, 10, 3), (3, 9, 3)]
    assert told[0] == Progress("a.jpg", 0, 7, 9, 1.5, 1.0, 11.0, 3)
