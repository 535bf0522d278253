"""Which machines get how many workers, as they come and go."""

from __future__ import annotations

import pytest

from pipeline.config import Execution
from pipeline.errors import ClusterError
from pipeline.execute import roster
from pipeline.execute.pool import Node, asked_cpus
from pipeline.execute.roster import Roster, first_nodes


def machine(name: str) -> Node:
    return Node(4, 0, name, name)


def measured(*names: str, most: int = 9) -> Roster:
    found = Roster(Execution(), most)
    found.measure([machine(name) for name in names])
    return found


def free(found: Roster, **taken: int) -> dict[str, int]:
    return {place.node: count for place, count in found.free(taken).items()}


def test_a_machine_that_joins_has_a_place_and_one_that_leaves_has_none() -> None:
    found = measured("one")
    assert found.recount([machine("one"), machine("two")]) == 2
    assert free(found, one=1) == {"two": 1}
    assert found.recount([machine("two")]) == 1
    assert free(found) == {"two": 1}


def test_machines_that_have_all_left_are_waited_for() -> None:
    found = measured("one")
    assert found.recount([]) == 1


def test_an_unfit_machine_has_no_place() -> None:
    found = measured("good", "bad", most=2)
    found.unfit["bad"] = "no weights"
    assert found.recount([machine("good"), machine("bad")]) == 1
    assert found.recount([machine("good"), machine("bad"), machine("late")]) == 2
    assert free(found, good=1) == {"late": 1}


def test_what_a_worker_gets_stays_as_machines_join() -> None:
    found = measured("small")
    found.recount([machine("small"), Node(16, 0, "large")])
    assert (found.pool.workers, found.pool.cpus) == (2, 4)


def test_the_first_machine_is_waited_for_as_long_as_said_and_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roster, "FIRST_LOOK_S", 0)
    looks, said = iter([[], [], [machine("one")]]), list[str]()
    assert first_nodes(lambda: next(looks), lambda: False, said.append) == [machine("one")]
    assert said == ["no machine of the cluster gives any CPU or GPU away yet; waiting up to 600 s for one"]
    assert first_nodes(list, lambda: True, said.append) == []
    monkeypatch.setattr(roster, "FIRST_MACHINE_S", 0)
    with pytest.raises(ClusterError, match="no machine of the cluster gave any CPU or GPU away in 0 s"):
        first_nodes(list, lambda: False, said.append)


def test_the_cpus_that_are_asked_for_count_one_for_each_auto() -> None:
    assert asked_cpus(Execution(workers="auto", threads_per_worker=3)) == 3
    assert asked_cpus(Execution(workers=4, threads_per_worker="auto")) == 4
    assert asked_cpus(Execution(workers=4, threads_per_worker=2)) == 8
