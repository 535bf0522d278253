"""The head of a cluster that is lost is noticed before Ray ends the process, and nothing else is taken for that."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.execute import head
from pipeline.execute.head import RAYS_PATIENCE, patience_s, watching_head


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "EVERY_S", 0.05)
    monkeypatch.setattr(head, "patience_s", lambda: 0.3)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket, host: str = "127.0.0.1") -> str:
    return f"{host}:{server.getsockname()[1]}"


def test_a_head_that_answered_and_does_not_any_more_is_told_once(server: socket.socket) -> None:
    told: list[str] = []
    at = address(server)
    with watching_head(at, told.append):
        time.sleep(0.8)
        assert told == []
        server.close()
        time.sleep(1.5)
    assert len(told) == 1 and at in told[0] and "run again" in told[0]


def test_nobody_is_asked_for_where_none_ever_answered_and_after_the_work(server: socket.socket) -> None:
    told: list[str] = []
    with (
        watching_head(None, told.append),
        watching_head("auto", told.append),
        watching_head("127.0.0.1:9", told.append),
    ):
        time.sleep(0.8)
    with watching_head(address(server), told.append):
        time.sleep(0.3)
    server.close()
    time.sleep(0.8)
    assert told == []


def test_a_name_is_resolved_once_so_that_a_silent_resolver_ends_nothing(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    real, names = socket.getaddrinfo, list[Any]()

    def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        names.append(host)
        if host == "localhost" and names.count(host) > 1:
            raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with watching_head(address(server, "localhost"), told.append):
        time.sleep(1)
        assert names.count("localhost") == 1
        assert told == []
        server.close()
        time.sleep(1.5)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("number", "silent"),
    [
        (errno.ECONNREFUSED, True),
        (errno.ETIMEDOUT, True),
        (errno.EHOSTUNREACH, True),
        (errno.EMFILE, False),
        (errno.ENOBUFS, False),
        (errno.EADDRNOTAVAIL, False),
    ],
)
def test_only_a_head_that_does_not_answer_counts(
    number: int, silent: bool, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, "no")

    with watching_head(address(server), told.append):
        time.sleep(0.5)
        monkeypatch.setattr(socket, "create_connection", refuse)
        time.sleep(1)
    assert bool(told) == silent


def test_a_question_that_is_still_open_as_the_work_ends_ends_nothing(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    asked, go_on = threading.Event(), threading.Event()

    def time_out(*_: Any, **__: Any) -> None:
        asked.set()
        go_on.wait(5)
        raise TimeoutError

    with watching_head(address(server), told.append):
        time.sleep(0.5)
        monkeypatch.setattr(head, "time", type("Late", (), {"monotonic": iter(range(1, 10**6)).__next__}))
        monkeypatch.setattr(socket, "create_connection", time_out)
        assert asked.wait(5)
    go_on.set()
    time.sleep(0.3)
    assert told == []


@pytest.mark.parametrize(
    ("rays", "ours"), [(None, 50), ("60", 50), ("600", 590), ("5", 30), ("for ever", 50)]
)
def test_its_patience_ends_shortly_before_rays_own(
    rays: str | None, ours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RAYS_PATIENCE, raising=False)
    if rays:
        monkeypatch.setenv(RAYS_PATIENCE, rays)
    assert patience_s() == ours
