"""What a person is told of a job: how much there is to do, and what happens."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
from rich.console import Console

from pipeline.archive.tally import Tally
from pipeline.commands.words import open_console
from pipeline.execute.events import Pulse, WorkerLost
from pipeline.live.display import Display
from pipeline.live.progress import Meter, lost_line
from pipeline.plan import Failure, Plan
from pipeline.resume import Stock
from tests.plans import inspected, planned

NOTHING = Stock({}, {})


def metered() -> Meter:
    """At work on 10 frames."""
    meter, plan = Meter(), Plan((planned(inspected(10)),))
    meter.planned(plan, Stock({segment.key: {} for segment in plan.segments}, {}), Tally())
    return meter


def told(plan: Plan, stock: Stock, archive: Tally, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that are told before the work begins."""
    Display(Console(width=200), Meter()).planned(plan, stock, archive)
    return capsys.readouterr().out.splitlines()


def test_photographs_are_counted_with_what_is_reused_and_what_is_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = Tally(
        reused=3, planned=5, listed=9, refused=1, failures=[Failure("x.png", None, "no picture")],
        skipped=["notes.txt"], skipped_count=1, reasons={"a.png": ("other",), "b.png": ("other", "more")},
    )  # fmt: skip
    assert told(Plan(), NOTHING, archive, capsys)[:5] == [
        "9 pictures; 3 reused, 5 to do, 1 cannot be used",
        "2 pictures made again: other",
        "1 picture made again: more",
        "failed: x.png: no picture",
        "1 file skipped, neither video nor picture",
    ]


def test_of_an_archive_that_is_still_listed_it_is_said_that_there_may_be_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = told(Plan(), NOTHING, Tally(planned=5), capsys)
    assert lines[0] == "5 pictures so far, and still counting; 0 reused, 5 to do"


def test_films_are_counted_beside_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan((planned(inspected(10, (4,))),))
    stock = Stock({segment.key: {} for segment in plan.segments}, {})
    lines = told(plan, stock, Tally(planned=1, listed=1), capsys)
    assert lines[:2] == [
        "1 source, 2 segments, 10 frames; 0 reused, 10 to do",
        "1 picture; 0 reused, 1 to do",
    ]


def test_a_death_is_said_where_it_stays(capsys: pytest.CaptureFixture[str]) -> None:
    lost = WorkerLost("host-7", "signal 9", "clip.mp4[0-95]", 12, 2, 3)
    Display(Console(width=60), Meter()).happened(lost)
    assert capsys.readouterr().out == f"{lost_line(lost)}\n"


class Growing(dict[str, tuple[str, ...]]):
    """Reasons of which one is added whenever one is looked at, as the thread that lists may do."""

    def values(self) -> Iterator[tuple[str, ...]]:  # type: ignore[override]
        for reasons in super().values():
            yield reasons
            self[f"{len(self)}.png"] = reasons


def test_reasons_may_be_added_while_they_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    archive = Tally(planned=2, reasons=Growing({"a.png": ("other",), "b.png": ("other",)}))
    assert "2 pictures made again: other" in told(Plan(), NOTHING, archive, capsys)


@pytest.mark.parametrize(
    ("environment", "is_file", "is_panel"),
    [
        ({"TERM": "xterm"}, False, True),
        ({"TERM": "dumb"}, False, False),  # a panel is not seen there, and so nothing would be
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
    ],
)
def test_what_is_no_terminal_that_can_go_back_has_lines(
    environment: dict[str, str], is_file: bool, is_panel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: not is_file, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    now_s = iter((0.0, *[100.0] * 9))
    with Display(open_console(), metered(), lambda: next(now_s)) as display:
        display.happened(Pulse(()))
    assert ("\x1b[" in stream.getvalue()) == is_panel
    assert "0/10 frames" in stream.getvalue()
