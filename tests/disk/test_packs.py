"""Finished frames in one file: the same pixels, smaller, and never half a state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline import workspace
from pipeline.disk import packs
from pipeline.disk.packs import GROUP, has_frame, pack_frames, read_frame, read_frames
from pipeline.errors import MediaError
from pipeline.frames import decode_frame, encode_frame
from pipeline.workspace import (
    Workspace,
    commit_frame,
    drop_frames,
    dropped_frames,
    finished_frames,
)
from tests.plans import record

FRAMES = range(3, 3 + 2 * GROUP + 5)


def painted(index: int) -> npt.NDArray[np.uint8]:
    """A texture that moves, as paintings do."""
    y, x = np.mgrid[:36, :48]
    waves = [np.sin((x + index) / 3 + y / 7), np.sin(y / 4 + index / 5), np.cos((x + y) / 5)]
    return (np.stack(waves, -1) * 100 + 128).astype(np.uint8)


def finish(segment: Path, index: int, **changes: Any) -> None:
    data = encode_frame(painted(index))
    commit_frame(segment, record(index, bytes=len(data), **changes), data)


@pytest.fixture
def segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished segment; nothing waits for the disk."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    folder = Workspace(tmp_path).segment("clip.mp4", FRAMES.start, FRAMES.stop, "f" * 64)
    for index in FRAMES:
        finish(folder, index)
    return folder


def names(segment: Path) -> set[str]:
    return {path.suffix for path in segment.iterdir()}


def all_there(segment: Path) -> bool:
    return all(np.array_equal(read_frame(segment, index), painted(index)) for index in FRAMES)


def size(segment: Path) -> int:
    return sum(path.stat().st_size for path in segment.iterdir() if path.suffix in (".png", ".mkv"))


def test_a_packed_segment_has_the_same_records_and_pixels_in_one_smaller_file(segment: Path) -> None:
    records, before = finished_frames(segment), size(segment)
    freed = pack_frames(segment)
    assert 0 < freed == before - size(segment)
    assert len(list(segment.glob("*.mkv"))) == 1
    assert names(segment) == {".jsonl", ".mkv"}
    assert finished_frames(segment) == records
    assert all_there(segment)


def test_frames_of_a_pack_are_read_in_any_order(segment: Path) -> None:
    pack_frames(segment)
    order = [FRAMES[-1], *FRAMES[4:7], FRAMES[0], *reversed(FRAMES)]
    for index, frame in zip(order, read_frames(segment, order), strict=True):
        assert np.array_equal(frame, painted(index)), index


def test_a_frame_that_is_in_no_file_is_not_there(segment: Path) -> None:
    pack_frames(segment)
    assert has_frame(segment, 3)
    assert not has_frame(segment, 2)
    with pytest.raises(MediaError, match=r"00000002\.png is damaged"):
        read_frame(segment, 2)


def test_packing_twice_changes_nothing(segment: Path) -> None:
    pack_frames(segment)
    before = sorted(segment.iterdir())
    assert pack_frames(segment) == 0
    assert sorted(segment.iterdir()) == before


def test_frames_that_are_finished_after_a_pack_join_it(segment: Path) -> None:
    pack_frames(segment)
    finish(segment, FRAMES.stop)
    assert pack_frames(segment) != 0
    assert len(list(segment.glob("*.mkv"))) == 1
    assert list(finished_frames(segment)) == [*FRAMES, FRAMES.stop]
    assert np.array_equal(read_frame(segment, FRAMES.stop), painted(FRAMES.stop))
    assert all_there(segment)


def test_noise_that_no_pack_makes_smaller_stays_as_it_is(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encode_frame(noise)
    for index in range(3):
        commit_frame(tmp_path, record(index, bytes=len(data)), data)
    before = sorted(tmp_path.iterdir())
    assert pack_frames(tmp_path) == 0
    assert sorted(path for path in tmp_path.iterdir() if path.name != "packs.jsonl") == before


def test_a_pack_that_grows_too_large_is_given_up_before_it_is_whole(segment: Path) -> None:
    pack_frames(segment)
    whole = size(segment)
    temporary = segment / ".frames.tmp"
    assert packs._write(temporary, segment, list(FRAMES), most_bytes=whole // 2) is None
    assert temporary.stat().st_size < whole
    assert packs._write(temporary, segment, list(FRAMES), most_bytes=whole + 1) is not None


class Killed(BaseException):
    """What a kill is to a test: nothing that the code catches."""


def kill_before(name: str, calls: int = 1) -> Callable[[pytest.MonkeyPatch, Any], None]:
    """Make the `calls`-th call of a function not happen, nor anything after it."""

    def patch(monkeypatch: pytest.MonkeyPatch, owner: Any) -> None:
        original, left = getattr(owner, name), [calls]

        def dying(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] <= 0:
                raise Killed
            return original(*args, **options)

        monkeypatch.setattr(owner, name, dying)

    return patch


STEPS = {
    "while it is encoded": (packs, kill_before("_digest", 9)),
    "before it is read back": (packs, kill_before("_check")),
    "while it is read back": (packs, kill_before("_digest", len(FRAMES) + 3)),
    "before its line": (packs, kill_before("append_journal")),
    "before its name": (Path, kill_before("replace")),
    "before the first file is removed": (Path, kill_before("unlink", 2)),
    "among the files that are removed": (Path, kill_before("unlink", 5)),
}


@pytest.mark.parametrize("step", STEPS)
def test_packing_that_is_killed_loses_nothing_and_can_be_done_again(step: str, segment: Path) -> None:
    records = finished_frames(segment)
    owner, patch = STEPS[step]
    with pytest.MonkeyPatch.context() as patches:
        patch(patches, owner)
        with pytest.raises(Killed):
            pack_frames(segment)
    assert finished_frames(segment, clean=False) == records
    assert all_there(segment)
    assert finished_frames(segment) == records
    assert all_there(segment)
    pack_frames(segment)
    assert names(segment) == {".jsonl", ".mkv"}
    assert len(list(segment.glob("*.mkv"))) == 1
    assert finished_frames(segment) == records
    assert all_there(segment)


def test_what_a_kill_left_beside_a_pack_is_removed_by_the_next_look(segment: Path) -> None:
    records = finished_frames(segment)
    with pytest.MonkeyPatch.context() as patches:
        kill_before("unlink", 5)(patches, Path)
        with pytest.raises(Killed):
            pack_frames(segment)
    assert names(segment) == {".jsonl", ".mkv", ".png"}
    assert finished_frames(segment, clean=False) == records
    assert names(segment) == {".jsonl", ".mkv", ".png"}
    assert finished_frames(segment) == records
    assert names(segment) == {".jsonl", ".mkv"}


def test_a_pack_that_gives_other_pixels_back_replaces_nothing(
    segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, calls = packs._digest, [0]

    def lossy(frame: npt.NDArray[np.uint8]) -> str:
        calls[0] += 1
        return digest(frame) if calls[0] <= len(FRAMES) + 7 else "0" * 32

    monkeypatch.setattr(packs, "_digest", lossy)
    with pytest.raises(MediaError, match="other pixels than were packed"):
        pack_frames(segment)
    monkeypatch.undo()
    assert names(segment) == {".jsonl", ".png"}
    assert all_there(segment)


@pytest.mark.parametrize("bytes_lost", [1, 1000])
def test_a_truncated_pack_is_not_trusted(segment: Path, bytes_lost: int) -> None:
    pack_frames(segment)
    (pack,) = segment.glob("*.mkv")
    pack.write_bytes(pack.read_bytes()[:-bytes_lost])
    assert finished_frames(segment, clean=False) == {}
    assert pack.exists()
    assert finished_frames(segment) == {}
    assert not pack.exists()


def test_a_pack_without_a_line_is_not_trusted(segment: Path) -> None:
    pack_frames(segment)
    (segment / "packs.jsonl").unlink()
    assert finished_frames(segment) == {}
    assert not list(segment.glob("*.mkv"))


def test_a_flipped_byte_in_a_pack_is_seen(segment: Path) -> None:
    pack_frames(segment)
    (pack,) = segment.glob("*.mkv")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.write_bytes(data)
    with pytest.raises(MediaError, match=r"frames-\w+\.mkv is damaged .*; delete the file and run again"):
        list(read_frames(segment, FRAMES))


def test_a_frame_that_is_packed_between_two_looks_is_found(
    segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(path: Path, *check: Any) -> Any:
        monkeypatch.setattr(packs, "decode_frame", decode_frame)
        pack_frames(segment)
        return decode_frame(path, *check)

    monkeypatch.setattr(packs, "decode_frame", late)
    assert np.array_equal(read_frame(segment, 5), painted(5))
    assert not list(segment.glob("*.png"))


def test_a_record_is_found_though_its_frame_is_packed_within_the_look(
    segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, original = finished_frames(segment), workspace.packed_frames

    def then_packed(folder: Path) -> Any:
        monkeypatch.setattr(workspace, "packed_frames", original)
        found = original(folder)
        pack_frames(folder)
        return found

    monkeypatch.setattr(workspace, "packed_frames", then_packed)
    assert finished_frames(segment, clean=False) == records


def test_a_frame_is_read_though_its_pack_is_replaced_within_the_look(
    segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack_frames(segment)
    original = packs.packed_frames

    def then_replaced(folder: Path) -> Any:
        monkeypatch.setattr(packs, "packed_frames", original)
        found = original(folder)
        finish(folder, FRAMES.stop)
        pack_frames(folder)
        return found

    monkeypatch.setattr(packs, "packed_frames", then_replaced)
    assert np.array_equal(read_frame(segment, 5), painted(5))


# --- frames that are thrown away ---


@pytest.mark.parametrize("packed", [False, True])
def test_dropped_frames_are_gone_and_their_records_kept(segment: Path, packed: bool) -> None:
    records = finished_frames(segment)
    if packed:
        pack_frames(segment)
    before = size(segment)
    assert drop_frames(segment) == before > 0
    assert names(segment) == {".jsonl"}
    assert finished_frames(segment) == {}
    assert dropped_frames(segment) == records
    assert drop_frames(segment) == 0
    assert dropped_frames(segment) == records


def test_single_frames_are_dropped_and_the_others_stay(segment: Path) -> None:
    drop_frames(segment, [3, 4, 999])
    assert list(finished_frames(segment)) == list(FRAMES[2:])
    assert list(dropped_frames(segment)) == [3, 4]
    finish(segment, 3, loss=9.0, worker="host-2")
    drop_frames(segment)
    assert dropped_frames(segment)[3].loss == 9.0
    assert list(dropped_frames(segment)) == [3, 4, *FRAMES[2:]]


def test_dropping_that_is_killed_leaves_each_frame_finished_or_dropped(
    segment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patches:
        kill_before("unlink", 4)(patches, Path)
        with pytest.raises(Killed):
            drop_frames(segment)
    assert {*finished_frames(segment), *dropped_frames(segment)} == set(FRAMES)
    drop_frames(segment)
    assert set(dropped_frames(segment)) == set(FRAMES)


def test_a_segment_that_was_never_begun_has_nothing_to_pack_or_drop(tmp_path: Path) -> None:
    assert (pack_frames(tmp_path / "x"), drop_frames(tmp_path / "x")) == (0, 0)
    assert not (tmp_path / "x").exists()
