"""Sources, styles, outputs and clocks that somebody else lays hands on, between runs and while one works."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from pipeline.errors import ClusterError, ConfigError
from pipeline.execute.events import Event, FrameFinished
from pipeline.ledger import Watcher
from pipeline.media import encode
from pipeline.run import run
from tests.conftest import Job, committed
from tests.faults.conftest import CHAIN, CLIP, Left, Undisturbed, finish, left_by
from tests.faults.crews import Killed, LocalFarm, open_workshop
from tests.media.clips import picture, write_clip


class At(Watcher):
    """Does something once, when a frame is finished."""

    def __init__(self, frame: int, then: Callable[[], object]) -> None:
        self._frame, self._then, self.is_done = frame, then, False

    def happened(self, event: Event) -> None:
        if isinstance(event, FrameFinished) and event.record.frame == self._frame and not self.is_done:
            self.is_done = True
            self._then()


@pytest.fixture
def own(clip: Path, tmp_path: Path) -> Path:
    """A copy of the clip that a test may change."""
    (tmp_path / "in").mkdir()
    return Path(shutil.copy(clip, tmp_path / "in/clip.mp4"))


def save_over(path: Path) -> None:
    """Another film under the same name."""
    write_clip(path.with_name("new.mp4"), frames=9, rgb=[picture(index + 50) for index in range(9)])
    path.with_name("new.mp4").replace(path)


def retouch(path: Path) -> None:
    """Other bytes, in place, and just as many."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("textures")
@pytest.mark.parametrize("change", [save_over, retouch])
def test_a_source_that_changed_between_runs_is_painted_anew(
    change: Callable[[Path], None], job: Job, own: Path, undisturbed: Undisturbed
) -> None:
    config = job(own, **CLIP)
    stopped: list[bool] = []
    run(config, At(6, lambda: stopped.append(True)), lambda: bool(stopped))
    before = committed(config.output)
    change(own)
    finish(config)
    left = {name: data for name, data in left_by(config.output).items() if name not in before}
    shutil.rmtree(config.output)
    assert undisturbed(config) == left


@pytest.mark.usefixtures("hall")
@pytest.mark.parametrize("change", [save_over, retouch, Path.unlink])
def test_a_source_that_changes_or_vanishes_in_the_middle_leaves_nothing_wrong_behind(
    change: Callable[[Path], None], job: Job, own: Path, clip: Path, undisturbed: Undisturbed
) -> None:
    config = job(own, **CHAIN)
    state = own.stat()
    expected = undisturbed(config)
    summary = run(config, At(4, lambda: change(own)))
    assert summary.status == "incomplete"
    words = (
        "is not there any more; put it back"
        if change is Path.unlink
        else "has changed since the run looked at it"
    )
    assert words in summary.failures[0].error and "run again" in summary.failures[0].error
    assert summary.failures[0].frame == 5
    assert sorted(Path(name).stem for name in committed(config.output)) == [f"{i:08d}" for i in range(5)]
    shutil.copy(clip, own)  # back from a copy, with another time
    assert own.stat().st_mtime_ns != state.st_mtime_ns
    assert finish(config).frames["reused"] == 5
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("hall")
def test_a_source_that_is_only_touched_in_the_middle_is_the_same(
    job: Job, own: Path, undisturbed: Undisturbed
) -> None:
    config = job(own, **CHAIN)
    expected = undisturbed(config)
    finish(config, watcher=At(4, own.touch))
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_a_source_that_changes_before_its_output_is_written_has_failed(job: Job, own: Path) -> None:
    config = job(own, **CLIP)
    summary = run(config, At(3, lambda: retouch(own)))  # the last frame
    assert summary.status == "incomplete"
    assert "has changed since the run looked at it" in summary.failures[0].error
    assert not (config.output / "clip.mp4").exists()
    finish(config)


@pytest.fixture
def style(style_image: Path, tmp_path: Path) -> Path:
    """A copy of the style that a test may change."""
    return Path(shutil.copy(style_image, tmp_path / "own-style.png"))


def other_style(path: Path) -> None:
    iio.imwrite(path, picture(9))


