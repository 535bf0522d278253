"""What becomes of the command where the head of its cluster is lost; the head is a socket, and no Ray is there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import load_config
from pipeline.execute import head
from pipeline.execute.events import Event
from pipeline.ledger import Ledger, Summary
from pipeline.run import run
from tests.farms import TextureFarm
from tests.faults.conftest import CLIP, Left, left_by
from tests.faults.processes import complete, start, wait_for_frames


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def address(server: socket.socket) -> str:
    return f"execution.address=127.0.0.1:{server.getsockname()[1]}"


def test_a_lost_head_ends_the_command_as_an_interruption_and_the_job_goes_on_elsewhere(
    write_job: Callable[..., Path],
    clip: Path,
    tmp_path: Path,
    expected: Left,
    server: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEAD_S", "0.5")
    path = write_job(clip, **CLIP)
    process = start(path, "--set", address(server), frame_s=1)
    try:
        wait_for_frames(tmp_path / "out", 1, process)
        server.close()
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75, err
    assert "the head of the cluster at 127.0.0.1:" in err
    assert "has not answered for 0.5 s" in err
    assert complete(path).returncode == 0
    assert left_by(tmp_path / "out") == expected


@pytest.mark.usefixtures("textures")
def test_a_head_that_is_lost_once_every_frame_is_there_ends_nothing(
    write_job: Callable[..., Path], clip: Path, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LastFrames(TextureFarm):
        def stylize(self, *arguments: Any) -> Iterator[Event]:
            time.sleep(0.5)  # the head has answered
            yield from super().stylize(*arguments)
            server.close()

    def close_late(ledger: Ledger, **how: Any) -> Summary:
        time.sleep(1)  # as long as a film takes to be encoded
        return close(ledger, **how)

    close, told = Ledger.close, list[str]()
    monkeypatch.setattr(head, "EVERY_S", 0.05)
    monkeypatch.setattr(head, "patience_s", lambda: 0.2)
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", LastFrames)
    monkeypatch.setattr(Ledger, "close", close_late)
    config = load_config(write_job(clip, **CLIP), [address(server)])
    assert run(config, lost=told.append).status == "done"
    assert told == []
