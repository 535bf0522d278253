"""What a case is, what a reader is tried with, and when what came out of it is a finding."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pipeline.errors import PipelineError

MOST_CHARACTERS = 2000  # of a line that a person is to read
_REPRESENTATION = re.compile(r" at 0x[0-9a-f]{6,}>")


@dataclass(frozen=True)
class Case:
    """What a reader is given: files by their paths below a folder, and texts, the overrides of a config."""

    files: Mapping[str, bytes]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A reader: `make` builds a case, `read` reads it from a folder and gives the sentences that people would see.

    `prepare` writes what all cases have in common. Errors below `allowed` are answers; all others are findings.
    """

    name: str
    make: Callable[[Random], Case]
    read: Callable[[Path, Case], Iterable[str]]
    allowed: type[PipelineError]
    prepare: Callable[[Path], None] = lambda folder: None


class WrongError(AssertionError):
    """A reader took something that it must not take."""


def case_of(target: Target, seed: int, number: int) -> Case:
    """Case `number`, counted from 0: the same whenever it is asked for."""
    return target.make(Random(f"{seed} {target.name} {number}"))


def finding_in(target: Target, folder: Path, case: Case) -> str | None:
    """What is wrong with how a case was read, a traceback or a sentence; None: nothing.

    The case's files are written below `folder`, and left there.
    """
    for name, data in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    try:
        said = list(target.read(folder, case))
    except target.allowed as error:
        said = str(error).split("\n")  # a line for each problem
    except Exception:
        return traceback.format_exc()
    troubles = (trouble for line in said or () if (trouble := _trouble(line)))
    return next(troubles, None)


def _trouble(line: str) -> str:
    """Why a person could not make sense of a line."""
    if not line.strip():
        return f"an empty message: {line!r}"
    if len(line) > MOST_CHARACTERS:
        return f"a message of {len(line)} characters: {line[:500]!r}…"
    if "\n" in line or "\r" in line:
        return f"a message of several lines: {line!r}"
    if "Traceback" in line or _REPRESENTATION.search(line):
        return f"a message for programmers: {line!r}"
    return ""
