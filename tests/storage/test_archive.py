"""Photographs with input and output behind a URL: the same bytes as on a disk, whatever is killed in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.config import Config, load_config
from pipeline.execute.events import BatchTodo, Event, PictureFinished
from pipeline.look import look
from pipeline.run import run
from pipeline.storage.remote import Remote
from pipeline.verify import verify
from tests.archive.halls import results
from tests.media.clips import picture
from tests.storage.buckets import Bucket
from tests.storage.crews import Crew, Hand, Killed, crew

__all__ = ["crew"]

Album = Callable[..., Config]
PICTURES = {
    "a.jpg": (64, 48),
    "b [1].jpg": (64, 48),
    "c.png": (48, 64),
    "sub/a.jpg": (64, 48),
    "sub/ä d.jpg": (96, 30),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for index, (name, size) in enumerate(PICTURES.items()):
        Image.fromarray(picture(index, *size)).save(folder / name, quality=95)
    return folder


@pytest.fixture
def album(bucket: Bucket, folder: Path, job: Callable[..., Config]) -> Album:
    """The job with everything behind a URL; the output lies in the input's folder."""
    for name in PICTURES:
        bucket.put(f"in/{name}", folder / name)
    bucket.put("in/notes.txt", b"no picture")
    return lambda **sections: job(f"{bucket.url}/in", output=f"{bucket.url}/in/out", **sections)


@pytest.fixture
def undisturbed(
    folder: Path, crew: type[Crew], job: Callable[..., Config], tmp_path: Path
) -> dict[str, bytes]:
    """The results of the same job on a disk."""
    run(job(folder, output=str(tmp_path / "on-disk")))
    Hand.painted.clear()
    return results(tmp_path / "on-disk")


def lines(bucket: Bucket) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bucket.read("in/out/.stylize/records.jsonl").splitlines()]


def test_an_archive_behind_a_url_becomes_what_it_becomes_on_a_disk(
    album: Album, bucket: Bucket, undisturbed: dict[str, bytes]
) -> None:
    summary = run(album())
    assert (summary.status, summary.frames["stylized"]) == ("done", len(PICTURES))
    assert bucket.results("in/out") == undisturbed
    assert {line["source"] for line in lines(bucket)} == PICTURES.keys()
    assert {output.source for output in summary.outputs} == PICTURES.keys()
    left = [name for name in bucket.names("in/out/.stylize") if "/pictures/" in name or "lock" in name]
    assert left == []


def test_a_second_run_paints_nothing(album: Album, bucket: Bucket, undisturbed: dict[str, bytes]) -> None:
    run(album())
    before, Hand.painted[:] = bucket.names(), []
    summary = run(album())
    assert summary.frames == {"total": len(PICTURES), "stylized": 0, "reused": len(PICTURES)}
    assert (Hand.painted, bucket.names()) == ([], before)
    seen = look(album())
    assert (seen.pictures.done, seen.pictures.left) == (len(PICTURES), 0)
    assert [verdict.failure for verdict in verify(album())] == [None] * len(PICTURES)