@pytest.mark.parametrize("change", [other_style, Path.unlink])
def test_a_style_that_changes_in_the_middle_never_gets_into_the_same_film(
    change: Callable[[Path], None],
    job: Job,
    clip: Path,
    style: Path,
    style_image: Path,
    undisturbed: Undisturbed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_workshop(monkeypatch, narrow=True)
    config = job(clip, **CHAIN, style=str(style))
    expected = undisturbed(config)
    finish(config, watcher=At(4, lambda: change(style)))  # nobody has to read it again
    assert left_by(config.output) == expected
    shutil.rmtree(config.output)
    shutil.copy(style_image, style)

    dies: list[int] = []
    make = LocalFarm.make

    def dying(settings: Any) -> Any:
        worker = make(settings)
        original = worker.stylize_frame

        def stylize_frame(index: int, segment: Any = None) -> Any:
            if index == 5 and not dies:
                dies.append(index)
                raise Killed("signal 9")
            return original(index, segment)

        worker.stylize_frame = stylize_frame
        return worker

    monkeypatch.setattr(LocalFarm, "make", staticmethod(dying))
    with pytest.raises(
        ClusterError, match=r"a worker cannot be set up: .*own-style.png.*(run again|cannot be read)|No such"
    ):
        run(config, At(4, lambda: change(style)))
    assert len(committed(config.output)) == 5
    shutil.copy(style_image, style)
    assert finish(config).frames["reused"] == 5
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_a_style_that_changed_between_runs_is_painted_anew_and_one_that_is_gone_is_told(
    job: Job, clip: Path, style: Path
) -> None:
    config = job(clip, **CLIP, style=str(style))
    finish(config)
    other_style(style)
    summary = finish(config)
    assert summary.frames["stylized"] == 9
    assert "style" in str(summary.recomputed)
    style.unlink()
    with pytest.raises(ConfigError, match=r"own-style\.png"):
        run(config)


@pytest.mark.usefixtures("textures")
def test_a_film_with_a_corrupt_middle_a_truncated_one_and_an_empty_file_cost_no_other(
    job: Job, own: Path, clip: Path, expected: Left
) -> None:
    data = clip.read_bytes()
    corrupt = bytearray(data)
    at = data.index(b"mdat") + 2000
    corrupt[at : at + 2000] = bytes(2000)
    (own.parent / "corrupt.mp4").write_bytes(corrupt)
    (own.parent / "truncated.mp4").write_bytes(data[: len(data) // 2])
    (own.parent / "empty.mp4").touch()
    config = job(own.parent, **CLIP)
    summary = run(config)
    assert summary.status == "incomplete"
    assert {failure.source for failure in summary.failures} >= {"truncated.mp4", "empty.mp4"}
    assert (config.output / "clip.mp4").read_bytes() == expected["clip.mp4"]
    before = left_by(config.output)
    again = run(config)
    assert (again.frames["stylized"], again.failures) == (0, summary.failures)
    assert left_by(config.output) == before


@pytest.mark.usefixtures("textures")
@pytest.mark.parametrize("offset_s", [-10 * 365 * 86400, 86400])
def test_a_clock_that_jumps_costs_nothing(
    offset_s: int, job: Job, clip: Path, expected: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(clip, **CLIP)
    stopped: list[bool] = []
    run(config, At(6, lambda: stopped.append(True)), lambda: bool(stopped))
    there = len(committed(config.output))
    for path in config.output.rglob("*"):  # written by a machine whose clock was ahead, or behind
        state = path.stat()
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns - offset_s * 10**9))
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + offset_s)
    assert finish(config).frames == {"total": 9, "stylized": 9 - there, "reused": there}
    assert left_by(config.output) == expected
    assert finish(config).frames["stylized"] == 0


# --- what is in an output's place, and the encoder ---


@pytest.mark.usefixtures("textures")
def test_a_strangers_file_that_comes_while_a_run_works_is_never_written_over(
    job: Job, clip: Path, expected: Left
) -> None:
    config = job(clip, **CLIP)
    target = config.output / "clip.mp4"
    summary = run(config, At(6, lambda: target.write_bytes(b"somebody's own")))
    assert summary.status == "incomplete"
    assert "is there already, and no run here made it; move it away" in summary.failures[0].error
    assert target.read_bytes() == b"somebody's own"
    target.unlink()
    assert finish(config).frames["reused"] == 9
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
@pytest.mark.parametrize("points_at", ["elsewhere.mp4", "missing.mp4"])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_nothing_is_written_through_a_link_in_an_outputs_place(
    points_at: str, when: str, job: Job, clip: Path, expected: Left, tmp_path: Path
) -> None:
    config = job(clip, **CLIP)
    target, elsewhere = config.output / "clip.mp4", tmp_path / "elsewhere.mp4"
    elsewhere.write_bytes(b"somebody's own")

    def swap() -> None:
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(tmp_path / points_at)

    if when == "after":
        finish(config)
    if when != "during":
        swap()
    summary = run(config, At(6, swap) if when == "during" else None)
    assert elsewhere.read_bytes() == b"somebody's own"
    assert not (tmp_path / "missing.mp4").exists()
    assert "is a link, through which nothing is written" in summary.failures[0].error and target.is_symlink()
    target.unlink()
    finish(config)
    assert not target.is_symlink()
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_an_encoder_that_fails_is_told_and_the_frames_wait_for_one_that_does_not(
    job: Job, clip: Path, expected: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(clip, **CLIP)
    with monkeypatch.context() as patches:
        codec = encode.CODECS["h264"]
        patches.setitem(encode.CODECS, "h264", replace(codec, encoder="libx264-that-is-not-there"))
        summary = run(config)
    assert summary.status == "incomplete"
    assert (
        summary.failures[0].source == "clip.mp4" and "libx264-that-is-not-there" in summary.failures[0].error
    )
    assert not list(config.output.glob("*.mp4")) and not list(config.output.glob(".*.partial*"))
    assert finish(config).frames["reused"] == 9
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_two_sources_of_one_name_both_come_out(job: Job, clip: Path, tmp_path: Path, expected: Left) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(clip, tmp_path / folder / "clip.mp4")
    config = job([str(tmp_path / "a/clip.mp4"), str(tmp_path / "b/clip.mp4")], **CLIP)
    summary = finish(config)
    outputs = [output.output for output in summary.outputs]
    assert len(set(outputs)) == 2
    assert {path.read_bytes() for path in outputs} == {expected["clip.mp4"]}
    assert finish(config).frames["stylized"] == 0
