"""The page of a run whose output is behind a URL: written there, and out of nothing but what is there."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import load_config
from pipeline.report import is_current
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.media.clips import picture, write_clip
from tests.storage.buckets import Bucket
from tests.storage.crews import Crew, crew, end_after

__all__ = ["crew"]

PAGE = "out/.stylize/report.html"
Job = Callable[..., Path]


@pytest.fixture
def filled(bucket: Bucket, tmp_path: Path) -> Bucket:
    """A film, two photographs, and a file that is no film."""
    bucket.put("in/clip.mp4", write_clip(tmp_path / "clip.mp4", frames=6))
    for index, name in enumerate("ab"):
        Image.fromarray(picture(index)).save(tmp_path / "picture.png")
        bucket.put(f"in/{name}.png", tmp_path / "picture.png")
    bucket.put("in/broken.mp4", b"no film")
    return bucket


def text(bucket: Bucket) -> str:
    return bucket.read(PAGE).decode()


def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this is another machine."""
    (tmp_path / "elsewhere").mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))


def test_a_run_writes_its_page_beside_its_results_and_everything_in_it_names_urls(
    filled: Bucket, crew: type[Crew], write_job: Job
) -> None:
    path = write_job(f"{filled.url}/in", output=f"{filled.url}/out")
    assert run(load_config(path), command=(str(path),)).status == "incomplete"
    page = text(filled)
    assert "clip.mp4 and 2 photographs, painted after" in page
    assert (
        len(re.findall(r'alt="source, frame \d"', page))
        == len(re.findall(r'alt="painted, frame \d"', page))
        == 6
    )
    assert len(re.findall(r'alt="painted: [ab].png"', page)) == 2
    assert 'src="../../in/clip.mp4"' in page and 'src="../clip.mp4"' in page
    assert f"{filled.url}/in/broken.mp4" in html.unescape(page)
    assert "/stylize-" not in page
    assert "/stylize-" not in filled.read("out/.stylize/events.jsonl").decode()


