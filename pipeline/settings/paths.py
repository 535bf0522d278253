"""Paths that a config names: where they lead, whether a picture can be read; knows nothing of the settings."""

from __future__ import annotations

import warnings
from glob import escape, has_magic
from os.path import normpath, realpath
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal

from pipeline.errors import MediaError
from pipeline.storage.places import is_url, place_of, url_of


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


def image_trouble(path: Path) -> str:
    """Why Pillow cannot read a picture, to follow its path in a sentence; nothing if it can."""
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
        return "does not exist"
    except IsADirectoryError:
        return "is a folder"
    except Image.DecompressionBombError:
        return "has too many pixels for Pillow; make it smaller"
    except UNREADABLE:
        return "is not one that Pillow can read"
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
