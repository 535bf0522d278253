"""A segment's files where a worker is, and which of two frames counts."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from pipeline.durable import line_of
from pipeline.frames import encode_frame
from pipeline.records import frame_digest
from pipeline.storage.staging import Folder
from pipeline.workspace import commit_frame
from tests.farms import painted
from tests.plans import record
from tests.storage.buckets import Bucket


def test_a_damaged_frame_that_is_as_long_as_it_should_be_gives_way(memory: Bucket, tmp_path: Path) -> None:
    data = encode_frame(painted(1, 48, 32))
    ours = record(1, bytes=len(data), digest=frame_digest(data), worker="late")
    early = replace(ours, worker="early")
    memory.put("segment/records-early-0.jsonl", line_of(asdict(early)))
    memory.put("segment/00000001.png", bytes(len(data)))
    folder = Folder(tmp_path / "here", f"{memory.url}/segment")
    commit_frame(folder.path, ours, data)
    assert folder.put(ours, line_of(asdict(ours)), "late-0") is None
    assert folder.winner(ours) is None
    assert memory.read("segment/00000001.png") == data
