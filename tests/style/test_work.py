"""How the evaluations of one call are counted."""

from __future__ import annotations

import torch

from pipeline.style.work import Iterate, Work


def test_an_evaluation_beyond_the_most_as_of_a_second_try_is_the_most_itself() -> None:
    seen: list[Iterate] = []
    work = Work([None], seen.append, rounds=[(2, 4e-6)])
    work.open_round()
    for _ in range(3):
        work(0, 1.0, torch.zeros(1, 3, 2, 2))
    assert [(one.iteration, one.most) for one in seen] == [(1, 2), (2, 2), (3, 3)]
    assert [one.left for one in seen] == [4e-6, 0, 0]


def test_what_a_coarse_size_did_not_need_is_not_left_any_more() -> None:
    seen: list[Iterate] = []
    work = Work([None], seen.append, rounds=[(9, 1e-6), (3, 4e-6)])
    for side, evaluations in ((1, 2), (2, 3)):
        work.open_round()
        for _ in range(evaluations):
            work(0, 1.0, torch.zeros(1, 3, side, side))
    assert [round(1e6 * one.work) for one in seen] == [1, 2, 6, 10, 14]
    assert [round(1e6 * one.left) for one in seen] == [20, 19, 8, 4, 0]
