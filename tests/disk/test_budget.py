"""What of a budget is taken and set aside."""

from __future__ import annotations

from pipeline.disk.budget import Budget


def test_what_is_set_aside_counts_and_what_has_come_counts_instead() -> None:
    budget = Budget(100, used=10)
    assert budget.reserve({"a": 60})
    assert budget.fits(30) and not budget.fits(31)
    budget.count(20, "a", 25)  # smaller than it might have been
    assert budget.fits(35) and not budget.fits(36)
    budget.count(-5)
    assert budget.fits(40)
    budget.drop("a")
    assert "a" not in budget and budget.fits(75)


def test_what_does_not_fit_is_not_set_aside_but_where_nothing_fits_it_may_be_anyway() -> None:
    budget = Budget(100, used=90)
    assert not budget.reserve({"a": 6, "b": 5})
    assert not budget.reserve({"a": 11}, anyway=True)
    assert "a" not in budget
    budget.count(20)
    assert budget.reserve({"a": 11}, anyway=True)
    assert "a" in budget


def test_it_is_dry_only_where_nothing_came_meanwhile() -> None:
    budget = Budget(100, used=90)
    before = budget.changes
    budget.finish(["a"])
    budget.run_dry(50, before)
    assert not budget.is_dry
    budget.run_dry(5, budget.changes)
    assert not budget.is_dry, "there is room"
    budget.run_dry(50, budget.changes)
    assert budget.is_dry
    budget.finish([])
    assert not budget.is_dry


def test_without_a_budget_everything_fits() -> None:
    assert Budget(None, 0).reserve({"a": 2**60})


def test_a_refusal_says_what_is_taken_and_what_to_do() -> None:
    said = str(Budget(2**30, 5_000_000).refusal("the output of a.mp4", 7_000_000, "raise it"))
    assert said == (
        "disk.budget_gib 1 leaves no room: 5 MB are taken, and the output of a.mp4 needs up to 7 MB; "
        "raise it, then run again"
    )
