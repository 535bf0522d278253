"""Jobs whose frames do not all have room at once, and what they leave."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from pipeline.config import Config, Disk, Transfer
from pipeline.disk.keeper import Keeper
from pipeline.disk.room import Demand, all_bytes, demand, foresee, output_bytes, refusal, warning
from pipeline.disk.sizes import GIB
from pipeline.durable import bytes_below
from pipeline.errors import SpaceError
from pipeline.execute.events import Event, SegmentFinished
from pipeline.ledger import Summary, Watcher
from pipeline.look import look
from pipeline.plan import Plan, SourcePlan, plan_source
from pipeline.resume import THROWN_AWAY, Stock, folder_of, todos
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import Job, tree
from tests.farms import TextureFarm, painted
from tests.media.clips import write_clip
from tests.plans import JUDGES, config, inspected, outlined, planned

SETTINGS: dict[str, Any] = {
    "transfer": {"size": 96, "iterations": 4, "warm_iterations": 2},
    "video": {"cuts": [], "segment_frames": 4, "blend_frames": 2},
}

TRANSFER = Transfer(size=64)

WHOLE = {**SETTINGS, "video": {"cuts": [], "segment_frames": None}}


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray, no network, and nothing waits for the disk."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three clips of a dozen frames of 96 × 72."""
    folder = tmp_path_factory.mktemp("clips")
    return [write_clip(folder / f"{name}.mp4", frames=12, size=(96, 72)) for name in "abc"]


class Scale(Watcher):
    """Weighs the run folder and partial outputs at every event, and asks for what else is to be done then."""

    def __init__(self, output: Path, then: Callable[[Event], object] = lambda _: None) -> None:
        self._output, self._then = output, then
        self.most = 0
        self.finished: list[str] = []

    def happened(self, event: Event) -> None:
        self._weigh()
        self._then(event)
        if isinstance(event, SegmentFinished):
            self.finished.append(event.job.name)

    def assembled(self, output: Any) -> None:
        self._weigh()

    def _weigh(self) -> None:
        partial = 0
        for path in self._output.glob(".*.partial*"):
            with suppress(FileNotFoundError):  # it may just have got its name
                partial += path.stat().st_size
        self.most = max(self.most, bytes_below(self._output / ".stylize") + partial)


def least_of(config: Config) -> int:
    return demand_of(config).least


def demand_of(config: Config) -> Demand:
    seen = look(config)
    return foresee(config, seen.plan, seen.stock, Workspace(config.output), seen.written).demand


