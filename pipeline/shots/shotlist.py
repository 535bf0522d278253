"""The shot list: a YAML that a person reads and edits, where each source is cut, and what each shot has of its own.

    clip.mp4:                            # the source's name, its path below the input folder
      timeline:                          # if wanted: as video.timeline, for this source
        - {at: 0, style: paintings/a.png}
        - {at: "0:12.5", style: paintings/b.png}
      shots:
        - frames: [0, 48]
        - frames: [48, 120]
          style: paintings/c.png         # path, or a list as of `style`; relative to this file
          style_weight: 400              # short for transfer: {style_weight: 400}
          transfer: {iterations: 500}    # any key of `transfer` but `size`
        - frames: [120, 150]
          skip: true                     # left as it is

What a shot sets goes before what the timeline says. Sources that are not listed are cut as `video.cuts` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import Strict, ValidationError

from pipeline.config import Config, Keyframe, StyleImage, Transfer, plain
from pipeline.errors import ConfigError
from pipeline.settings.errors import complaints, conflict_lines, nearest
from pipeline.settings.sections import Section, StyleList, keyframe_conflicts, keyframes_at_odds
from pipeline.settings.styles import absolute_keyframes, absolute_styles, style_troubles
from pipeline.settings.values import FrameRange, Share
from pipeline.settings.yaml_lines import Placed, read_yaml, show


class Shot(Section):
    """One shot, and what it has of its own."""

    frames: FrameRange
    """[first, stop), in frame indices of the source from 0."""
    style: StyleList | None = None
    """The painting to learn from, or a list of them; null: as the rest of the job."""
    style_weight: Share | None = None
    """Short for transfer: {style_weight: …}."""
    transfer: Transfer | None = None
    """Keys of `transfer` that are different here; those that are not given are the job's."""
    skip: bool = False
    """Leave the frames as they are in the source."""


class _Timeline(Section):
    timeline: Annotated[tuple[Keyframe, ...], Strict(False)] = ()


SHOT_KEYS = (*Shot.model_fields, *(f"transfer.{name}" for name in Transfer.model_fields))
SOURCE_KEYS = ("shots", "timeline")


@dataclass(frozen=True)
class Script:
    """What a shot list says of one source; `place`, `places`: where it and its shots are written, as `shots.yaml:7`."""

    shots: tuple[Shot, ...]
    timeline: tuple[Keyframe, ...] | None
    places: tuple[str, ...]
    place: str = ""

    def styles(self) -> Iterator[StyleImage]:
        """Every style that is named."""
        for shot in self.shots:
            yield from shot.style or ()
        for keyframe in self.timeline or ():
            yield from keyframe.style or ()


def read_shots(path: Path, config: Config) -> dict[str, Script]:
    """Read a shot list: by source's name what it says, laid over the job's settings.

    Raises one `ConfigError` with a line for everything that is wrong in itself; see `check_frames` for the rest.
    """
    document = read_yaml(path)
    problems: list[str] = []
    scripts = {
        name: _read_source(name, placed, path.parent, config, problems)
        for name, placed in document.value.items()
    }
    if problems:
        raise ConfigError("\n".join(problems))
    return scripts


def check_names(scripts: Mapping[str, Script], names: Sequence[str]) -> None:
    """Raise `ConfigError` where the shot list names a source that the job has not."""
    unknown = {name: script.place for name, script in scripts.items() if name not in names}
    sentences = (
        f"{name} is no source of this job ({place}){nearest(name, names) or f'; it has {show(list(names))}'}"
        for name, place in unknown.items()
    )
    if unknown:
        raise ConfigError("\n".join(sentences))


