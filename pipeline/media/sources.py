"""What a source is: a video, an animation, a numbered sequence or a single picture, by names and headers.

Owns the suffixes, and the guess whether pictures are the frames of one sequence. It looks at names and at the headers
of pictures, never at pixels, and knows nothing of folders and of decoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from os.path import splitext
from pathlib import Path
from typing import Literal

from PIL import Image

from pipeline.media.photo_formats import UNREADABLE, open_limited
from pipeline.storage.hand import opened
from pipeline.storage.places import url_of

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv")
)
STILL_SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif",
        ".heic", ".heif", ".hif", ".avif",
    )
)  # fmt: skip
_MAY_MOVE = frozenset((".gif", ".webp"))
# The containers that take H.264 (or VP9) with the source's own timestamps; every other becomes .mkv.
WRITABLE_SUFFIXES = frozenset((".mp4", ".mov", ".m4v", ".mkv", ".webm", ".ts"))

Folders = Literal["auto", "archive", "sequence"]
Kind = Literal["video", "animation", "sequence", "still"]

_LEAST_SEQUENCE = 3  # two pictures that happen to be called 1 and 2 are no film
_EXIF_MAKE, _EXIF_MODEL = 271, 272
_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Source:
    """One input: a video, an animated GIF or WebP, a numbered image sequence, or a still image."""

    kind: Kind
    path: Path  # absolute; the file, or the folder of a sequence
    name: str  # below the output folder, posix style: "a/clip.mp4"; the same whatever it is encoded as
    files: Sequence[Path]  # the pictures of a sequence in order; else (path,)
    guess: str | None = None  # of a folder in `auto`: why it was taken as a sequence
    output: str | None = None  # the output's own name, where its container is another one; None: `name`


def kind_by_name(name: str) -> Literal["video", "still"] | None:
    """What a file is by its suffix; None if it is neither."""
    suffix = _suffix(name)
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return "still" if suffix in STILL_SUFFIXES else None


def _suffix(name: str) -> str:
    return splitext(name)[1].lower()  # noqa: PTH122 (a tenth of the time of Path(name).suffix)


def may_move(name: str) -> bool:
    """Whether a picture of this name may be an animation, which its header says."""
    return _suffix(name) in _MAY_MOVE


@contextmanager
def _picture(path: Path) -> Iterator[Image.Image]:
    """A picture with its header read, of one behind a URL by parts; raises what Pillow raises."""
    if url_of(path) is None:
        with open_limited(path) as picture:
            yield picture
    else:
        with opened(path) as file, open_limited(file) as picture:
            yield picture


def moves(path: Path) -> bool:
    """Whether a picture has more than one frame; one that cannot be read has not."""
    if not may_move(path.name):
        return False
    try:
        with _picture(path) as picture:
            return bool(getattr(picture, "is_animated", False))
    except (*UNREADABLE, Image.DecompressionBombError):
        return False


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that puts frame9 before frame10; equal keys (9 and 09) are told apart by the name itself."""
    parts = _NUMBERS.split(name.lower())
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts], name


def numbering(names: Sequence[str]) -> tuple[str, list[str]] | None:
    """The printf pattern of at least 3 names that differ in one consecutive number, and the names in its order.

    None if they are no such names, which the first one that does not fit decides.

    >>> numbering(["f9.png", "f10.png", "f11.png"])
    ('f%d.png', ['f9.png', 'f10.png', 'f11.png'])
    """
    first, place, numbered = _NUMBERS.split(names[0]) if names else [], None, []
    for name in names[1:]:
        parts = _NUMBERS.split(name)
        differing = [i for i, (a, b) in enumerate(zip(first, parts, strict=False)) if a != b]
        place = differing[0] if place is None and differing else place
        if (
            len(parts) != len(first) or differing != [place] or differing[0] % 2 == 0
        ):  # numbers are at odd places
            return None
        numbered.append((int(parts[differing[0]]), name))
    if place is None or len(names) < _LEAST_SEQUENCE:
        return None
    numbered = sorted([*numbered, (int(first[place]), names[0])])
    if any(b[0] - a[0] != 1 for a, b in pairwise(numbered)):
        return None
    ordered = [name for _, name in numbered]
    return _printf(first, place, ordered), ordered


def _printf(parts: list[str], place: int, names: Sequence[str]) -> str:
    """The pattern of names that are split into `parts` and differ in that at `place`: frame_%04d.png."""
    digits = len(parts[place])
    padded = digits > 1 and len({len(name) for name in names}) == 1
    escaped = [part.replace("%", "%%") for part in parts]
    return "".join([*escaped[:place], f"%0{digits}d" if padded else "%d", *escaped[place + 1 :]])


def look_like_frames(paths: Iterable[Path]) -> bool:
    """Whether all headers can be read, give one size in px, none names a camera, and no picture moves.

    No header is read after the first that decides.
    """
    sizes = set()
    for path in paths:
        try:
            with _picture(path) as picture:
                sizes.add(picture.size)
                exif = picture.getexif()
                is_film = may_move(path.name) and getattr(picture, "is_animated", False)
        except (*UNREADABLE, Image.DecompressionBombError):
            return False
        if is_film or len(sizes) > 1 or exif.get(_EXIF_MAKE) or exif.get(_EXIF_MODEL):
            return False
    return True
