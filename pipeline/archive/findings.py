"""Listed photographs against what is known of them: which are painted already, which are to be, and why again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.archive.index import PictureIndex
from pipeline.archive.looks import Look, Looks
from pipeline.archive.table import Row
from pipeline.config import Config
from pipeline.errors import MediaError
from pipeline.execute.job import Picture
from pipeline.media.ahead import Read, with_headers
from pipeline.media.geometry import output_size
from pipeline.media.listing import Entry, Refused, Skipped, list_inputs
from pipeline.media.naming import Hashes, Names, one_file
from pipeline.media.outputs import name_outputs
from pipeline.media.photos import PhotoFormat, suffix_for
from pipeline.media.sources import Source
from pipeline.parts import changes
from pipeline.records import digest_of
from pipeline.workspace import FOLDER, Workspace


@dataclass(frozen=True)
class Done:
    """A photograph whose result is there, made with this look, of this source."""

    row: Row


@dataclass(frozen=True)
class Planned:
    """A photograph to paint, at `size`, (width, height) in px. `reasons`: why an earlier result is of no use."""

    picture: Picture
    look: Look
    size: tuple[int, int]
    reasons: tuple[str, ...] = ()


Finding = Done | Planned | Source | Refused | Skipped


def findings(
    config: Config,
    space: Workspace,
    index: PictureIndex,
    looks: Looks,
    earlier: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """Everything that the input leads to, as it is found, films last. `earlier`: outputs of films, by the source's
    name: what is a photograph now may have been one.

    A film whose output would be a photograph's has another name, whichever of them was there first.
    Raises `ConfigError` as `list_inputs` does.
    """
    clerk, films = _Clerk(config, space, index, looks, earlier or {}), list[Source]()
    listed = list_inputs(
        config.input, folders=config.folders, exclude=config.output, places=config.origin.inputs
    )
    for item, read_header in with_headers(listed, clerk.is_new, max_pixels(config)):
        if isinstance(item, Entry):
            assert read_header is not None, "every photograph has a header"
            try:
                yield clerk.examine(item, read_header)
            except MediaError as error:
                yield Refused(item.name, str(error))
        elif isinstance(item, Source):
            films.append(item)
        else:
            yield item
    yield from name_outputs(films, config.encoding.wish, clerk.places.has)


class _Places:
    """Where photographs' results go, and the folders above, as hashes, so far as a film's result could go there."""

    def __init__(self, config: Config) -> None:
        may_meet = config.encoding.container in ("gif", "webp", "png") or config.archive.format != "source"
        self._hashes = (
            Hashes() if may_meet else None
        )  # else names tell them apart, and there are no two alike

    def add(self, output: str) -> None:
        """Take one down."""
        if self._hashes is not None:
            for place in (output, *map(str, PurePosixPath(output).parents)):
                self._hashes.add(one_file(place))

    def has(self, output: str) -> bool:
        """Whether a film's result cannot be there."""
        return self._hashes is not None and one_file(output) in self._hashes


class _Clerk:
    def __init__(
        self, config: Config, space: Workspace, index: PictureIndex, looks: Looks, earlier: Mapping[str, str]
    ) -> None:
        self._archive, self._longest_px = config.archive, config.transfer.size
        self._space, self._index, self._looks, self._earlier = space, index, looks, earlier
        self._wish = wish_of(config)
        self._names = Names() if self._wish.format != "source" else None
        self.places = _Places(config)
        self._before: Mapping[str, Mapping[str, Any]] = space.read(space.looks)

    def is_new(self, entry: Entry) -> bool:
        """Whether nothing is known of an entry, so that its header will be looked at."""
        return self._index.get(entry.name) is None

    def examine(self, entry: Entry, read_header: Read) -> Done | Planned:
        """What is to be said of one entry; `MediaError` where it cannot be painted."""
        if PurePosixPath(entry.name).parts[0].casefold() == FOLDER:
            raise MediaError(
                f"its result would be in {FOLDER}, the run folder; rename the folder of the picture"
            )
        row = self._index.get(entry.name)
        output = self._output(entry.name, row)
        self.places.add(output)
        look = self._looks.of(entry.own)
        reasons = () if row is None else tuple(self._reasons(entry, row, look, output))
        if row is not None and not reasons:
            return Done(row)
        header = read_header()
        picture = Picture(
            path=entry.path,
            name=entry.name,
            output=output,
            size=(header.width_px, header.height_px),
            bytes=entry.bytes,
            mtime_ns=entry.mtime_ns,
            pages=header.pages,
            replaces=self._replaced(entry.name, output),
        )
        size = output_size(header.width_px, header.height_px, self._longest_px, even=False)
        return Planned(picture, look, size, reasons)

    def _output(self, name: str, row: Row | None) -> str:
        """Where a picture's result goes: where it was, if that is what is wanted, and never where another's is."""
        wanted = suffix_for(name, self._wish)
        if self._names is None:
            return wanted
        if row is not None and PurePosixPath(row.output).suffix == PurePosixPath(wanted).suffix:
            self._names.unique(row.output)
            return row.output
        output = self._names.unique(wanted)  # a.jpg and a.png would become one
        while self._index.owner(output) not in (None, name):
            output = self._names.unique(wanted)
        return output

    def _reasons(self, entry: Entry, row: Row, look: Look, output: str) -> Iterator[str]:
        """Why a result that was made once is not the one that is asked for; nothing: it is."""
        if row.look != look.fingerprint:
            before = self._before.get(row.look)
            told = changes(before, look.parts) if isinstance(before, dict) else None
            yield from told or ["it was painted with other settings"]
        is_touched = (entry.bytes, entry.mtime_ns) != (row.source_bytes, row.source_mtime_ns)
        if is_touched and not self._same_content(entry, row):
            yield "the picture has changed"
        if output != row.output:
            if row.look == look.fingerprint:  # else that is why
                yield f"its result is now {output}"
        elif not self._is_intact(row):
            yield "its result is gone, or was changed"

    def _same_content(self, entry: Entry, row: Row) -> bool:
        if (
            self._archive.identity != "content"
            or row.source_digest is None
            or entry.bytes != row.source_bytes
        ):
            return False
        if digest_of(entry.path) != row.source_digest:
            return False
        self._index.touch(row, source_mtime_ns=entry.mtime_ns)
        return True

    def _is_intact(self, row: Row) -> bool:
        """Whether the result is as it was written; one that was copied has another time, and the same bytes."""
        target = self._space.output / row.output
        state = self._space.shelf.state_of(target)
        if state == (row.bytes, row.mtime_ns):
            return True
        if state is None or state[0] != row.bytes or digest_of(target) != row.digest:
            return False
        self._index.touch(row, mtime_ns=state[1])
        return True

    def _replaced(self, name: str, output: str) -> tuple[int, int] | None:
        """The state of a file of ours that a new result replaces; `MediaError` where a stranger's is in its place."""
        target = self._space.output / output
        state = self._space.shelf.state_of(target)
        is_ours = self._index.owner(output) is not None or self._earlier.get(name) == output
        if state is None or is_ours:
            return state
        raise MediaError(
            f"{target} is there already, and no run here made it; move it away, or choose another output"
        )


def wish_of(config: Config) -> PhotoFormat:
    """The config's wishes for results, for those who know nothing of configs."""
    archive = config.archive
    return PhotoFormat(
        archive.format, archive.quality, "444" if archive.chroma == 444 else "420", archive.metadata
    )


def max_pixels(config: Config) -> int:
    """How many pixels a photograph may have."""
    return int(config.archive.max_megapixels * 1e6)
