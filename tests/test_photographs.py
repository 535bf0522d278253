"""Whole jobs with photographs: what is painted again and why, what is left alone, and who gets which name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest
from PIL import Image

from pipeline.config import Config
from pipeline.execute.events import Event, PictureFinished
from pipeline.ledger import Summary, Watcher
from pipeline.run import run
from tests.conftest import Job, tree
from tests.farms import TextureFarm
from tests.media.clips import picture, write_clip
from tests.plans import outlined


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray, no trial, and nothing waits for the disk."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photographs, and a clip of three frames."""
    found = tmp_path / "in"
    found.mkdir()
    iio.imwrite(found / "a.png", picture(1))
    iio.imwrite(found / "b.jpg", picture(2))
    write_clip(found / "clip.mp4", frames=3)
    return found


def results(summary: Summary, output: Path) -> dict[str, str]:
    """The outputs of a run by their sources."""
    return {one.source: str(one.output.relative_to(output)) for one in summary.outputs}


def test_photographs_are_written_into_the_output_folder_and_leave_no_frames_behind(
    job: Job, folder: Path, tmp_path: Path
) -> None:
    summary = run(job(folder))
    assert (summary.status, summary.frames) == ("done", {"total": 5, "stylized": 5, "reused": 0})
    assert results(summary, tmp_path / "out") == {name: name for name in ("clip.mp4", "a.png", "b.jpg")}
    assert iio.imread(tmp_path / "out/b.jpg").shape == (36, 48, 3)
    frames = list((tmp_path / "out/.stylize").rglob("*.png"))
    assert [path.name for path in sorted(frames)] == ["00000000.png", "00000001.png", "00000002.png"]
    assert list((tmp_path / "out/.stylize/pictures").glob("*")) == []


def test_a_finished_job_is_left_as_it_is(job: Job, folder: Path, tmp_path: Path) -> None:
    first = run(job(folder))
    before = tree(tmp_path / "out")
    again = run(job(folder))
    assert again.frames == {"total": 5, "stylized": 0, "reused": 5}
    assert list(again.outputs) == list(first.outputs)
    assert tree(tmp_path / "out") == before


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder, out: touch(folder / "a.png"), "the picture has changed"),
        (lambda folder, out: iio.imwrite(folder / "a.png", picture(9, 40, 40)), "the picture has changed"),
        (lambda folder, out: (out / "a.png").unlink(), "its result is gone, or was changed"),
        (lambda folder, out: iio.imwrite(out / "a.png", picture(9)), "its result is gone, or was changed"),
    ],
    ids=["touched", "another picture", "result gone", "result changed"],
)
def test_a_photograph_is_painted_again_alone_and_the_reason_is_said_before_and_after(
    change: Callable[[Path, Path], Any], reason: str, job: Job, folder: Path, tmp_path: Path
) -> None:
    run(job(folder))
    change(folder, tmp_path / "out")
    told = outlined(job(folder))
    assert (told["recomputed"], told["frames"]) == (
        {"a.png": (reason,)},
        {"total": 5, "reused": 4, "left": 1},
    )
    again = run(job(folder))
    assert (again.status, again.frames) == ("done", {"total": 5, "stylized": 1, "reused": 4})
    assert again.recomputed == {"a.png": (reason,)}
    assert run(job(folder)).frames["stylized"] == 0


def test_another_format_and_back_again_finds_its_own_results_and_takes_nobodys_name(
    job: Job, folder: Path, tmp_path: Path
) -> None:
    Image.fromarray(picture(3)).save(folder / "a.jpg")  # beside a.png: one of them has to be a-2.jpg
    asis, jpeg = job(folder), {"format": "jpeg"}
    run(asis)
    changed = run(job(folder, archive=jpeg))
    assert (changed.status, changed.frames["stylized"]) == ("done", 3)
    assert results(changed, tmp_path / "out")["a.png"] == "a-2.jpg"
    back = run(job(folder))
    assert (back.status, back.failures) == ("done", ())
    assert results(back, tmp_path / "out")["a.png"] == "a.png"
    (folder / "a.jpg").unlink()
    painting = (tmp_path / "out/a.jpg").read_bytes()
    assert results(run(job(folder, archive=jpeg)), tmp_path / "out")["a.png"] != "a.jpg"
    assert (tmp_path / "out/a.jpg").read_bytes() == painting


def test_by_content_a_photograph_that_was_only_touched_is_not_painted_again(job: Job, folder: Path) -> None:
    archive = {"identity": "content"}
    Image.fromarray(picture(1)).save(folder / "a.png", compress_level=0)
    run(job(folder, archive=archive))
    size = (folder / "a.png").stat().st_size
    touch(folder / "a.png")
    assert run(job(folder, archive=archive)).frames["stylized"] == 0
    Image.fromarray(picture(9)).save(folder / "a.png", compress_level=0)
    assert (folder / "a.png").stat().st_size == size
    assert run(job(folder, archive=archive)).recomputed == {"a.png": ("the picture has changed",)}


