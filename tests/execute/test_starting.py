"""A start in a thread of its own: waited for, or left behind."""

from __future__ import annotations

import threading
from concurrent.futures import wait

import pytest

from pipeline.execute.starting import Start, is_left_behind


def test_what_was_made_is_handed_over_and_its_thread_lives_as_long_as_it_is_used() -> None:
    makers, undone = list[threading.Thread](), list[str]()

    def make() -> str:
        makers.append(threading.current_thread())
        return "farm"

    with Start(make, undone.append) as start:
        assert start.wait(lambda: False) == "farm"
        assert makers[0] is not threading.current_thread() and makers[0].is_alive()
    assert not makers[0].is_alive()
    assert undone == [] and not is_left_behind()


def test_an_error_of_the_start_is_that_of_the_wait() -> None:
    def make() -> str:
        raise TimeoutError("no Ray")

    with Start(make, pytest.fail) as start, pytest.raises(TimeoutError, match="no Ray"):
        start.wait(lambda: False)
    assert not is_left_behind()


def test_a_start_that_is_not_wanted_any_more_is_not_waited_for_and_takes_back_what_it_made() -> None:
    go, undone = threading.Event(), threading.Event()
    asked = iter([False, True])
    with Start(lambda: go.wait(30), lambda _: undone.set()) as start:
        assert start.wait(lambda: next(asked)) is None
    assert is_left_behind() and not undone.is_set()
    go.set()
    assert undone.wait(30)


def test_a_start_that_is_through_counts_even_where_a_stop_was_asked_for() -> None:
    with Start(lambda: "farm", pytest.fail) as start:
        wait([start._made], 30)
        assert start.wait(lambda: True) == "farm"
