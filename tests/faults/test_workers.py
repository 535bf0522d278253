"""Workers that are killed, crash, hang or run out of memory; real ones with the narrow network, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest
import torch

from pipeline import workspace
from pipeline.config import Config
from pipeline.errors import ClusterError
from pipeline.execute import dispatch
from pipeline.execute.events import Event, WorkerLost
from pipeline.execute.worker import Worker
from pipeline.ledger import Watcher
from pipeline.run import run
from pipeline.style.vgg import VGG19
from pipeline.workspace import Workspace
from tests.conftest import Job
from tests.faults.conftest import CHAIN, CLIP, Left, Undisturbed, finish, left_by
from tests.faults.crews import Killed, Texture, open_workshop
from tests.media.clips import picture, write_clip


class Losses(Watcher):
    """Counts workers that died."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def happened(self, event: Event) -> None:
        if isinstance(event, WorkerLost):
            self.reasons.append(event.reason)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames."""
    return write_clip(tmp_path_factory.mktemp("short") / "clip.mp4", frames=5)


@pytest.fixture(scope="module")
def chain_left(short: Path, style_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What `CHAIN` leaves of these when nothing happens to it."""
    folder = tmp_path_factory.mktemp("chain")
    style = ({"image": style_image},)
    config = Config(**{**CHAIN, "input": (str(short),), "output": folder / "out", "style": style})
    with pytest.MonkeyPatch.context() as patches:
        open_workshop(patches, narrow=True)
        finish(config)
    return left_by(config.output)


