"""Nothing is written or removed outside the output folder, whatever names and links say."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.durable import append_journal
from pipeline.errors import MediaError, ResumeError, SpaceError
from pipeline.execute.delivery import deliver
from pipeline.ledger import Watcher
from pipeline.places import leads_out, place_of
from pipeline.previews.preview import preview
from pipeline.run import run
from pipeline.workspace import Workspace, commit_frame
from tests.archive.makers import batch_of, picture_of
from tests.conftest import Job, tree
from tests.execute.test_delivery import ready
from tests.farms import TextureFarm
from tests.media.clips import write_clip
from tests.plans import record

LIST = [f"{number:08d}.png" for number in range(3)] + [
    "a.tmp",
    "a.mkv",
    "notes.txt",
    "clip.mp4",
    "000000.png",
]


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray; and nothing waits for the disk."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with everything that a run could want to write over or to remove."""
    folder = tmp_path / "outside"
    (folder / "below").mkdir(parents=True)
    for name in LIST:
        (folder / name).write_text("precious")
        (folder / "below" / name).write_text("precious")
    return folder


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A film, one in a folder, and a photograph in one."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    write_clip(folder / "clip.mp4", frames=3, size=(64, 48))
    shutil.copy(folder / "clip.mp4", folder / "sub/clip.mp4")
    Image.effect_noise((64, 48), 50).convert("RGB").save(folder / "sub/photo.png")
    return folder


def names_of(summary: Any) -> set[str]:
    return {failure.source for failure in summary.failures}


@pytest.fixture(autouse=True)
def untouched(outside: Path) -> Any:
    """Whatever a test here does, nothing outside changes."""
    before = tree(outside)
    yield
    assert tree(outside) == before


# --- links in the output folder ---


