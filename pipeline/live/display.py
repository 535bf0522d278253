"""What a person sees of a run while it goes on: a live panel on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.status import Status
from rich.table import Table
from rich.text import Text

from pipeline.archive.tally import Tally
from pipeline.assemble import Output
from pipeline.encoding import Clock, Encoding
from pipeline.execute.events import (
    Event,
    PictureFailed,
    PictureFinished,
    Pulse,
    SegmentFailed,
    WorkerLost,
)
from pipeline.ledger import Watcher
from pipeline.live.progress import Meter, encoding_line, lost_line, worker_line
from pipeline.media.items import blamed, printable
from pipeline.plan import Plan
from pipeline.resume import Stock
from pipeline.storage.places import with_urls

if TYPE_CHECKING:
    from pipeline.previews.reconstruct import Answer, Question

LINE_EVERY_S = 10.0
ENCODING_EVERY_S = 30.0
TOLD = 50  # photographs, and failures among them


class Display(Watcher):
    """Shows a run on `console`, of which `meter` knows how far it is; with `with` the terminal is left as it was."""

    def __init__(self, console: Console, meter: Meter, clock: Clock = time.monotonic) -> None:
        self._console, self._meter, self._clock = console, meter, clock
        self._is_live = console.is_interactive  # a dumb terminal has lines, as a log has
        self._told = 0  # photographs that were told one by one
        self.failures = set[tuple[str, str]]()  # that were told, by source and error
        self._said_s = clock()
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
        self._console.print(Text(printable(with_urls(text)), style=style or ""), soft_wrap=True)

    def looking_at(self, source: str) -> None:
        """Only on a terminal: a log needs no line per photograph."""
        if self._is_live:
            line = Text(printable(f"looking at {source}"), style="dim")
            line.truncate(self._console.width - 1, overflow="ellipsis")  # the next one is written over it
            self._console.print(line, end="\r", soft_wrap=True)

    def planned(self, plan: Plan, stock: Stock, archive: Tally) -> None:
        """Say what there is to do, what is reused, and why the rest is not."""
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
            self._fail(failure.source, failure.error)
        if archive.skipped_count:
            self.say(f"{_plural(archive.skipped_count, 'file')} skipped, neither video nor picture", "dim")
        is_work_left = plan.frames > stock.reused or archive.left > 0
        if is_work_left and not self._meter.snapshot().workers:
            self.say("starting Ray and the workers, which takes some seconds", "dim")

    def warned(self, text: str) -> None:
        """Say it where it stays."""
        self.say(text, "yellow")

    def happened(self, event: Event) -> None:
        """Take an event into the panel, or say it where it must not be missed."""
        match event:
            case Pulse():
                self._say_now_and_then()
            case WorkerLost():
                self.say(lost_line(event), "yellow")
            case PictureFinished(batch, index, records):
                self._tell(batch.pictures[index].output, records[0].notes)
            case PictureFailed(batch, index, error):
                self._fail(batch.pictures[index].name, error)
            case SegmentFailed(job, _, error):
                self._fail(job.source.name, error)

    def encoding(self, encoding: Encoding | None) -> None:
        """Say how far it is in a log in which nothing was said for long, as where everything is painted."""
        if encoding is not None and self._is_time(ENCODING_EVERY_S):
            self.say(encoding_line(encoding, 100))

    def assembled(self, output: Output) -> None:
        """Say that an output is there, and what it lacks."""
        self.say(f"wrote {output.output} ({output.frames} frames, verified)", "green")
        for note in output.notes:
            self.say(f"{output.source}: {note}", "yellow")

    def _fail(self, source: str, error: str) -> None:
        """Say once that a source has failed."""
        if (source, error) not in self.failures and not self._console.quiet:
            self.failures.add((source, error))
            self.say(f"failed: {blamed(source, error)}", "red")

    def _tell(self, output: str, notes: tuple[str, ...]) -> None:
        """Say that a photograph is painted; of many, only what the first ones lack."""
        self._told += 1
        if self._told <= TOLD:
            self.say(f"wrote {output}{''.join(f'; {note}' for note in notes)}", "green")
        elif self._told == TOLD + 1:
            self.say("and so on; what is left out of a picture is in its record", "dim")

    def _say_now_and_then(self) -> None:
        if self._is_time(LINE_EVERY_S):
            snapshot = self._meter.snapshot()
            busy = [worker_line(one, 100) for one in snapshot.workers if one.busy]
            self.say(" · ".join([*snapshot.lines, *busy[:1]]))

    def _is_time(self, every_s: float) -> bool:
        """Whether the last such line was said so long ago, where lines are said at all."""
        now_s = self._clock()
        if self._is_live or now_s - self._said_s < every_s:
            return False
        self._said_s = now_s
        return True

    def _panel(self) -> RenderableType:
        now = self._meter.snapshot()
        if not now.total:
            return Text("")
        width = self._console.width
        lines = Table.grid()
        lines.add_row(ProgressBar(total=now.total, completed=now.done, width=min(width, 58)))
        shown = max(1, self._console.height - 8)
        workers = [f"{'●' if one.busy else '○'} {worker_line(one, width - 2)}" for one in now.workers]
        more = [f"… and {len(workers) - shown} more workers"] if len(workers) > shown else []
        for text in (*now.lines, *workers[:shown], *more):
            lines.add_row(Text(printable(text), overflow="ellipsis", no_wrap=True))
        return lines


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
        refused = f", {archive.refused} cannot be used" if archive.refused else ""
        yield (
            f"{_plural(archive.total, 'picture')}{so_far}; {archive.reused} reused, {archive.left} to do{refused}"
        )


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
        if self._console.is_interactive:
            text = f"{question.name}: iteration {iteration}, loss {part:.3g} of the start's"
            self._status.update(Text(text, overflow="ellipsis", no_wrap=True))

    def answered(self, answer: Answer) -> None:
        """Say that a picture is done."""
        seconds, self._began_s = time.monotonic() - self._began_s, time.monotonic()
        text = (
            f"{answer.question.name}: {answer.iterations} iterations, loss {answer.part:.3g} of the start's"
        )
        self._console.print(Text(f"{text}, {seconds:.1f} s"), soft_wrap=True)
