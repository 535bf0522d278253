"""Paths that a config names: where they lead, whether a picture can be read; knows nothing of the settings."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from glob import escape, has_magic
from itertools import islice
from os.path import normpath, realpath
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal

from pipeline.errors import MediaError
from pipeline.storage.places import is_url, place_of, url_of

_MOST_NAMES = 2000  # of a folder, that are compared with one that is not there
_LIKE = 0.7
ABSENT = "does not exist"


def absolute(base: Path, path: Path | str) -> Path:
    """Count a relative path from `base`, an absolute folder; `~/` is the home folder."""
    whole = base / (Path(path).expanduser() if str(path).startswith("~/") else path)
    if ".." not in whole.parts:
        return whole
    short = Path(normpath(whole))
    return short if realpath(short) == realpath(whole) else whole  # `..` after a link leads elsewhere


def absolute_pattern(base: Path, text: str) -> str:
    """Count a pattern for `glob` from `base`, or a path that exists.

    Brackets in the name of `base` stay literal.
    """
    if is_url(text):
        return str(place_of(text))
    is_pattern = has_magic(text) and kind_of(base / text) == "nothing"
    return str(absolute(Path(escape(str(base))) if is_pattern else base, text))


def kind_of(path: Path) -> Literal["file", "folder", "special", "nothing"]:
    """What is at a path, special being a device or a pipe; also nothing if the system will not say."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return "nothing"
    return "folder" if S_ISDIR(mode) else "file" if S_ISREG(mode) else "special"


def root_of(text: str) -> Path:
    """The folder of which the tree is mirrored: an input folder itself, or that of a file or pattern."""
    path = Path(text)
    if url_of(path) and not has_magic(text):  # nobody is asked as yet, so a suffix tells files from folders
        return path.parent if path.suffix else path
    if kind_of(path) == "nothing" and has_magic(text):
        return next(parent for parent in path.parents if not has_magic(str(parent)))
    return path if kind_of(path) == "folder" else path.parent


def is_around(output: str, text: str) -> bool:
    """Whether an input that is searched, a folder or a pattern, lies in the output folder, a real path."""
    return kind_of(Path(text)) != "file" and output in map(str, Path(realpath(root_of(text))).parents)


def meant(path: Path, fits: Callable[[str], bool]) -> str:
    """The end of a sentence that asks for what is called most like a path, in the same folder; empty: nothing is.

    Stems are compared, for a suffix that is equal says little; `fits` tells which names come into question.
    """
    with suppress(OSError), os.scandir(path.parent) as entries:
        names = [
            one.name
            for one in islice(entries, _MOST_NAMES)
            if not one.name.startswith(".") and fits(one.name)
        ]
        stems = {Path(name).stem: name for name in sorted(names) if name.isprintable()}
        if like := get_close_matches(path.stem, stems, n=1, cutoff=_LIKE):
            return f"; did you mean {stems[like[0]]}?"
    return ""


def media_by_name(path: Path) -> str | None:
    """What a file is by its name, such as "a video"; None if it is neither a video nor a picture."""
    from pipeline.media.sources import kind_by_name  # which knows more than a config needs otherwise

    kind = kind_by_name(path.name)
    return kind and {"video": "a video", "still": "a picture"}[kind]


def image_trouble(path: Path) -> str:
    """Why a picture cannot be read, to follow its path in a sentence; nothing if it can."""
    from PIL import Image  # 40 ms that `stylize --help` need not wait for

    from pipeline.media.photo_formats import UNREADABLE, open_limited

    if kind_of(path) == "special":  # to open a pipe would wait for ever
        return "is a device or a pipe"

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # paintings are scanned at 100 Mpx
            with open_limited(path) as image:
                image.load()  # all of it: one that is cut off would stop the workers later
    except FileNotFoundError:
        return ABSENT
    except IsADirectoryError:
        return "is a folder"
    except Image.DecompressionBombError:
        return "has too many pixels; make it smaller"
    except UNREADABLE:
        return "is a video" if media_by_name(path) == "a video" else "cannot be read as one"
    return ""


def mask_trouble(path: Path) -> str:
    """The same of a mask, which must leave something: one that is black all over would divide by nothing."""
    if trouble := image_trouble(path):
        return trouble
    from pipeline.media.stills import read_still

    try:
        return "" if read_still(path).any() else "is black everywhere, which leaves nothing"
    except MediaError as error:
        return str(error).removeprefix(f"{path} ")
