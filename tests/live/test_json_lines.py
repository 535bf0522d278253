"""A run as a program sees it: JSON lines, one after the other."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.archive.tally import Tally
from pipeline.cli import app
from pipeline.errors import ClusterError
from pipeline.execute.events import Pulse, SegmentFailed
from pipeline.execute.queue import Queue
from pipeline.live.json_lines import JsonLines
from pipeline.live.progress import Meter
from tests.farms import TextureFarm
from tests.live.meters import LOST, PLAN, STOCK, WORKERS, frame, job
from tests.media.clips import picture, write_clip


def test_json_lines_are_objects_and_tell_what_happens() -> None:
    told: list[str] = []
    meter = Meter()
    watcher = JsonLines(meter, told.append)
    meter.planned(PLAN, STOCK, Tally())
    watcher.planned(PLAN, STOCK, Tally())
    for event in (
        frame(0),
        LOST,
        SegmentFailed(job(), 3, "cursed"),
        Pulse(WORKERS),
    ):
        meter.happened(event)
        watcher.happened(event)
    found = [json.loads(line) for line in told]
    assert [one["event"] for one in found] == ["planned", "frame", "progress", "worker_lost", "failed"]
    assert (found[1]["frame"], found[1]["loss"], found[2]["done"], found[2]["total"]) == (0, 1.5, 1, 10)
    assert found[3] | {"at": 0} == {
        "event": "worker_lost", "at": 0, "worker": "host-7", "reason": "killed", "segment": "clip.mp4[0-4]",
        "frame": 2, "attempt": 2, "attempts": 3,
    }  # fmt: skip
    assert found[4] | {"at": 0} == {
        "event": "failed", "at": 0, "source": "clip.mp4", "frame": 3, "error": "cursed",
    }  # fmt: skip
    assert all("\n" not in line for line in told)


def test_the_command_tells_a_run_in_json_lines_and_afterward_how_it_ended(
    write_job: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    path = write_job(write_clip(tmp_path / "clip.mp4", frames=5))
    before = CliRunner().invoke(app, ["status", str(path)])
    assert (before.exit_code, before.output.strip()) == (0, "no run has worked on this job yet")
    result = CliRunner().invoke(app, ["run", str(path), "--json", "--progress", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["status"] == "done"
    events = [json.loads(line)["event"] for line in result.stderr.splitlines()]
    assert events[0] == "planned"
    assert events.count("frame") == 5
    assert events[-3:] == ["output", "progress", "ended"]
    after = json.loads(CliRunner().invoke(app, ["status", str(path), "--json"]).stdout)
    assert (after["status"], after["done"], after["total"]) == ("done", 5, 5)
    quiet = CliRunner().invoke(app, ["run", str(path), "--progress", "none"])
    assert (quiet.exit_code, quiet.stderr) == (0, "")


def lines_of(path: Path, *more: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of a run, and every line on its standard error, which are JSON and nothing else."""
    result = CliRunner().invoke(app, ["run", str(path), "--progress", "json", *more])
    return result.exit_code, [json.loads(line) for line in result.stderr.splitlines()]


def test_the_last_line_says_how_it_ended_with_what_failed_and_where_the_page_is(
    write_job: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    (tmp_path / "in").mkdir()
    for index in range(3):
        Image.fromarray(picture(index)).save(tmp_path / f"in/{index}.png")
    (tmp_path / "in/empty.png").touch()
    Image.fromarray(picture(3, 96, 72)).save(tmp_path / "in/cut.jpg")
    (tmp_path / "in/cut.jpg").write_bytes((tmp_path / "in/cut.jpg").read_bytes()[:-400])
    path = write_job(tmp_path / "in")
    code, told = lines_of(path)
    *_, progress, ended = told
    assert code == 3
    assert (progress["event"], progress["done"], progress["total"], progress["failed"]) == (
        "progress",
        3,
        5,
        2,
    )
    assert (ended["event"], ended["status"], ended["done"], ended["total"]) == ("ended", "incomplete", 3, 5)
    assert sorted(one["source"] for one in ended["failures"]) == ["cut.jpg", "empty.png"]
    assert (ended["iterations"], ended["megapixel_iterations"]) == (9, pytest.approx(0.03))
    assert ended["wall_s"] > 0
    assert Path(ended["report"]).is_file()
    status = json.loads(CliRunner().invoke(app, ["status", str(path), "--json"]).stdout)
    assert (status["done"], status["total"], status["failed"]) == (3, 5, 2)
    again = json.loads(CliRunner().invoke(app, ["run", str(path), "--json"]).stdout)
    assert again["frames"] == {"total": 3, "stylized": 0, "reused": 3}
    assert again["sources"] == {"films": 0, "photographs": 5}


class Stopping(TextureFarm):
    """A farm in which somebody presses Ctrl-C after the second frame."""

    def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Any:
        for place, event in enumerate(super().stylize(queue, stop)):
            if place == 2:
                signal.raise_signal(signal.SIGINT)
            yield event


def test_a_run_that_is_stopped_says_so_last(
    write_job: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", Stopping)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        code, told = lines_of(write_job(write_clip(tmp_path / "clip.mp4", frames=9)))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert code == 75
    assert (told[-1]["event"], told[-1]["status"], told[-1]["total"]) == ("ended", "interrupted", 9)
    assert 0 < told[-1]["done"] < 9
    assert told[-1]["report"] is None


def test_a_run_that_an_error_ends_says_which_last_and_in_no_other_way(
    write_job: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(TextureFarm):
        def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Any:
            for event in super().stylize(queue, stop):
                yield event
                raise ClusterError("the cluster is gone; start it")

    monkeypatch.setattr("pipeline.execute.scheduler.Farm", Failing)
    path = write_job(write_clip(tmp_path / "clip.mp4", frames=5))
    code, told = lines_of(path)
    assert code == 5
    assert told[-2]["event"] == "progress"
    assert told[-1] | {"at": 0, "wall_s": 0} == {
        "event": "ended", "at": 0, "status": "error", "error": "the cluster is gone; start it", "done": 1, "total": 5,
        "failures": [], "iterations": 3, "megapixel_iterations": 0.01, "wall_s": 0, "report": None,
    }  # fmt: skip
    code, (only,) = lines_of(path, "--set", "transfer.size=8")
    assert code == 2
    assert (only["event"], only["status"], only["done"]) == ("ended", "error", 0)
    assert "transfer.size must be at least" in only["error"]
