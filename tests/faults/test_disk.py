"""Disks that are full and folders that may not be written to: a message, exit code 5, and nothing lost."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from pipeline import durable, workspace
from pipeline.disk import packs
from pipeline.errors import SpaceError
from pipeline.execute import delivery
from pipeline.media import encode
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import Job
from tests.farms import TextureFarm
from tests.faults.conftest import CLIP, Left, Undisturbed, finish, left_by
from tests.faults.processes import complete
from tests.media.clips import picture

PACKED: dict[str, Any] = {
    "transfer": {"size": 96, "iterations": 4, "warm_iterations": 2},
    "video": {"cuts": [4]},
    "disk": {"pack": "always", "keep": "all"},
}

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films and photographs are textures; nobody foresees that the disk is too small."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**50, 0, 2**50))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many KiB, which may be asked for again to make it larger; skips where nothing may be mounted."""
    place = tmp_path / "disk"

    def resize(kib: int) -> Path:
        is_there = place.exists()
        place.mkdir(exist_ok=True)
        options = f"{'remount,' if is_there else ''}size={kib}k"
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("no right to mount a disk of a few kilobytes")
        return place

    yield resize
    if place.exists():
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photographs."""
    (tmp_path / "in").mkdir()
    for index in range(6):
        iio.imwrite(tmp_path / f"in/{'abcdef'[index]}.png", picture(index))
    return tmp_path / "in"


@pytest.mark.usefixtures("farm")
@pytest.mark.parametrize("kind", ["film", "packed film", "photographs"])
def test_a_real_disk_that_is_full_at_any_point_loses_nothing(
    kind: str, job: Job, clip: Path, photos: Path, disk: Callable[[int], Path], undisturbed: Undisturbed
) -> None:
    settings = {"film": CLIP, "packed film": PACKED, "photographs": {"transfer": CLIP["transfer"]}}[kind]
    source = photos if kind == "photographs" else clip
    expected = undisturbed(job(source, **settings))
    config, refused = job(source, **settings, output=str(disk(24) / "out")), 0
    for kib in range(24, 600, 16 if kind == "film" else 12):
        disk(kib)
        try:
            if run(config).status == "done":
                break
        except SpaceError as error:
            refused += 1
            assert "No space left" in str(error) or "disk is full" in str(error)
            assert "run again" in str(error)
    assert refused >= 3, "it never was full, so this shows nothing"
    finish(config)
    left = left_by(config.output)
    if kind == "packed film":
        expected, left = (
            {name: data for name, data in found.items() if name == "clip.mp4"} for found in (expected, left)
        )
    assert left == expected


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


STEPS: dict[str, tuple[Any, str]] = {
    "a frame": (workspace, "write_synced"),
    "its record": (workspace, "append_line"),
    "a journal": (durable, "append_lines"),
    "probes, plan, records": (durable, "write_synced"),
    "an output": (encode, "_coded"),
}


@pytest.mark.usefixtures("textures")
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_no_room_at_any_step_is_told_and_after_making_room_the_bytes_are_the_same(
    step: str, after: int, job: Job, clip: Path, expected: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, name = STEPS[step]
    original, calls = getattr(home, name), [0]

    def filling(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        return full() if calls[0] > after else original(*args, **options)

    config = job(clip, **CLIP)
    with monkeypatch.context() as patches:
        patches.setattr(home, name, filling)
        with pytest.raises(SpaceError, match=r"No space left.*(run again)"):
            run(config)
    finish(config)
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_no_room_for_a_pack_keeps_the_frames_as_they_are(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(clip, **PACKED)
    with monkeypatch.context() as patches:
        patches.setattr(packs, "_stream", full)
        finish(config)
    assert not list(Workspace(config.output).segments.rglob("*.mkv"))
    left = left_by(config.output)
    assert len(left) == 10
    finish(config)
    assert left_by(config.output) == left


@pytest.mark.usefixtures("farm")
@pytest.mark.parametrize("step", ["write_synced", "append_lines"])
def test_no_room_for_a_photograph_is_told_and_after_making_room_the_bytes_are_the_same(
    step: str, job: Job, photos: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(photos, transfer=CLIP["transfer"])
    expected = undisturbed(config)
    original, calls = getattr(delivery, step), [0]

    def filling(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        return full() if calls[0] > 3 else original(*args, **options)

    with monkeypatch.context() as patches:
        patches.setattr(delivery, step, filling)
        with pytest.raises(SpaceError, match="No space left"):
            run(config)
    assert len([name for name in left_by(config.output) if name.endswith(".png")]) == 3
    assert finish(config).frames == {"total": 6, "stylized": 3, "reused": 3}
    assert left_by(config.output) == expected


# --- rights ---

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def like_anybody() -> None:
    """From the next program on, rights hold for root, too."""
    if os.getuid() == 0:
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0


@pytest.mark.parametrize("closed", [".", ".stylize", ".stylize/segments"])
def test_a_folder_that_may_not_be_written_to_is_told_and_after_that_the_bytes_are_the_same(
    closed: str, write_job: Callable[..., Path], clip: Path, expected: Left, tmp_path: Path
) -> None:
    path, folder = write_job(clip, **CLIP), tmp_path / "out" / closed
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    done = complete(path, preexec_fn=like_anybody)
    assert done.returncode == 5, done.stderr
    assert "ermission" in done.stderr and "run again" in done.stderr and "Traceback" not in done.stderr
    folder.chmod(0o755)
    done = complete(path, preexec_fn=like_anybody)
    assert done.returncode == 0, done.stderr
    assert left_by(tmp_path / "out") == expected


def test_an_input_folder_that_may_not_be_written_to_just_works(
    write_job: Callable[..., Path], clip: Path, expected: Left, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    shutil.copy(clip, source / "clip.mp4")
    (source / "clip.mp4").chmod(0o444)
    source.chmod(0o555)
    done = complete(write_job(source / "clip.mp4", **CLIP), preexec_fn=like_anybody)
    assert done.returncode == 0, done.stderr
    assert left_by(tmp_path / "out") == expected