def test_the_command_writes_it_again_from_another_machine(
    filled: Bucket, crew: type[Crew], write_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_job(f"{filled.url}/in", output=f"{filled.url}/out")
    run(load_config(path), command=(str(path),))
    before = text(filled)
    filled.remove(PAGE)
    elsewhere(tmp_path, monkeypatch)
    answer = CliRunner().invoke(app, ["report", str(path)])
    assert (answer.exit_code, answer.stdout) == (0, f"wrote {filled.url}/{PAGE}; open it in a browser\n")
    undated = [re.sub(r"Page made [^<]*", "", page) for page in (before, text(filled))]
    assert undated[0] == undated[1]


def test_a_run_that_finds_nothing_to_do_leaves_the_page_as_it_is(
    filled: Bucket, crew: type[Crew], write_job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_job(f"{filled.url}/in", output=f"{filled.url}/out")
    run(load_config(path))
    written: list[object] = []
    monkeypatch.setattr("pipeline.run.is_current", lambda space: written.append(space.report.stat()) or True)
    names = [name for name in filled.names("out/.stylize") if not name.endswith("status.json")]
    before = {name: filled.read(name) for name in names}
    with monkeypatch.context() as patches:
        patches.setattr("os.getpid", lambda: 4_000_000)  # another process, whose places are others
        run(load_config(path))
    assert {name: filled.read(name) for name in names} == before
    (found,) = written
    assert isinstance(found, os.stat_result)
    assert (found.st_size, found.st_mode & 0o777) == (len(before[PAGE]), 0o200), "the page was fetched"


def test_a_page_that_is_older_than_what_it_tells_of_is_not_current(
    filled: Bucket, crew: type[Crew], write_job: Job
) -> None:
    config = load_config(write_job(f"{filled.url}/in", output=f"{filled.url}/out"))
    run(config)
    events = "out/.stylize/events.jsonl"
    filled.put(events, filled.read(events) + b'{"what":"lost","at":1}\n')
    space = Workspace(config.output)
    space.shelf.refresh()
    assert not is_current(space)


def test_a_film_that_is_gone_is_told_by_its_url(filled: Bucket, crew: type[Crew], write_job: Job) -> None:
    path = write_job(f"{filled.url}/in/clip.mp4", output=f"{filled.url}/out")
    run(load_config(path))
    filled.remove("in/clip.mp4")
    assert CliRunner().invoke(app, ["report", str(path)]).exit_code == 0
    assert f"{filled.url}/in/clip.mp4" in text(filled)
    assert "/stylize-" not in text(filled)


def test_what_is_finished_of_a_job_that_was_killed_is_shown(
    filled: Bucket, crew: type[Crew], write_job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_job(f"{filled.url}/in/clip.mp4", output=f"{filled.url}/out")
    end_after(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(load_config(path))
    elsewhere(tmp_path, monkeypatch)
    assert CliRunner().invoke(app, ["report", str(path)]).exit_code == 0
    assert len(re.findall(r'alt="painted, frame \d"', text(filled))) == 3


def test_frames_that_were_thrown_away_are_shown_out_of_the_output_there(
    filled: Bucket, crew: type[Crew], write_job: Job
) -> None:
    path = write_job(f"{filled.url}/in/clip.mp4", output=f"{filled.url}/out", disk={"keep": "none"})
    run(load_config(path))
    assert not filled.frames("out")
    assert len(re.findall(r'alt="painted, frame \d"', text(filled))) == 6


def test_a_film_of_another_kind_of_place_has_no_players(
    filled: Bucket, crew: type[Crew], write_job: Job, tmp_path: Path
) -> None:
    path = write_job(tmp_path / "clip.mp4", output=f"{filled.url}/out")
    assert run(load_config(path)).status == "done"
    assert "<video" not in text(filled)
    assert len(re.findall(r'alt="source, frame \d"', text(filled))) == 6


def test_a_sequence_and_its_pictures(
    bucket: Bucket, crew: type[Crew], write_job: Job, tmp_path: Path
) -> None:
    for index in range(5):
        Image.fromarray(picture(index)).save(tmp_path / "frame.png")
        bucket.put(f"in/shot/f{index:02d}.png", tmp_path / "frame.png")
    disk, encoding = {"keep": "none"}, {"container": "png"}
    path = write_job(f"{bucket.url}/in", output=f"{bucket.url}/out", encoding=encoding, disk=disk)
    run(load_config(path))
    for kind in ("source", "painted"):
        assert len(re.findall(rf'alt="{kind}, frame \d"', text(bucket))) == 5


def test_in_memory_too(memory: Bucket, crew: type[Crew], write_job: Job, tmp_path: Path) -> None:
    memory.put("in/clip.mp4", write_clip(tmp_path / "clip.mp4", frames=4))
    path = write_job(f"{memory.url}/in", output=f"{memory.url}/out")
    run(load_config(path))
    before = text(memory)
    run(load_config(path))
    assert text(memory) == before


def test_without_a_run_there_is_nothing_to_report(bucket: Bucket, write_job: Job) -> None:
    path = write_job(f"{bucket.url}/in", output=f"{bucket.url}/out")
    answer = CliRunner().invoke(app, ["report", str(path)])
    assert answer.exit_code != 0
    assert f"no run has worked in {bucket.url}/out yet" in answer.output


def test_what_a_strangers_run_folder_names_beside_the_input_is_not_shown(
    filled: Bucket, crew: type[Crew], write_job: Job
) -> None:
    path = write_job(f"{filled.url}/in/clip.mp4", output=f"{filled.url}/out")
    run(load_config(path))
    filled.put("in/secret.mp4", filled.read("in/clip.mp4"))
    plan = filled.read("out/.stylize/plan.json").decode()
    for name in ("in/secret.mp4", "../secret.mp4"):
        filled.put("out/.stylize/plan.json", plan.replace("in/clip.mp4", name).encode())
        assert CliRunner().invoke(app, ["report", str(path)]).exit_code == 0
        assert "secret" not in text(filled)