def test_a_link_in_the_place_of_a_folder_stops_films_and_photographs_in_it(
    job: Job, media: Path, outside: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(outside)
    summary = run(job(media))
    assert names_of(summary) == {"sub/clip.mp4", "sub/photo.png"}
    assert all("leads out of the output folder" in failure.error for failure in summary.failures)


@pytest.mark.parametrize("target", ["clip.mp4", "below", "not there"])
def test_a_link_in_the_place_of_a_result_is_not_written_through(
    target: str, job: Job, media: Path, outside: Path, tmp_path: Path
) -> None:
    (tmp_path / "out/sub").mkdir(parents=True)
    for name in ("clip.mp4", "sub/photo.png"):
        (tmp_path / "out" / name).symlink_to(outside / target)
    summary = run(job(media))
    assert names_of(summary) == {"clip.mp4", "sub/photo.png"}
    assert not (outside / "not there").exists()


@pytest.mark.parametrize("encoding", [{}, {"container": "png"}])
@pytest.mark.parametrize("target", ["clip.mp4", "below"])
def test_a_link_in_the_place_of_a_partial_file_is_removed_and_not_written_through(
    target: str,
    encoding: dict[str, str],
    job: Job,
    media: Path,
    outside: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    partials: list[Path] = []
    monkeypatch.setattr("pipeline.assemble.clear", partials.append)
    run(job(media / "clip.mp4", encoding=encoding))
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "out")
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    partials[0].parent.mkdir()
    partials[0].symlink_to(outside / target)
    assert run(job(media / "clip.mp4", encoding=encoding)).status == "done"


def test_a_hard_link_in_the_place_of_a_result_is_replaced_not_written_through(
    job: Job, media: Path, outside: Path, tmp_path: Path
) -> None:
    settings = job(media / "clip.mp4", transfer={"size": 64})
    run(settings)
    target = tmp_path / "out/clip.mp4"
    target.unlink()
    os.link(outside / "clip.mp4", target)
    assert run(settings).status == "done"
    assert target.read_bytes() != b"precious"


def test_a_folder_of_frames_that_has_become_a_link_is_not_written_through(
    job: Job, media: Path, outside: Path, tmp_path: Path
) -> None:
    settings = job(media / "clip.mp4", encoding={"container": "png"})
    run(settings)
    shutil.rmtree(tmp_path / "out/clip")
    (tmp_path / "out/clip").symlink_to(outside)
    summary = run(settings)
    assert "is a link" in summary.failures[0].error


# --- links in the run folder ---


@pytest.mark.parametrize(
    "name",
    ["", "lock", "plan.json", "records.jsonl", "outputs.jsonl", "pictures.sqlite", "pictures.sqlite-journal",
     "pictures", "segments", "segments/SOURCE", "segments/SOURCE/SEGMENT", "preview"],
)  # fmt: skip
def test_a_run_folder_with_links_in_it_is_refused(
    name: str, job: Job, media: Path, outside: Path, tmp_path: Path
) -> None:
    settings = job(media, disk={"budget_gib": 0.001, "keep": "none"})
    run(settings)
    root = tmp_path / "out/.stylize"
    source = next((root / "segments").iterdir())
    segment = next(source.iterdir())
    path = root / name.replace("SOURCE", source.name).replace("SEGMENT", segment.name)
    is_folder = path.is_dir() or not path.exists()
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(outside if is_folder else outside / "notes.txt")
    with pytest.raises(ResumeError, match="is a link or a pipe, and in a run folder nothing is written"):
        run(settings)


def test_a_run_folder_with_pipes_in_it_is_not_waited_for(job: Job, media: Path, tmp_path: Path) -> None:
    root = tmp_path / "out/.stylize"
    root.mkdir(parents=True)
    for name in ("plan.json", "outputs.jsonl", "pictures.sqlite"):
        os.mkfifo(root / name)
        with pytest.raises(ResumeError, match="is a link or a pipe"):
            run(job(media))
        (root / name).unlink()


def test_a_journal_that_becomes_a_link_while_a_run_works_is_not_written_through(
    outside: Path, tmp_path: Path
) -> None:
    segment = tmp_path / "out/.stylize/segments/a/b"
    segment.mkdir(parents=True)
    (segment / f"records-{record().worker}.jsonl").symlink_to(outside / "notes.txt")
    with pytest.raises(SpaceError, match="symbolic links"):
        commit_frame(segment, record(), b"a frame")
    (tmp_path / "records.jsonl").symlink_to(outside / "notes.txt")
    with pytest.raises(SpaceError, match="symbolic links"):
        append_journal(tmp_path / "records.jsonl", {})


def test_a_frame_that_becomes_a_link_while_a_run_works_is_not_written_through(
    outside: Path, tmp_path: Path
) -> None:
    segment = tmp_path / "segment"
    segment.mkdir()
    (segment / "00000000.png").symlink_to(outside / "notes.txt")
    assert not commit_frame(segment, record(0), b"a frame")


class _Stopper(Watcher):
    """Counts events, for a run that is stopped after some."""

    def __init__(self) -> None:
        self.count = 0

    def happened(self, event: object) -> None:
        self.count += 1


def test_a_preview_does_not_go_through_a_link(job: Job, media: Path, outside: Path, tmp_path: Path) -> None:
    settings, stopper = job(media / "clip.mp4"), _Stopper()
    run(settings, stopper, lambda: stopper.count > 0)
    (tmp_path / "out/.stylize/preview").symlink_to(outside)
    _, (found,) = preview(settings)
    assert found.error is not None
    assert "leads out of the output folder" in found.error


def test_reconstructions_do_not_go_through_a_link(
    job: Job, media: Path, outside: Path, tmp_path: Path
) -> None:
    from pipeline.previews.reconstruct import reconstruct

    (tmp_path / "out").mkdir()
    (tmp_path / "out/reconstruct").symlink_to(outside)
    with pytest.raises(MediaError, match="leads out of the output folder"):
        reconstruct(job(media), None)  # type: ignore[arg-type]  # nobody is told of anything


# --- names ---

OUTSIDE = ["../x.jpg", "a/../../x.jpg", "/x.jpg", "..", "", "a/..", "sub/../../outside/notes.txt", "a\0b"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_of_a_result_leads_out_of_the_output_folder(name: str, tmp_path: Path) -> None:
    assert leads_out(name)
    with pytest.raises(MediaError, match="leads out of the output folder"):
        place_of(tmp_path / "out", name)


@pytest.mark.parametrize("name", [name for name in OUTSIDE if "\0" not in name])
def test_a_photograph_whose_result_would_be_elsewhere_is_not_delivered(name: str, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "out")
    space.root.mkdir(parents=True)
    batch = batch_of(space, picture_of(tmp_path / "a.jpg", output=name))
    done = deliver(batch, [ready(output=name)])
    assert "leads out of the output folder" in done.failed[0].error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "outside"]


def test_a_film_in_a_folder_called_as_the_run_folder_is_refused(job: Job, media: Path) -> None:
    (media / "sub").rename(media / ".Stylize")
    summary = run(job(str(media / ".S*/*.mp4")))
    assert "would be in the run folder" in summary.failures[0].error


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b]0;owned\x07", "a\u202egpj.exe", "x" * 200, "CON", "a:b", "a b'\"$(touch x)"]
)
def test_an_odd_name_is_a_name(name: str, job: Job, media: Path, tmp_path: Path) -> None:
    (media / "sub/photo.png").rename(media / "sub" / f"{name}.png")
    shutil.copy(media / "clip.mp4", media / f"{name}.mp4")
    assert run(job(media)).status == "done"
    results = [
        path for path in (tmp_path / "out").rglob("*") if path.is_file() and ".stylize" not in path.parts
    ]
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in results) == sorted(
        ["clip.mp4", "sub/clip.mp4", f"sub/{name}.png", f"{name}.mp4"]
    )


def test_a_name_of_full_length_is_a_name(job: Job, media: Path, tmp_path: Path) -> None:
    name = "é" * 125 + "x.mp4"
    assert len(name.encode()) == 255
    (media / "clip.mp4").rename(media / name)
    assert run(job(media / name)).status == "done"
    assert (tmp_path / "out" / name).is_file()
