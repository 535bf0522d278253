"""Finished frames → outputs: one encode pass per source, verified against it before it gets its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import MediaError
from pipeline.frames import Frame
from pipeline.media.encode import encode_video, write_still
from pipeline.media.verify import verify_video
from pipeline.media.writing import writing
from pipeline.packs import read_frames
from pipeline.plan import Failure, Plan, SourcePlan
from pipeline.resume import folder_of
from pipeline.workspace import Workspace, append_journal, read_journal

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
    target = space.output / source.name
    short = hashlib.sha256(target.name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    partial = target.with_name(
        f".{short}.partial{target.suffix}"
    )  # short, since a name may have its full 255 bytes
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        notes = _write(source, partial, space)
        append_journal(
            space.outputs, {"source": source.name}
        )  # so that it is known as ours, whatever comes next
        with writing(target):
            partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    stamp = {**_stamp(source), **_state(target), "digest": _digest(target), "notes": notes}
    append_journal(space.outputs, {"source": source.name, **stamp})
    with suppress(OSError):
        space.preview(source.name).unlink(missing_ok=True)  # of the unfinished source
    return Output(source.name, target, source.frames, notes)


def without_blocked(plan: Plan, space: Workspace) -> Plan:
    """The plan, where sources whose output's place is taken by a file that no run of ours put there have failed."""
    ours = {entry.get("source") for entry in read_journal(space.outputs)}
    taken = [s for s in plan.sources if s.name not in ours and (space.output / s.name).exists()]
    failures = [
        Failure(
            source.name,
            None,
            f"{space.output / source.name} is there already, and no run here made it; "
            "move it away, or choose another output",
        )
        for source in taken
    ]
    sources = tuple(source for source in plan.sources if source not in taken) if taken else plan.sources
    return replace(plan, sources=sources, failures=(*plan.failures, *failures))


def current_outputs(sources: tuple[SourcePlan, ...], space: Workspace) -> dict[str, Output]:
    """The outputs that are there, untouched, and made of just these segments, by the source's name.

    One that was copied, so that it has another time, is untouched if its bytes are: its frames may be gone.
    """
    stamps = {entry.get("source"): entry for entry in read_journal(space.outputs)}
    found = {}
    for source in sources:
        target, stamp = space.output / source.name, stamps.get(source.name, {})
        expected: dict[str, Any] = {**_stamp(source), **_state(target)}
        other = [key for key, value in expected.items() if stamp.get(key) != value]
        if expected["bytes"] is None or other not in ([], ["mtime_ns"]):
            continue
        if not other or _digest(target) == stamp.get("digest"):
            found[source.name] = Output(source.name, target, source.frames, tuple(stamp.get("notes", ())))
    return found


def _write(source: SourcePlan, partial: Path, space: Workspace) -> tuple[str, ...]:
    original, found = source.inspected.source, source.inspected.probe
    if original.kind == "still":
        write_still(next(_frames(source, space)), partial)
        return ()
    notes = encode_video(_frames(source, space), partial, original, found, source.first, source.stop)
    differences = verify_video(partial, original, found, source.first, source.stop, source.size)
    if differences:
        raise MediaError(
            f"{source.name} was encoded, but is not true to its source: {'; '.join(differences)}"
        )
    return notes


def _frames(source: SourcePlan, space: Workspace) -> Iterator[Frame]:
    for first, stop, segment in source.homes:
        yield from read_frames(folder_of(segment, space), range(first, stop))


def _stamp(source: SourcePlan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "segments": [segment.fingerprint for segment in source.segments],
        "time_base": str(source.inspected.probe.time_base),  # of a sequence: its rate
    }


def _digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> dict[str, Any]:
    """The size and time of a file, None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return {"bytes": None, "mtime_ns": None}
    return {"bytes": state.st_size, "mtime_ns": state.st_mtime_ns}
