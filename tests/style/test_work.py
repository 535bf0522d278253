"""How the evaluations of one call are counted."""

from __future__ import annotations

import torch

from pipeline.style.work import Iterate, Work


def test_an_evaluation_beyond_the_most_as_of_a_second_try_is_the_most_itself() -> None:
    seen: list[Iterate] = []
    work = Work([None], seen.append, most=2)
    for _ in range(3):
        work(0, 1.0, torch.zeros(1, 3, 2, 2))
    assert [(one.iteration, one.most) for one in seen] == [(1, 2), (2, 2), (3, 3)]
