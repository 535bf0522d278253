"""What a photograph is painted with: everything that changes a pixel of its result but the picture itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.config import Config, Transfer, plain
from pipeline.direction import Direction
from pipeline.media.items import Own
from pipeline.parts import ALGORITHM, Judges, style_parts, unused
from pipeline.records import digest_of
from pipeline.workspace import Workspace

PICTURES = 1
"""Counts up where photographs are read, painted or written in another way."""


KEPT = 256
"""Looks in memory: every entry of a manifest may have its own."""

TOLD = 1000

_WRITTEN = ("format", "quality", "chroma", "metadata")


@dataclass(frozen=True)
class Look:
    """`parts` by dotted name, and their fingerprint. `direction`, `mask`: what differs from the job's own, or None."""

    parts: Mapping[str, Any]
    fingerprint: str
    transfer: Transfer
    direction: Direction | None = None
    mask: Path | None = None


class Looks:
    """The looks of a job: its own, and those that entries of a manifest have.

    `of` belongs to one thread, `keep` to another.
    """

    def __init__(self, config: Config, judges: Judges) -> None:
        self._config, self._judges = config, judges
        self._digest = lru_cache(KEPT)(digest_of)  # a style or mask that many entries have is read once
        self._recent: dict[Own | None, Look] = {}
        self._told: dict[str, Mapping[str, Any]] = {}  # parts by fingerprint, of the first looks
        self._kept = 0

    def of(self, own: Own | None) -> Look:
        """The look of an entry; `MediaError` where a style or mask of its own cannot be read."""
        look = self._recent.pop(own, None) or self._make(own or Own())
        self._recent[own] = look
        if len(self._recent) > KEPT:
            del self._recent[next(iter(self._recent))]
        if len(self._told) < TOLD:
            self._told[look.fingerprint] = look.parts
        return look

    def keep(self, space: Workspace) -> None:
        """Write down what a later run is to tell its reasons from, where that is new."""
        told = dict(self._told)  # the listing's thread adds to it
        if self._kept == len(told):
            return
        self._kept = len(told)
        before = space.read(space.looks)
        if not told.keys() <= before.keys():
            recent = list(before.items())[-TOLD:]
            space.write(space.looks, dict([*recent, *told.items()]))

    def _make(self, own: Own) -> Look:
        config = self._config
        transfer, styles = config.transfer, own.style or config.style
        if own.strength is not None:
            weight = transfer.style_weight * own.strength
            transfer = transfer.model_copy(update={"style_weight": weight})
        judges = self._judges
        if own.style:
            paths = [path for one in styles for path in (one.image, one.mask, one.part) if path]
            judges = replace(judges, files={str(path): self._digest(path) for path in paths})
            judges = replace(judges, styles=judges.of(styles))
        mask = judges.content_mask if own.mask is None else self._digest(own.mask)
        parts = {
            "algorithm": [ALGORITHM, PICTURES],
            "weights": judges.weights,
            **style_parts(judges.styles, mask),
            **_settings(transfer),
            **{f"archive.{name}": value for name, value in plain(config.archive).items() if name in _WRITTEN},
        }
        is_own = own.style or own.strength is not None
        direction = Direction(styles, transfer) if is_own else None
        return Look(parts, fingerprint(parts), transfer, direction, own.mask)


def fingerprint(parts: Mapping[str, Any]) -> str:
    """The beginning of the SHA-256 of some parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _settings(transfer: Transfer) -> dict[str, Any]:
    hidden = set(unused(transfer, is_warm=False))
    return {f"transfer.{name}": value for name, value in plain(transfer).items() if name not in hidden}
