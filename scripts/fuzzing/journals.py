"""The readers of a run folder: journals, and the index of photographs that is made of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from pipeline.archive.index import PictureIndex
from pipeline.assemble import written
from pipeline.durable import read_journal
from pipeline.errors import ResumeError
from pipeline.records import FrameRecord, PictureRecord
from pipeline.workspace import Workspace, dropped_frames, finished_frames

from .cases import Case, Target, WrongError
from .damage import TOKENS, damaged_bytes, damaged_value, json_line

_FRAME = asdict(
    FrameRecord("clip.mp4", 3, "ab", "cold", 300, 1.5, (2.0, 1.5), 3.1, None, 1.25, "host-1", 7, tile=512)
)
_PICTURE = asdict(
    PictureRecord(
        "a/b.jpg", 0, "", "cold", 300, 1.5, (2.0, 1.5), 3.1, None, 1.25, "host-1", 7, output="a/b.jpg", look="ab",
        source_bytes=9, source_mtime_ns=2**60, mtime_ns=2**60, digest="ab", width_px=4, height_px=3, notes=("x",),
    )
)  # fmt: skip
_PACK = {"pack": "frames-ab.mkv", "bytes": 7, "frames": [[3, 7, "ab"], [4, 7, "cd"]]}
_OUTPUT = {
    "source": "clip.mp4", "output": "clip.mp4", "version": 1, "segments": ["ab"], "time_base": "1/25", "bytes": 7,
}  # fmt: skip


def _lines(rng: Random, seed: dict[str, Any], **varied: tuple[Any, ...]) -> bytes:
    """Some lines of a journal, about half of them damaged, and some of the whole."""
    lines = []
    for _ in range(rng.choice((1, 2, 4, 8))):
        line: Any = seed | {key: rng.choice(values) for key, values in varied.items()}
        if rng.random() < 0.6:
            line = damaged_value(rng, line)
        lines.append(json_line(line))
    data = b"".join(lines)
    return damaged_bytes(rng, data, TOKENS) if rng.random() < 0.5 else data


def _journal(rng: Random) -> Case:
    records = _lines(rng, _FRAME, frame=(0, 3, 4, 5), bytes=(7, 8))
    packs = ("frames-ab.mkv", "../outside.png", "00000003.png")
    others = {
        "packs.jsonl": _lines(rng, _PACK, pack=packs),
        "dropped.jsonl": _lines(rng, _FRAME, frame=(0, 3, 4)),
    }
    files = {f"segment/{name}": data if rng.random() < 0.5 else b"" for name, data in others.items()}
    files["segment/records-host-1.jsonl"] = records
    files |= {f"segment/{name}": b"7 bytes" for name in ("00000003.png", "00000005.png", "frames-ab.mkv")}
    files["out/.stylize/outputs.jsonl"] = _lines(rng, _OUTPUT) if rng.random() < 0.5 else b""
    return Case(files)


def _read_journal(folder: Path, case: Case) -> Iterator[str]:
    segment, space = folder / "segment", Workspace(folder / "out")
    list(read_journal(segment / "records-host-1.jsonl"))
    for index, record in (finished_frames(segment) | dropped_frames(segment)).items():
        if type(index) is not int or record.frame != index:
            raise WrongError(f"no frame's index: {index!r}")
    for name in written(space).last:
        if not isinstance(name, str):
            raise WrongError(f"no source's name: {name!r}")
    if (folder / "outside.png").read_bytes() != b"7 bytes":
        raise WrongError("a file outside the segment has changed")
    yield from ()


def _prepare_journal(folder: Path) -> None:
    (folder / "outside.png").write_bytes(b"7 bytes")


# --- the index of photographs ---


def _index(rng: Random) -> Case:
    names = ("a.jpg", "b.jpg", "ü.jpg")
    files = {
        "records.jsonl": _lines(
            rng, _PICTURE, source=names, output=names, digest=("ab", "cd"), pages=(1, 1, 2)
        )
    }
    if rng.random() < 0.3:
        output = ("made.jpg", "missing.jpg", "../outside.jpg")
        files["pictures/ab.jsonl"] = _lines(rng, _PICTURE, source=names, output=output)
    if rng.random() < 0.4:
        files["pictures.sqlite"] = damaged_bytes(rng, _table(), (b"pictures", b"CREATE", b"\0\0\0\0"))
    return Case(
        {f"out/.stylize/{name}": data for name, data in files.items()}, (rng.choice(("read", "write")),)
    )


@cache
def _table() -> bytes:
    """A table with two photographs in it."""
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace(Path(folder))
        space.root.mkdir()
        with PictureIndex(space, writable=True) as index:
            for name in ("a.jpg", "b.jpg"):
                index.add([[PictureRecord(**{**_PICTURE, "source": name, "output": name})]])
        return space.index.read_bytes()


def _read_index(folder: Path, case: Case) -> Iterator[str]:
    space = Workspace(folder / "out")
    try:
        with PictureIndex(space, writable=case.texts == ("write",)) as index:
            for row in index.rows():
                if index.get(row.name) is None or not isinstance(row.output, str):
                    raise WrongError(f"a row that is not found: {row}")
            index.owner("a.jpg")
            list(index.all_seen())
        yield from ()
    finally:
        shutil.rmtree(space.root)


def _prepare_index(folder: Path) -> None:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    (folder / "out/made.jpg").write_bytes(b"7 bytes")
    os.utime(folder / "out/made.jpg", ns=(_PICTURE["mtime_ns"], _PICTURE["mtime_ns"]))


JOURNALS = (
    Target("journal", _journal, _read_journal, ResumeError, _prepare_journal),
    Target("index", _index, _read_index, ResumeError, _prepare_index),
)
