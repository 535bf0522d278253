"""The trial before a run: where frames are tried, and what is made of them; and the forecast that comes of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.config import Config
from pipeline.errors import SpaceError
from pipeline.execute.pool import available_cores
from pipeline.forecasting import trial
from pipeline.forecasting.estimate import parts_of
from pipeline.forecasting.forecast import forecast, hands_of
from pipeline.forecasting.trial import Allowed, Missing, Place, evaluations, places_of, try_films
from pipeline.forecasting.trial_pictures import try_pictures
from pipeline.hiring import worker_settings
from pipeline.look import look
from pipeline.outline import outline
from pipeline.run import run
from pipeline.workspace import FrameRecord, Workspace
from tests.conftest import tree
from tests.media.clips import picture, write_clip
from tests.photos import full_photo
from tests.plans import inspected, outlined, planned, record

Job = Callable[..., Config]


def missing(config: Config) -> list[Missing]:
    seen = look(config)
    return [(p.source, p.segment, p.frames) for p in parts_of(seen.plan, seen.stock, config.transfer)]


def spans(places: list[Place]) -> list[tuple[int, int]]:
    return [(place.first, place.first + place.count) for place in places]


# --- where ---


def test_frames_are_tried_in_the_middle_of_each_third() -> None:
    source = planned(inspected(60), video={"segment_frames": None})
    (segment,) = source.segments
    assert spans(places_of([(source, segment, range(60))])) == [(10, 15), (30, 35), (50, 55)]
    assert spans(places_of([(source, segment, range(30, 60))])) == [(35, 40), (45, 50), (55, 60)]


def test_places_lie_within_one_segment_each_and_short_ones_are_tried_once() -> None:
    source = planned(inspected(9, cuts=(2, 5)), video={"cuts": "auto"})
    tried = places_of([(source, s, range(s.first, s.stop)) for s in source.segments])
    assert all(
        place.segment.first <= place.first < place.first + place.count <= place.segment.stop
        for place in tried
    )
    assert len({place.first for place in tried}) == len(tried)
    assert places_of([]) == []


# --- what ---


@pytest.fixture
def moving(job: Job, tmp_path: Path) -> Config:
    clip = write_clip(tmp_path / "clip.mp4", frames=14, size=(96, 72))
    return job(clip, transfer={"size": 64, "iterations": 12, "warm_iterations": 8}, video={"cuts": "none"})


def test_a_trial_leaves_nothing_behind_and_its_times_are_of_this_machine(
    moving: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = tree(tmp_path)
    pace = try_films(worker_settings(moving), places_of(missing(moving)), Allowed(1e9))
    assert pace is not None
    assert pace.unit_s > 0
    assert pace.megapixel_s >= 0
    assert 1 / 9 <= pace.warm_share <= 1
    assert tree(tmp_path) == before


def test_only_the_first_place_is_tried_where_the_whole_job_is_short(
    moving: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SETTLE_LEAST_S", 0.0)
    said: list[str] = []
    try_films(worker_settings(moving), places_of(missing(moving)), Allowed(0.0), said.append)
    assert [text for text in said if text.startswith("how soon")] == ["how soon frames settle"]


def test_frames_in_which_nothing_moves_are_expected_to_be_left_as_they_are(job: Job, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "still.mp4", frames=8, size=(96, 72), rgb=[picture(0, 96, 72)] * 8)
    config = job(clip, transfer={"size": 64, "iterations": 60, "warm_iterations": 20}, video={"cuts": "none"})
    pace = try_films(worker_settings(config), places_of(missing(config)), Allowed(0.0))
    assert pace is not None
    assert pace.warm_share == pytest.approx(1 / 21, rel=0.1)


def test_what_cannot_be_read_has_no_pace(moving: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    places = places_of(missing(moving))
    Path(moving.input[0]).write_bytes(b"no video any more")
    assert try_films(worker_settings(moving), places, Allowed(1.0)) is None


def test_photographs_are_timed_by_the_first_that_can_be_read(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("astronaut", "coffee"):
        Image.fromarray(full_photo(name)).save(folder / f"{name}.jpg")
    config = job(folder, folders="archive")
    samples = look(config).pictures.samples
    assert [sample.picture.name for sample in samples] == ["astronaut.jpg", "coffee.jpg"]
    (folder / "astronaut.jpg").write_bytes(b"no photograph any more")
    pace = try_pictures(config, worker_settings(config), samples)
    assert pace is not None
    assert pace.unit_s > 0
    assert pace.frame_s > 0  # reading and writing
    assert try_pictures(config, worker_settings(config), samples[:1]) is None


def chain(*frames: tuple[int, float]) -> list[FrameRecord]:
    """A cold frame that settled at a loss of 1, and warm ones: how many evaluations each took, and its first loss."""
    found = [record(0, iterations=100, megapixel_iterations=1.0, settled=1.0, start="cold")]
    for iterations, first in frames:
        work = iterations / 100
        found.append(
            record(
                len(found), iterations=iterations, trace=(first, 1.0), megapixel_iterations=work, settled=1.0
            )
        )
    return found


@pytest.mark.parametrize(
    ("frames", "larger", "expected"),
    [
        ([(40, 1.1), (20, 1.1), (30, 1.1)], 1.0, 25),  # the first goes on where the cold one stopped
        ([(40, 1.1), (20, 1.1), (30, 1.1)], 2.0, 25 * 2**0.5),
        ([(20, 1.1)], 1.0, 20),
        ([(39, 1.1), (39, 1.1)], 2.0, 40),  # as many as it may take
        ([(1, 1.0), (1, 1.0)], 9.0, 1),  # nothing moves
        ([(1, 1.003), (1, 1.006)], 1.0, (3 + 11) / 4),  # three are left as they are, then one is painted
        ([(1, 1.003), (1, 1.006)], 4.0, 11),  # so much larger, the first one is over the bound
        ([(1, 1.006), (13, 1.012), (1, 1.006)], 1.0, (1 + 13) / 2),
        (
            [(1, 1.0015), (1, 1.003), (31, 1.6), (1, 1.0015)],
            1.0,
            (3 * (6 + 31) / 7 + 31) / 4,
        ),  # something moves once
        (
            [(1, 1.0015), (1, 1.003), (31, 1.6), (1, 1.0015)],
            9.0,
            40,
        ),  # so much larger, hardly a frame is calm
        ([(14, 1.0), (14, 1.0)], 1.0, 14),  # nothing is left as it is, as where the style changes over time
        ([(5, nan), (20, 1.1)], 1.0, 20),
    ],
)
def test_how_soon_frames_settle_follows_from_what_each_adds_to_the_loss(
    frames: list[tuple[int, float]], larger: float, expected: float
) -> None:
    assert evaluations(chain(*frames), larger, 40) == pytest.approx(expected, rel=1e-3)


def test_an_evaluation_at_the_end_for_what_was_uncovered_is_counted() -> None:
    first, *warm = chain((20, 1.1), (20, 1.1))
    once_more = [replace(one, megapixel_iterations=21 / 100) for one in warm]
    assert evaluations([first, *once_more], 1.0, 40) == pytest.approx(21)


# --- the forecast ---


def test_a_forecast_tells_the_time_of_the_whole_run_here(moving: Config) -> None:
    found = forecast(moving, look(moving), trial=True, looked_s=1000.0)
    assert found.estimate.worker_s is not None
    assert found.seconds is not None
    assert found.seconds > 1000 + found.estimate.worker_s
    assert 0 < found.estimate.work <= 1.001 * found.estimate.most


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SpaceError("no room left in /tmp"), "no room left in /tmp"),
        (torch.OutOfMemoryError("CUDA out of memory"), "CUDA out of memory"),
        (ValueError("mean requires at least one data point"), "mean requires at least one data point"),
    ],
)
def test_trouble_in_the_trial_costs_the_time_and_nothing_else(
    error: Exception, said: str, moving: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(trial, "try_films", fail)
    seen = look(moving)
    told = outline(moving, seen, forecast(moving, seen, trial=True))
    assert (told["seconds"], told["trouble"]) == (None, said)
    assert told["frames"]["left"] == 14


def test_a_style_that_changes_over_time_leaves_no_frame_as_it_is(job: Job, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "still.mp4", frames=8, size=(96, 72), rgb=[picture(0, 96, 72)] * 8)
    timeline = [{"at": 0, "style_weight": 100.0}, {"at": 1, "style_weight": 10000.0}]
    transfer = {"size": 64, "iterations": 60, "warm_iterations": 20}
    config = job(clip, transfer=transfer, video={"cuts": "none", "timeline": timeline})
    pace = try_films(worker_settings(config), places_of(missing(config)), Allowed(0.0))
    assert pace is not None
    assert pace.warm_share > 0.4  # 11 evaluations at least


def test_a_job_whose_loss_is_nothing_has_a_plan(job: Job, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=6, size=(96, 72))
    config = job(clip, transfer={"style_weight": 0.0})
    found = forecast(config, look(config), trial=True)
    assert found.trouble is None
    assert found.seconds is not None


def test_where_only_passes_are_left_the_frames_that_they_go_over_are_tried(
    moving: Config, ray_session: None
) -> None:
    run(moving)
    twice = moving.model_copy(update={"video": moving.video.model_copy(update={"passes": 2})})
    found = forecast(twice, look(twice), trial=True)
    assert found.estimate.work == pytest.approx(found.estimate.most)
    assert found.seconds is not None


def test_without_a_trial_nothing_is_painted_and_no_time_is_told(
    moving: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "try_films", lambda *_: pytest.fail("a trial"))
    told = outlined(moving)
    assert (told["seconds"], told["seconds_one_worker"]) == (None, None)
    assert told["megapixel_iterations"] == told["megapixel_iterations_most"] > 0
    assert told["longest_chain"]["frames"] == [0, 14]


def test_a_job_elsewhere_is_told_by_what_was_painted_there_before(moving: Config, ray_session: None) -> None:
    elsewhere = moving.model_copy(
        update={"execution": moving.execution.model_copy(update={"address": "10.0.0.1:6379"})}
    )
    unknown = forecast(elsewhere, look(elsewhere), trial=True)
    assert (unknown.seconds, unknown.estimate.worker_s) == (None, None)
    run(moving)  # finishes fourteen frames, of which thirteen are warm
    more = write_clip(Path(moving.input[0]).parent / "more.mp4", frames=5, size=(96, 72))
    longer = elsewhere.model_copy(update={"input": (*moving.input, str(more))})
    known = forecast(longer, look(longer), trial=True)
    assert known.seconds is None
    assert known.estimate.worker_s is not None
    assert 0 < known.estimate.work <= 1.001 * known.estimate.most


def test_workers_that_share_a_device_are_not_counted_as_if_each_had_its_own(job: Job, tmp_path: Path) -> None:
    cores = available_cores()
    execution = job(tmp_path, execution={"workers": 2}).execution
    assert hands_of(execution, 9).lanes == 1  # all threads each
    assert hands_of(execution, 9).pool.threads is None
    one_thread = job(tmp_path, execution={"workers": cores, "threads_per_worker": 1}).execution
    assert hands_of(one_thread, 99).lanes == cores
    assert hands_of(one_thread, 1).lanes == 1


@pytest.mark.parametrize(
    ("gpus", "share", "segments", "lanes"),
    [(1, 0.25, 9, 1), (1, 0.25, 1, 1), (2, 0.5, 9, 2), (4, "auto", 3, 3)],
)
def test_workers_that_share_a_gpu_are_together_as_fast_as_one_that_has_it_alone(
    gpus: int,
    share: Any,
    segments: int,
    lanes: float,
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert hands_of(job(tmp_path, execution={"gpus_per_worker": share}).execution, segments).lanes == lanes


def test_a_worker_without_a_gpu_is_tried_at_the_sizes_of_a_cpu(
    moving: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "best_device", lambda: torch.device("cuda"))
    settings = worker_settings(moving)
    on_cpu = trial.device_of(replace(settings, may_use_gpu=False))
    assert (trial.device_of(settings).type, on_cpu.type) == ("cuda", "cpu")
    assert trial.speed_px((3840, 2160), on_cpu) < 500 < trial.speed_px((3840, 2160), torch.device("cuda"))


def test_a_machine_that_has_less_than_is_asked_for_is_told_before_the_run(job: Job, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    told = outlined(job(clip, execution={"workers": 1, "gpus_per_worker": 64}))
    assert told["seconds"] is None
    assert "64 GPUs" in told["refusal"]


def test_nothing_is_tried_beside_a_run_that_is_at_work(
    moving: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "try_films", lambda *_: pytest.fail("a trial"))
    space, seen = Workspace(moving.output), look(moving)
    with space.locked():
        at_work = {
            "status": "running",
            "process": os.getpid(),
            "host": os.uname().nodename,
            "updated": time.time(),
        }
        space.write(space.status, at_work)
        found = forecast(moving, seen, trial=True)
    assert (found.is_busy, found.seconds) == (True, None)
