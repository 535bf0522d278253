"""Whole jobs with photographs: what comes out, what stays as it is, and what a second run does."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from typer.testing import CliRunner

import pipeline.run as run_module
from pipeline.archive import stream as stream_module
from pipeline.cli import app
from pipeline.config import Config
from pipeline.errors import SpaceError
from pipeline.execute import delivery, dispatch, scheduler
from pipeline.execute.events import Event, PictureFinished, Pulse, WorkerLost
from pipeline.ledger import Summary, Watcher
from pipeline.media.geometry import output_size
from pipeline.media.photos import read_photo
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.archive.halls import NARROW, NARROW_FARM, open_hall, results
from tests.archive.makers import lines
from tests.conftest import Job, tree
from tests.media.clips import picture, write_clip
from tests.media.torture import CAMERA, PLACE, Good, TortureFolder, make_torture_folder, shows_scene

WriteJob = Callable[..., Path]
LIMIT = 250_000_000
LINKS_TO_NOTHING_OF_OURS = ("link-out.jpg", "link-to-nothing.jpg")


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are done in this process, by a narrow network."""
    open_hall(monkeypatch)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Five photographs of three sizes in two folders."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for index, (name, size) in enumerate(ALBUM.items()):
        Image.fromarray(picture(index, *size)).save(folder / name, quality=95)
    return folder


ALBUM = {
    "a.jpg": (64, 48),
    "b.jpg": (64, 48),
    "c.png": (48, 64),
    "sub/a.jpg": (64, 48),
    "sub/d.jpg": (96, 30),
}


def paint(job: Job, source: Any, **sections: Any) -> Summary:
    return run(job(source, **{**sections, "transfer": {**NARROW, **sections.get("transfer", {})}}))


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.frames["total"], summary.frames["stylized"], summary.frames["reused"]


def reasons(summary: Summary) -> dict[str, list[str]]:
    return {name: list(told) for name, told in summary.recomputed.items()}


