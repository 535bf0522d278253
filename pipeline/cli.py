"""The command line: arguments in, exit code out. What commands are made of is in `commands`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline import __version__
from pipeline.commands import asking
from pipeline.commands.arguments import (
    AsJson,
    At,
    ConfigPath,
    Debug,
    GridText,
    HowShown,
    Inputs,
    Overrides,
    Painting,
    Samples,
    SampleSize,
    Shown,
    StarterPath,
)
from pipeline.commands.completion import make_ready
from pipeline.commands.plainly import Plainly
from pipeline.commands.words import (
    AGAIN,
    DONE,
    INTERRUPTED,
    SOME_FAILED,
    fail,
    open_console,
    page_of,
    print_summary,
    reporting,
    say,
    shown_by,
    tell,
)
from pipeline.execute.starting import is_left_behind
from pipeline.interruption import Interruption, stop_by_ctrl_c
from pipeline.offspring import end_offspring
from pipeline.storage.places import only_files
from pipeline.unbroken import outlive_readers

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.ledger import Summary
    from pipeline.live.json_lines import JsonLines

app = typer.Typer(
    help="Turns videos, image sequences and photo archives into paintings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
subcommand = partial(app.command, cls=Plainly)


def main() -> None:
    """The entry point of the `stylize` command."""
    outlive_readers()
    make_ready(os.environ)
    try:
        app()
    except SystemExit as end:
        if is_left_behind():
            _end_at_once(end.code or DONE)
        raise


def _end_at_once(code: object) -> NoReturn:
    """End without what Python does at its end, and with every process that was started."""
    sys.stdout.flush()
    end_offspring()
    os._exit(code if isinstance(code, int) else 1)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        say(f"stylize {__version__}")
        raise typer.Exit


@subcommand()
def run(
    config: ConfigPath,
    set_: Overrides = None,
    as_json: AsJson = False,
    progress: Shown = HowShown.auto,
    debug: Debug = False,
) -> None:
    """Do the whole job. Run again, it resumes; a finished one is a no-op."""
    lines = _json_lines() if progress == HowShown.json else None
    with reporting(as_json, debug, broke_off=lines.broke_off if lines else None):
        from pipeline.config import load_config

        loaded = load_config(config, set_ or ())
        summary, told = _run(loaded, progress, as_json, _command(config, set_), lines)
        print_summary(summary, as_json, told, (str(config), *_overriding(set_)), with_errors=lines is None)
        page = None if summary.status == "interrupted" else page_of(loaded)
        if lines:
            lines.concluded(summary, page)
        elif page and progress in (HowShown.auto, HowShown.lines):
            tell(f"report: {page}", err=True)
        raise typer.Exit(
            {"done": DONE, "incomplete": SOME_FAILED, "interrupted": INTERRUPTED}[summary.status]
        )


subcommand()(asking.plan)
subcommand()(asking.status)


@subcommand()
def preview(
    config: ConfigPath,
    set_: Overrides = None,
    at: At = None,
    grid: GridText = None,
    frames: Samples = None,
    size: SampleSize = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="No samples: the partial videos of what is finished so far.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Paint a few frames, small, on one sheet. Of a job that has begun, write partial videos instead.

    With --at, --grid, --frames or --size it is always a sheet.
    """
    with reporting(as_json, debug, interrupted=AGAIN):
        from pipeline.config import load_config
        from pipeline.look import look
        from pipeline.media.items import blamed
        from pipeline.previews.preview import Preview, is_begun, lines, partial_videos, to_json
        from pipeline.previews.sample_sheet import Grid, Wish, make_sheet, parse_times
        from pipeline.previews.samples import FRAMES
        from pipeline.workspace import Workspace

        wish = Wish(
            parse_times(at) if at else None, Grid.parse(grid) if grid else None, frames or FRAMES, size
        )
        loaded, sheet = load_config(config, set_ or ()), None
        previews: list[Preview] = []
        with open_console().status("looking") as status:  # seen on a terminal only
            seen = look(loaded, shown_by(status))
            if finished or (wish == Wish() and is_begun(seen, Workspace(loaded.output))):
                previews = partial_videos(loaded, seen)
            else:
                only_files("a sheet", loaded.input, loaded.output)
                stop_by_ctrl_c()
                reload = lambda text: load_config(config, [*(set_ or ()), text])  # noqa: E731
                sheet = make_sheet(loaded, seen.plan, wish, reload, shown_by(status, ""))
        if as_json:
            say(json.dumps({**to_json(seen, previews), "sheet": None if sheet is None else str(sheet)}))
        else:
            for line in [f"wrote {sheet}"] if sheet else lines(seen, previews, loaded.origin.command("run")):
                tell(line)
            for failure in seen.failures:
                tell(f"cannot be used: {blamed(failure.source, failure.error)}", err=True)
        failed = seen.failures or any(one.error for one in previews)
        raise typer.Exit(SOME_FAILED if failed else DONE)


