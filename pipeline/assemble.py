"""Finished frames → outputs: one encode pass per source, verified against it before it gets its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.disk.packs import read_frames
from pipeline.encoding import Encoding, follow
from pipeline.errors import MediaError
from pipeline.frames import Frame
from pipeline.media.encode import encode_video
from pipeline.media.pictures import picture_names, write_pictures
from pipeline.media.seen import Seen, counted, unseen
from pipeline.media.verify import Certificate, certify
from pipeline.media.writing import writing
from pipeline.originals import Originals
from pipeline.places import clear, place_of
from pipeline.plan import Failure, Plan, SourcePlan
from pipeline.resume import folder_of
from pipeline.shelf import Shelf
from pipeline.workspace import FOLDER, Workspace, read_journal

VERSION = 1
"""Counts up where the same frames are to be encoded in another way."""

Tell = Callable[[Encoding], None]
Standing = Literal["missing", "foreign", "outdated", "changed", "current"]
"""Of an output: not there; made by no run here; of other frames; made by a run, but changed since; as it should be."""


@dataclass(frozen=True)
class Output:
    """One finished output: the source's name, the file, its frames, and what had to be left out of it."""

    source: str
    output: Path
    frames: int
    notes: tuple[str, ...] = ()


def assemble(source: SourcePlan, space: Workspace, tell: Tell = lambda _: None) -> Output:
    """Write the output of a source whose frames are all finished.

    It is written under a partial name, compared with the source, and only then renamed; `tell` is told how far that
    is. Raises `MediaError` where it differs or cannot be written, or the source has changed, `SpaceError` without room.
    """
    target, original = place_of(space.output, source.output), source.inspected.source
    Originals(dict(zip(original.files, source.inspected.originals, strict=False))).check(original.files)
    short = hashlib.sha256(target.name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    partial = target.with_name(
        f".{short}.partial{target.suffix}"
    )  # short, since a name may have its full 255 bytes
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    clear(partial)  # what a killed run left
    try:
        notes, checks = _write(source, partial, space, tell)
        if _is_strange(source, space):
            raise MediaError(_occupied(target))  # since the plan was made, by a photograph's result perhaps
        ours, digest = {"source": source.name, "output": source.output}, _digest(partial)
        space.shelf.note(space.outputs, ours)  # so that it is known as ours, whatever comes next
        with writing(target):
            _put(partial, target, source, space.shelf)
    finally:
        clear(partial)
    found = {"digest": digest, "notes": notes, "checks": checks}
    stamp = {**_stamp(source), **_state(target, space.shelf), **found}
    space.shelf.note(space.outputs, {**ours, **stamp})
    with suppress(OSError):
        space.preview(source.name).unlink(missing_ok=True)  # of the unfinished source
    return Output(source.name, target, source.frames, notes)


def _is_strange(source: SourcePlan, space: Workspace) -> bool:
    """Whether a file that no run of ours put there has taken the output's place."""
    if source.output in written(space).outputs or not space.shelf.exists(space.output / source.output):
        return False
    space.shelf.catch_up(space.outputs)
    return source.output not in written(space).outputs


def _put(partial: Path, target: Path, source: SourcePlan, shelf: Shelf) -> None:
    """Give a finished output its name. Of a folder, picture by picture: what else a person put there stays."""
    if not source.is_folder:
        shelf.put(partial, target)
        return
    target.mkdir(exist_ok=True)
    new = {path.name for path in partial.iterdir()}
    for name in picture_names(source.inspected.source, source.inspected.probe):
        if name in new:
            shelf.put(partial / name, target / name)
        else:
            shelf.remove(target / name)  # of an earlier result, of other frames
    if left := sorted(name for name in shelf.pictures_in(target) or () if name not in new):
        raise MediaError(
            f"{source.name}: {target / left[0]} is no frame of the result and would be taken for one "
            f"({len(left)} such pictures); move it away, and run again"
        )


def certify_output(source: SourcePlan, target: Path, seen: Seen = unseen) -> Certificate:
    """What `target` is, compared with the source; `MediaError` where the source can no longer be read."""
    found = source.inspected
    return certify(target, found.source, found.probe, source.first, source.stop, source.size, seen)


class Written(NamedTuple):
    """What the journal of outputs says."""

    last: Mapping[str, Mapping[str, Any]]  # by the source's name, its last entry
    outputs: frozenset[str]  # the paths, below the output folder, that runs here wrote

    @property
    def by_source(self) -> dict[Any, Any]:
        """The last of these of each source."""
        return {source: entry.get("output", source) for source, entry in self.last.items()}


def written(space: Workspace) -> Written:
    """Read the journal of outputs; a damaged line that names none is passed over."""
    last, outputs = {}, set()
    for entry in read_journal(space.outputs):
        source = entry.get("source")
        output = entry.get("output", source)
        if isinstance(source, str) and isinstance(output, str):
            last[source] = entry
            outputs.add(output)
    return Written(last, frozenset(outputs))


def standing_of(source: SourcePlan, space: Workspace, journal: Written) -> Standing:
    """Whether the output is there, and whose it is.

    One that was copied, so that it has another time, is current if its bytes are: its frames may be gone.
    """
    target = space.output / source.output
    entry, state = journal.last.get(source.name, {}), _state(target, space.shelf)
    if state["bytes"] is None:
        return "missing"
    if source.output not in journal.outputs:
        return "foreign"
    if any(entry.get(key) != value for key, value in _stamp(source).items()):
        return "outdated"
    other = [key for key, value in state.items() if entry.get(key) != value]
    was_copied = other == ["mtime_ns"] and _digest_there(target, space.shelf) == entry.get("digest")
    return "current" if not other or was_copied else "changed"


def without_blocked(plan: Plan, space: Workspace) -> Plan:
    """The plan, where sources have failed whose output's place is taken by a file that no run of ours put there, or
    lies elsewhere by a link."""
    ours = written(space).outputs
    failures, sources = list(plan.failures), []
    for source in plan.sources:
        try:
            target = place_of(space.output, source.output)
            if source.output.split("/")[0].casefold() == FOLDER:
                raise MediaError(f"{target} would be in the run folder; rename the folder of the source")
            if source.output not in ours and space.shelf.exists(target):
                raise MediaError(_occupied(target))
            sources.append(source)
        except MediaError as error:
            failures.append(Failure(source.name, None, str(error)))
    return replace(plan, sources=tuple(sources), failures=tuple(failures))


def _occupied(target: Path) -> str:
    return f"{target} is there already, and no run here made it; move it away, or choose another output"


def current_outputs(sources: tuple[SourcePlan, ...], space: Workspace) -> dict[str, Output]:
    """The outputs that are there, untouched, and made of just these segments, by the source's name."""
    journal = written(space)
    return {
        source.name: Output(
            source.name,
            space.output / source.output,
            source.frames,
            _notes_in(journal.last[source.name].get("notes")),
        )
        for source in sources
        if standing_of(source, space, journal) == "current"
    }


def _notes_in(value: object) -> tuple[str, ...]:
    """The notes of an entry; of a damaged one, none."""
    return tuple(note for note in value if isinstance(note, str)) if isinstance(value, list) else ()


def _write(
    source: SourcePlan, partial: Path, space: Workspace, tell: Tell
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Encode the frames, and compare the result with the source: what was left out, and what was compared."""
    original, found = source.inspected.source, source.inspected.probe
    part = (original, found, source.first, source.stop)
    notes: tuple[str, ...] = ()
    with space.shelf.at_hand(original.files):
        frames = counted(_frames(source, space), follow(source.name, "encoding", source.frames, tell))
        if source.is_folder:
            notes = write_pictures(frames, partial, *part)
        else:
            notes = encode_video(frames, partial, *part, source.coding)
        certificate = certify_output(source, partial, follow(source.name, "verifying", source.frames, tell))
    if certificate.differences:
        raise MediaError(
            f"{source.name} was encoded, but is not true to its source: {'; '.join(certificate.differences)}"
        )
    return notes, certificate.checks


def _frames(source: SourcePlan, space: Workspace) -> Iterator[Frame]:
    for first, stop, segment in source.homes:
        folder = folder_of(segment, space)
        yield from read_frames(folder, space.shelf.fetched(folder, range(first, stop)))


def _stamp(source: SourcePlan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "segments": [segment.fingerprint for segment in source.segments],
        "time_base": str(source.inspected.probe.time_base),  # of a sequence: its rate
        "output": source.output,
        "coding": asdict(source.coding),
    }


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the pictures of a folder."""
    if path.is_dir():
        pictures = [f"{picture.name} {_digest(picture)}" for picture in sorted(path.glob("*.png"))]
        return hashlib.sha256("\n".join(pictures).encode("utf-8", "surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_there(target: Path, shelf: Shelf) -> str:
    """The same of an output that is where it belongs."""
    pictures = shelf.pictures_in(target)
    with shelf.at_hand([target] if pictures is None else [target / name for name in pictures]):
        return _digest(target)


def _state(path: Path, shelf: Shelf) -> dict[str, Any]:
    """The size and time of a file, None where there is none; of a folder, of the pictures in it."""
    try:
        pictures = shelf.pictures_in(path)
        state = shelf.state_of(path) if pictures is None else None
    except OSError:
        return {"bytes": None, "mtime_ns": None}
    if pictures is not None:
        states = sorted((name, *state) for name, state in pictures.items())
        digest = hashlib.sha256(repr(states).encode("utf-8", "surrogateescape")).hexdigest()
        return {"bytes": sum(size for _, size, _ in states), "mtime_ns": digest}
    return dict(zip(("bytes", "mtime_ns"), state or (None, None), strict=True))
