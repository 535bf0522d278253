"""The geometry of charts and lanes, and what the journals give to draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.plan import Failure
from pipeline.report import charts, lanes
from pipeline.report.charts import Axes, Scale, chart
from pipeline.report.commands import command_for
from pipeline.report.figures import FrameFigures, read_figures
from pipeline.report.films import _are_beside, charts_of, sample
from pipeline.report.history import Failed, Run, Stint, joined, read_runs
from pipeline.report.lanes import timeline
from pipeline.storage.places import place_of
from pipeline.workspace import Workspace
from tests.plans import inspected, planned, record
from tests.report.jobs import figured, write_records


def figure(frame: int, **changes: Any) -> FrameFigures:
    fields: dict[str, Any] = {
        "frame": frame, "start": "warm", "iterations": 3, "loss": 1.0 + frame, "low": 1.0, "high": 100.0,
        "warp_error": None, "brightness": None, "saturation": None, "sharpness": None,
    }  # fmt: skip
    return FrameFigures(**{**fields, **changes})


def loss_chart(frames: list[FrameFigures], axes: Axes | None = None) -> charts.Chart:
    found = chart("loss", "Loss", "", frames, lambda one: one.loss, axes or Axes(0, len(frames), (), ()))
    assert found is not None
    return found


# --- charts ---


def test_the_first_frame_is_at_the_left_edge_and_the_last_at_the_right() -> None:
    points = loss_chart([figure(index) for index in range(5)]).points
    assert (points[0].x, points[-1].x) == (charts.LEFT, charts.WIDTH - charts.RIGHT)


def test_more_is_higher_and_everything_is_inside() -> None:
    points = loss_chart([figure(index) for index in range(5)]).points
    ys = [point.y for point in points]
    assert ys == sorted(ys, reverse=True)
    assert all(charts.TOP <= y <= charts.HEIGHT - charts.BOTTOM for y in ys)


def test_a_film_of_one_frame_and_one_of_equal_values_can_be_drawn() -> None:
    assert len(loss_chart([figure(0)]).points) == 1
    assert len({point.y for point in loss_chart([figure(n, loss=2.0) for n in range(3)]).points}) == 1


def test_a_logarithmic_scale_gives_every_power_of_ten_the_same_room() -> None:
    scale = Scale.around([0.1, 1000.0], is_log=True)
    steps = [scale.y(10.0**power) - scale.y(10.0 ** (power + 1)) for power in range(-1, 3)]
    assert max(steps) - min(steps) < 0.3
    assert {"1", "10", "100"} & {tick.label for tick in scale.ticks}


def test_a_loss_of_zero_or_none_at_all_is_no_reason_to_fail() -> None:
    frames = [figure(0, loss=0.0, low=0.0), figure(1, loss=float("inf")), figure(2)]
    found = chart("loss", "Loss", "", frames, lambda one: one.loss, Axes(0, 3, (), ()), log=True, spans=True)
    assert found is not None
    assert [point.title for point in found.points] == ["frame 0: 0 (warm)", "frame 2: 3 (warm)"]
    assert chart("x", "X", "", [], lambda one: one.loss, Axes(0, 3, (), ())) is None


def test_the_text_of_a_chart_names_the_extremes() -> None:
    frames = [figure(0, loss=3.0), figure(1, loss=1.0), figure(2, loss=2.0)]
    assert loss_chart(frames).description == (
        "Loss of 3 frames: median 2, lowest 1 at frame 1, highest 3 at frame 0."
    )


def test_20_000_frames_are_sampled_and_the_caption_says_so() -> None:
    source = planned(inspected(frames=20_000, cuts=(7000,)))
    frames = {
        n: figure(n, warp_error=0.1, brightness=0.5, saturation=0.3, sharpness=0.1) for n in range(20_000)
    }
    found = charts_of(source, frames)
    assert [len(one.points) for one in found] == [5000] * 6
    assert all("5,000 of 20,000 frames are drawn" in one.caption for one in found)
    assert "of 20,000 frames: median" in found[0].description  # counted over all


def test_on_a_page_of_many_films_each_has_fewer_points() -> None:
    found = charts_of(planned(inspected(frames=3000)), {n: figure(n) for n in range(3000)}, films=20)
    assert [len(one.points) for one in found] == [1000, 1000]


def test_marks_that_could_not_be_told_apart_are_thinned() -> None:
    axes = Axes(0, 10_000, (), tuple(range(10, 10_000, 10)))
    assert charts.MOST_MARKS / 2 < len(axes.marks) <= charts.MOST_MARKS
    assert [mark.kind for mark in Axes(0, 9, (3,), (6,)).marks] == ["seam", "cut"]


def test_the_ticks_of_frames_are_whole() -> None:
    assert [tick.label for tick in Axes(0, 4, (), ()).ticks] == ["0", "1", "2", "3"]
    assert [tick.label for tick in Axes(5000, 20_001, (), ()).ticks] == [
        "5,000",
        "10,000",
        "15,000",
        "20,000",
    ]


def test_a_sample_has_both_ends_and_no_frame_twice() -> None:
    assert sample(3, 5, 12) == [3, 4]
    assert len(set(sample(0, 100_000, 24))) == 24
    assert (sample(0, 100_000, 24)[0], sample(0, 100_000, 24)[-1]) == (0, 99_999)


# --- records ---


def test_figures_are_those_of_the_records(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    write_records(path, (figured(record(n, megapixel_iterations=0.5)) for n in range(4)))
    with path.open("a") as file:
        file.write('{"torn":\n[1]\n{"source":"clip.mp4","frame":"no"}\n')
    found = read_figures(path)
    assert sorted(found.films["clip.mp4"]) == [0, 1, 2, 3]
    assert (found.frames, found.iterations, found.megapixel_iterations) == (4, 60 + 3 * 12, 2.0)
    first = found.films["clip.mp4"][0]
    assert (first.start, round(first.high), first.low) == ("cold", 40, first.loss)


def test_lines_of_photographs_are_added_up_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    line = {
        "source": 'a,"iterations":9,"seconds":1e9.jpg', "trace": [1.5] * 9, "iterations": 7,
        "megapixel_iterations": 0.25, "seconds": 2.5, "look": "ab",
    }  # fmt: skip
    text = json.dumps(line, separators=(",", ":"))
    path.write_text(f'{text}\n{text}\n{text.replace("0.25", "NaN")}\n{{"look":"torn\n')
    found = read_figures(path)
    assert (found.pages, found.iterations, found.megapixel_iterations) == (2, 14, 0.5)


# --- runs ---


def events(space: Workspace, *entries: dict[str, Any]) -> list[Run]:
    space.root.mkdir(parents=True, exist_ok=True)
    space.events.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return read_runs(space)


STARTED = {
    "what": "started",
    "at": 100.0,
    "command": ["job.yaml"],
    "settings": {},
    "versions": {"torch": "2"},
}


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"what": "worked"}, {"what": "worked", "at": 101, "began": "x", "frames": 1}, {"what": "odd", "at": 1},
        {"what": "lost", "at": None}, {"what": "failed", "at": 1, "frames": [1], "path": 7, "frame": "x"},
        {"what": "ended", "at": 1, "wall_s": "x", "failures": []}, {"what": "started", "at": 5, "command": 1},
    ],
)  # fmt: skip
def test_a_damaged_line_spoils_no_page(tmp_path: Path, entry: dict[str, Any]) -> None:
    runs = events(Workspace(tmp_path), {"what": "lost", "at": 1.0}, STARTED, entry)
    timeline(runs)
    assert runs[0].command == ("job.yaml",)
    assert runs[-1].wall_s >= 0


def test_a_run_that_nobody_ended_is_as_long_as_it_told(tmp_path: Path) -> None:
    work = {
        "what": "worked",
        "at": 160.0,
        "worker": "w",
        "source": "s",
        "segment": "g",
        "began": 110.0,
        "frames": 3,
    }
    (run,) = events(Workspace(tmp_path), STARTED, work)
    assert (run.status, run.wall_s) == ("unfinished", 60.0)


def test_pieces_of_a_stint_become_one_bar() -> None:
    pieces = [Stint("w", "s", "a", 0, 1, 2), Stint("w", "s", "a", 1, 5, 3), Stint("w", "s", "b", 5, 6, 1)]
    assert joined(pieces) == [Stint("w", "s", "a", 0, 5, 5), Stint("w", "s", "b", 5, 6, 1)]
    assert joined(pieces, across=True) == [Stint("w", "s", "", 0, 6, 6)]


def work(worker: str, began: float, ended: float, segment: str = "a") -> dict[str, Any]:
    told = {"what": "worked", "at": ended, "worker": worker, "source": "s", "segment": segment}
    return {**told, "began": began, "frames": 2}


def lost(at: float, worker: str, **more: Any) -> dict[str, Any]:
    return {"what": "lost", "at": at, "worker": worker, "reason": "out of memory", **more}


def drawn(tmp_path: Path, *entries: dict[str, Any]) -> lanes.Timeline:
    found = timeline(events(Workspace(tmp_path), STARTED, *entries))
    assert found is not None
    return found


def test_lanes_show_who_worked_when_who_died_and_who_went_on(tmp_path: Path) -> None:
    ended = {"what": "ended", "at": 200.0, "status": "interrupted", "wall_s": 100.0}
    found = drawn(
        tmp_path, work("one", 100, 120), lost(120, "one", segment="a", frame=3, attempt=2, attempts=3),
        work("two", 120, 200), ended, {**STARTED, "at": 5000.0}, work("one", 5000, 5100, "b"),
    )  # fmt: skip
    assert [lane.worker for lane in found.lanes] == ["one", "two"]
    assert [bar.kind for bar in found.bars] == ["even", "retry", "even"]
    first, second, third = found.bars
    assert first.x == lanes.LEFT
    assert second.width == pytest.approx(4 * first.width, abs=0.3)
    assert second.title.endswith(", after one died: attempt 2 of 3")
    assert third.x == pytest.approx((lanes.LEFT + lanes.WIDTH - 10) / 2)  # the night between is left out
    assert [cross.title for cross in found.crosses] == ["one died at a, frame 3: out of memory"]
    assert found.description == "2 workers in 2 runs, 3 bars. 1 worker died and was replaced."


def test_a_segment_that_is_handed_over_or_begun_again_by_itself_is_no_retry(tmp_path: Path) -> None:
    found = drawn(
        tmp_path, work("one", 100, 120), work("two", 120, 140), work("three", 100, 130, "b"),
        lost(130, "three", segment="b", frame=1, attempt=2, attempts=3), work("two", 140, 150, "b"),
        work("four", 150, 160, "b"),
    )  # fmt: skip
    assert [bar.title for bar in found.bars if bar.kind == "retry"] == [
        "two: b, 2 frames in 10.0 s, after three died: attempt 2 of 3"
    ]


def test_of_several_deaths_in_a_row_the_last_attempt_counts_and_one_at_nothing_not_at_all(
    tmp_path: Path,
) -> None:
    at_a = {"segment": "a", "frame": 3, "attempts": 3}
    found = drawn(
        tmp_path, work("one", 100, 120), lost(120, "one", **at_a, attempt=2), lost(125, "two", **at_a, attempt=3),
        lost(126, "three", segment=None, frame=None, attempt=None, attempts=None), work("four", 130, 140),
    )  # fmt: skip
    assert [bar.title for bar in found.bars if bar.kind == "retry"] == [
        "four: a, 2 frames in 10.0 s, after two died: attempt 3 of 3"
    ]
    assert [cross.title for cross in found.crosses][2] == "three died: out of memory"


def test_among_photographs_the_first_bar_to_begin_after_a_death_is_a_retry(tmp_path: Path) -> None:
    """Which of them went on with the photograph nobody wrote down, so no attempt is told."""
    times = {"one": (100, 120), "two": (100, 140), "three": (130, 150), "four": (131, 150)}
    worked = [{**work(name, *when, segment=""), "source": ""} for name, when in times.items()]
    found = drawn(tmp_path, *worked, lost(120, "one", segment="a.jpg", frame=None, attempt=2, attempts=3))
    assert [bar.title for bar in found.bars if bar.kind == "retry"] == [
        "three: photographs, 2 photographs in 20.0 s, after one died"
    ]


def test_films_are_beside_each_other_in_one_bucket_only() -> None:
    """A page in one bucket cannot name a file of another by a relative address."""
    film, same, other = (place_of(f"s3://{name}") for name in ("a/in/x.mp4", "a/out/x.mp4", "b/out/x.mp4"))
    assert _are_beside(film, same)
    assert not _are_beside(film, other)


def test_what_is_set_aside_is_said_at_the_cross(tmp_path: Path) -> None:
    found = drawn(tmp_path, lost(120, "one", segment="a", frame=3, attempt=None, attempts=3))
    assert [cross.title for cross in found.crosses] == [
        "one died at a, frame 3: out of memory; it was set aside"
    ]


def test_a_run_that_did_not_write_down_what_its_dead_were_at_is_read_as_before(tmp_path: Path) -> None:
    found = drawn(tmp_path, work("one", 100, 120), lost(120, "one"), work("two", 120, 200))
    assert [bar.kind for bar in found.bars] == ["even", "retry"]
    assert found.bars[1].title.endswith(", begun by another worker")
    assert [cross.title for cross in found.crosses] == ["one died: out of memory"]


@pytest.mark.parametrize(
    "seconds, labels",
    [
        (0.1, ["0", "0.02 s", "0.04 s", "0.06 s", "0.08 s", "0.1 s"]),
        (55.3, ["0", "10 s", "20 s", "30 s", "40 s", "50 s"]),
        (182, ["0", "1 min", "2 min", "3 min"]),
        (80, ["0", "15 s", "30 s", "45 s", "1 min", "1 min 15 s"]),
        (3600 * 30, ["0", "6 h", "12 h", "18 h", "1 d", "1 d 6 h"]),
    ],
)
def test_the_axis_of_time_has_round_numbers(seconds: float, labels: list[str]) -> None:
    found = timeline([Run(0.0, stints=[Stint("w", "s", "a", 0.0, seconds, 1)], last_s=seconds)])
    assert found is not None
    assert [tick.label for tick in found.ticks] == labels
    assert found.ticks[0].at == lanes.LEFT
    assert found.ticks[-1].at <= lanes.WIDTH - 10


def test_the_caption_says_what_a_bar_is() -> None:
    def caption(*sources: str) -> str:
        found = timeline([Run(0.0, stints=[Stint("w", one, one and "a", 0, 1, 1) for one in sources])])
        assert found is not None
        return found.caption.partition(".")[0]

    assert caption("s") == "A bar is the time that a worker spent on one segment"
    assert caption("") == "A bar is the time that a worker spent on photographs"
    assert caption("s", "") == "A bar is the time that a worker spent on one segment or photographs"


def test_sixty_thousand_stints_make_a_drawing_of_bounded_size() -> None:
    stints = [Stint(f"w{n % 100}", f"s{n}", f"g{n}", n, n + 1, 1) for n in range(60_000)]
    found = timeline([Run(0.0, stints=stints, last_s=60_000)])
    assert found is not None
    assert len(found.bars) <= 4 * lanes.MOST_BARS
    assert len(found.lanes) == lanes.MOST_LANES
    assert "36 more workers are not drawn" in found.caption


# --- commands ---


def test_a_command_has_what_failed_alone_and_an_output_of_its_own() -> None:
    failed = Failed(Failure("a b.mp4", 12, "no"), "/in/a b.mp4", (8, 16))
    command = (
        "job.yaml",
        "--set",
        "transfer.size=64",
        "--set",
        "output=elsewhere",
        "--set",
        "video.frames=[0,99]",
    )
    assert command_for(failed, command, Path("/out")) == (
        "stylize run job.yaml \\\n  --set transfer.size=64 \\\n  --set 'input=\"/in/a b.mp4\"' \\\n"
        "  --set output=/out-again \\\n  --set 'video.frames=[8, 13]'"
    )


def test_where_no_file_or_no_config_is_known_there_is_no_command() -> None:
    assert command_for(Failed(Failure("a", None, "no")), ("job.yaml",), Path("/out")) is None
    assert command_for(Failed(Failure("a", None, "no"), "/a"), (), Path("/out")) is None


def test_a_change_of_a_percent_does_not_look_like_a_fall() -> None:
    scale = Scale.around([0.448, 0.452], is_log=False)
    height = scale.y(scale.low) - scale.y(scale.high)
    assert abs(scale.y(0.448) - scale.y(0.452)) < height / 20
    wide = Scale.around([0.1, 0.5], is_log=False)
    assert abs(wide.y(0.1) - wide.y(0.5)) > 0.8 * (wide.y(wide.low) - wide.y(wide.high))