@subcommand()
def reconstruct(config: ConfigPath, set_: Overrides = None, debug: Debug = False) -> None:
    """Show what each VGG19 layer keeps. It is shown the first source, and the style."""
    with reporting(False, debug, interrupted=AGAIN):
        from pipeline.config import load_config
        from pipeline.live.display import ReconstructionDisplay

        loaded = load_config(config, set_ or ())
        only_files("reconstruct", loaded.input, loaded.output)
        console = open_console()
        console.print("loading VGG19", style="dim")
        from pipeline.previews.reconstruct import reconstruct as make  # takes its seconds

        with ReconstructionDisplay(console) as display:
            path = make(loaded, display)
        tell(f"wrote {path}, and the single pictures into {path.with_suffix('')}")


subcommand()(asking.verify)


@subcommand()
def report(config: ConfigPath, set_: Overrides = None, debug: Debug = False) -> None:
    """Write the HTML page of the run so far. Says where it is."""
    with reporting(False, debug, interrupted=AGAIN):
        from pipeline.config import load_config
        from pipeline.report import changed_since, write_report
        from pipeline.workspace import Workspace

        loaded = load_config(config, set_ or ())
        Workspace(loaded.output).shelf.refresh()
        path = write_report(loaded, _command(config, set_))
        tell(f"wrote {path}; open it in a browser")
        if changed := changed_since(loaded):
            keys = ", ".join(changed)
            tell(f"the settings are not those of the last run any more ({keys}); the page has the last run's")


subcommand()(asking.doctor)


@subcommand()
def init(path: StarterPath = Path("stylize.yaml"), input_: Inputs = None, style: Painting = None) -> None:
    """Write a job for the files in its folder. A commented YAML; never over an existing file."""
    with reporting(False, False):
        from pipeline.commands.starter import start

        for line in start(path, input_ or (), style):
            tell(line)


subcommand()(asking.schema)


def _command(config: Path, overrides: list[str] | None) -> tuple[str, ...]:
    """What the report shows to run the job again with, from any folder: the config, and what overrides it."""
    return (str(config.absolute()), *_overriding(overrides))


def _overriding(overrides: list[str] | None) -> tuple[str, ...]:
    return tuple(part for text in overrides or () for part in ("--set", text))


def _json_lines() -> JsonLines:
    from pipeline.live.json_lines import JsonLines
    from pipeline.live.progress import Meter

    return JsonLines(Meter(), lambda line: say(line, err=True))


def _run(
    config: Config, shown: HowShown, as_json: bool, command: tuple[str, ...], lines: JsonLines | None
) -> tuple[Summary, set[tuple[str, str]]]:
    """The run, and the failures that were told meanwhile, by source and error."""
    from pipeline.ledger import Watcher, Watchers
    from pipeline.live.display import Display
    from pipeline.live.progress import Meter
    from pipeline.live.status import StatusFile
    from pipeline.run import run as run_job
    from pipeline.workspace import Workspace

    meter = lines.meter if lines else Meter()
    meter.transfer = config.transfer
    told = StatusFile(meter, Workspace(config.output))
    with Display(open_console(shown=shown), meter) as display:
        interruption = Interruption(display, meter)

        def lose_head(words: str) -> None:
            """End at once, since the run waits for an answer from the cluster that will not come."""
            told.ended("interrupted")
            display.close()
            with suppress(typer.Exit):
                fail(words, INTERRUPTED, as_json, debug=False, broke_off=lines.broke_off if lines else None)
            _end_at_once(INTERRUPTED)

        watchers = Watchers(meter, display, lines or Watcher(), told)
        return run_job(config, watchers, interruption.asked, command, lose_head), display.failures


if __name__ == "__main__":
    main()
