"""events.jsonl → the runs that worked on a job, each with who worked when. Whatever is damaged is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from pipeline.plan import Failure
from pipeline.report.figures import is_likely
from pipeline.workspace import Workspace, read_journal


@dataclass(frozen=True)
class Stint:
    """So long a worker was at one segment; of photographs source and segment are empty. Times: seconds since 1970."""

    worker: str
    source: str
    segment: str
    began_s: float
    ended_s: float
    frames: int


@dataclass(frozen=True)
class Loss:
    """A worker that died; time: seconds since 1970. The rest is as of `events.WorkerLost`.

    `knows_segment`: whether it was written down what the worker was at, which earlier versions did not.
    """

    worker: str
    at_s: float
    reason: str
    segment: str | None = None
    frame: int | None = None
    attempt: int | None = None
    attempts: int | None = None
    knows_segment: bool = True


@dataclass(frozen=True)
class Failed:
    """A failure with what is needed to see it again: the file, and the frames first … stop−1 of the segment.

    `is_unreadable`: it is the file. `was_tried`: work at it had begun.
    """

    failure: Failure
    path: str | None = None
    frames: tuple[int, int] | None = None
    is_unreadable: bool = False
    was_tried: bool = True


@dataclass
class Run:
    """One run; times: seconds since 1970. `ended`: the last line, empty where the run was killed or goes on."""

    began_s: float
    command: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    stints: list[Stint] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    ended: Mapping[str, Any] = field(default_factory=dict)
    last_s: float = 0.0

    @property
    def wall_s(self) -> float:
        """How long it took, so far as it was told."""
        wall_s = self.ended.get("wall_s")
        return float(wall_s) if _is_number(wall_s) else max(0.0, self.last_s - self.began_s)

    def took(self, what: str) -> float:
        """How many iterations or megapixel_iterations it took, those of drafts included; 0 where nobody said."""
        amount = self.ended.get(what)
        return float(amount) if _is_number(amount) else 0.0

    @property
    def status(self) -> str:
        """How it ended: done, incomplete, interrupted, error, or unfinished, where nobody said."""
        return str(self.ended.get("status", "unfinished"))

    @property
    def photographs(self) -> int | None:
        """How many photographs the job had; None where nobody said."""
        sources = self.ended.get("sources")
        count = sources.get("photographs") if isinstance(sources, dict) else None
        return int(count) if _is_number(count) else None

    @property
    def failures(self) -> int:
        """How many failures there were, those included that were not told one by one."""
        count = self.ended.get("failures")
        return max(int(count) if _is_number(count) else 0, len(self.failed))


def read_runs(space: Workspace) -> list[Run]:
    """The runs that the journal of events tells of, the last one last."""
    runs: list[Run] = []
    for entry in read_journal(space.events):
        at_s = entry.get("at")
        if not _is_number(at_s):
            continue
        if entry.get("what") == "started":
            runs.append(_begun(entry, at_s))
        elif runs:
            _add(runs[-1], entry, at_s)
            runs[-1].last_s = max(runs[-1].last_s, at_s)
    return runs


def _begun(entry: Mapping[str, Any], at_s: float) -> Run:
    command, settings, versions = (entry.get(name) for name in ("command", "settings", "versions"))
    return Run(
        at_s,
        tuple(map(str, command)) if isinstance(command, list) else (),
        settings if isinstance(settings, dict) else {},
        {name: str(text) for name, text in versions.items()} if isinstance(versions, dict) else {},
        last_s=at_s,
    )


def _add(run: Run, entry: Mapping[str, Any], at_s: float) -> None:
    text = {name: str(entry.get(name, "")) for name in ("worker", "source", "segment", "reason")}
    match entry.get("what"):
        case "worked":
            began_s, frames = entry.get("began"), entry.get("frames")
            if _is_number(began_s) and _is_number(frames):
                run.stints.append(
                    Stint(text["worker"], text["source"], text["segment"], began_s, at_s, int(frames))
                )
        case "lost":
            run.losses.append(_lost(entry, text["worker"], at_s, text["reason"]))
        case "failed":
            run.failed.append(_failed(entry))
        case "ended":
            run.ended = entry


def _lost(entry: Mapping[str, Any], worker: str, at_s: float, reason: str) -> Loss:
    segment = entry.get("segment")
    frame, attempt, attempts = (
        value if type(value := entry.get(name)) is int else None for name in ("frame", "attempt", "attempts")
    )
    return Loss(
        worker,
        at_s,
        reason,
        segment if isinstance(segment, str) else None,
        frame,
        attempt,
        attempts,
        knows_segment="segment" in entry,
    )


def _failed(entry: Mapping[str, Any]) -> Failed:
    frame, path, frames = entry.get("frame"), entry.get("path"), entry.get("frames")
    is_range = isinstance(frames, list) and len(frames) == 2 and all(type(one) is int for one in frames)
    return Failed(
        Failure(
            str(entry.get("source", "")), frame if type(frame) is int else None, str(entry.get("error", ""))
        ),
        path if isinstance(path, str) else None,
        (frames[0], frames[1]) if isinstance(frames, list) and is_range else None,
        is_unreadable=entry.get("unreadable") is True,
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and type(value) is not bool and is_likely(value)


def joined(stints: list[Stint], *, across: bool = False) -> list[Stint]:
    """Stints of one worker at one segment that were written down in pieces, as one; `across` segments of a source."""
    found: dict[str, list[Stint]] = {}
    for one in stints:
        before = found.setdefault(one.worker, [])
        last = before[-1] if before else None
        is_same = last is not None and last.source == one.source and (across or last.segment == one.segment)
        if last is not None and is_same:
            segment = last.segment if last.segment == one.segment else ""
            before[-1] = Stint(
                one.worker, one.source, segment, last.began_s, one.ended_s, last.frames + one.frames
            )
        else:
            before.append(one)
    return [one for stints in found.values() for one in stints]
