"""Results and records for tests of what is known of photographs: nothing is painted here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.durable import append_lines
from pipeline.execute.job import Batch, Picture
from pipeline.media.photos import PhotoFormat
from pipeline.records import PictureRecord, state_of
from pipeline.workspace import Workspace

LOOK = "a look"


def page(source: str, frame: int = 0, **changes: Any) -> PictureRecord:
    """The record of one page."""
    values: dict[str, Any] = {
        "source": source, "frame": frame, "segment": source, "start": "cold", "iterations": 2, "loss": 1.0,
        "trace": (2.0, 1.0), "megapixel_iterations": 0.1, "warp_error": None, "seconds": 0.1, "worker": "w-1",
        "bytes": 1, "output": source, "look": LOOK, "source_bytes": 10, "source_mtime_ns": 20, "mtime_ns": 30,
        "digest": "0" * 64, "width_px": 40, "height_px": 30,
    }  # fmt: skip
    return PictureRecord(**{**values, **changes})


def result(space: Workspace, source: str, data: bytes | None = None, **changes: Any) -> tuple[PictureRecord]:
    """Write a result as if it had been painted; its record."""
    data = source.encode("utf-8", "surrogateescape") if data is None else data
    target = space.output / source
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    size, mtime_ns = state_of(target) or (0, 0)
    digest = hashlib.sha256(data).hexdigest()
    return (page(source, bytes=size, mtime_ns=mtime_ns, digest=digest, **changes),)


def leave(space: Workspace, name: str, pages: Iterable[PictureRecord]) -> Path:
    """A journal that a worker left, as if it had been killed before anyone took its lines down."""
    space.pictures.mkdir(parents=True, exist_ok=True)
    append_lines(space.pictures / name, [asdict(one) for one in pages])
    return space.pictures / name


def lines(space: Workspace) -> list[dict[str, Any]]:
    """The lines of the run's journal."""
    return [json.loads(line) for line in space.records.read_bytes().splitlines()]


def picture_of(path: Path, **changes: Any) -> Picture:
    """A photograph of 64 × 48 px in a file."""
    size, mtime_ns = state_of(path) or (0, 0)
    values: dict[str, Any] = {
        "path": path, "name": path.name, "output": path.name, "size": (64, 48), "bytes": size, "mtime_ns": mtime_ns,
    }  # fmt: skip
    return Picture(**{**values, **changes})


def batch_of(space: Workspace, *pictures: Picture, **changes: Any) -> Batch:
    """A batch of photographs for the output folder of `space`."""
    values: dict[str, Any] = {
        "name": "a batch", "pictures": pictures, "output": space.output, "journal": space.pictures / "token.jsonl",
        "look": LOOK, "longest_px": 32, "max_pixels": 10**6, "format": PhotoFormat(),
    }  # fmt: skip
    return Batch(**{**values, **changes})
