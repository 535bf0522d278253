"""Numbers of bytes as people say them, and as they set disk.budget_gib."""

from __future__ import annotations

from math import ceil, floor, log10

GIB = 2**30
_UNITS = (("kB", 10**3), ("MB", 10**6), ("GiB", GIB), ("TiB", 2**40))


def sized(count: int) -> str:
    """A number of bytes in at most three digits.

    >>> sized(300), sized(22_980_000), sized(999_600), sized(10**9), sized(20 * GIB), sized(0)
    ('0.3 kB', '23 MB', '1 MB', '0.931 GiB', '20 GiB', '0 kB')
    """
    unit, size = next((one for one in _UNITS if round(count / one[1]) < 1000), _UNITS[-1])
    return f"{count / size:.3g} {unit}"


def as_budget(count: int) -> str:
    """The least disk.budget_gib of three digits that so many bytes fit in, never as 1e-05.

    >>> as_budget(22_980_000), as_budget(20 * GIB), as_budget(104_000), as_budget(1300 * GIB)
    ('0.0215', '20', '0.0000969', '1300')
    """
    gib = count / GIB
    step = 10.0 ** max(-9, min(0, floor(log10(gib)) - 2)) if gib else 1.0
    return f"{round(ceil(gib / step) * step, 9):.9f}".rstrip("0").rstrip(".")


def plain(number: float) -> str:
    """A number as a person would write it.

    >>> plain(1e-06), plain(20.0), plain(0.5)
    ('0.000001', '20', '0.5')
    """
    return f"{number:.9f}".rstrip("0").rstrip(".") if number < 1e-4 else f"{number:g}"
