"""What a person is told of a job: how much there is to do, and the time that is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console

from pipeline.archive.tally import Tally
from pipeline.execute.events import WorkerLost
from pipeline.live.display import Display
from pipeline.live.progress import RECENT, Eta, Meter, lost_line
from pipeline.plan import Failure, Plan
from pipeline.resume import Stock
from tests.plans import inspected, planned, record

NOTHING = Stock({}, {})


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
        "8 pictures; 3 reused, 5 to do",
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


def eta(cold: list[float], warm: list[float]) -> Eta:
    found = Eta()
    for start, times in (("cold", cold), ("warm", warm)):
        for seconds in times:
            found.add(record(start=start, seconds=seconds))
    return found


def test_cold_and_warm_frames_are_counted_apart() -> None:
    assert eta([10.0, 20.0], [1.0, 3.0]).seconds_left(frames=7, cold=2, workers=1) == 2 * 15 + 5 * 2


def test_workers_share_what_is_left() -> None:
    assert eta([12.0], []).seconds_left(frames=8, cold=8, workers=4) == 24


def test_a_kind_that_was_never_seen_is_not_guessed() -> None:
    assert eta([], []).seconds_left(frames=3, cold=1, workers=1) is None
    assert eta([10.0], []).seconds_left(frames=3, cold=1, workers=1) is None
    assert eta([], [1.0]).seconds_left(frames=3, cold=1, workers=1) is None


def test_a_kind_of_which_none_is_left_is_not_needed() -> None:
    assert eta([], [2.0]).seconds_left(frames=3, cold=0, workers=1) == 6
    assert eta([10.0], []).seconds_left(frames=3, cold=3, workers=1) == 30
    assert eta([], []).seconds_left(frames=0, cold=0, workers=1) == 0


def test_only_the_frames_finished_last_count() -> None:
    found = eta([], [100.0] * 7 + [2.0] * RECENT)
    assert found.seconds_left(frames=5, cold=0, workers=1) == pytest.approx(10)


def test_a_frame_that_is_left_as_it_is_takes_no_time() -> None:
    found = eta([], [2.0])
    found.add(record(start="skipped", seconds=0.01))
    assert found.seconds_left(frames=3, cold=0, workers=1) == 6
