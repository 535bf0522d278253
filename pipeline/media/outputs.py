"""What the output of each source is called, and how it is encoded: as was asked for, where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.media.formats import CODECS, Coding, Encoding, coding_of, container_of
from pipeline.media.naming import numbered, one_file
from pipeline.media.probe import Probe
from pipeline.media.sources import Source

IsTaken = Callable[[str], bool]


def name_outputs(
    sources: Iterable[Source], encoding: Encoding, is_taken: IsTaken = lambda _: False
) -> tuple[Source, ...]:
    """The same films with their outputs named.

    With `container: source` they keep their name, unless the codec does not go into the container: then ".mkv" follows.
    No two outputs are one, none lies in a folder that is another's pictures, and none `is_taken` by something else.
    """
    named = [(source, _output(source, encoding)) for source in sources]
    return tuple(replace(source, output=output) for source, output in _apart(named, is_taken))


def coding_for(source: Source, probe: Probe, encoding: Encoding) -> Coding:
    """How the result of a film with a named output is encoded."""
    output = PurePosixPath(source.output or source.name)
    container = "png" if encoding.container == "png" else container_of(output)
    is_hdr = probe.hdr is not None and not probe.is_tonemapped
    return coding_of(encoding, container or "mkv", is_hdr=is_hdr)


def _output(source: Source, encoding: Encoding) -> str:
    """The name of one output, which another source may want as well."""
    path = PurePosixPath(source.name)
    if encoding.container == "source":
        container = container_of(path)
        if encoding.codec == "auto" or container in CODECS[encoding.codec].containers:
            return source.name
        return str(path.with_suffix(".mkv")) if source.kind == "sequence" else f"{source.name}.mkv"
    bare = path.with_suffix("")
    if (
        source.kind == "video"
        and path.suffix == ".mkv"
        and source.path.suffix.lower() == bare.suffix.lower() != ""
    ):
        bare = bare.with_suffix("")  # clip.avi.mkv is clip.avi's name
    return str(bare) if encoding.container == "png" else f"{bare}.{encoding.container}"


def _apart(named: list[tuple[Source, str]], is_taken: IsTaken) -> Iterator[tuple[Source, str]]:
    """The same pairs, with numbers where two outputs would be one or lie within each other."""
    folders = {
        one_file(str(above)) for _, output in named for above in PurePosixPath(output).parents if above.name
    }
    taken: set[str] = set()
    for source, output in named:
        name = numbered(
            output, lambda name: one_file(name) in taken or one_file(name) in folders or is_taken(name)
        )
        taken.add(one_file(name))
        yield source, name
