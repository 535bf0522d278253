"""The run folder: finished frames, journals, the lock."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.durable import bytes_below
from pipeline.errors import ResumeError, SpaceError
from pipeline.workspace import (
    Workspace,
    append_journal,
    commit_frame,
    drop_frames,
    finished_frames,
    frame_path,
    read_journal,
    rebuild_journal,
    replace,
)
from tests.plans import record

PAINTED = b"painted"


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    return Workspace(tmp_path).segment("clip.mp4", 0, 10, "f" * 64)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk."""
    monkeypatch.setattr("os.fsync", lambda _: None)


# --- frames ---


def test_a_committed_frame_is_finished_and_leaves_nothing_else(segment: Path) -> None:
    assert commit_frame(segment, record(3), PAINTED) is True
    assert frame_path(segment, 3).read_bytes() == PAINTED
    assert finished_frames(segment) == {3: record(3)}
    assert sorted(path.name for path in segment.iterdir()) == ["00000003.png", "records-host-1.jsonl"]


def test_a_record_of_before_there_were_tiles_is_still_read(segment: Path) -> None:
    commit_frame(segment, record(3, tile=None), PAINTED)
    (journal,) = segment.glob("records-*.jsonl")
    line = json.loads(journal.read_text())
    assert line.pop("tile", "missing") is None
    journal.write_text(json.dumps(line) + "\n")
    assert finished_frames(segment) == {3: record(3)}