def pixels(video: Path) -> npt.NDArray[np.uint8]:
    with av.open(str(video)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def shows(video: Path, frames: int) -> bool:
    """Whether a video shows just the painted frames 0 … frames−1, in order."""
    wanted = np.stack([painted(index, 96, 72) for index in range(frames)]).astype(np.int16)
    nearest = [int(np.abs(wanted - frame).mean(axis=(1, 2, 3)).argmin()) for frame in pixels(video)]
    return nearest == list(range(frames))


def gib(size: float) -> float:
    return size / GIB


def weigh(config: Config, **options: Any) -> tuple[Summary, Scale]:
    scale = Scale(config.output, **options)
    return run(config, scale), scale


# --- within the budget ---


@pytest.mark.parametrize("disk", [{}, {"pack": "never"}, {"pack": "always"}, {"keep": "none"}])
def test_sources_that_have_no_room_all_at_once_are_made_below_the_budget(
    disk: dict[str, str], job: Job, clips: list[Path], tmp_path: Path
) -> None:
    _, unlimited = weigh(job([str(clip) for clip in clips], **SETTINGS))
    (tmp_path / "out").rename(tmp_path / "unlimited")
    free = job([str(clip) for clip in clips], **SETTINGS, disk={**disk, "budget_gib": 1})
    budget = least_of(free)
    assert budget < 0.8 * unlimited.most
    summary, scale = weigh(
        job([str(clip) for clip in clips], **SETTINGS, disk={**disk, "budget_gib": gib(budget)})
    )
    assert summary.status == "done"
    assert len(list(summary.outputs)) == 3
    assert summary.frames == {"total": 36, "stylized": 36, "reused": 0}
    assert 0.3 * budget < scale.most <= budget
    for clip in clips:
        assert shows(tmp_path / "out" / clip.name, 12)


def test_a_source_that_never_fits_as_a_whole_is_made_alone_and_packed_as_it_comes(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "long.mp4", frames=40, size=(96, 72))
    free = job(clip, **SETTINGS)
    whole = demand_of(free).peak
    budget = least_of(job(clip, **SETTINGS, disk={"budget_gib": 1}))
    assert budget < whole
    summary, scale = weigh(job(clip, **SETTINGS, disk={"budget_gib": gib(budget)}))
    assert summary.status == "done"
    assert scale.most <= budget
    assert list((tmp_path / "out").rglob("*.mkv"))
    assert shows(tmp_path / "out/long.mp4", 40)


def test_a_long_source_that_has_no_room_is_asked_for_once_and_not_segment_by_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def whole(keeper: Keeper, source: SourcePlan) -> dict[str, int]:
        asked.append(source.name)
        return {source.name: 2**40}

    monkeypatch.setattr(Keeper, "_whole", whole)
    job = config(disk={"budget_gib": 1}, output=tmp_path, video={"segment_frames": 4, "blend_frames": 2})
    plan = Plan(
        (plan_source(job, inspected(400), JUDGES), plan_source(job, inspected(9, name="b.mp4"), JUDGES))
    )
    stock = Stock({segment.key: {} for segment in plan.segments}, {})
    with ThreadPoolExecutor(1) as encoder:
        keeper = Keeper(plan, stock, Workspace(tmp_path), job, encoder)
        ready = [todo for todo in todos(plan, stock, Workspace(tmp_path), TRANSFER) if not todo.needs]
        assert len(ready) > 100
        monkeypatch.setattr(Keeper, "_unblock", lambda *_: None)
        assert keeper.choose(iter(ready)) is None
    assert asked == ["clip.mp4", "b.mp4"]


def test_drafts_are_thrown_away_once_nothing_needs_them_where_there_is_a_budget(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    settings = {**SETTINGS, "video": {**SETTINGS["video"], "passes": 2}}
    run(job(clips[0], **settings, disk={"budget_gib": 1, "pack": "never"}))
    indices = sorted(path.stem for path in (tmp_path / "out").rglob("*.png"))
    assert indices == [f"{index:08d}" for index in range(12)]
    assert run(job(clips[0], **settings)).frames == {"total": 12, "stylized": 0, "reused": 12}


def test_what_earlier_settings_made_goes_first(job: Job, clips: list[Path], tmp_path: Path) -> None:
    _, scale = weigh(job(clips[0], **SETTINGS))
    again = {**SETTINGS, "transfer": {**SETTINGS["transfer"], "style_weight": 5.0}}
    config = job(clips[0], **again)
    asks = demand_of(config)
    current = {folder_of(segment, Workspace(config.output)) for segment in look(config).plan.segments}
    budget = asks.peak - scale.most // 2
    summary, scale = weigh(job(clips[0], **again, disk={"budget_gib": gib(budget)}))
    assert summary.frames["stylized"] == 12
    assert scale.most <= budget
    kept = {path.parent for path in (tmp_path / "out").rglob("*.png")}
    old = {path for path in (tmp_path / "out/.stylize/segments/").glob("*/*") if path not in current}
    assert current <= kept
    assert len(old) == 5
    assert old - kept
    assert not list((tmp_path / "out").rglob("*.mkv"))


def test_a_budget_that_cannot_be_held_is_refused_before_anything_is_made(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    config = job(clips[0], **SETTINGS, disk={"budget_gib": 0.0001})
    with pytest.raises(
        SpaceError,
        match=r"disk\.budget_gib 0\.0001 is too little: the job needs up to \d+ kB at once; raise the budget to 0\.00",
    ):
        run(config)
    assert not (tmp_path / "out").exists()
    found = outlined(config)
    assert found["disk_refusal"].startswith("disk.budget_gib 0.0001 is too little")
    assert found["disk_peak_bytes"] <= 0.0001 * GIB < found["disk_least_bytes"]


def test_where_packs_are_larger_than_thought_the_run_stops_with_the_remedy_and_goes_on_with_more(
    job: Job, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.disk.room.PACKED_SHARE", 0.1)
    budget = least_of(job(clips[0], **SETTINGS, disk={"budget_gib": 1}))
    with pytest.raises(
        SpaceError, match=r"leaves no room: .* [kM]B are taken, and .* a\.mp4 needs up to .*; raise the"
    ):
        weigh(job(clips[0], **SETTINGS, disk={"budget_gib": gib(budget)}))
    made = len(look(job(clips[0], **SETTINGS)).stock.finished)
    summary, _ = weigh(job(clips[0], **SETTINGS, disk={"budget_gib": 1}))
    assert summary.status == "done"
    assert made > 0
    assert summary.frames["reused"] > 0


@pytest.mark.parametrize(
    ("keep", "share", "drops"), [("all", 0.97, False), ("auto", 0.97, False), ("auto", 0.4, True)]
)
def test_a_budget_that_was_lowered_is_kept_by_the_next_run_though_nothing_is_to_be_done(
    keep: str, share: float, drops: bool, job: Job, clips: list[Path], tmp_path: Path
) -> None:
    """Packing comes before throwing away, and there is no more of either than is asked for."""
    _, before = weigh(job([str(clip) for clip in clips], **WHOLE))
    budget = before.most * share
    config = job([str(clip) for clip in clips], **WHOLE, disk={"budget_gib": gib(budget), "keep": keep})
    assert run(config).frames == {"total": 36, "stylized": 0, "reused": 36}
    assert bytes_below(tmp_path / "out/.stylize") <= budget
    assert bool(list((tmp_path / "out").rglob("dropped.jsonl"))) is drops
    assert list((tmp_path / "out").rglob("*.mkv"))
    assert run(config).frames["stylized"] == 0


# --- afterward ---


def test_a_finished_job_whose_frames_are_gone_is_left_as_it_is(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    config = job([str(clip) for clip in clips], **SETTINGS, disk={"keep": "none"})
    first = run(config)
    assert not list((tmp_path / "out/.stylize").rglob("*.png"))
    before = tree(tmp_path / "out")
    again = run(config)
    assert again.frames == {"total": 36, "stylized": 0, "reused": 36}
    assert list(again.outputs) == list(first.outputs)
    assert tree(tmp_path / "out") == before
    found = outlined(config)
    assert found["frames"] == {"total": 36, "reused": 36, "left": 0}
    assert found["recomputed"] == {}
    records = Workspace(tmp_path / "out").records.read_text().splitlines()
    assert len({(line["source"], line["frame"]) for line in map(json.loads, records)}) == 36


def test_an_output_whose_frames_are_gone_is_made_again_alone_and_says_why(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    config = job([str(clip) for clip in clips], **SETTINGS, disk={"keep": "none"})
    run(config)
    (tmp_path / "out/b.mp4").unlink()
    again = run(config)
    assert again.frames == {"total": 36, "stylized": 12, "reused": 24}
    assert again.recomputed == {"b.mp4": (THROWN_AWAY,)}
    assert run(config).frames["stylized"] == 0


@pytest.mark.parametrize(("is_changed", "stylized"), [(False, 0), (True, 12)])
def test_an_output_with_another_time_is_made_again_only_if_its_bytes_are_others(
    is_changed: bool, stylized: int, job: Job, clips: list[Path], tmp_path: Path
) -> None:
    config = job(clips[0], **SETTINGS, disk={"keep": "none"})
    run(config)
    output = tmp_path / "out/a.mp4"
    data = output.read_bytes()
    output.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if is_changed else data)
    os.utime(output, (1, 1))
    assert run(config).frames["stylized"] == stylized
    assert run(config).frames["stylized"] == 0


def test_a_changed_setting_makes_sources_again_whose_frames_are_gone_and_says_why(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    run(job(clips[0], **SETTINGS, disk={"keep": "none"}))
    changed = {**SETTINGS, "transfer": {**SETTINGS["transfer"], "style_weight": 5.0}}
    again = run(job(clips[0], **changed, disk={"keep": "none"}))
    assert again.frames["stylized"] == 12
    assert again.recomputed == {"a.mp4": ("transfer.style_weight: 1000.0 → 5.0",)}


def test_packed_segments_are_used_again_and_give_the_same_output(
    job: Job, clips: list[Path], tmp_path: Path
) -> None:
    config = job(clips[0], **SETTINGS, disk={"pack": "always"})
    run(config)
    segments = list((tmp_path / "out/.stylize/segments").glob("*/*"))
    assert {len(list(path.glob("*.mkv"))) for path in segments if not list(path.glob("*.png"))} == {1}
    assert (
        len({path for path in segments if list(path.glob("*.mkv"))}) >= 3
    )  # a pack of two frames is not smaller
    (tmp_path / "out/a.mp4").unlink()
    assert run(config).frames == {"total": 12, "stylized": 0, "reused": 12}
    assert shows(tmp_path / "out/a.mp4", 12)


class Killed(BaseException):
    """What a kill is to a test."""


@pytest.mark.parametrize("moment", range(1, 60, 6))
def test_a_run_that_is_killed_at_any_event_goes_on_below_the_budget(
    moment: int, job: Job, clips: list[Path], tmp_path: Path
) -> None:
    budget = gib(least_of(job([str(clip) for clip in clips], **SETTINGS, disk={"budget_gib": 1})))
    config, count = (
        job([str(clip) for clip in clips], **SETTINGS, disk={"budget_gib": budget}),
        itertools.count(1),
    )

    def kill(event: Event) -> None:
        if next(count) == moment:
            raise Killed

    with suppress(Killed):
        weigh(config, then=kill)
    summary, scale = weigh(config)
    assert summary.status == "done"
    assert summary.frames["stylized"] + summary.frames["reused"] == 36
    assert scale.most <= budget * GIB
    assert all(shows(tmp_path / "out" / clip.name, 12) for clip in clips)


# --- the demand ---


def asked(**changes: int) -> Demand:
    """A demand in GiB."""
    sizes = {"peak": 3, "least": 1, "more": 4, "least_freely": 1, "more_at_least": 2, "likely": 3}
    return Demand(**{name: int(size * GIB) for name, size in {**sizes, **changes}.items()})


def test_without_a_budget_what_may_not_be_free_is_a_warning_and_what_will_not_be_is_refused() -> None:
    disk = Disk()
    assert refusal(asked(), disk, free=5 * GIB) is warning(asked(), disk, free=5 * GIB) is None
    text = warning(asked(), disk, free=3 * GIB)
    assert refusal(asked(), disk, free=3 * GIB) is None
    assert text is not None
    assert "will take about 3 GiB, but may take up to 4 GiB, outputs included, and 3 GiB are free" in text
    assert "set disk.budget_gib, from 1 up" in text
    assert warning(asked(), disk, free=GIB) is None
    text = refusal(asked(), disk, free=GIB)
    assert text is not None
    assert text.endswith("1 GiB are free; make room, or work on a part with video.frames")


def test_a_budget_whose_outputs_are_not_free_is_refused() -> None:
    text = refusal(asked(), Disk(budget_gib=2), free=2 * GIB)
    assert text is not None
    assert (
        "takes up to 4 GiB, outputs included, and 2 GiB are free; make room, or a smaller disk.budget_gib"
        in text
    )


@pytest.mark.parametrize(
    ("disk", "changes", "ways"),
    [
        ({}, {}, "raise the budget to 1, or work on a part with video.frames"),
        (
            {"keep": "all"},
            {"least_freely": 0},
            "raise the budget to 1, or let disk.keep be auto, or work on a part with video.frames",
        ),
        ({"keep": "all"}, {}, "raise the budget to 1, or work on a part with video.frames"),
    ],
)
def test_only_what_helps_is_named_as_a_remedy(disk: Any, changes: Any, ways: str) -> None:
    text = refusal(asked(**changes), Disk(budget_gib=0.5, **disk), free=9 * GIB)
    assert text is not None
    assert text.endswith(f"at once; {ways}")


def test_an_output_that_is_renamed_is_not_counted_beside_itself() -> None:
    found = planned(transfer={"size": 64})
    sizes = {s.key: s.order for s in found.segments}
    frames = sum(all_bytes(found, s, TRANSFER) for s in found.segments)
    asks = demand(Plan((found,)), sizes, (), Disk(), TRANSFER, present=5)
    assert asks.more == frames + output_bytes(found)
    assert asks.peak == 5 + frames + output_bytes(found)
    asks = demand(Plan((found,)), sizes, (), Disk(budget_gib=gib(1000)), TRANSFER, present=5)
    assert asks.more == 995


def test_a_job_that_may_not_fit_is_done_and_says_so(
    job: Job, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(clips[0], **SETTINGS)
    asks = demand_of(config)
    free = (asks.likely + asks.more) // 2
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    found = outlined(config)
    said: list[str] = []
    watcher = Watcher()
    monkeypatch.setattr(watcher, "warned", said.append)
    assert run(config, watcher).status == "done"
    assert said == [found["disk_warning"]]
    assert found["disk_refusal"] is None


def test_the_peak_of_a_plan_is_not_exceeded_by_its_run(job: Job, clips: list[Path], tmp_path: Path) -> None:
    config = job([str(clip) for clip in clips], **SETTINGS)
    found = outlined(config)
    _, scale = weigh(config)
    assert 0.5 * found["disk_peak_bytes"] < scale.most <= found["disk_peak_bytes"]
    assert found["disk_least_bytes"] < found["disk_peak_bytes"]


def test_what_goes_wrong_while_packing_is_not_kept_quiet(
    job: Job, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug in packing")

    monkeypatch.setattr("pipeline.disk.clearing.pack_frames", fail)
    with pytest.raises(RuntimeError, match="a bug in packing"):
        run(job(clips[:1], **SETTINGS, disk={"pack": "always"}))
