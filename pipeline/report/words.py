"""Numbers, times and names as a person reads them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath

from pipeline.media.items import printable
from pipeline.storage.places import with_urls

_LONGEST_S = timedelta.max.total_seconds()


def number(value: float) -> str:
    """A value with three significant digits, or whole.

    >>> number(0.0012345), number(1234567.0), number(3.0)
    ('0.00123', '1,234,567', '3')
    """
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def count(amount: int, noun: str) -> str:
    """An amount with its noun.

    >>> count(1, "frame"), count(1200, "frame")
    ('1 frame', '1,200 frames')
    """
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time span; of a longer one than there is in Python, that one.

    >>> duration(4.2), duration(75), duration(90061)
    ('4.2 s', '1 min 15 s', '1 d 1 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = timedelta(seconds=round(seconds)) if seconds < _LONGEST_S else timedelta.max
    hours, rest_s = divmod(whole.seconds, 3600)
    parts = [(whole.days, "d"), (hours, "h"), (rest_s // 60, "min"), (rest_s % 60, "s")]
    told = [f"{amount} {unit}" for amount, unit in parts if amount]
    return " ".join(told[:3] if whole.days else told)


def shown(path: str | PurePath) -> str:
    """A name as it can be printed and encoded: odd characters are escaped."""
    return printable(with_urls(str(path)))


def texts_in(value: object) -> tuple[str, ...]:
    """The texts of a list out of a journal; of anything else, none."""
    return tuple(shown(text) for text in value if isinstance(text, str)) if isinstance(value, list) else ()
