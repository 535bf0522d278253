"""Where what a run writes goes: below the output folder, whatever names and links say. Knows nothing of what it is.

What is refused is what was there before: names out of a stranger's list or journal, links in a folder that came from
elsewhere. Who may write in the output folder while a run works there can still turn a folder into a link between the
look and the writing; such a folder must not be shared with people who are not trusted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.errors import MediaError, ResumeError
from pipeline.media.items import is_in, printable
from pipeline.media.writing import writing


def leads_out(name: str) -> bool:
    """Whether the name of a result, posix style, is none below the folder that it is counted from.

    >>> [leads_out(name) for name in ("a/b.jpg", "a/../../b.jpg", "/b.jpg", "")]
    [False, True, True, True]
    """
    parts = name.split("/")
    return name.startswith("/") or ".." in parts or {*parts} <= {"", "."} or "\0" in name


def place_of(output: Path, name: str) -> Path:
    """Where a result is to be, below the output folder.

    Raises `MediaError` where its name or a link leads elsewhere, and what `writing` does.
    """
    if leads_out(name):
        raise MediaError(f"{printable(name)} leads out of the output folder; nothing is written there")
    target = output / name
    with writing(target):
        if target.is_symlink():
            raise MediaError(f"{target} is a link, through which nothing is written; move it away")
        above = [folder for folder in target.parents if folder != output and folder.is_relative_to(output)]
        if existing := next((folder for folder in above if folder.exists()), None):
            real = os.path.realpath(existing)
            if not is_in(real, os.path.realpath(output)):
                raise MediaError(
                    f"{existing} leads out of the output folder, to {real}; nothing is written there"
                )
    return target


def clear(path: Path) -> None:
    """Remove what an earlier run left at a name that this one is about to use; of a link, the link."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def refuse_links(run_folder: Path, segments: Path) -> None:
    """Raise `ResumeError` where something of a run folder is a link, through which a run would write or remove.

    Or a pipe, which it would wait for.
    """
    for path in _links(run_folder, segments):
        raise ResumeError(
            f"{path} is a link or a pipe, and in a run folder nothing is written through those; "
            "put what it leads to in its place, or remove it"
        )


def _links(run_folder: Path, segments: Path) -> Iterator[Path]:
    if run_folder.is_symlink():
        yield run_folder
    for folder in (run_folder, segments):
        yield from _links_in(folder)
    if segments.is_dir():
        for source in os.scandir(segments):
            yield from _links_in(Path(source.path))


def _links_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)
