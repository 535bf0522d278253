"""What a person sees of a run while it goes on: a live panel on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from statistics import mean
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.status import Status
from rich.table import Table
from rich.text import Text

from pipeline.archive.tally import Tally
from pipeline.assemble import Output
from pipeline.execute.events import (
    Event,
    FrameFinished,
    PictureFailed,
    PictureFinished,
    Pulse,
    SegmentFailed,
    WorkerLost,
    WorkerState,
)
from pipeline.ledger import Watcher
from pipeline.plan import Plan
from pipeline.resume import Stock
from pipeline.workspace import FrameRecord

if TYPE_CHECKING:
    from pipeline.reconstruct import Answer, Question

RECENT = 20
LINE_EVERY_S = 10.0
TOLD = 50  # photographs, and failures among them


class Display(Watcher):
    """Shows a run on `console`; use it with `with`, so that the terminal is left as it was."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_live = console.is_terminal
        self.is_working = False  # the plan is made, and work has begun
        self._total = self._done = self._to_make = self._cold_left = 0
        self._archive = Tally()
        self._told = 0  # photographs that were told one by one
        self._eta = Eta()
        self._workers: tuple[WorkerState, ...] = ()
        self._last: FrameRecord | None = None
        self._said_s = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._panel)

    def __enter__(self) -> Display:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the terminal back."""
        if self._is_live:
            self._live.stop()

    def say(self, text: str, style: str | None = None) -> None:
        """One line that stays."""
        self._console.print(Text(text, style=style or ""), soft_wrap=True)

    def looking_at(self, source: str) -> None:
        """Only on a terminal: a log needs no line per photograph."""
        if self._is_live:
            self._console.print(Text(f"looking at {source}", style="dim"), end="\r", soft_wrap=True)

    def planned(self, plan: Plan, stock: Stock, archive: Tally) -> None:
        """Say what there is to do, what is reused, and why the rest is not."""
        self.is_working = True
        self._archive = archive
        self._total, self._done = plan.frames, stock.reused
        self._cold_left = sum(
            (s.stop - s.first if not source.is_warm else 1)
            for source in plan.sources
            for s in source.segments
            if s.kind == "paint" and s.first not in stock.finished[s.key]
        )
        missing = {key: frames for source in plan.sources for key, frames in stock.missing(source).items()}
        self._to_make = sum(len(missing.get(s.key, ())) for s in plan.segments if s.kind != "skip")
        for line in _headlines(plan, stock, archive):
            self.say(line)
        for source in plan.sources:
            for note in source.notes:
                self.say(f"{source.name}: {note}", "yellow")
        for name, reasons in stock.reasons.items():
            self.say(f"{name}: made again, because of {'; '.join(reasons)}", "yellow")
        told = archive.reasons.copy()  # which grows while it is listed
        for reason, count in Counter(chain.from_iterable(told.values())).most_common(9):
            self.say(f"{_plural(count, 'picture')} made again: {reason}", "yellow")
        for failure in (*plan.failures, *archive.failures[:TOLD]):
            self.say(f"{failure.source}: {failure.error}", "red")
        if archive.skipped_count:
            self.say(f"{archive.skipped_count} files skipped, neither video nor picture", "dim")
        if (plan.frames > stock.reused or archive.planned > archive.painted) and not self._workers:
            self.say("starting Ray and the workers, which takes some seconds", "dim")

    def warned(self, text: str) -> None:
        """Say it where it stays."""
        self.say(text, "yellow")

    def happened(self, event: Event) -> None:
        """Take an event into the panel, or say it where it must not be missed."""
        match event:
            case FrameFinished(record, _):
                self._done += not record.draft
                self._to_make -= record.start != "skipped"
                self._cold_left -= record.start == "cold"
                self._last = record
                self._eta.add(record)
            case Pulse(workers):
                self._workers = workers
                self._say_now_and_then()
            case WorkerLost(worker, reason):
                self.say(f"worker {worker} died and is replaced ({reason})", "yellow")
            case PictureFinished(batch, index, records):
                self._last = records[-1]
                self._eta.add_picture(sum(record.seconds for record in records))
                self._tell(batch.pictures[index].output, records[0].notes)
            case PictureFailed(batch, index, error):
                self.say(f"{batch.pictures[index].name}: {error}", "red")
            case SegmentFailed(job, _, error):
                self.say(f"{job.source.name}: {error}", "red")

    def assembled(self, output: Output) -> None:
        """Say that an output is there, and what it lacks."""
        self.say(f"wrote {output.output} ({output.frames} frames, verified)", "green")
        for note in output.notes:
            self.say(f"{output.source}: {note}", "yellow")

    def _tell(self, output: str, notes: tuple[str, ...]) -> None:
        """Say that a photograph is painted; of many, only what the first ones lack."""
        self._told += 1
        if self._told <= TOLD:
            self.say(f"wrote {output}{''.join(f'; {note}' for note in notes)}", "green")
        elif self._told == TOLD + 1:
            self.say("and so on; what is left out of a picture is in its record", "dim")

    def _say_now_and_then(self) -> None:
        now = time.monotonic()
        if self._is_live or now - self._said_s < LINE_EVERY_S:
            return
        self._said_s = now
        busy = "; ".join(self._worker_line(w) for w in self._workers if w.busy and w.progress)
        self.say(f"{self._headline()}  {busy}")

    def _panel(self) -> RenderableType:
        total, done = self._in_all()
        if not total:
            return Text("")
        lines = Table.grid()
        lines.add_row(ProgressBar(total=total, completed=done, width=40))
        lines.add_row(Text(self._headline(), overflow="ellipsis", no_wrap=True))
        for worker in self._workers:
            text = f"{'●' if worker.busy else '○'} {self._worker_line(worker)}"
            lines.add_row(Text(text, overflow="ellipsis", no_wrap=True))
        return lines

    def _headline(self) -> str:
        total, done = self._in_all()
        pictures_left = total - self._total - (done - self._done)
        left = self._eta.seconds_left(self._to_make, self._cold_left, self._at_work(), pictures_left)
        is_counted = self._archive.listed is not None or not self._archive.total
        parts = [f"{done}/{total}{'' if is_counted else '+'} frames"]
        parts.append("ETA —" if left is None else f"ETA {timedelta(seconds=round(left))}")
        if self._last:
            parts.append(f"last: {self._last.iterations} iterations, loss {self._last.loss:.4g}")
        return " · ".join(parts)

    def _in_all(self) -> tuple[int, int]:
        """Frames and photographs: how many are known of, and how many are finished."""
        archive = self._archive
        known = (
            archive.total if archive.listed is None else max(archive.total, archive.listed - archive.refused)
        )
        return self._total + known, self._done + archive.reused + archive.painted

    def _at_work(self) -> int:
        return max(1, sum(worker.busy for worker in self._workers))

    def _worker_line(self, worker: WorkerState) -> str:
        if not worker.name:
            return "starting"
        if worker.progress is None:
            return f"{worker.name} {worker.device} {'reading' if worker.busy else 'idle'}"
        p = worker.progress
        return f"{worker.device} {p.segment} frame {p.frame} iteration {p.iteration} loss {p.loss:.4g}"


def _headlines(plan: Plan, stock: Stock, archive: Tally) -> Iterator[str]:
    """What there is, what is reused, and what is to do."""
    if plan.sources or not archive.total:
        segments = sum(segment.kind in ("paint", "skip") for segment in plan.segments)
        yield (
            f"{_plural(len(plan.sources), 'source')}, {_plural(segments, 'segment')}, "
            f"{_plural(plan.frames, 'frame')}; {stock.reused} reused, {plan.frames - stock.reused} to do"
        )
    if archive.total:
        so_far = "" if archive.listed is not None else " so far, and still counting"
        to_do = archive.total - archive.reused
        yield f"{_plural(archive.total, 'picture')}{so_far}; {archive.reused} reused, {to_do} to do"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


class ReconstructionDisplay:
    """Shows reconstructions in the making: a line for each that is done, and on a terminal the one in work."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console)
        self._began_s = time.monotonic()

    def __enter__(self) -> ReconstructionDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def began(self, size: tuple[int, int], device: str) -> None:
        """Say what is going to be made."""
        self._began_s = time.monotonic()
        self._console.print(Text(f"reconstructing pictures of {size[0]}×{size[1]} px on {device}"))
        self._status.start()

    def evaluated(self, question: Question, iteration: int, part: float) -> None:
        """Take an evaluation into the line of the picture in work."""
        if self._console.is_terminal:
            text = f"{question.name}: iteration {iteration}, loss {part:.3g} of the start's"
            self._status.update(Text(text, overflow="ellipsis", no_wrap=True))

    def answered(self, answer: Answer) -> None:
        """Say that a picture is done."""
        seconds, self._began_s = time.monotonic() - self._began_s, time.monotonic()
        text = (
            f"{answer.question.name}: {answer.iterations} iterations, loss {answer.part:.3g} of the start's"
        )
        self._console.print(Text(f"{text}, {seconds:.1f} s"), soft_wrap=True)


class Eta:
    """Seconds left, from the frames finished last; cold and warm ones apart, since they differ tenfold."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {
            kind: deque(maxlen=RECENT) for kind in ("cold", "warm", "picture")
        }

    def add(self, record: FrameRecord) -> None:
        """Take in a finished frame."""
        if record.start in self._seconds:  # a skipped frame takes next to no time
            self._seconds[record.start].append(record.seconds)

    def add_picture(self, seconds: float) -> None:
        """Take in a finished photograph; of those that were painted together, the share of one."""
        self._seconds["picture"].append(seconds)

    def seconds_left(self, frames: int, cold: int, workers: int, pictures: int = 0) -> float | None:
        """For `frames` frames, `cold` of them cold, and photographs.

        None as long as a kind of which some are left was never seen.
        """
        total = 0.0
        for kind, count in (("cold", cold), ("warm", frames - cold), ("picture", pictures)):
            if count > 0:
                if not self._seconds[kind]:
                    return None
                total += count * mean(self._seconds[kind])
        return total / workers
