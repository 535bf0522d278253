"""Runs in processes of their own: killed in the middle, or two at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config import load_config
from pipeline.execute.events import Event
from pipeline.run import run
from tests.archive.halls import results
from tests.media.clips import picture, write_clip
from tests.storage.buckets import Bucket
from tests.storage.crews import Crew, Hand, crew

__all__ = ["crew"]

FRAMES = 12


@pytest.fixture
def sources(tmp_path: Path, bucket: Bucket) -> Path:
    """A film and some photographs, here and behind a URL."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_clip(folder / "clip.mp4", frames=FRAMES)
    for index in range(4):
        Image.fromarray(picture(index)).save(folder / f"{'abcd'[index]}.png")
    for path in folder.iterdir():
        bucket.put(f"in/{path.name}", path)
    return folder


@pytest.fixture
def path(write_job: Callable[..., Path], bucket: Bucket, sources: Path) -> Path:
    video = {"cuts": "none", "segment_frames": 4, "blend_frames": 2}
    execution = {"workers": 2, "threads_per_worker": 1}
    return write_job(f"{bucket.url}/in", output=f"{bucket.url}/out", video=video, execution=execution)


@pytest.fixture
def undisturbed(sources: Path, path: Path, crew: type[Crew], tmp_path: Path) -> dict[str, bytes]:
    output = tmp_path / "on-disk"
    run(load_config(path, [f"input={sources}", f"output={output}"]))
    Hand.painted.clear()
    return results(output)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait(30)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another machine's folder for temporary files; its name is short, since Ray's sockets lie in it."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield folder


def begin(path: Path, elsewhere: str, how: str, frame_s: float = 0.0) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.storage.jobs", str(path), how, str(frame_s)]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TMPDIR": elsewhere}
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE)


def test_a_run_on_ray_that_is_killed_goes_on_from_an_empty_scratch(
    path: Path,
    bucket: Bucket,
    undisturbed: dict[str, bytes],
    started: list[subprocess.Popen[bytes]],
    tmp_path: Path,
    elsewhere: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = begin(path, elsewhere, "ray", 0.3)
    started.append(process)
    deadline_s = time.monotonic() + 90
    while len(bucket.frames("out")) < 4:
        assert process.poll() is None and time.monotonic() < deadline_s, (
            process.stderr and process.stderr.read()
        )
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    time.sleep(1.5)  # for its workers to notice
    before = bucket.frames("out")
    assert "clip.mp4" not in bucket.results("out"), "it was over before it was killed, so this shows nothing"
    (tmp_path / "other-machine").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other-machine"))
    summary = run(load_config(path))
    assert summary.status == "done"
    assert bucket.results("out") == undisturbed
    after = bucket.frames("out")
    assert before.items() <= after.items()
    assert len([one for one in Hand.painted if one[0] == "clip.mp4"]) == len(after) - len(before)


def test_two_runs_at_once_do_no_harm(
    path: Path, bucket: Bucket, undisturbed: dict[str, bytes], started: list[subprocess.Popen[bytes]],
    elsewhere: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The second takes the lock of the first for a dead one's, and works on while the first does."""
    seen: list[Event] = []

    def after(event: Event) -> None:
        seen.append(event)
        if len(seen) == 3:
            started.append(begin(path, elsewhere, "crew"))
        if len(seen) == 6:
            assert started[0].wait(60) == 0, started[0].stderr and started[0].stderr.read()

    monkeypatch.setattr(Crew, "after", after)
    summary = run(load_config(path))
    assert (summary.status, summary.failures) == ("done", ())
    assert bucket.results("out") == undisturbed
    monkeypatch.setattr(Crew, "after", None)
    Hand.painted.clear()
    again = run(load_config(path))
    assert (again.status, Hand.painted) == ("done", [])
    told = Counter(
        json.loads(line)["source"] for line in bucket.read("out/.stylize/records.jsonl").splitlines()
    )
    assert told.keys() == {"clip.mp4", "a.png", "b.png", "c.png", "d.png"}
