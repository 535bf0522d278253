"""URLs and the paths that stand for them, and what travels."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config import StyleImage, Transfer
from pipeline.direction import Direction
from pipeline.errors import ConfigError, SpaceError
from pipeline.execute.job import StyleFiles, WorkerSettings
from pipeline.storage.hand import _forget
from pipeline.storage.luggage import moved, paths_in
from pipeline.storage.places import here, is_safe, place_of, scratch, sweep, url_of, with_urls


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize(
    "url", ["s3://bucket/in/a b.jpg", "memory://x", "s3://bucket/[1]/*.jpg", "sftp://host/ä"]
)
def test_a_url_and_its_place_stand_for_each_other(url: str) -> None:
    assert url_of(place_of(url)) == url
    assert with_urls(f"{place_of(url)}: gone") == f"{url}: gone"


def test_other_paths_stand_for_themselves(tmp_path: Path) -> None:
    for path in (tmp_path, here().with_name(f"{os.getpid()}1") / "s3/bucket/a", Path("/etc")):
        assert url_of(path) is None
    assert with_urls("/etc/a: gone") == "/etc/a: gone"


def test_a_workers_paths_are_told_as_urls_too() -> None:
    path = scratch() / "12-0af3" / "s3" / "bucket" / "a.jpg"
    assert with_urls(f"{path} has changed") == "s3://bucket/a.jpg has changed"


def test_without_a_folder_for_temporary_files_a_text_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    assert with_urls("/etc/a: gone") == "/etc/a: gone"


@pytest.mark.parametrize("url", ["s3://bucket/../../etc", "s3://bucket//a", "s3://", "s3://bucket/./a"])
def test_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is no place for files"):
        place_of(url)


def test_names_are_safe_only_where_they_stay_below() -> None:
    assert is_safe("a/b/c.jpg") and is_safe("a/..b/c")
    assert not any(map(is_safe, ("..", "a/../../b", "/a", "a/", "a/\0", "x" * 256, f"a/{'ä' * 128}")))


def test_the_scratch_is_nobody_elses(tmp_path: Path) -> None:
    folder = scratch()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(SpaceError, match="is not yours alone"):
        scratch()
    folder.rmdir()
    (tmp_path / "theirs").mkdir()
    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(SpaceError, match="is not yours alone"):
        scratch()


def test_places_of_processes_that_are_long_gone_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, alive, fresh = (scratch() / name for name in ("999999998-ab", str(os.getpid()), "999999999"))
    for path in (gone, alive, fresh, scratch() / "sources"):
        (path / "s3").mkdir(parents=True)
    for path in (gone, alive, scratch() / "sources"):
        os.utime(path, (0, 0))
    sweep(scratch())
    assert sorted(path.name for path in scratch().iterdir()) == sorted([alive.name, fresh.name, "sources"])


def test_the_place_of_a_process_in_another_container_stays(tmp_path: Path) -> None:
    """Its number is nobody's here, and it has been at work for a day."""
    place = scratch() / "999999998-ab"
    words = f"from pipeline.storage.places import make_place; make_place(__import__('pathlib').Path({str(place)!r}))"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{words}; print(flush=True); input()"],
        env={**os.environ, "TMPDIR": str(tmp_path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        (place / "s3").mkdir()
        os.utime(place, (0, 0))
        sweep(scratch())
        assert (place / "s3").exists()
        process.kill()
    sweep(scratch())
    assert not place.exists()


def test_what_was_used_longest_ago_is_forgotten_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.hand.MOST_KEPT_BYTES", 25)
    folder = tmp_path / "kept"
    folder.mkdir()
    for name, used_s in (("a", 30), ("b", 10), ("c", 20), ("new", 0)):
        (folder / name).write_bytes(bytes(10))
        os.utime(folder / name, (used_s, 5))
    _forget(folder, besides=folder / "new")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "new"]


def test_downloads_that_go_on_are_not_forgotten_but_those_that_were_cut_off_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.hand.MOST_KEPT_BYTES", 15)
    for name in (".ab.part", "a.lock", ".cd.part", "b.lock", "old", "new"):
        (tmp_path / name).write_bytes(bytes(10))
    for name in (".ab.part", "a.lock", "old"):
        os.utime(tmp_path / name, (0, time.time()))
    for name in (".cd.part", "b.lock"):
        os.utime(tmp_path / name, (0, 0))
    _forget(tmp_path, besides=tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ab.part", "a.lock", "new"]


def test_all_paths_of_a_job_are_found_and_moved() -> None:
    style = StyleFiles(Path("/s.png"), 2.0, Path("/m.png"))
    settings = WorkerSettings("packaged", (style,), Transfer(), None, "flow", content_mask=Path("/c.png"))
    assert set(paths_in(settings)) == {Path("/s.png"), Path("/m.png"), Path("/c.png")}
    there = moved(settings, lambda path: Path("/there") / path.name)
    assert there.styles == (StyleFiles(Path("/there/s.png"), 2.0, Path("/there/m.png")),)
    assert (there.content_mask, there.weights, there.transfer) == (
        Path("/there/c.png"),
        "packaged",
        Transfer(),
    )
    direction = Direction((StyleImage(image=Path("/k.png")),), Transfer())
    assert list(paths_in(direction)) == [Path("/k.png")]
    assert moved(direction, lambda path: Path("/x")).styles == (StyleImage(image=Path("/x")),)