@pytest.mark.parametrize(
    "damage",
    [
        {"frame": [3]}, {"frame": "3"}, {"frame": True}, {"bytes": 2**63}, {"loss": "low"}, {"trace": [{}]},
        {"trace": 1.5}, {"source": None}, {"worker": "a\0"}, {"worker": "\ud800"}, {"tile": 1.5}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_damaged_line_is_no_record_and_the_others_are_read(
    segment: Path, damage: dict[str, object]
) -> None:
    commit_frame(segment, record(3), PAINTED)
    (journal,) = segment.glob("records-*.jsonl")
    lines = [{**asdict(record(4)), **damage}, asdict(record(3, source="\udcff.mp4", loss=2))]
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "[" * 100_000 + "\n")
    assert finished_frames(segment) == {3: record(3, source="\udcff.mp4", loss=2)}


@pytest.mark.parametrize("name", ["../outside.mkv", "00000003.png", ".", "frames-a/../../outside.mkv"])
def test_no_line_makes_another_file_a_pack(segment: Path, name: str) -> None:
    commit_frame(segment, record(3), PAINTED)
    outside = segment / "../outside.mkv"
    outside.write_bytes(PAINTED)
    pack = {"pack": name, "bytes": len(PAINTED), "frames": [[3, len(PAINTED), "ab"]]}
    (segment / "packs.jsonl").write_text(json.dumps(pack) + "\n")
    drop_frames(segment)
    assert outside.read_bytes() == PAINTED


@pytest.mark.parametrize("frames", [[["3", 7, "ab"]], [[3, [7], "ab"]], [3], 3, None])
def test_a_pack_whose_line_is_damaged_holds_nothing(segment: Path, frames: object) -> None:
    commit_frame(segment, record(3), PAINTED)
    (segment / "frames-ab.mkv").write_bytes(PAINTED)
    pack = {"pack": "frames-ab.mkv", "bytes": len(PAINTED), "frames": frames}
    (segment / "packs.jsonl").write_text(json.dumps(pack) + "\n")
    assert finished_frames(segment) == {3: record(3)}


def test_the_first_commit_of_a_frame_wins(segment: Path) -> None:
    assert commit_frame(segment, record(0), PAINTED) is True
    late = record(0, worker="host-2", bytes=len(b"another one"))
    assert commit_frame(segment, late, b"another one") is False
    assert frame_path(segment, 0).read_bytes() == PAINTED
    assert not list(segment.glob(".*.tmp"))
    assert finished_frames(segment) == {0: record(0)}


@pytest.mark.parametrize("first", ["host-1", "host-2"])
def test_the_record_of_a_late_writer_does_not_count(segment: Path, first: str) -> None:
    late = "host-1" if first == "host-2" else "host-2"
    commit_frame(segment, record(0, worker=first), PAINTED)
    commit_frame(segment, record(0, worker=late, bytes=3), b"new")
    assert finished_frames(segment) == {0: record(0, worker=first)}


def test_frames_of_several_workers_are_found_in_order(segment: Path) -> None:
    for index in (5, 1, 9):
        commit_frame(segment, record(index, worker=f"host-{index}"), PAINTED)
    assert list(finished_frames(segment)) == [1, 5, 9]


@pytest.mark.parametrize("clean", [True, False])
def test_a_file_that_is_not_as_long_as_its_record_says_does_not_count(segment: Path, clean: bool) -> None:
    commit_frame(segment, record(0), PAINTED)
    commit_frame(segment, record(1), PAINTED)
    frame_path(segment, 1).write_bytes(PAINTED[:-1])
    assert list(finished_frames(segment, clean=clean)) == [0]
    assert frame_path(segment, 1).exists() is not clean


@pytest.mark.parametrize("clean", [True, False])
def test_a_file_without_a_record_does_not_count(segment: Path, clean: bool) -> None:
    commit_frame(segment, record(0), PAINTED)
    strangers = [segment / name for name in ("00000007.png", "0.png", "cover.png", "².png")]
    for stranger in strangers:
        stranger.write_bytes(PAINTED)
    assert list(finished_frames(segment, clean=clean)) == [0]
    assert [stranger.exists() for stranger in strangers] == [not clean] * 4


def test_what_a_killed_writer_left_is_removed_and_can_be_made_again(segment: Path) -> None:
    commit_frame(segment, record(0), PAINTED)
    orphan = segment / ".00000001-0123456789ab.tmp"
    orphan.write_bytes(b"pain")
    assert list(finished_frames(segment, clean=False)) == [0]
    assert orphan.exists()
    assert list(finished_frames(segment)) == [0]
    assert not orphan.exists()
    assert commit_frame(segment, record(1), PAINTED) is True
    assert list(finished_frames(segment)) == [0, 1]


def test_a_record_without_a_file_does_not_count(segment: Path) -> None:
    commit_frame(segment, record(0), PAINTED)
    frame_path(segment, 0).unlink()
    assert finished_frames(segment) == {}


def test_a_segment_that_was_never_begun_has_no_frames(segment: Path) -> None:
    assert finished_frames(segment) == {}
    assert not segment.exists()


def test_a_record_cut_off_at_any_byte_costs_its_own_frame_only(segment: Path, quick: None) -> None:
    commit_frame(segment, record(0), PAINTED)
    journal = segment / "records-host-1.jsonl"
    whole = journal.read_bytes()
    commit_frame(segment, record(1), PAINTED)
    both = journal.read_bytes()
    for length in range(len(whole), len(both) - 1):
        journal.write_bytes(both[:length])
        assert list(finished_frames(segment, clean=False)) == [0], length
        commit_frame(segment, record(2), PAINTED)  # after half a line, a whole one
        assert list(finished_frames(segment, clean=False)) == [0, 2], length
        frame_path(segment, 2).unlink()
    journal.write_bytes(both[:-1])  # only the line break is missing
    assert list(finished_frames(segment, clean=False)) == [0, 1]


@pytest.mark.parametrize("line", [b"[]", b"7", b"{}", b'{"frame": 1, "trace": 5}', b"\xff\xfe", b""])
def test_a_line_that_is_no_record_is_passed_over(segment: Path, line: bytes) -> None:
    commit_frame(segment, record(0), PAINTED)
    journal = segment / "records-host-1.jsonl"
    journal.write_bytes(line + b"\n" + journal.read_bytes())
    assert list(finished_frames(segment)) == [0]


def test_where_nothing_can_be_written_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    blocked = tmp_path / "file" / "below"
    for write in (
        lambda: commit_frame(blocked, record(0), PAINTED),
        lambda: append_journal(blocked / "x.jsonl", {}),
        lambda: replace(blocked / "x.json", b""),
        lambda: Workspace(blocked).locked().__enter__(),
    ):
        with pytest.raises(
            SpaceError, match=f"cannot write in {blocked}.*: Not a directory; choose another output"
        ):
            write()


# --- journals ---


def test_a_journal_cut_off_at_any_byte_loses_its_last_line_only(tmp_path: Path, quick: None) -> None:
    journal = tmp_path / "outputs.jsonl"
    entries = [{"source": "a", "frames": 12}, {"source": "ü\n", "nested": {"x": [1, 2]}}]
    append_journal(journal, entries[0])
    first = journal.stat().st_size
    append_journal(journal, entries[1])
    whole = journal.read_bytes()
    assert list(read_journal(journal)) == entries
    for length in range(first, len(whole) - 1):
        journal.write_bytes(whole[:length])
        assert list(read_journal(journal)) == entries[:1], length
        append_journal(journal, {"after": 1})
        assert list(read_journal(journal)) == [entries[0], {"after": 1}], length


def test_a_journal_waits_for_the_disk_unless_it_can_be_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    append_journal(tmp_path / "a.jsonl", {"a": 1}, synced=False)
    assert not synced and list(read_journal(tmp_path / "a.jsonl")) == [{"a": 1}]
    append_journal(tmp_path / "a.jsonl", {"b": 2})
    assert len(synced) == 1


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "none.jsonl")) == []


