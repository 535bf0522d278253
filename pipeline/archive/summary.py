"""What a look at the photographs of a job found: counts by size and look, not by picture, so it stays small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pipeline.archive.findings import Done, Finding, Planned
from pipeline.archive.looks import Look
from pipeline.media.listing import Refused, Skipped
from pipeline.media.sources import Source
from pipeline.plan import Failure

SAMPLES = 3

LISTED = 10_000
"""Photographs that are told one by one; of a larger archive the first."""

TOLD_EVERY = 500

BYTES_PER_PIXEL = 1.5
"""Of a finished photograph: as JPEG of quality 95 paintings take 1.1 to 1.25, as PNG 2.4."""


@dataclass
class Pictures:
    """What there is of photographs: pages that are done and to do, and the films that were listed beside them.

    `refused`: photographs that cannot be opened, of which each counts as a page.

    `work`: pages to paint by size, (width, height) in px, and look. `samples`: a few of them, drawn at random.
    """

    done: int = 0
    left: int = 0
    refused: int = 0
    count: int = 0
    work: Counter[tuple[tuple[int, int], str]] = field(default_factory=Counter)
    looks: dict[str, Look] = field(default_factory=dict)
    listed: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Planned] = field(default_factory=list)
    films: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    skipped_count: int = 0
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """The pages of them all."""
        return self.done + self.left + self.refused

    @property
    def bytes(self) -> int:
        """About what the results that are still to come take on the disk."""
        return int(sum(pages * w * h * BYTES_PER_PIXEL for ((w, h), _), pages in self.work.items()))


def count_up(findings: Iterable[Finding], watch: Callable[[int], None] = lambda _: None) -> Pictures:
    """Count findings; `watch` is told now and then how many photographs there are."""
    found, draw = Pictures(), _Draw()
    for finding in findings:
        if found.count % TOLD_EVERY == 0:
            watch(found.count)
        match finding:
            case Done(row):
                found.done += row.pages
                _list(found, row.name, row.pages, (row.width_px, row.height_px), row.pages)
            case Planned(picture, look, size, reasons):
                found.left += picture.pages
                draw.offer(finding, found.samples)
                found.work[size, look.fingerprint] += picture.pages
                found.looks[look.fingerprint] = look
                if reasons and len(found.reasons) < LISTED:
                    found.reasons[picture.name] = reasons
                _list(found, picture.name, picture.pages, size, 0)
            case Refused(name, reason):
                found.refused += 1
                found.failures.append(Failure(name, None, reason))
            case Skipped(path):
                found.skipped_count += 1
                if len(found.skipped) < LISTED:
                    found.skipped.append(str(path))
            case Source():
                found.films.append(finding)
    return found


class _Draw:
    """Draws a few of a stream, each as likely as any other (Vitter's algorithm R), the same ones every time."""

    def __init__(self) -> None:
        self._seen, self._random = 0, Random(0)

    def offer(self, one: Planned, drawn: list[Planned]) -> None:
        """Take one into `drawn`, perhaps in the place of another."""
        self._seen += 1
        place = self._random.randrange(self._seen)
        if len(drawn) < SAMPLES:
            drawn.append(one)
        elif place < SAMPLES:
            drawn[place] = one


def _list(found: Pictures, name: str, pages: int, size: tuple[int, int], done: int) -> None:
    found.count += 1
    if len(found.listed) < LISTED:
        told: Mapping[str, Any] = {
            "source": name,
            "kind": "still",
            "frames": pages,
            "size": list(size),
            "shots": [[0, pages]],
            "segments": [[0, pages]],
            "reused": done,
            "notes": [] if pages == 1 else [f"{pages} pages"],
        }
        found.listed.append(dict(told))
