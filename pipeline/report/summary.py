"""The head of the page: what was made from what, what it took, what failed, with which settings and versions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config import Archive, Config, Disk, Encoding, Execution, Transfer, Video, plain
from pipeline.plan import Failure, Plan
from pipeline.report.album import Album
from pipeline.report.commands import command_for
from pipeline.report.figures import Figures
from pipeline.report.history import Failed, Run
from pipeline.report.inputs import file_of
from pipeline.report.words import count, duration, number, shown
from pipeline.workspace import Workspace

MOST_FAILURES, MOST_RUNS = 200, 50

STATUS = {
    "done": "Finished",
    "incomplete": "Finished, with failures",
    "interrupted": "Interrupted; run again to go on",
    "error": "Ended by an error; run again to go on",
    "unfinished": "Under way, or stopped without a word",
}

_DEFAULTS: Mapping[str, Any] = {
    **{name: field.default for name, field in Config.model_fields.items() if not field.is_required()},
    "rate": "25/1",
    "transfer": plain(Transfer()), "video": plain(Video()), "encoding": plain(Encoding()),
    "execution": plain(Execution()), "archive": plain(Archive()), "disk": plain(Disk()),
}  # fmt: skip


@dataclass(frozen=True)
class Failing:
    """A failure as the page shows it; `command` does it again, which would not help where it `is_file`."""

    name: str
    error: str
    command: str | None
    is_file: bool


@dataclass(frozen=True)
class Setting:
    """A key of the YAML, its value, and its default as JSON."""

    key: str
    value: str
    default: str
    is_changed: bool


@dataclass(frozen=True)
class Told:
    """One run in the list of runs."""

    began: str
    status: str
    wall: str
    deaths: int


def photographs_of(album: Album | None, runs: Sequence[Run]) -> int:
    """How many photographs the job has, as the last run said that counted them, and no fewer than are painted."""
    counts = [run.photographs for run in runs if run.photographs is not None]
    return max(0 if album is None else album.pictures, *counts[-1:], 0)


def headline(plan: Plan, album: Album | None, photographs: int, config: Config) -> str:
    """What was made from what, in a line; `photographs`: how many there are, painted or not.

    `plan` and `album` may both be empty, where nothing is painted yet.
    """
    films = [shown(source.name) for source in plan.sources]
    parts = films if len(films) == 1 else [count(len(films), "film")] if films else []
    if album is not None:
        of = f"{album.pictures:,} of " if photographs > album.pictures else ""
        parts.append(f"{of}{count(photographs, 'photograph')}")
    styles = [shown(style.image.stem) for style in config.style]
    more = f" and {len(styles) - 2} more" if len(styles) > 2 else ""
    return f"{' and '.join(parts) or 'Nothing yet'}, painted after {' and '.join(styles[:2])}{more}"


def numbers(
    figures: Figures, plan: Plan, photographs: int, runs: Sequence[Run], failures: int
) -> list[tuple[str, str]]:
    """What it all came to, in all runs: a label and a value each.

    A run that was killed has not said what it took, but what it finished is in the records; these lack drafts.
    """
    iterations = max(figures.iterations, round(sum(run.took("iterations") for run in runs)))
    megapixels = max(figures.megapixel_iterations, sum(run.took("megapixel_iterations") for run in runs))
    done = sum(len(figures.films.get(source.name, {})) for source in plan.sources) + figures.pages
    wall_s = sum(run.wall_s for run in runs)
    told = [
        (_noun(done, "frame" if plan.sources or not figures.pages else "photograph"), f"{done:,}"),
        (_noun(iterations, "iteration"), f"{iterations:,}"),
        ("megapixel-iterations", number(round(megapixels, 3))),
        ("time of all runs" if len(runs) > 1 else "time", duration(wall_s) if runs else "not recorded"),
        (_noun(failures, "failure"), f"{failures:,}"),
    ]
    if not plan.sources and figures.pages < photographs:
        told[0] = (f"of {count(photographs, 'photograph')}", f"{done:,}")
    if plan.frames > sum(len(figures.films.get(source.name, {})) for source in plan.sources):
        told[0] = (f"of {plan.frames + figures.pages:,} frames", f"{done:,}")
    return told


def _noun(amount: int, noun: str) -> str:
    return noun if amount == 1 else f"{noun}s"


def failed_in(plan: Plan, runs: Sequence[Run], config: Config) -> tuple[list[Failed], int]:
    """What failed in the last run, or cannot be used now; and how many that are, told or not."""
    found = list(runs[-1].failed) if runs else []
    known = {one.failure.source for one in found}
    found += [Failed(failure) for failure in plan.failures if failure.source not in known]
    count = max(len(found), runs[-1].failures if runs else 0)
    return [
        one if one.path else replace(one, path=_path_of(one, config), was_tried=False)
        for one in found[:MOST_FAILURES]
    ], count


def _path_of(failed: Failed, config: Config) -> str | None:
    """The file that could not even be read, by its name below the inputs."""
    path = file_of(failed.failure.source, config)
    return None if path is None else str(path)


def command_of_last(runs: Sequence[Run], command: Sequence[str]) -> Sequence[str]:
    """The path of the config in `command`, with the options of the last run; either where the other is not known."""
    last = runs[-1].command if runs else ()
    return (*command[:1], *last[1:]) if command and last else command or last


def failings(
    failed: Sequence[Failed], plan: Plan, command: Sequence[str], space: Workspace
) -> Iterator[Failing]:
    """Failures for the page. What cannot even be opened, or not be read to its end, is not offered to be done again."""
    films = {source.name for source in plan.sources}
    for one in failed:
        error = one.failure.error.removeprefix(f"{one.path} ")  # the name stands above
        is_file = one.is_unreadable or (not one.was_tried and one.failure.source not in films)
        again = None if is_file else command_for(one, command, space.output)
        yield Failing(_place(one.failure), shown(error), again, is_file)


def _place(failure: Failure) -> str:
    frame = "" if failure.frame is None else f", frame {failure.frame}"
    return f"{shown(failure.source)}{frame}"


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of which two jobs, given as `config.plain` has them, have different values."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return tuple(shown(key) for key in sorted({*old, *new}) if old.get(key) != new.get(key))


def settings(config: Mapping[str, Any]) -> list[Setting]:
    """Every setting of a job, given as `config.plain` has it, those that are not the default's first."""
    defaults = dict(_flat(_DEFAULTS))
    found = []
    for key, value in _flat(config):
        text, default = _text(value), _text(defaults[key]) if key in defaults else ""
        found.append(Setting(shown(key), shown(text), shown(default), text != default))
    return sorted(found, key=lambda one: not one.is_changed)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of sections with a dot; mappings of layers stay whole."""
    for key, value in values.items():
        if isinstance(value, dict) and not prefix:
            yield from _flat(value, f"{key}.")
        else:
            yield f"{prefix}{key}", value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def told(runs: Sequence[Run]) -> list[Told]:
    """The last runs, the last one first."""
    return [
        Told(
            time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began_s)),
            STATUS.get(run.status, run.status),
            duration(run.wall_s),
            len(run.losses),
        )
        for run in reversed(runs[-MOST_RUNS:])
    ]