def look_at(folder: Path) -> dict[str, Any]:
    """Everything below a folder as it is: kinds, bytes, times, and where links lead."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        what = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, what)
    return found


# --- the torture folder ---


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> TortureFolder:
    return make_torture_folder(tmp_path_factory.mktemp("torture") / "in")


@pytest.mark.usefixtures("ray_session")
def test_of_the_torture_folder_every_good_photograph_comes_out_and_nothing_else_is_touched(
    torture: TortureFolder, write_job: WriteJob, job: Job, tmp_path: Path
) -> None:
    settings = {"transfer": {"size": 40, "iterations": 1, "scales": 1, "style_weight": 0.0}}
    inside, outside = look_at(torture.folder), look_at(torture.outside.parent)
    summary = run(job(torture.folder, **settings))
    out = tmp_path / "out"
    expected = {**torture.good, **{link: torture.good[name] for link, name in torture.links.items()}}

    assert summary.status == "incomplete"
    failed = {failure.source: failure.error for failure in summary.failures}
    assert failed.keys() == {*torture.broken, *LINKS_TO_NOTHING_OF_OURS}
    for name, word in torture.broken.items():
        assert word in failed[name], (name, failed[name])
        assert "Error" not in failed[name] and "Traceback" not in failed[name], failed[name]
    assert {output.source for output in summary.outputs} == expected.keys()
    assert counts(summary) == (sum(good.pages for good in expected.values()),) * 2 + (0,)
    assert results(out).keys() == expected.keys()
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert look_at(torture.folder) == inside and look_at(torture.outside.parent) == outside
    notes = {output.source: output.notes for output in summary.outputs}
    for name, good in expected.items():
        check(out / name, good)
        assert bool(notes[name]) == good.has_note, (name, notes[name])

    before = tree(out)
    again = CliRunner().invoke(app, ["run", str(write_job(torture.folder, **settings)), "--json"])
    assert again.exit_code == 3, again.output
    told = json.loads(again.stdout)
    assert told["frames"]["stylized"] == 0 and told["frames"]["reused"] == summary.frames["total"]
    assert {one["source"] for one in told["failures"]} == failed.keys()
    after = tree(out)
    after.pop(".stylize/status.json")  # the command's; the run before was none of a command
    assert after == before
    assert look_at(torture.folder) == inside


def check(path: Path, good: Good) -> None:
    """Whether a result is what the torture folder asks for."""
    photo = read_photo(path, lambda width, height: (width, height), LIMIT)
    name, header = path.name, photo.header
    assert header.format == good.format, name
    size = output_size(good.width_px, good.height_px, 40, even=False)
    assert (header.width_px, header.height_px) == size, name
    assert header.pages == good.pages, name
    assert (photo.is_deep, photo.pages[0].alpha is not None) == (good.is_deep, good.has_alpha), name
    assert photo.metadata.has_profile == good.has_profile, name
    assert (None if photo.metadata.dpi is None else round(photo.metadata.dpi[0])) == good.dpi, name
    assert not good.has_scene or min(size) < 20 or shows_scene(photo.pages[0].rgb, 0.15), name
    assert (CAMERA.encode() in photo.metadata.exif) == good.has_camera, name
    if good.has_place and good.format not in ("HEIF",):
        exif = Image.open(path).getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == 1, name
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert [float(value) for value in place[ExifTags.GPS.GPSLatitude]] == list(PLACE), name


# --- killed and resumed, alone and together ---

SLOW = {**NARROW, "size": 48, "iterations": 100, "tolerance": 0}


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photographs of two sizes."""
    folder = tmp_path_factory.mktemp("pile") / "in"
    folder.mkdir()
    for index in range(7):
        size = (64, 48) if index != 4 else (48, 64)
        Image.fromarray(picture(index, *size)).save(folder / f"{index}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def undisturbed(pile: Path, style_image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one worker makes of them in one go."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        open_hall(patch)
        values = {"input": [pile], "output": out, "style": [{"image": style_image}], "transfer": SLOW}
        summary = run(Config(**values))
    assert counts(summary) == (7, 7, 0)
    return results(out)


class KillWorkerOnce(Watcher):
    """Kills a worker with SIGKILL, once, in the middle of a batch of which some pictures are finished."""

    def __init__(self) -> None:
        self.finished = self.killed = self.lost = 0

    def happened(self, event: Event) -> None:
        match event:
            case PictureFinished():
                self.finished += 1
            case Pulse(workers) if self.finished and not self.killed:
                for worker in workers:
                    if worker.progress and 0 < worker.progress.iteration < 90:
                        self.killed = self.finished
                        os.kill(int(worker.name.rpartition("-")[2]), signal.SIGKILL)
                        return
            case WorkerLost():
                self.lost += 1


@pytest.mark.usefixtures("ray_session")
def test_a_killed_worker_and_the_number_of_workers_change_nothing(
    pile: Path, undisturbed: dict[str, bytes], job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "Farm", NARROW_FARM)
    monkeypatch.setattr(dispatch, "PULSE_S", 0.1)
    killer = KillWorkerOnce()
    summary = run(job(pile, transfer=SLOW, execution={"workers": 2}), killer)
    assert killer.lost == 1 and 0 < killer.killed < 7, "no worker died in the middle, so this shows nothing"
    assert summary.status == "done" and counts(summary) == (7, 7, 0)
    assert results(tmp_path / "out") == undisturbed
    assert sorted(line["source"] for line in lines(Workspace(tmp_path / "out"))) == sorted(undisturbed)
    assert list((tmp_path / "out/.stylize/pictures").iterdir()) == []


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test started, ended with it."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def test_a_killed_run_loses_nothing_and_repeats_nothing(
    pile: Path,
    undisturbed: dict[str, bytes],
    write_job: WriteJob,
    job: Job,
    tmp_path: Path,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, path = tmp_path / "out", write_job(pile, transfer=SLOW)
    words = [sys.executable, "-m", "tests.archive.halls", str(path)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started.append(process)
    deadline_s = time.monotonic() + 90
    while len(list(out.glob("*.jpg"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    time.sleep(0.5)  # for its workers to notice
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("*.jpg")}
    assert len(finished) < 7, "it was over before it was killed, so this shows nothing"

    open_hall(monkeypatch)
    summary = run(job(pile, transfer=SLOW))
    assert summary.status == "done"
    assert counts(summary) == (7, 7 - len(finished), len(finished))
    assert results(out) == undisturbed
    assert {name: (out / name).stat().st_mtime_ns for name in finished} == finished
    assert sorted(line["source"] for line in lines(Workspace(out))) == sorted(undisturbed)


def test_a_picture_becomes_the_same_alone_or_among_others_in_any_order_and_batch(
    pile: Path, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {"transfer": {"size": 32, "iterations": 3, "scales": 1}}
    open_hall(monkeypatch, narrow=False)
    run(job(pile, **real))
    together = results(tmp_path / "out")
    names = sorted(together)
    for folder, chosen in (("z", names[::2]), ("m", names[5:0:-2]), ("alone", names[2:3])):
        (tmp_path / folder).mkdir()
        for place, name in enumerate(chosen):
            shutil.copy(pile / name, tmp_path / folder / f"{9 - place}-{name}")
    open_hall(monkeypatch, workers=2, narrow=False)
    run(job([str(tmp_path / "z"), str(tmp_path / "m")], output=str(tmp_path / "apart"), **real))
    found = {name.partition("-")[2]: data for name, data in results(tmp_path / "apart").items()}
    assert len(found) == 7 and found == together
    run(job(tmp_path / "alone", output=str(tmp_path / "single"), **real))
    assert list(results(tmp_path / "single").values()) == [together[names[2]]]


# --- run again ---


def test_a_finished_job_is_left_as_it_is(hall: None, album: Path, job: Job, tmp_path: Path) -> None:
    first = paint(job, album)
    before = tree(tmp_path / "out")
    again = paint(job, album)
    assert (first.status, counts(first)) == ("done", (5, 5, 0))
    assert (again.status, counts(again)) == ("done", (5, 0, 5))
    assert reasons(again) == {}
    assert [one.output for one in again.outputs] == [one.output for one in first.outputs]
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"transfer": {"style_weight": 50.0}}, "transfer.style_weight: 1.0 → 50.0"),
        ({"transfer": {"size": 40}}, "transfer.size: 32 → 40"),
        ({"archive": {"quality": 60}}, "archive.quality: 95 → 60"),
        ({"archive": {"metadata": "none"}}, 'archive.metadata: "keep" → "none"'),
    ],
    ids=["weight", "size", "quality", "metadata"],
)
def test_changed_settings_paint_all_anew_and_say_why(
    hall: None, sections: dict, reason: str, album: Path, job: Job, tmp_path: Path
) -> None:
    paint(job, album)
    before = results(tmp_path / "out")
    again = paint(job, album, **sections)
    assert counts(again) == (5, 5, 0)
    assert reasons(again) == {name: [reason] for name in ALBUM}
    after = results(tmp_path / "out")
    assert after.keys() == before.keys()
    if "metadata" not in reason:
        assert all(
            after[name] != before[name] for name in after if "quality" not in reason or name != "c.png"
        )
    assert sorted(line["source"] for line in lines(Workspace(tmp_path / "out"))) == sorted(ALBUM)
    back = paint(job, album)
    assert counts(back) == (5, 5, 0) and results(tmp_path / "out") == before


@pytest.mark.parametrize("identity", ["stat", "content"])
def test_a_touched_picture_is_painted_again_unless_its_bytes_tell(
    hall: None, identity: str, album: Path, job: Job, tmp_path: Path
) -> None:
    paint(job, album, archive={"identity": identity})
    os.utime(album / "a.jpg", ns=(1, 1))
    before = results(tmp_path / "out")
    again = paint(job, album, archive={"identity": identity})
    changed = {"a.jpg": ["the picture has changed"]} if identity == "stat" else {}
    assert reasons(again) == changed
    assert counts(again) == (5, len(changed), 5 - len(changed))
    assert results(tmp_path / "out") == before
    assert counts(paint(job, album, archive={"identity": identity})) == (5, 0, 5)
    Image.fromarray(picture(9)).save(album / "a.jpg", quality=95)
    after = paint(job, album, archive={"identity": identity})
    assert reasons(after) == {"a.jpg": ["the picture has changed"]}
    assert results(tmp_path / "out")["a.jpg"] != before["a.jpg"]


def test_a_picture_of_the_same_size_in_bytes_and_other_content_is_painted_again(
    hall: None, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    path, content = tmp_path / "in/a.bmp", {"archive": {"identity": "content"}}
    Image.fromarray(picture(1)).save(path)
    size = path.stat().st_size
    paint(job, tmp_path / "in", **content)
    Image.fromarray(picture(2)).save(path)
    os.utime(path, ns=(1, 1))
    assert path.stat().st_size == size
    assert reasons(paint(job, tmp_path / "in", **content)) == {"a.bmp": ["the picture has changed"]}


def test_a_result_that_was_deleted_or_edited_is_made_again(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    paint(job, album)
    before = results(out)
    (out / "a.jpg").unlink()
    shutil.rmtree(out / "sub")
    (out / "c.png").write_bytes(before["c.png"][:-5] + b"other")  # as long as it was
    again = paint(job, album)
    broken = ["a.jpg", "c.png", "sub/a.jpg", "sub/d.jpg"]
    assert reasons(again) == {name: ["its result is gone, or was changed"] for name in broken}
    assert counts(again) == (5, 4, 1)
    assert results(out) == before
    assert sorted(line["source"] for line in lines(Workspace(out))) == sorted(ALBUM)
    assert counts(paint(job, album)) == (5, 0, 5)


def test_a_copied_output_tree_is_not_painted_again(hall: None, album: Path, job: Job, tmp_path: Path) -> None:
    paint(job, album)
    out = tmp_path / "out"
    shutil.move(out, tmp_path / "old")
    shutil.copytree(tmp_path / "old", out, copy_function=shutil.copyfile)  # all of it has another time
    assert counts(paint(job, album)) == (5, 0, 5)
    before = tree(out)
    assert counts(paint(job, album)) == (5, 0, 5)
    assert tree(out) == before


def test_new_pictures_are_painted_and_old_ones_stay(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    paint(job, album)
    (album / "sub/d.jpg").unlink()
    Image.fromarray(picture(9)).save(album / "new.jpg")
    again = paint(job, album)
    assert counts(again) == (5, 1, 4)
    assert [one.source for one in again.outputs] == ["a.jpg", "b.jpg", "c.png", "new.jpg", "sub/a.jpg"]
    assert (tmp_path / "out/sub/d.jpg").exists()


def test_a_lost_table_is_made_anew_and_nothing_is_painted_again(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    paint(job, album)
    (tmp_path / "out/.stylize/pictures.sqlite").write_bytes(b"no table" * 999)
    assert counts(paint(job, album)) == (5, 0, 5)


# --- names and places ---


def test_a_strangers_file_in_a_results_place_stays_and_is_told(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "out/sub").mkdir(parents=True)
    (tmp_path / "out/sub/a.jpg").write_bytes(b"somebody's own")
    (tmp_path / "out/other.txt").write_bytes(b"somebody's own, too")
    summary = paint(job, album)
    assert summary.status == "incomplete" and counts(summary) == (4, 4, 0)
    ((source, error),) = [(failure.source, failure.error) for failure in summary.failures]
    assert source == "sub/a.jpg" and "is there already" in error and "move it away" in error
    assert (tmp_path / "out/sub/a.jpg").read_bytes() == b"somebody's own"
    assert results(tmp_path / "out").keys() == {*ALBUM, "other.txt"}
    (tmp_path / "out/sub/a.jpg").unlink()
    again = paint(job, album)
    assert again.status == "done" and counts(again) == (5, 1, 4)


def test_an_output_folder_within_the_input_is_not_taken_for_input(hall: None, album: Path, job: Job) -> None:
    before = look_at(album)
    for painted in (5, 0):
        summary = paint(job, album, output=str(album / "painted"))
        assert counts(summary) == (5, painted, 5 - painted)
    inside = {name: what for name, what in look_at(album).items() if not name.startswith("painted")}
    assert inside == before
    assert results(album / "painted").keys() == ALBUM.keys()


def test_pictures_of_one_name_in_two_inputs_both_come_out(hall: None, job: Job, tmp_path: Path) -> None:
    for index, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        Image.fromarray(picture(index)).save(tmp_path / name / "a.jpg")
    inputs = [str(tmp_path / "one"), str(tmp_path / "two")]
    summary = paint(job, inputs)
    assert [one.output.name for one in summary.outputs] == ["a-2.jpg", "a.jpg"]
    first = results(tmp_path / "out")
    assert first["a.jpg"] != first["a-2.jpg"]
    assert counts(paint(job, inputs)) == (2, 0, 2)
    assert counts(paint(job, inputs[::-1])) == (2, 2, 0)
    swapped = results(tmp_path / "out")
    assert (swapped["a.jpg"], swapped["a-2.jpg"]) == (first["a-2.jpg"], first["a.jpg"])


def test_pictures_that_differ_in_their_suffix_alone_both_come_out_in_one_format(
    hall: None, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for index, name in enumerate(("a.jpg", "a.png", "b.jpg")):
        Image.fromarray(picture(index)).save(tmp_path / "in" / name)
    summary = paint(job, tmp_path / "in", archive={"format": "jpeg"})
    assert {one.source: one.output.name for one in summary.outputs} == {
        "a.jpg": "a.jpg", "a.png": "a-2.jpg", "b.jpg": "b.jpg",
    }  # fmt: skip
    for name in ("a.jpg", "a-2.jpg", "b.jpg"):
        assert Image.open(tmp_path / "out" / name).format == "JPEG"
    assert counts(paint(job, tmp_path / "in", archive={"format": "jpeg"})) == (3, 0, 3)


def test_a_folder_of_the_output_that_leads_elsewhere_is_not_followed(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.jpg").write_bytes(b"somebody's own")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "out/b.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    (tmp_path / "out/c.png").symlink_to(tmp_path / "elsewhere/missing.png")
    before = look_at(tmp_path / "elsewhere")
    summary = paint(job, album)
    errors = {failure.source: failure.error for failure in summary.failures}
    assert errors.keys() == {"b.jpg", "c.png", "sub/a.jpg", "sub/d.jpg"}
    assert all("leads out of the output folder" in errors[name] for name in ("sub/a.jpg", "sub/d.jpg"))
    assert look_at(tmp_path / "elsewhere") == before
    assert counts(summary) == (1, 1, 0)


# --- manifests, films, and disks ---


def test_a_manifest_gives_pictures_their_own_style_strength_and_mask(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    Image.fromarray(picture(77, 40, 40)).save(tmp_path / "other.png")
    mask = np.zeros((10, 20), np.uint8)
    mask[:, :10] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    own = [
        {}, {"style": "other.png"}, {"strength": "10"}, {"mask": "mask.png"},
        {"style": "other.png", "strength": "10", "mask": "mask.png"},
    ]  # fmt: skip
    for number in range(len(own)):
        shutil.copy(album / "a.jpg", tmp_path / f"{number}.jpg")
    rows = [{"path": f"{number}.jpg", **row} for number, row in enumerate(own)]
    write_manifest(tmp_path / "list.csv", rows)
    transfer = {"iterations": 8, "style_weight": 5.0}
    summary = paint(job, tmp_path / "list.csv", transfer=transfer)
    assert summary.status == "done" and counts(summary) == (5, 5, 0)
    found = results(tmp_path / "out")
    assert len(set(found.values())) == 5, "each of them has its effect"
    shutil.rmtree(tmp_path / "out")
    paint(job, album / "a.jpg", transfer=transfer)
    assert results(tmp_path / "out")["a.jpg"] == found["0.jpg"]
    shutil.rmtree(tmp_path / "out")
    paint(job, album / "a.jpg", transfer={**transfer, "style_weight": 50.0})
    assert results(tmp_path / "out")["a.jpg"] == found["2.jpg"]
    shutil.rmtree(tmp_path / "out")
    paint(job, album / "a.jpg", transfer=transfer, style=str(tmp_path / "other.png"))
    assert results(tmp_path / "out")["a.jpg"] == found["1.jpg"]
    shutil.rmtree(tmp_path / "out")
    paint(job, album / "a.jpg", transfer=transfer, content_mask=str(tmp_path / "mask.png"))
    assert results(tmp_path / "out")["a.jpg"] == found["3.jpg"]


def write_manifest(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "style", "strength", "mask"], restval="")
        writer.writeheader()
        writer.writerows(rows)


def test_a_changed_line_of_a_manifest_paints_that_picture_anew(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    rows = [{"path": "in/a.jpg"}, {"path": "in/b.jpg", "strength": "2"}, {"path": "in/nowhere.jpg"}]
    write_manifest(tmp_path / "list.csv", rows)
    first = paint(job, tmp_path / "list.csv")
    assert counts(first) == (2, 2, 0)
    assert [failure.source for failure in first.failures] == ["list.csv:4"]
    write_manifest(tmp_path / "list.csv", [rows[0], {**rows[1], "strength": "3"}])
    again = paint(job, tmp_path / "list.csv")
    assert again.status == "done" and counts(again) == (2, 1, 1)
    assert reasons(again) == {"in/b.jpg": ["transfer.style_weight: 2.0 → 3.0"]}


@pytest.mark.parametrize("listing_s", [3.0, 0.0], ids=["listed at once", "listed while it is painted"])
def test_films_and_photographs_are_painted_together(
    hall: None, listing_s: float, album: Path, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(album / "film.mp4", frames=4)
    monkeypatch.setattr(run_module, "LISTING_S", listing_s)
    if not listing_s:
        monkeypatch.setattr(stream_module, "WAITING", 1)
    summary = paint(job, album, transfer={"warm_iterations": 2})
    assert summary.status == "done", summary.failures
    assert counts(summary) == (9, 9, 0)
    assert {one.source: one.frames for one in summary.outputs} == {**dict.fromkeys(ALBUM, 1), "film.mp4": 4}
    assert results(tmp_path / "out").keys() == {*ALBUM, "film.mp4"}
    found = lines(Workspace(tmp_path / "out"))
    assert sorted((line["source"], line["frame"]) for line in found) == sorted(
        [*((name, 0) for name in ALBUM), *(("film.mp4", index) for index in range(4))]
    )
    before = tree(tmp_path / "out")
    assert counts(paint(job, album, transfer={"warm_iterations": 2})) == (9, 0, 9)
    assert tree(tmp_path / "out") == before
    again = paint(job, album, transfer={"warm_iterations": 2, "seed": 1, "init": "noise"})
    assert counts(again) == (9, 9, 0)
    assert len(lines(Workspace(tmp_path / "out"))) == 9


def test_a_film_and_a_photograph_that_would_be_one_file_never_replace_each_other(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_hall(monkeypatch, workers=2)  # the photograph is painted beside the film's first frame
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(picture(index)) for index in range(3)]
    frames[0].save(tmp_path / "in/a.webp", save_all=True, append_images=frames[1:], duration=100)
    webp = {"archive": {"format": "webp"}, "transfer": {"warm_iterations": 2}}
    assert counts(paint(job, tmp_path / "in", **webp)) == (3, 3, 0)
    film = results(tmp_path / "out")
    frames[2].save(tmp_path / "in/a.jpg")
    for _ in range(2):
        summary = paint(job, tmp_path / "in", **webp)
        ((source, error),) = [(failure.source, failure.error) for failure in summary.failures]
        assert source == "a.jpg" and "is there already" in error
        assert film.items() <= results(tmp_path / "out").items()
    shutil.rmtree(tmp_path / "out")
    for _ in range(3):  # the film has another name
        summary = paint(job, tmp_path / "in", **webp)
        assert (summary.status, summary.failures) == ("done", ())
        places = {one.source: one.output.name for one in summary.outputs}
        assert places == {"a.jpg": "a.webp", "a.webp": "a-2.webp"}
        found = results(tmp_path / "out")
        assert found.keys() == {"a.webp", "a-2.webp"}
    assert results(tmp_path / "out") == found


def test_a_file_that_appears_in_a_results_place_meanwhile_stays(hall: None, job: Job, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in/film.mp4", frames=2)

    class Stranger(Watcher):
        def happened(self, event: Event) -> None:
            (tmp_path / "out/film.mp4").write_bytes(b"somebody's own")

    transfer = {**NARROW, "warm_iterations": 1}
    for watcher in (Stranger(), Watcher()):
        summary = run(job(tmp_path / "in", transfer=transfer), watcher)
        assert "is there already" in summary.failures[0].error
        assert (tmp_path / "out/film.mp4").read_bytes() == b"somebody's own"


def test_what_was_a_film_and_is_a_photograph_now_takes_its_place(
    hall: None, job: Job, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    frames = [Image.fromarray(picture(index)) for index in range(2)]
    frames[0].save(tmp_path / "in/a.gif", save_all=True, append_images=frames[1:], duration=100)
    assert counts(paint(job, tmp_path / "in", transfer={"warm_iterations": 2})) == (2, 2, 0)
    frames[0].save(tmp_path / "in/a.gif")
    summary = paint(job, tmp_path / "in")
    assert summary.status == "done" and counts(summary) == (1, 1, 0)
    assert not getattr(Image.open(tmp_path / "out/a.gif"), "is_animated", False)


def test_a_job_that_was_asked_to_stop_says_so_and_goes_on_later(
    hall: None, album: Path, job: Job, tmp_path: Path
) -> None:
    class Seen(Watcher):
        count = 0

        def happened(self, event: Event) -> None:
            self.count += isinstance(event, PictureFinished)

    seen = Seen()
    summary = run(job(album, transfer=NARROW), seen, stop=lambda: seen.count > 0)
    assert summary.status == "interrupted"
    assert 0 < summary.frames["stylized"] < 5
    assert len(list(summary.outputs)) == summary.frames["stylized"]
    again = paint(job, album)
    assert again.status == "done"
    assert counts(again) == (5, 5 - summary.frames["stylized"], summary.frames["stylized"])


class FullDisk:
    """A disk that takes a few files, and then no more, or a folder that loses the right to write."""

    def __init__(self, files: int, code: int = errno.ENOSPC) -> None:
        self.left, self._code, self._write = files, code, delivery.write_synced

    def write(self, path: Path, parts: Any) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(self._code, os.strerror(self._code))
        self._write(path, parts)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES], ids=["no room", "no right"])
def test_a_full_disk_is_told_and_what_was_finished_stays_so(
    hall: None,
    code: int,
    album: Path,
    write_job: WriteJob,
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_job(album, transfer=NARROW)
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "write_synced", FullDisk(3, code).write)
        result = CliRunner().invoke(app, ["run", str(path)])
    assert result.exit_code == 5
    assert os.strerror(code) in result.output and "Traceback" not in result.output
    finished = results(tmp_path / "out")
    assert 0 < len(finished) < 5
    summary = paint(job, album)
    assert summary.status == "done", summary.failures
    assert counts(summary) == (5, 5 - len(finished), len(finished))


def test_a_disk_that_takes_nothing_is_left_as_it_was(
    hall: None, album: Path, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "write_synced", FullDisk(0).write)
    with pytest.raises(SpaceError):
        paint(job, album)
    assert not (tmp_path / "out").exists()
