"""Jobs of which a part is behind a URL, and the commands beside `run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Config, load_config
from pipeline.run import run
from tests.archive.halls import results
from tests.media.clips import picture, write_clip
from tests.storage.buckets import Bucket
from tests.storage.crews import Crew, Hand, crew, end_after

__all__ = ["crew"]

NAMES = ["a.png", "clip.mp4"]


@pytest.fixture
def sources(tmp_path: Path, bucket: Bucket) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    write_clip(folder / "clip.mp4", frames=6)
    Image.fromarray(picture(1)).save(folder / "a.png")
    for path in folder.iterdir():
        bucket.put(f"in/{path.name}", path)
    return folder


@pytest.fixture
def undisturbed(
    sources: Path, crew: type[Crew], job: Callable[..., Config], tmp_path: Path
) -> dict[str, bytes]:
    run(job(sources, output=str(tmp_path / "on-disk")))
    Hand.painted.clear()
    return results(tmp_path / "on-disk")


def test_an_input_behind_a_url_and_an_output_on_a_disk(
    sources: Path, bucket: Bucket, undisturbed: dict[str, bytes], job: Callable[..., Config], tmp_path: Path
) -> None:
    config = job(f"{bucket.url}/in", output=str(tmp_path / "out"))
    summary = run(config)
    assert (summary.status, summary.failures) == ("done", ())
    assert results(tmp_path / "out") == undisturbed
    Hand.painted.clear()
    assert (run(config).status, Hand.painted) == ("done", [])


def test_an_input_on_a_disk_and_an_output_behind_a_url(
    sources: Path, bucket: Bucket, undisturbed: dict[str, bytes], job: Callable[..., Config]
) -> None:
    config = job(sources, output=f"{bucket.url}/out")
    assert run(config).status == "done"
    assert bucket.results("out") == undisturbed
    Hand.painted.clear()
    assert (run(config).status, Hand.painted) == ("done", [])


def test_inputs_of_both_kinds(
    sources: Path, bucket: Bucket, undisturbed: dict[str, bytes], job: Callable[..., Config]
) -> None:
    config = job([str(sources / "clip.mp4"), f"{bucket.url}/in/*.png"], output=f"{bucket.url}/out")
    assert run(config).status == "done"
    assert bucket.results("out") == undisturbed


def test_a_numbered_sequence_behind_a_url(
    bucket: Bucket, crew: type[Crew], job: Callable[..., Config], tmp_path: Path
) -> None:
    for index in range(5):
        Image.fromarray(picture(index)).save(tmp_path / "frame.png")
        bucket.put(f"in/shot/f{index:02d}.png", tmp_path / "frame.png")
    summary = run(job(f"{bucket.url}/in", output=f"{bucket.url}/out", encoding={"container": "png"}))
    assert (summary.status, summary.frames["total"]) == ("done", 5)
    assert len(bucket.results("out")) == 5
    again = run(job(f"{bucket.url}/in", output=f"{bucket.url}/out", encoding={"container": "png"}))
    assert (again.status, again.frames["stylized"]) == ("done", 0)
    bucket.remove(f"out/{next(iter(bucket.results('out')))}")
    Hand.painted.clear()
    run(job(f"{bucket.url}/in", output=f"{bucket.url}/out", encoding={"container": "png"}))
    assert (len(bucket.results("out")), Hand.painted) == (5, [])


def test_everything_that_is_told_names_urls(
    sources: Path,
    bucket: Bucket,
    crew: type[Crew],
    write_job: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket.put("in/broken.mp4", b"no film")
    path = write_job(f"{bucket.url}/in", output=f"{bucket.url}/out")

    def ask(*words: str) -> str:
        result = CliRunner().invoke(app, [words[0], str(path), *words[1:]])
        assert result.exit_code == 3, result.output
        assert "/stylize-" not in result.output
        return result.stdout

    told = json.loads(ask("run", "--json"))
    assert sorted(one["output"] for one in told["outputs"]) == [f"{bucket.url}/out/{name}" for name in NAMES]
    assert f"{bucket.url}/in/broken.mp4" in told["failures"][0]["error"]
    assert sorted(one["output"] for one in json.loads(ask("verify", "--json"))["outputs"]) == [
        f"{bucket.url}/out/{name}" for name in NAMES
    ]
    ask("plan", "--json")
    ask("preview", "--finished")
    status = CliRunner().invoke(app, ["status", str(path), "--json"])
    assert json.loads(status.stdout)["status"] == "incomplete"


def test_what_is_finished_of_a_film_is_shown_while_it_is_painted(
    sources: Path,
    bucket: Bucket,
    crew: type[Crew],
    write_job: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write_job(f"{bucket.url}/in/clip.mp4", output=f"{bucket.url}/out")
    end_after(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(load_config(path))
    result = CliRunner().invoke(app, ["preview", str(path), "--finished"])
    where = f"{bucket.url}/out/.stylize/preview/clip.mp4"
    assert f"clip.mp4: 3 of 6 frames painted → {where}" in result.stdout
    assert bucket.read("out/.stylize/preview/clip.mp4")


def test_samples_and_reconstructions_take_files(
    bucket: Bucket, sources: Path, write_job: Callable[..., Path]
) -> None:
    path = write_job(f"{bucket.url}/in")
    for words in (["reconstruct", str(path)], ["preview", str(path), "--frames", "1"]):
        result = CliRunner().invoke(app, words)
        assert (result.exit_code, f"takes files of this machine, got {bucket.url}/in" in result.output) == (
            2,
            True,
        )
