"""How far a run is: counted, and told to a terminal and another terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from rich.console import Console

from pipeline.archive.tally import Tally
from pipeline.config import Transfer
from pipeline.execute.events import (
    STARTING,
    Pulse,
    SegmentFailed,
    WorkerLost,
    WorkerState,
)
from pipeline.execute.job import Progress
from pipeline.forecasting.costs import frame_cost
from pipeline.live.display import Display
from pipeline.live.eta import WARM_SHARE
from pipeline.live.progress import Meter, Snapshot, lost_line, worker_line
from pipeline.live.status import StatusFile, lines, read_status
from pipeline.plan import Failure, Plan
from pipeline.resume import Stock
from pipeline.workspace import Workspace
from tests.live.meters import LOST, PLAN, STOCK, WORKERS, frame, job, metered
from tests.plans import inspected, planned, record


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "out")
    found.root.mkdir(parents=True)
    return found


def test_frames_are_counted_as_they_are_finished_but_not_drafts() -> None:
    found = metered(frame(0), frame(1), frame(2, draft=True)).snapshot()
    assert (found.done, found.total, found.is_counted) == (2, 10, True)
    assert found.megapixel_iterations == pytest.approx(0.03)
    assert found.last is not None
    assert (found.last.first_loss, found.last.loss, found.last.iterations) == (3.0, 1.5, 3)


def test_the_time_left_is_that_of_the_work_left_by_the_workers_at_work() -> None:
    (source,) = PLAN.sources
    cost = frame_cost(source, source.segments[0], Transfer())
    first = frame(0, seconds=10.0, megapixel_iterations=cost.cold, iterations=300)
    left_s = 10 + 8 * WARM_SHARE * 10 * cost.warm / cost.cold  # the second shot begins cold, too
    assert metered(first).snapshot().eta_s == pytest.approx(left_s)
    assert metered(first, Pulse(WORKERS)).snapshot().eta_s == pytest.approx(left_s / 2)


def test_the_time_left_is_known_while_the_first_frame_is_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = metered()
    for now_s, iteration in ((100.0, 10), (160.0, 70), (400.0, 290)):
        monkeypatch.setattr("time.monotonic", lambda now_s=now_s: now_s)
        at = Progress("clip.mp4[0-3]", 0, iteration, 300, 1.0, iteration * 0.1, (300 - iteration) * 0.1)
        meter.happened(Pulse((WorkerState("host-7", "cpu", True, at),)))
    found = meter.snapshot()
    assert found.eta_s is not None and found.eta_s > 10  # of this frame, and all others are still to come
    assert "ETA —" not in found.lines[0]


def test_frames_that_were_free_do_not_make_the_rest_so() -> None:
    (source,) = PLAN.sources
    cost = frame_cost(source, source.segments[0], Transfer())
    first = frame(0, seconds=240.0, megapixel_iterations=cost.cold, iterations=300)
    free = [frame(index, seconds=0.1, megapixel_iterations=0.001, iterations=1) for index in (1, 2, 3)]
    eta_s = metered(first, *free).snapshot().eta_s
    assert eta_s is not None and eta_s > 240 + 6 * 0.3 * 240 * cost.warm / cost.cold


def test_the_rate_has_the_time_of_the_first_frame_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    meter, now = metered(), iter([100.0, 100.0, *[160.0] * 9])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    meter.happened(Pulse(WORKERS))
    for index in range(4):
        meter.happened(frame(index))
    monkeypatch.setattr("time.monotonic", lambda: 162.0)
    assert meter.snapshot().per_minute == pytest.approx(4 * 60 / 62)


def test_photographs_are_called_pictures_and_stay_in_the_total_where_they_fail() -> None:
    meter, archive = Meter(), Tally(planned=5, refused=2, failed=1, painted=4, files=7, listed=7)
    meter.planned(Plan(), Stock({}, {}), archive)
    found = meter.snapshot()
    assert (found.done, found.total, found.pictures) == (4, 7, 7)
    assert found.lines[0].startswith("4/7 pictures · 57%")
    assert found.eta_s == 0  # nothing is left
    meter.planned(PLAN, STOCK, archive)
    assert meter.snapshot().lines[0].startswith("4/17 frames and pictures · 24%")
    picture = Progress("a.jpg", 0, 31, 40, 0.5, pictures=1)
    assert (
        worker_line(WorkerState("host-7", "cpu", True, picture))
        == "a.jpg iteration 31 of 40 · loss 0.5 · cpu"
    )


def test_lost_workers_and_failures_are_told_as_they_happen() -> None:
    meter = metered(WorkerLost("host-7", "killed"), SegmentFailed(job(), 3, "frame 3 is cursed"))
    found = meter.snapshot()
    assert (found.lost, found.failed) == (1, 1)
    assert found.failures == (Failure("clip.mp4", 3, "frame 3 is cursed"),)
    assert found.lines[-1] == "1 worker replaced · 1 failed"


@pytest.mark.parametrize(
    "lost, line",
    [
        (
            WorkerLost("host-7", "signal 9", "clip.mp4[0-95]", 12, 2, 3),
            "worker host-7 died at clip.mp4[0-95], frame 12 (signal 9); it goes on from there, attempt 2 of 3",
        ),
        (
            WorkerLost("host-7", "signal 9", "clip.mp4[0-95]", 12, None, 3),
            "worker host-7 died at clip.mp4[0-95], frame 12 (signal 9); that was attempt 3 of 3",
        ),
        (
            WorkerLost("host-7", "no disk", "clip.mp4[0-95]", 12, 1, 3),
            "worker host-7 died at clip.mp4[0-95], frame 12 (no disk); it goes on from there",
        ),
        (
            WorkerLost("host-7", "signal 9", "a.jpg and 7 more", None, 1, 3),
            "worker host-7 died at a.jpg and 7 more (signal 9); what is left of it is tried again",
        ),
        (WorkerLost("host-7", "signal 9"), "worker host-7 died and is replaced (signal 9)"),
        (WorkerLost(STARTING, "signal 9"), "a worker that was starting died and is replaced (signal 9)"),
    ],
)
def test_a_death_is_one_line_with_what_the_worker_was_at_and_what_comes_next(
    lost: WorkerLost, line: str
) -> None:
    assert lost_line(lost) == line


@pytest.mark.parametrize("columns", [60, 100])
def test_nothing_is_cut_off_on_a_narrow_terminal(columns: int) -> None:
    meter = metered(frame(0, seconds=100000.0), frame(1, loss=123456.0), Pulse(WORKERS), WorkerLost("w", "x"))
    for line in meter.snapshot().lines:
        assert len(line) <= 60
    long = WorkerState(
        "host-7", "cuda:12", True, Progress("a/very/long/folder/" * 9 + "clip.mp4[0-4]", 123, 300, 450, 0.5)
    )
    for worker in (*WORKERS, long):
        assert len(worker_line(worker, columns - 2)) <= columns - 2
    assert "clip.mp4[0-4] frame 123 · iteration 300 of 450 · loss 0.5 · cuda:12" in worker_line(long, 80)
    assert worker_line(long) == "…clip.mp4[0-4] frame 123 · iteration 300 of 450 · loss 0.5"
    far = replace(long, progress=Progress("clip.mp4[100000-100095]", 100_012, 1300, 1500, 12345.6))
    assert worker_line(far) == "….mp4[100000-100095] frame 100012 · iteration 1300 of 1500"


def test_the_panel_shows_each_workers_state_and_of_very_many_the_first() -> None:
    console = Console(width=60, height=12, force_terminal=True, record=True)
    with console.capture() as caught:
        console.print(Display(console, metered(frame(0), Pulse(WORKERS * 4)))._panel())
    shown = caught.get()
    assert "1/10 frames" in shown
    assert "iteration 31 of 40 · loss 0.526" in shown
    assert "… and 12 more workers" in shown
    assert max(map(len, console.export_text().splitlines()), default=0) <= 60


def test_a_name_cannot_drive_the_terminal() -> None:
    evil = WorkerState("h", "cpu", True, Progress("\x1b[2Jclip\n.mp4", 0, 1, 1, 1.0))
    assert worker_line(evil).isprintable()


def test_a_snapshot_survives_its_json() -> None:
    found = metered(frame(0), Pulse(WORKERS), LOST, SegmentFailed(job(), None, "cursed")).snapshot()
    assert found.losses == (LOST,)
    assert Snapshot.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(ValueError, match="total"):
        Snapshot.from_json({**found.to_json(), "total": "ten"})


def test_another_terminal_sees_a_run_that_works_and_how_it_ended(space: Workspace) -> None:
    assert read_status(space) is None
    meter = metered(frame(0), Pulse(WORKERS), LOST)
    file = StatusFile(meter, space)
    file.planned()
    found = read_status(space)
    assert found is not None
    assert found["status"] == "running"
    told = list(lines(found))
    assert told[0].startswith("running since ")
    assert f"process {os.getpid()} on {os.uname().nodename}" in told[0]
    assert told[1].startswith("1/10 frames · 10% · ETA")
    assert "clip.mp4[0-4] frame 2 · iteration 31 of 40 · loss 0.526" in told
    assert told[-1] == lost_line(LOST)
    file.ended("interrupted")
    found = read_status(space)
    assert found is not None
    assert next(lines(found)).startswith("interrupted; run again to go on (begun ")
    assert not list(space.root.glob("*.tmp"))


def test_a_run_in_which_nothing_happens_for_long_lives_for_another_machine(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.live.status.EVERY_S", 0.02)
    monkeypatch.setattr("pipeline.live.status.SILENT_S", 0.5)
    file = StatusFile(metered(frame(0)), space)
    file.planned()
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(nodename="elsewhere"))
    time.sleep(1)
    found = read_status(space)
    assert found is not None
    assert found["status"] == "running"
    file.ended("done")
    before = space.status.read_bytes()
    time.sleep(0.2)
    assert space.status.read_bytes() == before


def test_a_snapshot_can_be_taken_while_another_thread_counts() -> None:
    meter, is_over = metered(plan=Plan((planned(inspected(10, (4,))),))), Event()

    def count() -> None:
        while not is_over.is_set():
            meter.happened(frame(0, seconds=1.0))

    counting = Thread(target=count)
    counting.start()
    try:
        for _ in range(2000):
            meter.snapshot().to_json()
    finally:
        is_over.set()
        counting.join()


def test_a_run_whose_process_is_gone_is_not_said_to_work(space: Workspace) -> None:
    file = StatusFile(metered(), space)
    file.planned()
    file.ended("running")  # as it stands where the process is killed
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    space.status.write_text(
        space.status.read_text().replace(f'"process": {os.getpid()}', f'"process": {gone.pid}')
    )
    found = read_status(space)
    assert found is not None
    assert found["status"] == "dead"
    assert "nothing that was finished is lost" in next(lines(found))


@pytest.mark.parametrize(
    ("ago_s", "process", "status"), [(1, None, "running"), (900, None, "dead"), (1, 0, "dead")]
)
def test_a_process_of_the_same_number_is_not_taken_for_the_run(
    ago_s: float, process: int | None, status: str, space: Workspace
) -> None:
    """As in a container, in which it is 1 each time."""
    told = {"status": "running", "host": os.uname().nodename, "updated": time.time() - ago_s}
    space.status.write_text(json.dumps({**told, "process": os.getpid() if process is None else process}))
    found = read_status(space)
    assert found is not None
    assert found["status"] == status


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"status": 3}', '{"status": "running"}', '{"status": "done"}']
)
def test_a_damaged_status_is_none_or_one_line(space: Workspace, text: str) -> None:
    space.status.write_text(text)
    found = read_status(space)
    assert found is None or len(list(lines(found))) == 1


def test_a_run_that_finds_nothing_to_do_leaves_the_status_as_it_is(space: Workspace) -> None:
    plan = Plan((planned(inspected(2)),))
    stock = Stock({segment.key: {i: record(i) for i in segment.order} for segment in plan.segments}, {})
    StatusFile(metered(plan=plan, stock=stock), space).ended("done")
    before = space.status.read_bytes()
    file = StatusFile(metered(plan=plan, stock=stock), space)
    file.planned()
    file.ended("done")
    assert space.status.read_bytes() == before
    file.ended("interrupted")
    assert space.status.read_bytes() != before


def test_a_disk_that_takes_no_more_ends_nothing(space: Workspace) -> None:
    file = StatusFile(metered(), Workspace(space.output / "not" / "there"))
    file.planned()
    file.ended("done")