STEPS = {
    "before": (Worker, "_make"),
    "as its record is written": (workspace, "append_line"),
    "as its file is written": (workspace, "write_synced"),
    "as it gets its name": (workspace, "link"),
    "after": (workspace, "link"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_every_frame_of_a_segment_changes_nothing(
    step: str, short: Path, chain_left: Left, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_workshop(monkeypatch, narrow=True)
    home, name = STEPS[step]
    original, calls = getattr(home, name), [0]

    def deadly(*args: Any) -> Any:
        calls[0] += 1
        dies = calls[0] % 2 == 1  # at every frame the first time
        if dies and step != "after":
            raise Killed(step)
        done = original(*args)
        if dies:
            raise Killed(step)
        return done

    monkeypatch.setattr(home, name, deadly)
    losses = Losses()
    config = job(short, **CHAIN)
    finish(config, watcher=losses)
    assert losses.reasons == [step] * 5
    assert left_by(config.output) == chain_left


def texture_that(at: Callable[[str, int], object]) -> type[Texture]:
    """A worker that does something before it paints a frame."""

    class Told(Texture):
        def stylize_frame(self, index: int, job: Any = None) -> Any:
            self.job = job or self.job
            at(self.job.source.name, index)  # type: ignore[union-attr]
            return super().stylize_frame(index, job)

    return Told


def test_a_segment_that_always_crashes_its_worker_is_set_aside_and_the_others_finish(
    clip: Path, tmp_path: Path, expected: Left, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (write_clip(tmp_path / f"{name}.mp4", frames=6) for name in ("good", "bad"))
    config = job([good, bad], **CLIP)

    def crash(source: str, index: int) -> None:
        if (source, index) == ("bad.mp4", 2):
            raise Killed("signal 9, as when the kernel is out of memory")

    open_workshop(monkeypatch, texture_that(crash))
    losses = Losses()
    summary = run(config, losses)
    assert summary.status == "incomplete" and len(losses.reasons) == dispatch.SEGMENT_DEATHS
    (failure,) = summary.failures
    assert (failure.source, failure.frame) == ("bad.mp4", 2)
    assert "frame 2 killed 3 workers in a row; the last died of: signal 9" in failure.error
    assert [output.source for output in summary.outputs] == ["good.mp4"]
    open_workshop(monkeypatch)  # whatever it was, it is over
    healed = finish(config)
    assert healed.frames["reused"] >= 8
    left = left_by(config.output)
    open_workshop(monkeypatch)
    again = job([good, bad], **{**CLIP, "output": str(tmp_path / "again")})
    finish(again)
    assert left_by(tmp_path / "again") == left


def test_workers_that_all_die_as_they_are_set_up_end_the_run_and_the_next_one_goes_on(
    clip: Path, expected: Left, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stillborn(Texture):
        def set_up(self) -> Any:
            raise Killed("no such instruction")

    open_workshop(monkeypatch, Stillborn)
    monkeypatch.setattr(dispatch, "GROWTH_S", 0.0)
    config = job(clip, **CLIP)
    with pytest.raises(ClusterError, match=r"4 workers in a row died, .* no such instruction"):
        run(config)
    open_workshop(monkeypatch)
    finish(config)
    assert left_by(config.output) == expected


# --- memory ---

ERRORS: dict[str, Callable[[], BaseException]] = {
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "python": MemoryError,
    "cpu": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 bytes"),
}


def out_of_memory(monkeypatch: pytest.MonkeyPatch, error: str, when: Callable[[int, int], bool]) -> None:
    """Memory runs out in the network when `when(calls, pixels)` says so."""
    original, calls = VGG19.features, [0]

    def features(self: VGG19, images: torch.Tensor) -> Any:
        calls[0] += 1
        if when(calls[0], images.shape[-2] * images.shape[-1]):
            raise ERRORS[error]()
        return original(self, images)

    monkeypatch.setattr(VGG19, "features", features)


@pytest.mark.parametrize("error", ERRORS)
def test_memory_that_runs_out_once_in_every_frame_changes_nothing(
    error: str, short: Path, chain_left: Left, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_workshop(monkeypatch, narrow=True)
    out_of_memory(monkeypatch, error, lambda calls, _: calls % 5 == 0)
    losses, config = Losses(), job(short, **CHAIN)
    finish(config, watcher=losses)
    assert losses.reasons == []
    assert left_by(config.output) == chain_left


def test_memory_that_always_runs_out_makes_the_tiles_smaller_and_the_record_says_so(
    short: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**CHAIN, "transfer": {**CHAIN["transfer"], "size": 192, "style_layers": {"conv1_1": 1.0},
                                      "content_layers": {"conv1_1": 1.0}}}  # fmt: skip
    open_workshop(monkeypatch, narrow=True)
    out_of_memory(monkeypatch, "cuda", lambda _, pixels: pixels > 128 * 128)
    config = job(short, **{**settings, "video": {"cuts": "none", "frames": [0, 2]}})
    finish(config)
    records = [json.loads(line) for line in Workspace(config.output).records.open()]
    assert [record["tile"] for record in records] == [96, 96]
    left = left_by(config.output)
    again = job(
        short, **{**settings, "video": {"cuts": "none", "frames": [0, 2]}, "output": str(config.output) + "2"}
    )
    finish(again)
    assert left_by(again.output) == left


@pytest.mark.parametrize("kind", ["film", "photographs"])
def test_memory_that_is_never_enough_fails_its_source_with_what_to_do(
    kind: str, short: Path, photos: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_workshop(monkeypatch, narrow=True)
    with monkeypatch.context() as patches:
        out_of_memory(patches, "cuda", lambda _, pixels: pixels > 25 * 25)
        config = job(short if kind == "film" else photos, **CHAIN)
        losses = Losses()
        summary = run(config, losses)
    assert losses.reasons == []
    assert summary.status == "incomplete"
    assert len(summary.failures) == (1 if kind == "film" else 2)
    for failure in summary.failures:
        assert "memory ran out twice, in the smallest tiles, too (CUDA out of memory" in failure.error
        assert "set transfer.size to less" in failure.error
    finish(config)


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Path]:
    """Two photographs of one size."""
    (tmp_path / "in").mkdir()
    for index in range(2):
        iio.imwrite(tmp_path / f"in/{'ab'[index]}.png", picture(index))
    yield tmp_path / "in"


@pytest.mark.parametrize("error", ERRORS)
def test_memory_that_runs_out_once_over_photographs_changes_nothing(
    error: str, photos: Path, job: Job, monkeypatch: pytest.MonkeyPatch, undisturbed: Undisturbed
) -> None:
    open_workshop(monkeypatch, narrow=True)
    config = job(photos, **CHAIN)
    before = undisturbed(config)
    out_of_memory(monkeypatch, error, lambda calls, _: calls % 4 == 0)
    finish(config)
    assert left_by(config.output) == before
