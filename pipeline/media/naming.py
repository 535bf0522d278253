"""What results are called: no two alike, whatever the disk takes for alike, and without keeping the names."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from hashlib import blake2b
from pathlib import PurePosixPath
from unicodedata import normalize

_TRIED_ONE_BY_ONE = 64


def one_file(name: str) -> str:
    """The same text for all names that are one file on some disk: by case, and by how accents are composed.

    >>> one_file("A/É.jpg") == one_file("a/E\u0301.JPG")
    True
    """
    return name.lower() if name.isascii() else normalize("NFC", normalize("NFC", name).casefold())


def numbered(name: str, is_taken: Callable[[str], bool]) -> str:
    """The name, or where it is taken a free one with -2, -3, … before its suffixes: the first, up to -64.

    Beyond that it is found by halving, so that a million files of one name take no 10^12 looks.

    >>> numbered("a/clip.avi.mkv", {"a/clip.avi.mkv"}.__contains__)
    'a/clip-2.avi.mkv'
    """
    if not is_taken(name):
        return name
    path = PurePosixPath(name)
    stem, dot, suffixes = path.name.partition(".") if path.suffix == ".mkv" else (path.stem, "", path.suffix)

    def nth(count: int) -> str:
        return str(path.with_name(f"{stem}-{count}{dot}{suffixes}"))

    for count in range(2, _TRIED_ONE_BY_ONE + 1):
        if not is_taken(nth(count)):
            return nth(count)
    taken, free = _TRIED_ONE_BY_ONE, 2 * _TRIED_ONE_BY_ONE
    while is_taken(nth(free)):
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (middle, free) if is_taken(nth(middle)) else (taken, middle)
    return nth(free)


class Names:
    """The names given so far, as hashes: some 16 bytes each.

    Of a million names, two have one hash with a probability of 3e-8; then one is numbered without need.
    """

    def __init__(self) -> None:
        self._taken = Hashes()

    def unique(self, name: str) -> str:
        """The name, with a number where it is taken, which is taken from now on."""
        if self._taken.add(one_file(name)):
            return name
        found = numbered(name, lambda name: one_file(name) in self._taken)
        self._taken.add(one_file(found))
        return found


class Hashes:
    """A set of texts that keeps 64 bits of each, in one array; a set of Python's takes 70 bytes and more."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))  # 0: free
        self._count = 0

    def __contains__(self, text: str) -> bool:
        return bool(self._slots[self._find(_digest(text))])

    def add(self, text: str) -> bool:
        """Whether the text is new; it is in the set from now on."""
        digest = _digest(text)
        place = self._find(digest)
        if self._slots[place]:
            return False
        self._slots[place] = digest
        self._count += 1
        if 4 * self._count > 3 * len(self._slots):
            self._grow()
        return True

    def _find(self, digest: int) -> int:
        """Where a hash is, or the free place where it is to be; those after its own are next."""
        slots, last = self._slots, len(self._slots) - 1
        place = digest & last
        while slots[place] and slots[place] != digest:
            place = (place + 1) & last
        return place

    def _grow(self) -> None:
        old, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
        for digest in filter(None, old):
            self._slots[self._find(digest)] = digest


def _digest(text: str) -> int:
    """64 bits of a text, the same in every process; never 0."""
    data = text.encode("utf-8", "surrogatepass")  # names that are no UTF-8 have surrogates
    return int.from_bytes(blake2b(data, digest_size=8).digest()) or 1