def check_frames(name: str, script: Script, frames: int, wanted: tuple[int, int]) -> None:
    """Raise `ConfigError` where a source's shots are not just its frames, one after the other.

    `frames`: how many the source has; `wanted`: the first and stop of those that are to be made.
    """
    shots = [shot.frames for shot in script.shots]
    problems = [
        f"{name}, shots.{index}: frames {list(shots[index])} {fault} ({script.places[index]})"
        for index, fault in _misplaced(shots, frames, wanted)
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _misplaced(
    shots: Sequence[tuple[int, int]], frames: int, wanted: tuple[int, int]
) -> Iterator[tuple[int, str]]:
    """The indices of shots that are not where they should be, each with what is wrong and what to do."""
    for index, (first, stop) in enumerate(shots):
        if stop > frames:
            remedy = f"end it at {frames}" if first < frames else "remove the shot"
            yield index, f"go beyond the end of the source, which has {frames} frames; {remedy}"
    for index, (before, after) in enumerate(pairwise(shots), start=1):
        if after[0] < before[1]:
            yield index, f"overlap with the shot before, {list(before)}; begin it at {before[1]}"
        elif after[0] > before[1]:
            yield index, f"leave a gap after the shot before, {list(before)}; begin it at {before[1]}"
    if shots[0][0] > wanted[0]:
        yield 0, f"are the first shot, but frame {wanted[0]} is wanted too; begin it at {wanted[0]}"
    if shots[-1][1] < wanted[1]:
        yield (
            len(shots) - 1,
            f"are the last shot, but frame {wanted[1] - 1} is wanted too; end it at {wanted[1]}",
        )


def _read_source(name: str, placed: Placed, folder: Path, config: Config, problems: list[str]) -> Script:
    given = placed.value if isinstance(placed.value, dict) else {}
    shots = given.get("shots", placed)
    for key, value in given.items():
        if key not in SOURCE_KEYS:
            problems.append(f"{name}.{key} is not a setting ({value.place}){nearest(key, SOURCE_KEYS)}")
    if not isinstance(shots.value, list) or not shots.value:
        text = f"{name} must have a list of shots, for example shots: [{{frames: [0, 48]}}]"
        problems.append(f"{text}, got {show(shots.plain())} ({shots.place})")
        return Script((), None, (), placed.place)
    reading = _Reading(folder, config, problems)
    timeline = reading.timeline(name, given["timeline"]) if "timeline" in given else None
    keyframes = config.video.timeline if timeline is None else timeline
    found = [reading.shot(f"{name}, shots.{index}", one, keyframes) for index, one in enumerate(shots.value)]
    places = tuple(one.place for one in shots.value)
    return Script(tuple(shot for shot in found if shot), timeline, places, placed.place)


@dataclass(frozen=True)
class _Reading:
    """Reads the parts of a shot list in `folder` against a job; what is wrong is added to `problems`."""

    folder: Path
    config: Config
    problems: list[str]

    def timeline(self, name: str, placed: Placed) -> tuple[Keyframe, ...]:
        """A source's keyframes; none where something is wrong with them."""
        document = Placed({"timeline": placed}, placed.place)
        try:
            found = _Timeline.model_validate(document.plain()).timeline
        except ValidationError as error:
            self._add(name, complaints(error, document, ["timeline"]))
            return ()
        odds = [*keyframe_conflicts(found, "timeline")]
        odds += keyframes_at_odds(found, self.config.transfer, "timeline")
        self._add(name, conflict_lines(odds, document))
        found = absolute_keyframes(found, self.folder)
        for index, one in enumerate(found):
            key = f"timeline.{index}.style"
            self._add(name, style_troubles(one.style or (), key, _at(document, "timeline", index, "style")))
        return () if odds else found

    def shot(self, name: str, placed: Placed, keyframes: tuple[Keyframe, ...]) -> Shot | None:
        """One shot, with the whole of the `transfer` that holds for it, if something of it is its own."""
        if not isinstance(placed.value, dict):
            got = show(placed.plain())
            self.problems.append(f"{name} must be a mapping with the key frames, got {got} ({placed.place})")
            return None
        document, own = self._laid_over(name, placed)
        try:
            found = Shot.model_validate(document.plain())
        except ValidationError as error:
            self._add(name, complaints(error, document, SHOT_KEYS))
            return None
        styles = found.style and absolute_styles(found.style, self.folder)
        self._add(name, style_troubles(styles or (), "style", _at(document, "style")))
        strength = found.transfer.style_weight if found.transfer and "style_weight" in own else None
        if found.transfer and strength is None:
            odds = keyframes_at_odds(keyframes, found.transfer, "the timeline's")
            self._add(name, conflict_lines([*odds], document))
        return found.model_copy(update={"style": styles, "style_weight": strength})

    def _laid_over(self, name: str, placed: Placed) -> tuple[Placed, set[str]]:
        """A shot with its `transfer` laid over the job's, and the keys of that which it sets itself."""
        written = dict(placed.value)
        given = written.pop("transfer", Placed({}, placed.place))
        own = given.value if isinstance(given.value, dict) else {}
        if "size" in own:
            text = (
                "transfer.size is that of the whole source, for a film has one size; set it in the job's YAML"
            )
            self.problems.append(f"{name}: {text} ({own['size'].place})")
        strength = written.pop("style_weight", None)
        if strength and "style_weight" in own:
            text = "style_weight and transfer.style_weight are the same; keep one of them"
            self.problems.append(f"{name}: {text} ({strength.place} and {own['style_weight'].place})")
        if not isinstance(given.value, dict):
            return Placed({**written, "transfer": given}, placed.place), set()
        own = {**own, "style_weight": strength} if strength else own
        document = Placed(written, placed.place)
        if own:
            document.put(("transfer",), Placed.of(plain(self.config.transfer), placed.place), ())
            document.put(("transfer",), Placed(own, given.place), {("transfer",)})
        return document, set(own)

    def _add(self, name: str, sentences: Iterable[str]) -> None:
        self.problems.extend(f"{name}: {sentence}" for sentence in sentences)


def _at(document: Placed, *path: str | int) -> Callable[..., str]:
    return lambda *more: f" ({document.along((*path, *more))[-1].place})"
