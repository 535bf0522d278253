"""A plan → a shot list that a person can edit; what may be written in it is `shotlist`'s business."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.plan import Plan, SourcePlan
from pipeline.workspace import replace

HEAD = """\
# A shot list for stylize. It is read where the job's YAML says so, with the path of this file, relative to the job's:
#
#   video: {{shots: {name}}}
#
# A shot is the frames first to stop-1, counted from 0, and together the shots of a source are all of its frames.
# To move a cut, change where a shot stops and the next begins; to merge two shots, make one line of two; to split one,
# make two of it. A shot may have more lines, each of which holds for it alone:
#
#     - frames: [48, 120]
#       style: paintings/c.png           # or a list of {{image: path, weight: number}}; relative to this file
#       style_weight: 400                # how strong the style is
#       transfer: {{iterations: 500}}      # any key of `transfer` but size
#       skip: true                       # leave its frames as they are in the source
#
# A source may also have a timeline, beside its shots and written like video.timeline, for styles that change over time.
# A shot that is changed is painted again, and the others are kept. Sources that are not listed are cut as
# video.cuts says.
"""


def check_free(path: Path, *, force: bool) -> None:
    """Raise `ConfigError` where a shot list cannot be written to `path`, or only over a file and not by `force`."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file, for example --shots {path / 'shots.yaml'}")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; choose another name, or --force to write over it")


def write_shots(path: Path, plan: Plan) -> int:
    """Write the shots of a plan's videos and sequences, and return how many there are.

    Raises `ConfigError` where the plan has none, `SpaceError` where the file cannot be written.
    """
    if not plan.sources:
        raise ConfigError("the input has no video, and a still has no shots; there is no shot list to write")
    lines = [
        HEAD.format(name=json.dumps(path.name)),
        *(line for source in plan.sources for line in _lines(source)),
    ]
    replace(path, "\n".join(lines).encode("utf-8"))
    return sum(len(source.shots) for source in plan.sources)


def time_code(time_s: Fraction) -> str:
    """A time as people write it, to the nearest millisecond.

    >>> time_code(Fraction(3723) + Fraction(1, 24)), time_code(Fraction(0))
    ('1:02:03.042', '0:00.000')
    """
    seconds, ms = divmod(round(time_s * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{seconds:02}.{ms:03}"


def _lines(source: SourcePlan) -> Iterator[str]:
    try:
        source.name.encode("utf-8")
    except UnicodeEncodeError:
        yield f"# {source.name!a} is left out, because its name is not UTF-8\n"
        return
    yield f"{json.dumps(source.name, ensure_ascii=False)}:\n  shots:"
    for first, stop in source.shots:
        start = time_code(source.inspected.probe.time_s(first))
        yield f"{f'    - frames: [{first}, {stop}]':40}# from {start}, {stop - first} frames"
    yield ""
