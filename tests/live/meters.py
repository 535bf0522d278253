"""Meters of a run that has a plan, and what happens in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.archive.tally import Tally
from pipeline.config import Transfer
from pipeline.execute import events
from pipeline.execute.events import FrameFinished, WorkerLost, WorkerState
from pipeline.execute.job import Progress, SegmentJob
from pipeline.live.progress import Meter
from pipeline.plan import Plan
from pipeline.resume import Stock, todos
from pipeline.workspace import Workspace
from tests.plans import inspected, planned, record

PLAN = Plan((planned(inspected(10, (4,))),))
STOCK = Stock({segment.key: {} for segment in PLAN.segments}, {})
WORKERS = (
    WorkerState("host-7", "cpu", True, Progress("clip.mp4[0-4]", 2, 31, 40, 0.52614)),
    WorkerState("host-8", "cuda:0", True, None),
    WorkerState("host-9", "cpu", False, None),
    WorkerState("", "", False, None),
)
LOST = WorkerLost("host-7", "killed", "clip.mp4[0-4]", 2, 2, 3)


def job() -> SegmentJob:
    return todos(PLAN, STOCK, Workspace(Path("/out")), Transfer())[0].job


def frame(index: int, **changes: Any) -> FrameFinished:
    return FrameFinished(record(index, **changes), job())


def metered(*happened: events.Event, plan: Plan = PLAN, stock: Stock = STOCK) -> Meter:
    meter = Meter()
    meter.planned(plan, stock, Tally())
    for event in happened:
        meter.happened(event)
    return meter
