"""The stylizers of one worker: one for each set of styles and settings that its segments are painted with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.config import Transfer
from pipeline.direction import Direction, Moment
from pipeline.execute.job import StyleFiles, style_files
from pipeline.style import Mixture, Settings, Style, Stylizer

KEPT = 4
"""Stylizers besides the first: those of a film whose shots have more looks are made again, in about a second each."""

Key = tuple[tuple[StyleFiles, ...], str]


class Palette:
    """Owns stylizers, the first and at most `KEPT` others, of which the least recently used is the first to go.

    `make` builds one from scratch, `load` reads a style, `settings` are the engine's out of the config's.
    """

    def __init__(
        self,
        first: Stylizer,
        make: Callable[[Sequence[Style], Settings], Stylizer],
        load: Callable[[StyleFiles], Style],
        settings: Callable[[Transfer], Settings],
    ) -> None:
        self._first, self._make, self._load, self._settings = first, make, load, settings
        self._others: dict[Key, Stylizer] = {}

    def stylizer(self, direction: Direction | None) -> Stylizer:
        """The stylizer for a direction; None: the first. Shares are not its business, see `mixture`."""
        if direction is None:
            return self._first
        files = style_files([style.model_copy(update={"weight": 1.0}) for style in direction.styles])
        peak = _strongest(direction)
        transfer = direction.transfer.model_copy(update={"style_weight": 1.0 if peak > 0 else 0.0})
        key = (files, transfer.model_dump_json())
        found = self._others.pop(key, None) or self._new(files, self._settings(transfer))
        while len(self._others) >= KEPT:
            del self._others[next(iter(self._others))]
        self._others[key] = found
        return found

    def _new(self, files: Sequence[StyleFiles], settings: Settings) -> Stylizer:
        """A stylizer on a network that is there already, if there is one that will do."""
        styles = [self._load(one) for one in files]
        beside = (one.beside(styles, settings) for one in (self._first, *self._others.values()))
        return next((one for one in beside if one is not None), None) or self._make(styles, settings)


def mixture(moment: Moment | None) -> Mixture | None:
    """What a frame is painted with, as the engine wants it."""
    return None if moment is None else Mixture(moment.shares, moment.style_weight)


def _strongest(direction: Direction) -> float:
    track = direction.strength
    return max(value for (value,) in track.values) if track else direction.transfer.style_weight
