"""Finished frames → outputs: one encode pass per source, verified against it before it gets its name."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import MediaError
from pipeline.frames import Frame, decode_frame
from pipeline.media.encode import encode_video, write_still
from pipeline.media.pictures import compare_pictures, picture_names, write_pictures
from pipeline.media.verify import verify_video
from pipeline.media.writing import writing
from pipeline.plan import Failure, Plan, SourcePlan
from pipeline.resume import folder_of
from pipeline.workspace import Workspace, append_journal, frame_path, read_journal

VERSION = 1
"""Counts up where the same frames are to be encoded in another way."""


@dataclass(frozen=True)
class Output:
    """One finished output: the source's name, the file, its frames, and what had to be left out of it."""

    source: str
    output: Path
    frames: int
    notes: tuple[str, ...] = ()


def assemble(source: SourcePlan, space: Workspace) -> Output:
    """Write the output of a source whose frames are all finished.

    It is written under a partial name, compared with the source, and only then renamed. Raises `MediaError`
    where it differs or cannot be written, `SpaceError` without room.
    """
    target = space.output / source.output
    short = hashlib.sha256(target.name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    partial = target.with_name(
        f".{short}.partial{target.suffix}"
    )  # short, since a name may have its full 255 bytes
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        notes = _write(source, partial, space)
        ours = {"source": source.name, "output": source.output}
        append_journal(space.outputs, ours)  # so that it is known as ours, whatever comes next
        with writing(target):
            _put(partial, target, source)
    finally:
        with suppress(OSError):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
    append_journal(space.outputs, {**ours, **_stamp(source), **_state(target), "notes": notes})
    return Output(source.name, target, source.frames, notes)


def _put(partial: Path, target: Path, source: SourcePlan) -> None:
    """Give a finished output its name. Of a folder, picture by picture: what else a person put there stays."""
    if not source.is_folder:
        partial.replace(target)
        return
    target.mkdir(exist_ok=True)
    new = {path.name for path in partial.iterdir()}
    for name in picture_names(source.inspected.source, source.inspected.probe):
        if name in new:
            (partial / name).replace(target / name)
        else:
            (target / name).unlink(missing_ok=True)  # of an earlier result, of other frames
    if left := sorted(path.name for path in target.glob("*.png") if path.name not in new):
        raise MediaError(
            f"{source.name}: {target / left[0]} is no frame of the result and would be taken for one "
            f"({len(left)} such pictures); move it away, and run again"
        )


def without_blocked(plan: Plan, space: Workspace) -> Plan:
    """The plan, where sources whose output's place is taken by a file that no run of ours put there have failed."""
    ours = {entry.get("output", entry.get("source")) for entry in read_journal(space.outputs)}
    taken = [s for s in plan.sources if s.output not in ours and (space.output / s.output).exists()]
    failures = [
        Failure(
            source.name,
            None,
            f"{space.output / source.output} is there already, and no run here made it; "
            "move it away, or choose another output",
        )
        for source in taken
    ]
    sources = tuple(source for source in plan.sources if source not in taken) if taken else plan.sources
    return replace(plan, sources=sources, failures=(*plan.failures, *failures))


def current_outputs(sources: tuple[SourcePlan, ...], space: Workspace) -> dict[str, Output]:
    """The outputs that are there, untouched, and made of just these segments, by the source's name."""
    stamps = {entry.get("source"): entry for entry in read_journal(space.outputs)}
    found = {}
    for source in sources:
        target, stamp = space.output / source.output, stamps.get(source.name, {})
        expected: dict[str, Any] = {**_stamp(source), **_state(target)}
        if expected["bytes"] is not None and all(stamp.get(key) == value for key, value in expected.items()):
            found[source.name] = Output(source.name, target, source.frames, tuple(stamp.get("notes", ())))
    return found


def _write(source: SourcePlan, partial: Path, space: Workspace) -> tuple[str, ...]:
    original, found = source.inspected.source, source.inspected.probe
    part = (original, found, source.first, source.stop)
    if original.kind == "still":
        write_still(next(_frames(source, space)), partial)
        return ()
    if source.is_folder:
        shutil.rmtree(partial, ignore_errors=True)  # what a killed run left
        notes = write_pictures(_frames(source, space), partial, *part)
        differences = compare_pictures(partial, *part, source.size)
    else:
        notes = encode_video(_frames(source, space), partial, *part, source.coding)
        differences = verify_video(partial, *part, source.size)
    if differences:
        raise MediaError(
            f"{source.name} was encoded, but is not true to its source: {'; '.join(differences)}"
        )
    return notes


def _frames(source: SourcePlan, space: Workspace) -> Iterator[Frame]:
    for first, stop, segment in source.homes:
        folder = folder_of(segment, space)
        for index in range(first, stop):
            yield decode_frame(frame_path(folder, index))


def _stamp(source: SourcePlan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "segments": [segment.fingerprint for segment in source.segments],
        "time_base": str(source.inspected.probe.time_base),  # of a sequence: its rate
        "output": source.output,
        "coding": None if source.coding is None else asdict(source.coding),
    }


def _state(path: Path) -> dict[str, Any]:
    """The size and time of a file, None where there is none; of a folder, of the pictures in it."""
    try:
        if path.is_dir():
            states = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in path.glob("*.png"))
            digest = hashlib.sha256(repr(states).encode("utf-8", "surrogateescape")).hexdigest()
            return {"bytes": sum(size for _, size, _ in states), "mtime_ns": digest}
        state = path.stat()
    except OSError:
        return {"bytes": None, "mtime_ns": None}
    return {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}
