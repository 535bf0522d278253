"""The small files of a run folder: when they are put, and what becomes of the lines of two runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pipeline.durable import append_journal, read_journal
from pipeline.errors import ResumeError
from pipeline.storage.journals import Journals
from pipeline.storage.lease import STALE_S, Lease
from pipeline.storage.remote import Remote
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


def _no_such_process(*_: object) -> None:
    raise ProcessLookupError
