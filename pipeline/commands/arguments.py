"""The arguments that commands take: their names, what is told about them, and what completes them in a shell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.completion import complete_config, complete_grid, complete_setting
from pipeline.commands.plainly import within

ConfigPath = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG", help="The YAML file that describes the job.", autocompletion=complete_config
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key, e.g. transfer.size=256; repeatable.",
        autocompletion=complete_setting,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]
ShotList = Annotated[
    Path | None,
    typer.Option(
        "--shots",
        metavar="PATH",
        help="Write a shot list there, to edit and name as video.shots; the shots are found anew, as video.cuts says.",
    ),
]


class HowShown(StrEnum):
    """How a run shows what it does, on standard error."""

    auto = "auto"
    lines = "lines"
    json = "json"
    none = "none"


Shown = Annotated[
    HowShown,
    typer.Option(
        metavar="auto|lines|json|none",
        help="What standard error shows meanwhile: a panel on a terminal and else lines, lines, JSON lines, nothing.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


At = Annotated[str | None, typer.Option(metavar="TIMES", help="Sample these times, e.g. 0:12,1:03.")]
GridText = Annotated[
    str | None,
    typer.Option(
        metavar="KEY=VALUES",
        help="Try values of a setting, e.g. transfer.style_weight=100,1000.",
        autocompletion=complete_grid,
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(metavar="N", callback=within(1, 24), help="Number of samples, 1 to 24; 3 if not given."),
]
SampleSize = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        callback=within(32),
        help="Longest side of a sample in px, at least 32; 160, and 512 on a GPU, if not given.",
    ),
]
StarterPath = Annotated[Path, typer.Argument(metavar="PATH", help="The YAML to write.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="PATH", help="What to paint, instead of what is found; repeatable."),
]
Painting = Annotated[
    Path | None,
    typer.Option("--style", metavar="PATH", help="The painting to learn from, instead of what is found."),
]