def test_a_result_that_was_only_copied_is_left_alone(job: Job, folder: Path, tmp_path: Path) -> None:
    run(job(folder))
    touch(tmp_path / "out/a.png")
    assert run(job(folder)).frames["stylized"] == 0


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"transfer": {"style_weight": 10.0}}, "transfer.style_weight: 1000.0 → 10.0"),
        ({"archive": {"quality": 50}}, "archive.quality: 95 → 50"),
    ],
)
def test_a_changed_setting_paints_again_and_says_which(
    sections: dict[str, Any], reason: str, job: Job, folder: Path
) -> None:
    run(job(folder))
    again = run(job(folder, **sections))
    assert again.recomputed["a.png"] == again.recomputed["b.jpg"] == (reason,)
    assert run(job(folder, **sections)).frames["stylized"] == 0


def test_of_what_only_films_know_no_photograph_depends(job: Job, folder: Path) -> None:
    run(job(folder))
    again = run(job(folder, video={"warm_start": "none"}, transfer={"warm_iterations": 2}))
    assert again.recomputed.keys() == {"clip.mp4"}
    assert again.frames["reused"] == 2


def test_a_file_that_no_run_made_is_never_written_over(job: Job, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").write_text("somebody's own")
    summary = run(job(folder))
    assert (summary.status, [one.source for one in summary.failures]) == ("incomplete", ["a.png"])
    assert "is there already, and no run here made it" in summary.failures[0].error
    assert summary.frames == {"total": 4, "stylized": 4, "reused": 0}
    assert (tmp_path / "out/a.png").read_text() == "somebody's own"


def test_photographs_that_cannot_be_read_are_reported_and_the_others_finish(job: Job, folder: Path) -> None:
    (folder / "words.png").write_text("no picture")
    data = (folder / "b.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) * 2 // 3])
    summary = run(job(folder))
    assert summary.status == "incomplete"
    assert {one.source for one in summary.failures} == {"words.png", "cut.jpg"}
    assert all(one.frame is None for one in summary.failures)
    assert [one.source for one in summary.outputs] == ["clip.mp4", "a.png", "b.jpg"]


class Stopper(Watcher):
    """Asks for a stop once so many photographs are painted."""

    def __init__(self, count: int) -> None:
        self._left = count

    def happened(self, event: Event) -> None:
        self._left -= isinstance(event, PictureFinished)

    def asked(self) -> bool:
        return self._left <= 0


def test_an_interrupted_job_goes_on_where_it_was_and_gives_the_same_bytes(
    job: Job, folder: Path, tmp_path: Path
) -> None:
    for index in range(6):
        iio.imwrite(folder / f"more-{index}.png", picture(index, 30 + index, 30))
    run(job(folder))
    undisturbed = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*g")}
    (tmp_path / "out").rename(tmp_path / "before")
    stopper = Stopper(3)
    first = run(job(folder), stopper, stopper.asked)
    assert first.status == "interrupted"
    assert len(list((tmp_path / "out").glob("*.*g"))) == 3
    second = run(job(folder))
    assert (second.status, second.recomputed) == ("done", {})
    assert second.frames["total"] == 11
    assert second.frames["stylized"] == 11 - second.frames["reused"] <= 8
    assert len(undisturbed) == 8
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*g")} == undisturbed


def test_the_pages_of_a_photograph_are_counted_and_come_out_in_one_file(job: Job, tmp_path: Path) -> None:
    pages = [Image.fromarray(picture(index, *size)) for index, size in enumerate([(64, 48), (48, 64)])]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    summary = run(job(tmp_path / "scan.tif"))
    assert summary.frames == {"total": 2, "stylized": 2, "reused": 0}
    assert [(one.source, one.frames) for one in summary.outputs] == [("scan.tif", 2)]
    with Image.open(tmp_path / "out/scan.tif") as result:
        assert getattr(result, "n_frames", 1) == 2


@pytest.mark.parametrize(
    ("container", "names"),
    [
        ("gif", {"x.mov": "x-2.gif", "x.gif": "x.gif", "x/p.png": "x/p.png"}),
        ("png", {"x.mov": "x-2", "x.gif": "x.gif", "x/p.png": "x/p.png"}),
    ],
)
def test_no_films_result_takes_the_place_of_a_photographs(
    container: str, names: dict[str, str], job: Job, tmp_path: Path
) -> None:
    def config() -> Config:
        return job(tmp_path / "in", encoding={"container": container})

    (tmp_path / "in/x").mkdir(parents=True)
    write_clip(tmp_path / "in/x.mov", frames=3)
    iio.imwrite(tmp_path / "in/x.gif", picture(1))
    iio.imwrite(tmp_path / "in/x/p.png", picture(2))
    summary = run(config())
    assert (summary.status, results(summary, tmp_path / "out")) == ("done", names)
    assert run(config()).frames == {"total": 5, "stylized": 0, "reused": 5}


def test_an_animations_result_is_told_from_a_photographs_that_becomes_its_format(
    job: Job, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(picture(index)) for index in range(3)]
    frames[0].save(tmp_path / "in/x.webp", save_all=True, append_images=frames[1:], duration=40)
    iio.imwrite(tmp_path / "in/x.jpg", picture(9))
    summary = run(job(tmp_path / "in", archive={"format": "webp"}))
    assert results(summary, tmp_path / "out") == {"x.webp": "x-2.webp", "x.jpg": "x.webp"}
    assert summary.status == "done"