@pytest.mark.parametrize("photographs", [1, 3])
def test_a_run_that_was_killed_goes_on_and_paints_nothing_twice(
    photographs: int,
    album: Album,
    bucket: Bucket,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed: what a run puts when it is only interrupted is not put."""
    left = [photographs]

    def after(event: Event) -> None:
        left[0] -= isinstance(event, PictureFinished)
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(Crew, "after", after)
    with monkeypatch.context() as dying:
        dying.setattr("pipeline.storage.journals.Journals.push", lambda *_, **__: None)
        dying.setattr("pipeline.storage.lease.Lease.leave", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            run(album())
    monkeypatch.setattr(Crew, "after", None)
    assert not [name for name in bucket.names("in/out/.stylize") if name.endswith("records.jsonl")]
    bucket.remove("in/out/.stylize/lock")
    summary = run(album())
    assert (summary.status, summary.frames["total"]) == ("done", len(PICTURES))
    assert bucket.results("in/out") == undisturbed
    assert len(Hand.painted) == len(PICTURES), "something was painted twice"
    assert {line["source"] for line in lines(bucket)} == PICTURES.keys()


def test_a_kill_between_the_line_and_the_result_costs_one_picture(
    album: Album, bucket: Bucket, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    create, killed = Remote.create, list[str]()

    def create_but_once(self: Remote, name: str, source: Any) -> bool:
        if name == "sub/a.jpg" and not killed:
            killed.append(name)
            raise Killed
        return create(self, name, source)

    monkeypatch.setattr(Remote, "create", create_but_once)
    assert run(album()).status == "done"  # by the worker that takes the dead one's place
    assert killed
    assert bucket.results("in/out") == undisturbed
    assert len(Hand.painted) == len(PICTURES) + 1
    Hand.painted.clear()
    assert run(album()).frames["reused"] == len(PICTURES)


def test_a_kill_after_the_result_costs_nothing(
    album: Album, bucket: Bucket, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The put was made, and nobody was told: the next one finds its own bytes there."""
    create, killed = Remote.create, list[str]()

    def create_and_die(self: Remote, name: str, source: Any) -> bool:
        done = create(self, name, source)
        if name == "sub/a.jpg" and not killed:
            killed.append(name)
            raise Killed
        return done

    monkeypatch.setattr(Remote, "create", create_and_die)
    summary = run(album())
    assert (summary.status, summary.failures) == ("done", ())
    assert bucket.results("in/out") == undisturbed


def test_a_changed_picture_and_a_deleted_result_are_painted_again(
    album: Album, bucket: Bucket, crew: type[Crew], folder: Path
) -> None:
    run(album())
    before = bucket.results("in/out")
    Hand.painted.clear()
    Image.fromarray(picture(9, 64, 40)).save(folder / "a.jpg")
    bucket.put("in/a.jpg", folder / "a.jpg")
    bucket.remove("in/out/c.png")
    summary = run(album())
    assert sorted(name for name, _ in Hand.painted) == ["a.jpg", "c.png"]
    assert summary.recomputed == {
        "a.jpg": ("the picture has changed",),
        "c.png": ("its result is gone, or was changed",),
    }
    after = bucket.results("in/out")
    assert {name for name in after if after[name] != before[name]} == {"a.jpg"}


def test_a_picture_that_was_put_again_with_the_same_bytes_is_the_same(
    album: Album, bucket: Bucket, crew: type[Crew], folder: Path
) -> None:
    run(album())
    Hand.painted.clear()
    bucket.put("in/a.jpg", folder / "a.jpg")
    assert (run(album()).status, Hand.painted) == ("done", [])


def test_a_result_that_somebody_else_put_there_stays(
    album: Album, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("in/out/c.png", b"a stranger's")

    def before(worker: Any, todo: BatchTodo) -> None:
        bucket.put("in/out/a.jpg", b"a stranger's, who came while we painted")

    monkeypatch.setattr(Crew, "before", staticmethod(before))
    summary = run(album())
    assert sorted(failure.source for failure in summary.failures) == ["a.jpg", "c.png"]
    assert all("no run here made it" in failure.error for failure in summary.failures)
    assert bucket.read("in/out/c.png") == b"a stranger's"
    assert bucket.read("in/out/a.jpg") == b"a stranger's, who came while we painted"


def test_a_result_that_changed_since_it_was_listed_is_not_replaced(
    album: Album, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(album())

    def before(worker: Any, todo: BatchTodo) -> None:
        bucket.put("in/out/a.jpg", b"retouched by hand")

    monkeypatch.setattr(Crew, "before", staticmethod(before))
    summary = run(album(archive={"quality": 50}))
    assert [failure.source for failure in summary.failures] == ["a.jpg"]
    assert bucket.read("in/out/a.jpg") == b"retouched by hand"


def test_a_picture_that_changes_after_it_was_listed_is_a_failure_of_its_own(
    album: Album, bucket: Bucket, crew: type[Crew], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture(9, 64, 48)).save(folder / "a.jpg")

    def before(worker: Any, todo: BatchTodo) -> None:
        bucket.put("in/a.jpg", folder / "a.jpg")

    monkeypatch.setattr(Crew, "before", staticmethod(before))
    summary = run(album())
    assert [failure.source for failure in summary.failures] == ["a.jpg"]
    assert "has changed since it was listed; run again" in summary.failures[0].error


def test_keys_that_are_no_paths_are_left_out(
    album: Album, bucket: Bucket, crew: type[Crew], folder: Path
) -> None:
    client = bucket.files
    name = bucket.url.removeprefix("s3://")
    for key in ("in/../../../escaped.jpg", "in//double.jpg", "in/./dot.jpg"):
        client.call_s3("put_object", Bucket=name, Key=key, Body=(folder / "a.jpg").read_bytes())
    summary = run(album())
    assert (summary.status, summary.frames["total"]) == ("done", len(PICTURES))


def test_two_workers_of_other_machines_do_not_write_into_each_others_journals(
    album: Album, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    run(album())
    assert len({line["worker"] for line in lines(bucket)}) == 2


def test_an_archive_in_memory(
    memory: Bucket, folder: Path, crew: type[Crew], write_job: Callable[..., Path]
) -> None:
    for name in PICTURES:
        memory.put(f"in/{name}", folder / name)
    path = write_job(f"{memory.url}/in", output=f"{memory.url}/out")
    assert run(load_config(path)).status == "done"
    assert memory.results("out").keys() == PICTURES.keys()
    Hand.painted.clear()
    assert (run(load_config(path)).frames["reused"], Hand.painted) == (len(PICTURES), [])
    memory.put("in/a.jpg", folder / "a.jpg")  # dated anew, and nothing but its date tells
    run(load_config(path))
    assert Hand.painted == [("a.jpg", 0)]
