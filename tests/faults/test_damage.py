"""Finished frames that are truncated, altered or lost afterwards are noticed when they are read, and made again."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.assemble import Output, assemble
from pipeline.config import Config
from pipeline.disk.packs import pack_frames, read_frame, throw_away_damaged
from pipeline.errors import DamagedFrameError, MediaError
from pipeline.execute.events import Event, FrameFinished, SegmentFailed, Todo
from pipeline.execute.queue import Queue
from pipeline.frames import decode_frame, encode_frame
from pipeline.ledger import Watcher
from pipeline.plan import SourcePlan
from pipeline.records import frame_digest
from pipeline.run import run
from pipeline.workspace import Workspace, commit_frame, finished_frames, frame_path
from tests.conftest import Job
from tests.farms import TextureFarm, painted
from tests.faults.conftest import CHAIN, CLIP, Undisturbed, finish, left_by
from tests.media.clips import picture
from tests.plans import record


def frame_in(config: Config, index: int) -> Path:
    (path,) = Workspace(config.output).segments.rglob(f"{index:08d}.png")
    return path


def alter(path: Path) -> None:
    """Another picture in a file, just as long, and a valid PNG: only its digest tells."""
    length = path.stat().st_size
    frame = decode_frame(path)
    frame[0, 0] ^= 1
    data = encode_frame(frame)
    path.write_bytes(data[:length].ljust(length, b"\0"))
    assert path.stat().st_size == length


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


DAMAGES = {"altered": alter, "truncated": truncate, "deleted": Path.unlink}


@pytest.mark.usefixtures("textures")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_frame_damaged_before_its_output_is_written_is_made_again_in_the_same_run(
    damage: str, job: Job, clip: Path, undisturbed: Undisturbed
) -> None:
    config = job(clip, **CLIP)
    expected = undisturbed(config)

    class Damager(Watcher):
        def happened(self, event: Event) -> None:
            if isinstance(event, FrameFinished) and event.record.frame == 3:  # the last one
                DAMAGES[damage](frame_in(config, 6))

    summary = finish(config, watcher=Damager())
    assert summary.frames == {"total": 9, "stylized": 9, "reused": 0}
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_a_frame_that_is_sound_at_a_second_look_costs_nothing(
    job: Job, clip: Path, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(clip, **CLIP)
    expected, damaged = undisturbed(config), [DamagedFrameError("as it was a moment ago", 3, Path())]

    def assemble_late(source: SourcePlan, space: Workspace, _: object) -> Output:
        if damaged:
            raise damaged.pop()
        return assemble(source, space)

    monkeypatch.setattr("pipeline.ledger.assemble", assemble_late)
    assert finish(config).frames == {"total": 9, "stylized": 9, "reused": 0}
    assert left_by(config.output) == expected


def test_a_damaged_frame_that_cannot_be_made_again_is_told_once(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worn(TextureFarm):
        is_worn = False

        def stylize(self, queue: Queue, stop: Callable[[], bool]) -> Iterator[Event]:
            if self.is_worn:
                todo = queue.take(1)
                assert isinstance(todo, Todo)
                queue.drop_source(todo.job.source.name)
                yield SegmentFailed(todo.job, 6, "it is worn")
            else:
                for event in super().stylize(queue, stop):
                    if isinstance(event, FrameFinished) and event.record.frame == 3:  # the last one
                        Worn.is_worn = True
                        alter(frame_in(config, 6))
                    yield event

    config = job(clip, **CLIP)
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", Worn)
    assert [failure.error for failure in run(config).failures] == ["it is worn"]


@pytest.mark.usefixtures("textures")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_frame_damaged_between_runs_is_made_again_when_the_output_is_written(
    damage: str, job: Job, clip: Path, undisturbed: Undisturbed
) -> None:
    config = job(clip, **CLIP)
    expected = undisturbed(config)
    finish(config)
    (config.output / "clip.mp4").unlink()
    DAMAGES[damage](frame_in(config, 6))
    assert finish(config).frames == {"total": 9, "stylized": 1, "reused": 8}
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("hall")
@pytest.mark.parametrize("lost", [[3], [0, 2, 3]])
def test_a_damaged_predecessor_is_made_again_before_anything_starts_from_it(
    lost: list[int], job: Job, clip: Path, undisturbed: Undisturbed
) -> None:
    config = job(clip, **CHAIN)
    expected = undisturbed(config)

    class Damager(Watcher):
        def happened(self, event: Event) -> None:
            if isinstance(event, FrameFinished) and event.record.frame == 3:
                for index in lost:
                    alter(frame_in(config, index))

    assert finish(config, watcher=Damager()).frames["stylized"] == 9
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("hall")
def test_a_damaged_draft_fails_its_source_and_the_next_run_heals_it(
    job: Job, clip: Path, undisturbed: Undisturbed
) -> None:
    config = job(clip, **{**CHAIN, "video": {"cuts": "none", "passes": 2}})
    expected = undisturbed(config)

    class Damager(Watcher):
        def __init__(self) -> None:
            self.has_altered = False

        def happened(self, event: Event) -> None:
            if isinstance(event, FrameFinished) and event.job.kind == "pass" and not self.has_altered:
                self.has_altered = True
                index = 4
                (path,) = event.job.drafts[0].folder.glob(f"{index:08d}.png")
                alter(path)

    summary = run(config, Damager())
    assert summary.status == "incomplete"
    assert "is not what was committed; run again, which makes it again" in summary.failures[0].error
    finish(config)
    assert left_by(config.output) == expected


@pytest.mark.usefixtures("textures")
def test_a_damaged_pack_costs_only_the_frames_that_are_damaged(
    job: Job, clip: Path, undisturbed: Undisturbed
) -> None:
    transfer = {"size": 96, "iterations": 4}
    config = job(clip, transfer=transfer, disk={"pack": "always", "keep": "all"}, video={"cuts": "none"})
    finish(config)
    result = (config.output / "clip.mp4").read_bytes()
    (pack,) = Workspace(config.output).segments.rglob("frames-*.mkv")
    data = bytearray(pack.read_bytes())
    data[-len(data) // 4] ^= 0xFF
    pack.write_bytes(data)
    (config.output / "clip.mp4").unlink()
    frames = finish(config).frames
    assert 1 <= frames["stylized"] <= 8 and frames["stylized"] + frames["reused"] == 9
    assert (config.output / "clip.mp4").read_bytes() == result


@pytest.mark.usefixtures("textures")
def test_a_record_of_before_there_were_digests_stays_valid(job: Job, clip: Path) -> None:
    config = job(clip, **CLIP)
    finish(config)
    result = (config.output / "clip.mp4").read_bytes()
    space = Workspace(config.output)
    for journal in space.segments.rglob("records-*.jsonl"):
        lines = [json.loads(line) for line in journal.open()]
        assert all(len(line.pop("digest")) == 32 for line in lines)
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (config.output / "clip.mp4").unlink()
    assert finish(config).frames == {"total": 9, "stylized": 0, "reused": 9}
    assert (config.output / "clip.mp4").read_bytes() == result


def test_a_frame_is_read_if_it_is_that_of_any_of_its_records(tmp_path: Path) -> None:
    data = encode_frame(picture(1))
    commit_frame(tmp_path, record(1, bytes=len(data), digest="0" * 32, worker="late"), data)
    with pytest.raises(DamagedFrameError) as caught:
        read_frame(tmp_path, 1)
    assert (caught.value.frame, caught.value.folder) == (1, tmp_path)
    frame_path(tmp_path, 1).unlink()
    commit_frame(tmp_path, record(1, bytes=len(data), digest=frame_digest(data)), data)
    assert read_frame(tmp_path, 1).shape == (48, 64, 3)


def test_a_damaged_frame_is_never_packed(tmp_path: Path) -> None:
    for index in range(3):
        data = encode_frame(painted(index, 96, 72))
        commit_frame(tmp_path, record(index, bytes=len(data), digest=frame_digest(data)), data)
    alter(frame_path(tmp_path, 1))
    with pytest.raises(DamagedFrameError):
        pack_frames(tmp_path)
    assert len(finished_frames(tmp_path)) == 3 and not list(tmp_path.glob("*.mkv"))


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_frame_that_cannot_be_read_for_now_is_not_thrown_away(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode_frame(picture(1))
    commit_frame(tmp_path, record(1, bytes=len(data), digest=frame_digest(data)), data)

    def refuse(path: Path, flags: int) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patches:
        patches.setattr("pipeline.frames.no_link", refuse)
        with pytest.raises(MediaError, match=os.strerror(code)) as caught:
            throw_away_damaged(tmp_path, [1])
    assert not isinstance(caught.value, DamagedFrameError)
    assert throw_away_damaged(tmp_path, [1]) == []
    assert frame_path(tmp_path, 1).exists()
