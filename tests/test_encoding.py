"""How far an output in the making is, and how rarely that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.assemble import assemble
from pipeline.encoding import TELL_EVERY_S, Encoding, NowAndThen, follow
from pipeline.errors import MediaError
from pipeline.ledger import Watcher, Watchers
from pipeline.run import run
from tests.conftest import Job
from tests.farms import TextureFarm
from tests.media.clips import write_clip
from tests.test_assemble import folder, named, painted

__all__ = ["folder"]


class Watch:
    """A clock that is set by hand, and asked how often it was looked at."""

    def __init__(self) -> None:
        self.now_s, self.looks = 1000.0, 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now_s


def test_now_and_then_is_at_once_and_then_rarely() -> None:
    watch = Watch()
    is_time = NowAndThen(2.0, watch)
    found = []
    for now_s in (0.0, 0.5, 1.9, 2.0, 2.1, 3.9, 9.0, 10.9, 11.0):
        watch.now_s = 1000 + now_s
        found.append(is_time())
    assert found == [True, False, False, True, False, False, True, False, True]


def test_a_loop_tells_its_beginning_and_then_how_far_it_is_by_time_not_by_frames() -> None:
    watch, told = Watch(), list[Encoding]()
    seen = follow("a.mp4", "verifying", 3500, told.append, watch)
    for done in range(1, 3501):
        watch.now_s += TELL_EVERY_S / 1000
        seen(done)
    assert told[0] == Encoding("a.mp4", "verifying", 0, 3500)
    assert [one.done for one in told[1:]] == pytest.approx([1000, 2000, 3000], abs=4)
    assert watch.looks == 3501  # and nothing else is done for a frame


def every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.encoding.TELL_EVERY_S", 0.0)


@pytest.mark.parametrize(
    ("encoding", "name", "frames", "verified"),
    [
        ({}, "clip.mp4", 6, range(7)),
        ({}, "moves.gif", 3, range(4)),
        ({"container": "png"}, "clip.mp4", 6, range(1)),
    ],
)
def test_each_frame_is_told_as_it_is_encoded_and_as_it_is_read_again(
    encoding: Any, name: str, frames: int, verified: range, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_frame(monkeypatch)
    plan, space = painted(folder, encoding=encoding)
    told: list[Encoding] = []
    assemble(named(plan, name), space, told.append)
    encoded = [Encoding(name, "encoding", done, frames) for done in range(frames + 1)]
    assert told == [*encoded, *(Encoding(name, "verifying", done, frames) for done in verified)]


class Told(Watcher):
    """What a run tells of its outputs, in order."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def encoding(self, encoding: Encoding | None) -> None:
        self.found.append(None if encoding is None else (encoding.step, encoding.done))

    def assembled(self, output: Any) -> None:
        self.found.append(output.source)


@pytest.fixture
def textures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)


@pytest.mark.usefixtures("textures")
def test_a_run_tells_its_watchers_of_an_output_until_it_is_there(job: Job, tmp_path: Path) -> None:
    told = Told()
    run(job(write_clip(tmp_path / "clip.mp4", frames=3)), Watchers(Watcher(), told))
    began = [one for one in told.found if one in (("encoding", 0), ("verifying", 0))]
    assert began == [("encoding", 0), ("verifying", 0)]
    assert told.found[-2:] == [None, "clip.mp4"]


@pytest.mark.usefixtures("textures")
def test_an_output_that_fails_is_not_said_to_be_written_any_more(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MediaError("no encoder")

    monkeypatch.setattr("pipeline.assemble.encode_video", fail)
    told = Told()
    assert run(job(write_clip(tmp_path / "clip.mp4", frames=3)), told).status == "incomplete"
    assert told.found == [("encoding", 0), None]
