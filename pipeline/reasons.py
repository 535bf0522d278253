"""Many failures in one line: how many there are, and for what reasons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pipeline.plan import Failure
from pipeline.settings.yaml_lines import one_line

SHOWN = 5
"""Reasons that are told; of an archive some are of one picture each."""

LONGEST = 120


def summed_up(failures: Sequence[Failure]) -> str:
    """How many sources failed, and why, the most frequent reason first.

    >>> summed_up([Failure("a.png", None, "/in/a.png is cut off at 3; copy it"), Failure("b.png", 2, "no memory")])
    '2 failures: 1 × is cut off at 3, 1 × no memory'
    >>> summed_up([Failure(f"{n}.png", None, f"/in/{n}.png is cut off at {n}; copy it") for n in range(3)])
    '3 failures: is cut off at 0'
    """
    counts, first = Counter[str](), dict[str, str]()
    for failure in failures:
        reason = _reason_of(failure)
        kind = re.sub(r"[\d.]+", "#", reason)  # where only numbers differ, it is the same
        first.setdefault(kind, reason)
        counts[kind] += 1
    number = "{} × " if len(counts) > 1 else ""
    told = [f"{number.format(count)}{first[kind]}" for kind, count in counts.most_common(SHOWN)]
    more = [f"{len(counts) - SHOWN} other reasons"] * (len(counts) > SHOWN)
    return f"{len(failures)} failure{'s' * (len(failures) != 1)}: {', '.join([*told, *more])}"


def _reason_of(failure: Failure) -> str:
    """What an error says without what it says it of, and without what to do about it."""
    _, _, behind = failure.error.partition(failure.source)
    reason, _, _ = (behind.strip() or failure.error).partition("; ")
    return one_line(reason, LONGEST)
