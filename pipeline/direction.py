"""What frames are painted with, where that is not the same in all of a job: styles, settings, and how they change.

Between the config and the shot list on one side and the plan and the workers on the other. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipeline.config import Keyframe, StyleImage, Transfer
from pipeline.shots.timeline import Track, Values


@dataclass(frozen=True)
class Moment:
    """What one frame is painted with: a share for each style of its direction, and `transfer.style_weight`."""

    shares: Values
    style_weight: float


@dataclass(frozen=True)
class Direction:
    """The styles and settings of some frames. Times are seconds from the source's first frame.

    `shares`: how the styles' weights change; None: they are the styles' own. `strength`: how `style_weight` changes;
    None: it is that of `transfer`.
    """

    styles: tuple[StyleImage, ...]
    transfer: Transfer
    shares: Track | None = None
    strength: Track | None = None

    def at(self, time_s: Fraction) -> Moment:
        """What a frame at this time is painted with: a function of the time alone."""
        own = tuple(style.weight for style in self.styles)
        shares = self.shares.at(time_s) if self.shares else own
        (weight,) = self.strength.at(time_s) if self.strength else (self.transfer.style_weight,)
        return Moment(shares, weight)

    def between(self, first_s: Fraction, last_s: Fraction) -> Direction:
        """What of it matters to frames from `first_s` to `last_s`: what does not change then is told as constant."""
        return _with_strength(_with_shares(self, first_s, last_s), first_s, last_s)


def direct(styles: tuple[StyleImage, ...], transfer: Transfer, keyframes: Sequence[Keyframe]) -> Direction:
    """The direction of frames that `keyframes` lead, where they say something; `styles` and `transfer` otherwise."""
    looks = [(one.at, one.style) for one in keyframes if one.style is not None]
    weights = [(one.at, (one.style_weight,)) for one in keyframes if one.style_weight is not None]
    strength = Track(*zip(*weights, strict=True)) if weights else None
    if not looks:
        return Direction(styles, transfer, None, strength)
    known = list(dict.fromkeys(_bare(style) for _, look in looks for style in look))
    shares = tuple(_shares(look, known) for _, look in looks)
    return Direction(tuple(known), transfer, Track(tuple(at for at, _ in looks), shares), strength)


def _bare(style: StyleImage) -> StyleImage:
    """A style without its weight: two that are equal then are the same, whatever their shares."""
    return style.model_copy(update={"weight": 1.0})


def _shares(look: Sequence[StyleImage], known: Sequence[StyleImage]) -> Values:
    """What each known style has of a look; all shares are 1 together, so that looks of any weights can be blended."""
    total = sum(style.weight for style in look)
    shares = dict.fromkeys(known, 0.0)
    for style in look:
        shares[_bare(style)] += style.weight / total
    return tuple(shares.values())


def _with_shares(given: Direction, first_s: Fraction, last_s: Fraction) -> Direction:
    if given.shares is None:
        return given
    found = [values for _, values in given.shares.within(first_s, last_s)]
    used = [index for index in range(len(given.styles)) if any(values[index] > 0 for values in found)]
    styles = tuple(given.styles[index] for index in used)
    if all(values == found[0] for values in found):
        weighed = (s.model_copy(update={"weight": found[0][i]}) for s, i in zip(styles, used, strict=True))
        return Direction(tuple(weighed), given.transfer, None, given.strength)
    shares = given.shares.around(first_s, last_s).select(used)
    return Direction(styles, given.transfer, shares, given.strength)


def _with_strength(given: Direction, first_s: Fraction, last_s: Fraction) -> Direction:
    if given.strength is None:
        return given
    found = [values for _, values in given.strength.within(first_s, last_s)]
    if all(values == found[0] for values in found):
        transfer = given.transfer.model_copy(update={"style_weight": found[0][0]})
        return Direction(given.styles, transfer, given.shares, None)
    return Direction(given.styles, given.transfer, given.shares, given.strength.around(first_s, last_s))
