"""Ray's crew without a Ray: what it is told of machines, and where it has its actors put."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayTaskError

from pipeline.config import Execution
from pipeline.execute import roster, scheduler
from pipeline.execute.crew import WorkerLostError
from pipeline.execute.events import Pulse
from pipeline.execute.pool import Node
from pipeline.execute.preflight import UnfitError
from pipeline.execute.queue import Queue
from pipeline.execute.scheduler import Farm, _RayCrew
from tests.execute.on_cpu import SETTINGS, OnCpu
from tests.execute.test_dispatch import todo


class FakeRay:
    """Machines that come and go, the options that each actor was asked for with, and answers to calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *nodes: str) -> None:
        self.nodes, self.asked = list(nodes), list[Mapping[str, Any]]()
        actor = SimpleNamespace(remote=lambda *_: None)
        monkeypatch.setattr(scheduler, "_nodes", lambda: [Node(4, 0, name, name) for name in self.nodes])
        monkeypatch.setattr(
            scheduler, "ACTOR", SimpleNamespace(options=lambda **asked: self.asked.append(asked) or actor)
        )
        monkeypatch.setattr(scheduler, "NodeAffinitySchedulingStrategy", lambda *_, **__: None)
        monkeypatch.setattr(scheduler.ray, "kill", lambda *_, **__: None)
        monkeypatch.setattr(scheduler.ray, "get", self._fail)
        monkeypatch.setattr(scheduler.ray, "available_resources", lambda: {"CPU": 4.0 * len(self.nodes)})

    def _fail(self, error: Exception) -> None:
        raise RayTaskError("set_up", "", pickle.loads(pickle.dumps(error)))


def crew_of(most: int = 9) -> _RayCrew:
    crew = _RayCrew(Execution(address="head:6379"), SETTINGS, most, OnCpu, None)
    assert crew.measure(lambda: False, lambda text: None)
    return crew


def test_a_machine_that_turned_out_unfit_gets_nobody_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay(monkeypatch, "good", "better")
    crew = crew_of()
    assert {crew.hire().node for _ in range(crew.places())} == {"good", "better"}
    ray.nodes.append("bad")
    assert crew.places() == 3
    hand = crew.hire()
    assert hand.node == "bad"
    with pytest.raises(WorkerLostError, match="bad cannot do this job"):
        crew.result(UnfitError("bad cannot do this job: torch is 2.5 there", "bad"))
    hand.kill()
    assert crew.places() == 2
    assert crew.hire().node == "", "nowhere for now"
    assert ray.asked[-1]["label_selector"] == {"ray.io/node-id": "!in(bad)"}
    assert "torch is 2.5 there" in (crew.shortage() or "")


def test_a_machine_that_is_unfit_takes_no_place_of_the_good_ones_that_join_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = FakeRay(monkeypatch, "good", "bad")
    crew = crew_of(most=2)
    hands = {hand.node: hand for hand in (crew.hire(), crew.hire())}
    with pytest.raises(WorkerLostError):
        crew.result(UnfitError("bad cannot do this job", "bad"))
    hands["bad"].kill()
    ray.nodes.append("late")
    assert crew.places() == 2
    assert crew.hire().node == "late"
    assert crew.shortage() is None, "it may only be slow to start"


def test_where_no_machine_is_fit_there_is_no_place_and_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeRay(monkeypatch, "only")
    crew = crew_of()
    hand = crew.hire()
    with pytest.raises(WorkerLostError):
        crew.result(UnfitError("only cannot do this job: no weights", "only"))
    hand.kill()
    crew.hire()
    assert crew.places() == 0
    assert "only cannot do this job: no weights" in (crew.shortage() or "")


def test_the_wait_for_the_first_machine_is_told_and_ends_when_the_run_is_asked_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeRay(monkeypatch)
    monkeypatch.setattr(roster, "FIRST_LOOK_S", 0)
    monkeypatch.setattr(scheduler, "_connect", lambda _: None)
    asked, said = iter([False, False, False]), list[str]()
    stop = lambda: next(asked, True)  # noqa: E731
    with Farm(Execution(address="head:6379"), SETTINGS, 9, OnCpu, stop=stop, say=said.append) as farm:
        assert farm.idle_machines == 0
        todos = [todo("a 0", 3)]
        assert [event for event in farm.stylize(Queue(todos), stop) if not isinstance(event, Pulse)] == []
    assert said == ["no machine of the cluster gives any CPU or GPU away yet; waiting up to 600 s for one"]
