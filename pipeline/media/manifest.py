"""A manifest → items: a list of pictures and films, line by line, with what each picture has of its own.

CSV with a header, or JSON lines; a record is one line in both. What is wrong with a line is said of that line, and the
next one is read.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO

from pydantic import ValidationError

from pipeline.errors import ConfigError, MediaError
from pipeline.media.items import Entry, Own, Refused, is_in, printable, to_item
from pipeline.media.sources import Source, kind_by_name
from pipeline.settings.errors import MAX_LINES, complaints, nearest
from pipeline.settings.paths import absolute, kind_of
from pipeline.settings.sections import Section, StyleImage, StyleList
from pipeline.settings.styles import absolute_styles
from pipeline.settings.yaml_lines import Placed, one_line, show

MANIFEST_SUFFIXES = frozenset((".csv", ".jsonl", ".ndjson"))
KEYS = ("path", "style", "strength", "mask")

MAX_LINE_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_TROUBLES = {
    "file": "",
    "folder": "is a folder",
    "special": "is a device or a pipe",
    "nothing": "does not exist",
}
_KNOWN = 1024  # answers that are kept, of questions that many lines ask


class _Styled(Section):
    """What a line says of styles, checked as in a job."""

    style: StyleList


@dataclass(frozen=True)
class _Reading:
    """What reading one manifest needs; what lines have in common is looked at once."""

    path: Path  # absolute
    exclude: str  # the output folder, real
    trouble: Callable[[Path], str] = field(default_factory=lambda: lru_cache(_KNOWN)(_trouble))
    real: Callable[[str], str] = field(default_factory=lambda: lru_cache(_KNOWN)(os.path.realpath))

    @cached_property
    def folder(self) -> str:
        """Where the paths in it are counted from."""
        return str(self.path.parent)

    def place(self, number: int) -> str:
        """The place of a line, counted from 1, by the manifest's name alone."""
        return f"{self.path.name}:{number}"


def read_manifest(path: Path, exclude: Path) -> Iterator[Entry | Source | Refused]:
    """What each line of a manifest names, in order; links are followed, since a person named them.

    Relative paths are counted from the manifest's folder. A name is the path below that folder, or of what lies
    elsewhere the file's own; so it can be the same twice. `exclude` is the output folder, a real path.
    Raises ConfigError if the manifest cannot be read, or if the header of a CSV is wrong.
    """
    reading = _Reading(path, str(exclude))
    try:
        with path.open("rb") as file:
            lines = _lines(file)
            header = _header(path, lines) if path.suffix.lower() == ".csv" else None
            for number, line in lines:
                try:
                    text = _text(line)
                    if text.strip():
                        cells = _json_cells(text) if header is None else _csv_cells(text, header)
                        yield _item(reading, number, cells)
                except MediaError as error:
                    yield Refused(printable(reading.place(number)), one_line(str(error)))
                except RecursionError:
                    yield Refused(
                        printable(reading.place(number)), "the line is nested too deeply to be read"
                    )
    except OSError as error:
        raise ConfigError(f"the manifest {path} cannot be read: {error.strerror or error}") from error


# --- lines ---


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers from 1; None for one that is too long to be read."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        is_long = len(line) > MAX_LINE_BYTES
        while is_long and line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield number, None if is_long else line


def _text(line: bytes | None) -> str:
    """A line as text; raises MediaError if it is none."""
    if line is None:
        raise MediaError(
            f"the line is longer than {MAX_LINE_BYTES} bytes; is a quote or a line break missing?"
        )
    if b"\0" in line:
        raise MediaError("the line has a NUL byte; save the manifest as UTF-8 text")
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        bad = f"0x{line[error.start]:02x}"
        raise MediaError(f"the line must be UTF-8 text, got the byte {bad}; save it as UTF-8") from None


def _header(path: Path, lines: Iterator[tuple[int, bytes | None]]) -> list[str]:
    """The columns of a CSV, from its first line that is not empty."""
    for number, line in lines:
        try:
            text = _text(line)
            names = [name.strip() for name in _cells(text)] if text.strip() else []
        except MediaError as error:
            raise ConfigError(f"the header is wrong: {error} ({path}:{number})") from None
        if names:
            if problems := list(islice(_header_problems(names), MAX_LINES)):
                raise ConfigError("\n".join(f"{problem} ({path}:{number})" for problem in problems))
            return names
    raise ConfigError(f"the manifest {path} is empty; its first line must name columns: {', '.join(KEYS)}")


def _header_problems(names: list[str]) -> Iterator[str]:
    """What is wrong with the columns of a CSV, as sentences."""
    for name in dict.fromkeys(names):
        if name not in KEYS:
            yield f"the manifest has no column {show(name)}, only {', '.join(KEYS)}{_nearest(name)}"
        elif names.count(name) > 1:
            yield f"the column {name} is there {names.count(name)} times; keep one of them"
    if "path" not in names:
        yield "the column path is missing; the first line must name the columns, with commas between them"


def _nearest(name: str) -> str:
    return nearest(name[:100].lower(), KEYS)


def _cells(text: str) -> list[str]:
    """The cells of one line of CSV; raises MediaError where quotes do not pair."""
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error as error:
        remedy = "write names with quotes or line breaks as JSON lines, in a .jsonl"
        raise MediaError(f"the line is no CSV ({error}); {remedy}") from None


def _csv_cells(text: str, header: list[str]) -> dict[str, Any]:
    """What a line of a CSV has by column; without what is empty."""
    cells = _cells(text)
    if any(cells[len(header) :]):
        raise MediaError(
            f"the line has {len(cells)} cells for {len(header)} columns; put a name with commas in quotes"
        )
    found: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
    if (strength := found.get("strength")) is not None:
        found["strength"] = _number(strength)
    return found