def test_the_records_are_rebuilt_only_where_they_differ(tmp_path: Path) -> None:
    journal = tmp_path / "records.jsonl"
    records = [record(index) for index in range(3)]
    rebuild_journal(journal, records)
    assert list(read_journal(journal)) == [json.loads(json.dumps(asdict(r))) for r in records]
    before = journal.stat()
    rebuild_journal(journal, records)
    rebuild_journal(journal, records[::-1])  # workers finish in any order
    after = journal.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    rebuild_journal(journal, records[:2])
    assert len(list(read_journal(journal))) == 2
    rebuild_journal(journal, [])
    assert journal.read_bytes() == b""


# --- the folder ---


@pytest.mark.parametrize("text", [None, "", "{", '{"a": 1', "[1]", "7"])
def test_a_small_file_that_is_missing_or_torn_is_empty(tmp_path: Path, text: str | None) -> None:
    space = Workspace(tmp_path)
    if text is not None:
        space.root.mkdir()
        space.plan.write_text(text)
    assert space.read(space.plan) == {}


def test_a_small_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    for data in ({"a": 1}, {"b": [1, "ü"]}):
        space.write(space.plan, data)
        assert space.read(space.plan) == data
    assert [path.name for path in space.root.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    "name", ["clip.mp4", "a/b/c.mp4", "x" * 5000, "über 雪/🎬.mp4", "a\udcff.mp4", "..", ""]
)
def test_a_segments_folder_is_short_and_ascii_whatever_the_source_is_called(
    tmp_path: Path, name: str
) -> None:
    space = Workspace(tmp_path)
    folder = space.segment(name, 12, 345, "0123456789abcdef" * 4)
    below = folder.relative_to(space.segments).parts
    assert below[1] == "00000012-00000345-0123456789abcdef"
    assert len(below) == 2
    assert below[0].isascii()
    assert len(below[0]) < 60


def test_sources_and_fingerprints_have_folders_of_their_own(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    names = ("a/b.mp4", "a_b.mp4", "a b.mp4", "ä_b.mp4", "x" * 50, "x" * 51)
    assert len({space.segment(name, 0, 1, "f" * 64) for name in names}) == len(names)
    assert space.segment("a", 0, 1, "f" * 64) != space.segment("a", 0, 1, "e" * 64)
    assert space.segment("a", 0, 1, "f" * 64) != space.segment("a", 0, 2, "f" * 64)


def test_the_size_of_a_folder_is_that_of_its_files_without_those_set_aside(tmp_path: Path) -> None:
    for name, size in (("a", 3), ("b/c", 40), ("b/d/e", 500), ("f/g", 6000)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert bytes_below(tmp_path) == 6543
    assert bytes_below(tmp_path, besides=tmp_path / "b") == 6003
    assert bytes_below(tmp_path / "none") == 0


def test_the_preview_of_any_video_is_an_mp4_with_a_name_of_its_own(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    names = [
        space.preview(name).relative_to(space.previews).as_posix() for name in ("a/b.mp4", "b.MP4", "b.mkv")
    ]
    assert names == ["a/b.mp4", "b.MP4", "b.mkv.mp4"]


# --- the lock ---

HOLD = """
import sys
from pathlib import Path
from pipeline.workspace import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_run_is_told_which_process_holds_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ResumeError, match=rf"{tmp_path} \(process {other.pid} on "), locked(tmp_path):
            pass
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.wait(10) == 0
    with locked(tmp_path):
        pass


def test_a_killed_holder_holds_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    with locked(tmp_path):
        pass


def locked(output: Path):  # type: ignore[no-untyped-def]
    return Workspace(output).locked()


def fail_in(output: Path, *, keeping: bool = False) -> None:
    space = Workspace(output)
    with pytest.raises(KeyboardInterrupt), space.locked():
        if keeping:
            commit_frame(space.segment("a", 0, 1, "f" * 64), record(0), PAINTED)
        space.write(space.probes, {"a": 1})
        raise KeyboardInterrupt


def test_folders_made_for_a_run_that_kept_nothing_are_removed(tmp_path: Path) -> None:
    fail_in(tmp_path / "a/b/out")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_before_stay(tmp_path: Path) -> None:
    output = tmp_path / "a/out"
    output.mkdir(parents=True)
    fail_in(output)
    assert output.is_dir()
    assert list(output.iterdir()) == []


def test_a_run_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass
    fail_in(tmp_path)
    assert (tmp_path / ".stylize/probes.json").exists()


def test_what_a_run_has_kept_stays(tmp_path: Path) -> None:
    fail_in(tmp_path / "out", keeping=True)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 1


def test_a_files_beside_the_run_folder_stays(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), locked(output):
        (output / "mine.txt").write_text("mine")
        raise KeyboardInterrupt
    assert [path.name for path in output.iterdir()] == ["mine.txt"]
