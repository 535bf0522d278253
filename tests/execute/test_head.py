"""The head of a cluster that is lost is noticed before Ray ends the process."""

from __future__ import annotations

import socket
import time

import pytest

from pipeline.execute import head
from pipeline.execute.head import watching_head


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "EVERY_S", 0.05)
    monkeypatch.setattr(head, "PATIENCE_S", 0.3)


def test_a_head_that_answered_and_does_not_any_more_is_told_once() -> None:
    told: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{server.getsockname()[1]}"
    with watching_head(address, told.append):
        time.sleep(0.8)
        assert told == []
        server.close()
        time.sleep(1.5)
    assert len(told) == 1 and address in told[0] and "run again" in told[0]


def test_nobody_is_asked_for_where_none_ever_answered_and_after_the_work() -> None:
    told: list[str] = []
    with watching_head(None, told.append), watching_head("127.0.0.1:9", told.append):
        time.sleep(0.8)
    server = socket.create_server(("127.0.0.1", 0))
    with watching_head(f"127.0.0.1:{server.getsockname()[1]}", told.append):
        time.sleep(0.3)
    server.close()
    time.sleep(0.8)
    assert told == []
