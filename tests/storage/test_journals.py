"""The small files of a run folder: when they are put, and what becomes of the lines of two runs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.durable import append_journal, read_journal
from pipeline.errors import MediaError, ResumeError
from pipeline.storage import lease
from pipeline.storage.journals import Journals
from pipeline.storage.lease import STALE_S, Lease
from pipeline.storage.places import here, make_place, place_of
from pipeline.storage.remote import Remote
from pipeline.storage.shelf import RemoteShelf
from tests.storage.buckets import Bucket


@pytest.fixture(params=["s3", "memory"])
def place(request: pytest.FixtureRequest) -> Bucket:
    return request.getfixturevalue("bucket" if request.param == "s3" else "memory")  # type: ignore[no-any-return]


def journals(folder: Path, place: Bucket) -> Journals:
    folder.mkdir(exist_ok=True)
    return Journals(folder, Remote(f"{place.url}/run"))


def test_the_lines_of_two_runs_come_together(place: Bucket, tmp_path: Path) -> None:
    paths = [tmp_path / name / "outputs.jsonl" for name in ("one", "two")]
    runs = [journals(path.parent, place) for path in paths]
    for turn in range(2):
        for number, (path, run) in enumerate(zip(paths, runs, strict=True)):
            append_journal(path, {"run": number, "turn": turn})
            run.put(path)
    told = [(entry["run"], entry["turn"]) for entry in read_journal(paths[1])]
    assert sorted(told) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert place.read("run/outputs.jsonl") == paths[1].read_bytes()


def test_a_workers_journal_is_there_until_the_runs_own_has_its_lines(place: Bucket, tmp_path: Path) -> None:
    run, records = journals(tmp_path / "run", place), tmp_path / "run" / "records.jsonl"
    append_journal(records, {"source": "x" * 10_000})
    run.push(everything=True)
    place.put("run/pictures/aa-worker-1.jsonl", b'{"source":"a.jpg"}\n')
    place.put("run/pictures/ab-worker-1.jsonl", b'{"source":"b.jpg"}\n')
    (fetched,) = run.fetch_of_batch(tmp_path / "run" / "pictures" / "aa.jsonl")
    run.push()
    append_journal(records, {"source": "a.jpg"})
    fetched.unlink()  # adopted
    run.push()
    assert place.names("run/pictures") == ["run/pictures/aa-worker-1.jsonl", "run/pictures/ab-worker-1.jsonl"]
    run.push(everything=True)
    assert place.names("run/pictures") == ["run/pictures/ab-worker-1.jsonl"]
    assert place.read("run/records.jsonl") == records.read_bytes()


def test_records_are_put_while_a_run_goes_on_only_as_they_grow(place: Bucket, tmp_path: Path) -> None:
    run, records = journals(tmp_path / "run", place), tmp_path / "run" / "records.jsonl"
    sizes = []
    for number in range(40):
        append_journal(records, {"number": number, "filling": "x" * 100})
        run.push()
        sizes.append(len(place.read("run/records.jsonl")))
    assert 5 < len(set(sizes)) < 20


def test_a_lock_is_held_until_its_holder_is_silent_or_gone(
    place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Remote(f"{place.url}/run")
    first, second = Lease(there), Lease(there)
    first.take()
    with pytest.raises(ResumeError, match=f"another run is working .*process {os.getpid()} on "):
        second.take()
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 10 * STALE_S)  # the server's clock counts, and no other
    with pytest.raises(ResumeError):
        second.take()
    monkeypatch.setattr("os.kill", _no_such_process)
    second.take()
    first.beat()
    first.leave()
    assert place.names("run") == ["run/lock"]
    second.leave()
    assert (first.is_alone, second.is_alone, place.names("run")) == (True, False, [])


def test_a_process_of_another_container_is_not_looked_for_here(
    memory: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Remote(f"{memory.url}/run")
    first, second = Lease(there), Lease(there)
    stat = os.stat

    def in_a_container(path: Any, **options: Any) -> Any:
        if str(path) == "/proc/self/ns/pid":
            return SimpleNamespace(st_ino=1)
        return stat(path, **options)

    with monkeypatch.context() as patches:
        patches.setattr(os, "stat", in_a_container)
        first.take()
    monkeypatch.setattr("os.kill", _no_such_process)
    with pytest.raises(ResumeError, match="another run is working"):
        second.take()


def repeated(put: Callable[..., bool]) -> Callable[..., bool]:
    """A put whose answer is lost, so that it is done again."""

    def twice(*args: Any, **options: Any) -> bool:
        put(*args, **options)
        return put(*args, **options)

    return twice


def test_a_lock_whose_answer_was_lost_is_held(place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Remote(f"{place.url}/run")
    monkeypatch.setattr(Remote, "create", repeated(Remote.create))
    monkeypatch.setattr(Remote, "replace", repeated(Remote.replace))
    first, second = Lease(there), Lease(there)
    first.take()
    assert first.is_alone
    monkeypatch.setattr("os.kill", _no_such_process)
    second.take()
    assert not second.is_alone
    second.leave()
    assert place.names("run") == []


def test_a_result_whose_answer_was_lost_is_put(place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    output = place_of(f"{place.url}/out")
    shelf, partial = RemoteShelf(output, f"{place.url}/out"), output / "partial.mp4"
    monkeypatch.setattr(Remote, "create", repeated(Remote.create))
    monkeypatch.setattr(Remote, "replace", repeated(Remote.replace))
    make_place(here())
    output.mkdir(parents=True)
    for film in (b"one film", b"another film"):
        partial.write_bytes(film)
        shelf.put(partial, output / "film.mp4")
        assert (place.read("out/film.mp4"), partial.exists()) == (film, False)


def test_a_result_that_somebody_else_was_faster_with_is_left(
    place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = place_of(f"{place.url}/out")
    shelf, partial = RemoteShelf(output, f"{place.url}/out"), output / "partial.mp4"
    make_place(here())
    output.mkdir(parents=True)
    partial.write_bytes(b"ours")
    create = Remote.create

    def late(self: Remote, name: str, source: Any) -> bool:
        place.put(f"out/{name}", b"them")
        return create(self, name, source)

    monkeypatch.setattr(Remote, "create", late)
    with pytest.raises(MediaError, match="was changed by someone else"):
        shelf.put(partial, output / "film.mp4")
    assert place.read("out/film.mp4") == b"them"


def beats(place: Bucket) -> int:
    return int(json.loads(place.read("out/.stylize/lock"))["beats"])


def wait_for_beats(place: Bucket, more: int) -> None:
    wanted, deadline_s = beats(place) + more, time.monotonic() + 10
    while beats(place) < wanted:
        assert time.monotonic() < deadline_s, "the lock is not written anew"
        time.sleep(0.01)


def test_a_run_shows_that_it_is_alive_while_a_journal_takes_its_time(
    memory: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def push(self: Journals, *, everything: bool = False) -> None:
        begun.set()
        if everything:
            wait_for_beats(memory, 2)
        else:
            assert may_end.wait(20)

    monkeypatch.setattr(lease, "BEAT_S", 0.02)
    monkeypatch.setattr(Journals, "push", push)
    with RemoteShelf(place_of(f"{memory.url}/out"), f"{memory.url}/out").held():
        assert begun.wait(10)
        wait_for_beats(memory, 2)
        may_end.set()
    assert memory.names("out") == []


def test_a_run_stays_alive_whatever_its_thread_comes_upon(
    memory: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat, failed = Lease.beat, [0]

    def fail(self: Lease) -> None:
        if failed[0] < 3:
            failed[0] += 1
            raise RuntimeError("the interpreter is out of sorts")
        beat(self)

    monkeypatch.setattr(lease, "BEAT_S", 0.02)
    monkeypatch.setattr(Lease, "beat", fail)
    with RemoteShelf(place_of(f"{memory.url}/out"), f"{memory.url}/out").held():
        wait_for_beats(memory, 2)
    assert failed == [3]


def _no_such_process(*_: object) -> None:
    raise ProcessLookupError