def _number(text: str) -> Any:
    """The number that a cell holds, or the cell as it is if it holds none."""
    plain = re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?\s*", text, re.ASCII)
    return float(text) if plain else text


def _json_cells(text: str) -> dict[str, Any]:
    """What a line of JSON has by key; without what is null or empty."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MediaError(f"the line is no JSON ({error}); write one object on it") from None
    if not isinstance(found, dict):
        raise MediaError(f'the line must be an object such as {{"path": "a.jpg"}}, got {show(found)}')
    for key in found:
        if key not in KEYS:
            raise MediaError(f"{show(key)} is no key, only {', '.join(KEYS)}{_nearest(key)}")
    return {key: value for key, value in found.items() if value not in (None, "")}


# --- what a line says ---


def _item(reading: _Reading, number: int, cells: dict[str, Any]) -> Entry | Source:
    """The picture or film of one line; raises MediaError for whatever is wrong with it."""
    if "path" not in cells:
        raise MediaError("path is missing; it is the picture to paint")
    path = _path(reading, "path", cells["path"])
    state = _state(reading, path)
    kind = kind_by_name(path.name)
    if kind is None:
        raise MediaError(
            f"{path} is neither video nor picture by its suffix; rename it, or take the line out"
        )
    if is_in(reading.real(os.path.dirname(path)), reading.exclude):  # noqa: PTH120 (a third of the time)
        raise MediaError(f"{path} lies in the output folder, where results go; put it elsewhere")
    item = to_item(str(path), _name(str(path), reading.folder), kind, (state.st_size, state.st_mtime_ns))
    own = _own(reading, number, cells)
    if own is None:
        return item
    if isinstance(item, Source):
        raise MediaError(
            f"{path} is a film, which takes no style of its own here; write a shot list: video.shots"
        )
    return Entry(item.path, item.name, item.bytes, item.mtime_ns, own)


def _path(reading: _Reading, key: str, value: Any) -> Path:
    """A path that a line names, counted from the manifest's folder."""
    if not isinstance(value, str):
        raise MediaError(f"{key} must be a path, got {show(value)}")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise MediaError(f"{key} must be a path, got {show(value)}, which is no name of a file") from None
    if "\0" in value:
        raise MediaError(f"{key} must be a path, got {show(value)} with a NUL")
    try:
        return absolute(reading.path.parent, value)
    except (OSError, RuntimeError) as error:  # a name that is too long, or no home for ~
        raise MediaError(f"{key} must be a path, got {show(value)} ({error})") from None


def _state(reading: _Reading, path: Path) -> os.stat_result:
    """What the system knows of a file that must be there."""
    try:
        state = path.stat()
    except FileNotFoundError:
        start = f"relative ones start at {reading.path.name}'s folder"
        raise MediaError(f"{path} does not exist; check the path ({start})") from None
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from None
    if S_ISDIR(state.st_mode):
        raise MediaError(f"{path} is a folder; name its files, or name it as an input of its own")
    if not S_ISREG(state.st_mode):
        raise MediaError(f"{path} is no regular file; name a picture or a video")
    return state


def _name(path: str, folder: str) -> str:
    """The name of a result: the path below the manifest's folder, or of what lies elsewhere the file's own.

    So does what is hidden, since results have hidden folders beside them.

    >>> [_name(path, "/m") for path in ("/m/a/b.jpg", "/x/b.jpg", "/m/../b.jpg", "/m/.a/b.jpg")]
    ['a/b.jpg', 'b.jpg', 'b.jpg', 'b.jpg']
    """
    above, _, name = path.removeprefix(folder.rstrip("/")).rpartition("/")
    if not is_in(path, folder) or "/." in above:
        return name
    return f"{above}/{name}".lstrip("/")


def _own(reading: _Reading, number: int, cells: dict[str, Any]) -> Own | None:
    """What a line has of its own; None if nothing."""
    if cells.keys() <= {"path"}:
        return None
    mask = _path(reading, "mask", cells["mask"]) if "mask" in cells else None
    styles = _styles(reading, number, cells["style"]) if "style" in cells else None
    files = {"mask": mask} if mask else {}
    for index, style in enumerate(styles or ()):
        named = {"image": style.image, "mask": style.mask, "part": style.part}
        files |= {f"style.{index}.{key}": path for key, path in named.items() if path}
    for key, path in files.items():
        if trouble := reading.trouble(path):
            raise MediaError(f"{key} must be an image; {path} {trouble}")
    return Own(styles, _strength(cells.get("strength")), mask)


def _trouble(path: Path) -> str:
    """Why a path leads to no file; nothing if it does. Whether it is a picture is known when it is read."""
    return _TROUBLES[kind_of(path)]


def _strength(value: Any) -> float | None:
    """The factor on the weight of the style."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise MediaError(f"strength must be a number from 0 up, got {show(value)}; 1 is as the job says")
    try:
        return float(value)
    except OverflowError:
        raise MediaError(f"strength must be a number from 0 up, got {show(value)}") from None


def _styles(reading: _Reading, number: int, value: Any) -> tuple[StyleImage, ...]:
    """The styles that a line names, as a path or as the list that a job may have."""
    place = reading.place(number)
    try:
        given = [{"image": _path(reading, "style", value)}] if isinstance(value, str) else value
        styles = _Styled.model_validate({"style": given}).style
        return absolute_styles(styles, reading.path.parent)
    except ValidationError as error:
        document = Placed({"style": Placed.of(value, place)}, place)
        raise MediaError("; ".join(complaints(error, document, ("style",)))) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: no home for ~, or nested too deeply
        raise MediaError(f"style must be a path, or a list of images ({error})") from None
