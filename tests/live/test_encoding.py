"""An output in the making, on a terminal, in a log, for a program and for another terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.archive.tally import Tally
from pipeline.encoding import Encoding
from pipeline.live.display import ENCODING_EVERY_S, Display
from pipeline.live.progress import Meter, Snapshot, encoding_line
from pipeline.live.status import EVERY_S, JsonLines, StatusFile, lines, read_status
from pipeline.plan import Plan
from pipeline.resume import Stock
from pipeline.workspace import Workspace
from tests.plans import inspected, planned, record

PLAN = Plan((planned(inspected(240), video={"segment_frames": None}),))
SO_FAR = Encoding("clip.mp4", "encoding", 120, 240)


def metered(finished: int = 240, encoding: Encoding | None = SO_FAR) -> Meter:
    there = {s.key: {i: record(i) for i in s.order if i < finished} for s in PLAN.segments}
    meter = Meter()
    meter.planned(PLAN, Stock(there, {}), Tally())
    meter.encoding(encoding)
    return meter


def test_once_all_is_painted_the_video_that_is_written_is_told_and_no_time_is_pretended() -> None:
    assert metered().snapshot().lines == [
        "240/240 frames · 100%",
        "writing clip.mp4 · encoding frame 120 of 240",
    ]


def test_while_others_are_painted_the_time_for_that_is_still_told() -> None:
    told = metered(finished=100).snapshot().lines
    assert told == ["100/240 frames · 42% · ETA —", "writing clip.mp4 · encoding frame 120 of 240"]
    assert metered(finished=100, encoding=None).snapshot().lines == told[:1]


def test_a_long_name_keeps_its_end_and_a_strange_one_drives_no_terminal() -> None:
    line = encoding_line(Encoding("folder/" * 20 + "clip.mp4", "verifying", 123456, 234567))
    assert line.startswith("writing …")
    assert line.endswith("clip.mp4 · verifying frame 123456 of 234567")
    assert len(line) <= 58
    assert encoding_line(Encoding("\x1b[2Jclip\n.mp4", "encoding", 1, 2)).isprintable()


def test_the_panel_has_the_video_that_is_written() -> None:
    console = Console(width=60, height=20, force_terminal=True)
    with console.capture() as caught:
        console.print(Display(console, metered())._panel())
    assert "writing clip.mp4 · encoding frame 120 of 240" in caught.get()


def test_a_log_has_a_line_where_nothing_was_said_for_long() -> None:
    now_s, file = 0.0, io.StringIO()
    display = Display(Console(file=file, width=80), metered(), clock=lambda: now_s)
    for now_s in range(0, 100, 1):
        display.encoding(Encoding("clip.mp4", "encoding", int(now_s), 240))
    display.encoding(None)
    assert ENCODING_EVERY_S == 30
    assert file.getvalue().splitlines() == [
        f"writing clip.mp4 · encoding frame {done} of 240" for done in (30, 60, 90)
    ]


def test_a_terminal_has_no_such_lines_beside_its_panel() -> None:
    now_s, file = 0.0, io.StringIO()
    display = Display(Console(file=file, width=80, force_terminal=True), metered(), clock=lambda: now_s)
    now_s = 1000.0
    display.encoding(SO_FAR)
    assert file.getvalue() == ""


def test_a_program_is_told_every_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, told = 0.0, list[str]()
    watcher = JsonLines(metered(), told.append, clock=lambda: now_s)
    for now_s in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        watcher.encoding(Encoding("clip.mp4", "encoding", int(10 * now_s), 240))
    watcher.encoding(None)
    found = [json.loads(line) for line in told]
    assert EVERY_S == 2
    assert [(one["event"], one["done"]) for one in found] == [("encoding", 0), ("encoding", 20)]
    assert found[1] | {"at": 0} == {
        "event": "encoding", "at": 0, "source": "clip.mp4", "step": "encoding", "done": 20, "total": 240,
    }  # fmt: skip


def test_a_snapshot_with_a_video_survives_its_json_and_one_of_before_has_none() -> None:
    found = metered().snapshot()
    data = json.loads(json.dumps(found.to_json()))
    assert Snapshot.from_json(data) == found
    del data["encoding"]
    assert Snapshot.from_json(data).encoding is None


def test_another_terminal_sees_a_run_that_has_only_videos_to_write(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "out")
    space.root.mkdir(parents=True)
    meter = metered(encoding=None)
    file = StatusFile(meter, space)
    file.planned()
    assert read_status(space) is None  # so far there is nothing to do
    meter.encoding(SO_FAR)
    file.encoding(SO_FAR)
    found = read_status(space)
    assert found is not None
    assert found["status"] == "running"
    assert list(lines(found))[1:] == ["240/240 frames · 100%", "writing clip.mp4 · encoding frame 120 of 240"]
    file.ended("done")
    file.encoding(SO_FAR)  # of the encoder's thread, too late
    found = read_status(space)
    assert found is not None
    assert found["status"] == "done"
    assert not [line for line in lines(found) if "writing" in line]
