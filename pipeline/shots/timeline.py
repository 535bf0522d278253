"""Values that change over time: what they are at a moment, and what of them matters to some frames. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Values = tuple[float, ...]


@dataclass(frozen=True)
class Track:
    """Values at growing times, in seconds: linear in between, constant before the first and after the last.

    >>> Track((Fraction(0), Fraction(4)), ((0.0, 1.0), (1.0, 0.0))).at(Fraction(1))
    (0.25, 0.75)
    """

    times_s: tuple[Fraction, ...]
    values: tuple[Values, ...]

    def at(self, time_s: Fraction) -> Values:
        """The values at a time."""
        after = bisect_right(self.times_s, time_s)
        if after in (0, len(self.times_s)):
            return self.values[min(after, len(self.times_s) - 1)]
        start_s, end_s = self.times_s[after - 1 : after + 1]
        share = float((time_s - start_s) / (end_s - start_s))
        return tuple(a + (b - a) * share for a, b in zip(*self.values[after - 1 : after + 1], strict=True))

    def around(self, first_s: Fraction, last_s: Fraction) -> Track:
        """The keys that decide on the values from `first_s` to `last_s`, which stay the same to the bit."""
        begin = max(0, bisect_right(self.times_s, first_s) - 1)
        end = next((i for i, time_s in enumerate(self.times_s) if time_s >= last_s), len(self.times_s) - 1)
        return Track(self.times_s[begin : end + 1], self.values[begin : end + 1])

    def within(self, first_s: Fraction, last_s: Fraction) -> list[tuple[Fraction, Values]]:
        """The track from `first_s` to `last_s` and nothing of it beyond: the values at both and at keys between."""
        inner = [(t, v) for t, v in zip(self.times_s, self.values, strict=True) if first_s < t < last_s]
        return [(first_s, self.at(first_s)), *inner, (last_s, self.at(last_s))]

    def select(self, columns: Sequence[int]) -> Track:
        """The track of some of the values."""
        return Track(self.times_s, tuple(tuple(values[i] for i in columns) for values in self.values))
