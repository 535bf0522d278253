"""The command line: arguments in, exit code out. The only module that prints."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pipeline import __version__
from pipeline.errors import ConfigError, MediaError, PipelineError
from pipeline.storage.places import only_files, with_urls
from pipeline.unbroken import outlive_readers

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from pipeline.config import Config
    from pipeline.display import Display
    from pipeline.ledger import Summary
    from pipeline.progress import Meter

DONE, WRONG_CONFIG, SOME_FAILED, UNABLE, INTERRUPTED, STOPPED = 0, 2, 3, 5, 75, 130
SHOWN = 50  # outputs that a person is told one by one
BEFORE_WORK = "interrupted before any work began; run again to start over"

app = typer.Typer(
    help="Turns videos, image sequences and photo archives into paintings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file that describes the job.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, e.g. transfer.size=256; repeatable."),
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


def main() -> None:
    """The entry point of the `stylize` command."""
    outlive_readers()
    app()


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        _say(f"stylize {__version__}")
        raise typer.Exit


@app.command()
def run(
    config: ConfigPath,
    set_: Overrides = None,
    as_json: AsJson = False,
    progress: Shown = HowShown.auto,
    debug: Debug = False,
) -> None:
    """Do the whole job; run it again, and it resumes; a finished one is a no-op."""
    with _reporting(as_json, debug):
        from pipeline.config import load_config

        loaded = load_config(config, set_ or ())
        summary = _run(loaded, progress, as_json, _command(config, set_))
        _print_summary(summary, as_json)
        if progress in (HowShown.auto, HowShown.lines):
            _print_report(loaded)
        raise typer.Exit(
            {"done": DONE, "incomplete": SOME_FAILED, "interrupted": INTERRUPTED}[summary.status]
        )


@app.command()
def plan(
    config: ConfigPath,
    set_: Overrides = None,
    as_json: AsJson = False,
    shots: ShotList = None,
    force: Annotated[bool, typer.Option("--force", help="Let --shots write over an existing file.")] = False,
    debug: Debug = False,
) -> None:
    """Say what would be done: sources, shots, segments, frames, disk, time. Touches nothing; --shots writes a file."""
    with _reporting(as_json, debug):
        from pipeline.config import load_config
        from pipeline.look import look
        from pipeline.outline import outline, show
        from pipeline.shotlist_writing import check_free, write_shots

        if shots is not None:
            check_free(shots, force=force)
        loaded = load_config(config, [*(set_ or ()), *(("video.shots=null",) if shots else ())])
        with _console().status("looking") as status:  # seen on a terminal only
            seen = look(loaded, _shown_by(status))
        written = 0 if shots is None else write_shots(shots, seen.plan)
        found = outline(loaded, seen)
        if as_json:
            _say(json.dumps({**found, **({"shot_list": str(shots)} if shots else {})}))
        else:
            show(found, _console(stderr=False))
            if shots is not None:
                _tell(f"wrote {written} shots to {shots}; edit it, and name it as video.shots in {config}")
        if found["disk_refusal"]:
            raise typer.Exit(UNABLE)
        raise typer.Exit(SOME_FAILED if found["failures"] else DONE)


@app.command()
def status(config: ConfigPath, set_: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Say how far the run is that works on this job, from another terminal, or how the last one ended."""
    with _reporting(as_json, debug, interrupted=("stopped; nothing was changed", STOPPED)):
        from pipeline.config import load_config
        from pipeline.status import lines, read_status
        from pipeline.workspace import Workspace

        found = read_status(Workspace(load_config(config, set_ or ()).output))
        if as_json:
            _say(json.dumps(found or {"status": "none"}))
        else:
            for line in ("no run has worked on this job yet",) if found is None else lines(found):
                _tell(line)


@app.command()
def preview(
    config: ConfigPath,
    set_: Overrides = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIMES", help="Sample these times, e.g. 0:12,1:03.")
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="KEY=VALUES", help="Try values of a setting, e.g. transfer.style_weight=100,1000."
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, max=24, metavar="N", help="Number of samples; 3 if not given.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=32, metavar="PX", help="Longest side of a sample in px; 160, and 512 on a GPU, if not given."
        ),
    ] = None,
    finished: Annotated[
        bool, typer.Option("--finished", help="No samples: the partial videos of what is finished so far.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Paint a few telling frames, small and fast, on one sheet; of a job that has begun, write partial videos instead.

    With --at, --grid, --frames or --size it is always a sheet.
    """
    with _reporting(as_json, debug, interrupted=("stopped; run again to start over", STOPPED)):
        from pipeline.config import load_config
        from pipeline.look import look
        from pipeline.preview import Preview, is_begun, lines, partial_videos, to_json
        from pipeline.samples import FRAMES, Grid, Wish, make_sheet, parse_times

        wish = Wish(
            parse_times(at) if at else None, Grid.parse(grid) if grid else None, frames or FRAMES, size
        )
        loaded, sheet = load_config(config, set_ or ()), None
        previews: list[Preview] = []
        with _console().status("looking") as status:  # seen on a terminal only
            seen = look(loaded, _shown_by(status))
            if finished or (wish == Wish() and is_begun(seen)):
                previews = partial_videos(loaded, seen)
            else:
                only_files("a sheet", loaded.input, loaded.output)
                reload = lambda text: load_config(config, [*(set_ or ()), text])  # noqa: E731
                sheet = make_sheet(loaded, seen.plan, wish, reload, _shown_by(status, ""))
        if as_json:
            _say(json.dumps({**to_json(seen, previews), "sheet": None if sheet is None else str(sheet)}))
        else:
            for line in [f"wrote {sheet}"] if sheet else lines(seen, previews):
                _tell(line)
            for failure in seen.failures:
                _tell(f"cannot be used: {failure.source}: {failure.error}", err=True)
        failed = seen.failures or any(one.error for one in previews)
        raise typer.Exit(SOME_FAILED if failed else DONE)


@app.command()
def reconstruct(config: ConfigPath, set_: Overrides = None, debug: Debug = False) -> None:
    """Show what each VGG19 layer keeps of the first source's content, and of the style."""
    with _reporting(False, debug, interrupted=("stopped; run again to start over", STOPPED)):
        from pipeline.config import load_config
        from pipeline.display import ReconstructionDisplay

        loaded = load_config(config, set_ or ())
        only_files("reconstruct", loaded.input, loaded.output)
        console = _console()
        console.print("loading VGG19", style="dim")
        from pipeline.reconstruct import reconstruct as make  # takes seconds, so a wrong config is told first

        with ReconstructionDisplay(console) as display:
            path = make(loaded, display)
        _tell(f"wrote {path}, and the single pictures into {path.with_suffix('')}")


@app.command()
def verify(config: ConfigPath, set_: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Say whether every output is complete and true to its source. Touches nothing."""
    with _reporting(as_json, debug, interrupted=("stopped; nothing was changed", STOPPED)):
        from pipeline.config import load_config
        from pipeline.verify import in_total, to_json
        from pipeline.verify import verify as judge

        verdicts = []
        for verdict in judge(load_config(config, set_ or ())):
            verdicts.append(verdict)
            if not as_json:
                _tell(verdict.line)
        _tell(json.dumps(to_json(verdicts)) if as_json else in_total(verdicts))
        raise typer.Exit(SOME_FAILED if any(verdict.failure for verdict in verdicts) else DONE)


@app.command()
def report(config: ConfigPath, set_: Overrides = None, debug: Debug = False) -> None:
    """Write the HTML page of what runs have made so far, and say where it is."""
    with _reporting(False, debug, interrupted=("stopped; run again to start over", STOPPED)):
        from pipeline.config import load_config
        from pipeline.report import write_report

        path = write_report(load_config(config, set_ or ()), _command(config, set_))
        _tell(f"wrote {path}; open it in a browser")


@app.command()
def doctor(debug: Debug = False) -> None:
    """Say what of this machine works, and what to do about what does not."""
    with _reporting(False, debug):
        from rich.text import Text

        from pipeline.doctor import examine
        from pipeline.media.items import printable

        console, healthy = _console(stderr=False), True
        for finding in examine(Path.cwd()):
            healthy &= finding.works
            mark = Text("ok   ", "green") if finding.works else Text("FAIL ", "red")
            console.print(mark + Text(printable(f"{finding.name:8} {finding.seen}")), soft_wrap=True)
            if not finding.works:
                console.print(Text(printable(f"              → {finding.remedy}")), soft_wrap=True)
        raise typer.Exit(DONE if healthy else UNABLE)


@app.command()
def init(path: Annotated[Path, typer.Argument(metavar="[PATH]")] = Path("stylize.yaml")) -> None:
    """Write a commented starter YAML; never over an existing file."""
    with _reporting(False, False):
        from pipeline.config import starter_yaml

        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(starter_yaml())
        except FileExistsError:
            raise ConfigError(
                f"{path} exists already; choose another name: stylize init other.yaml"
            ) from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
        _tell(f"wrote {path}; set input, output and style in it, then: stylize plan {path}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the YAML, for completion in editors."""
    from pipeline.config import json_schema

    _say(json.dumps(json_schema(), indent=2))


def _command(config: Path, overrides: list[str] | None) -> tuple[str, ...]:
    """What the report shows to run the job again with: the config, and what overrides it."""
    return (str(config), *(part for text in overrides or () for part in ("--set", text)))


def _run(config: Config, shown: HowShown, as_json: bool, command: tuple[str, ...]) -> Summary:
    from pipeline.display import Display
    from pipeline.execute.head import watching_head
    from pipeline.ledger import Watcher
    from pipeline.progress import Meter, Watchers
    from pipeline.run import run as run_job
    from pipeline.status import JsonLines, StatusFile
    from pipeline.workspace import Workspace

    meter = Meter()
    told = StatusFile(meter, Workspace(config.output))
    ended = "error"
    with Display(_console(shown=shown), meter) as display:
        interruption = _Interruption(display, meter)
        lines = JsonLines(meter, lambda line: _say(line, err=True)) if shown == "json" else Watcher()

        def lose_head(words: str) -> None:
            """End at once, since the run waits for an answer from the cluster that will not come."""
            told.close("error")
            display.close()
            with suppress(typer.Exit):
                _fail(words, UNABLE, as_json, debug=False)
            sys.stdout.flush()
            os._exit(UNABLE)

        try:
            with watching_head(config.execution.address, lose_head):
                summary = run_job(config, Watchers(meter, display, lines, told), interruption.asked, command)
            ended = summary.status
        finally:
            told.close("interrupted" if interruption.was_asked and ended == "error" else ended)
    return summary


class _Interruption:
    """The first Ctrl-C (or SIGTERM, or a closed terminal) asks the run to stop; the second ends it at once.

    A terminal that closes may say so twice, the system to everybody and the shell to its jobs: that is no second one.
    """

    def __init__(self, display: Display, meter: Meter) -> None:
        self._display, self._meter, self.was_asked = display, meter, False
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._signals = [s for s in signals if signal.getsignal(s) != signal.SIG_IGN]  # nohup stays nohup
        self._listen()

    def asked(self) -> bool:
        """Whether to stop; also takes the signals back from Ray, which claims them as it starts."""
        self._listen()
        return self.was_asked

    def _listen(self) -> None:
        for number in self._signals:
            if signal.getsignal(number) != self._handle:
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        if self.was_asked and number == signal.SIGHUP:
            return
        if self.was_asked:
            self._display.close()
            os._exit(STOPPED)  # committed frames are safe, and Ray's processes die with this one
        if not self._meter.is_working:
            raise KeyboardInterrupt  # still looking at the sources: nothing to finish
        self.was_asked = True
        with suppress(OSError, RuntimeError):  # in the middle of other words there is no saying anything
            self._display.say("stopping after the frames in work; Ctrl-C again stops at once", "yellow")


def _say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print, with URLs instead of the paths that stand for them."""
    typer.echo(with_urls(text), err=err, nl=nl)


@contextmanager
def _reporting(
    as_json: bool, debug: bool, interrupted: tuple[str, int] = (BEFORE_WORK, INTERRUPTED)
) -> Iterator[None]:
    """Turn an error into one message and an exit code; `interrupted` are those of a Ctrl-C."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except (
        KeyboardInterrupt,
        SystemExit,
    ):  # the latter is Ray's answer to SIGTERM, for a moment as it starts
        _fail(*interrupted, as_json, debug)
    except PipelineError as error:
        _fail(str(error), _code(error), as_json, debug)
    except (OSError, MemoryError) as error:
        _fail(_refusal(error), UNABLE, as_json, debug)
    except Exception as error:  # a bug of ours: still one message, and where to find more
        _fail(f"unexpected {type(error).__name__}: {error} (--debug shows where)", 1, as_json, debug)


def _refusal(error: OSError | MemoryError) -> str:
    """What the system does not let us do, such as to open one more file."""
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    where = f" ({error.filename})" if isinstance(error, OSError) and error.filename is not None else ""
    return f"the system refuses to go on: {what}{where}; nothing is lost: see to that, and run again"


def _code(error: PipelineError) -> int:
    """The exit code of an error that ends a command, as drawn in `errors`."""
    if isinstance(error, ConfigError):
        return WRONG_CONFIG
    return SOME_FAILED if isinstance(error, MediaError) else UNABLE


def _fail(message: str, code: int, as_json: bool, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exc()
    if as_json:
        _say(json.dumps(_empty_summary(message)))
    _tell(f"stylize: {message}", err=True)
    raise typer.Exit(code)


def _tell(text: str, *, err: bool = False) -> None:
    """Print lines in which something may be quoted: a name of a file must not drive the terminal."""
    from pipeline.media.items import printable

    _say("\n".join(map(printable, text.split("\n"))), err=err)


def _shown_by(status: Status, before: str = "looking at ") -> Callable[[str], None]:
    """What tells a terminal's status line something; not as plain text, in which Rich takes brackets for markup."""
    from rich.text import Text

    from pipeline.media.items import printable

    return lambda what: status.update(Text(printable(before + what)))


def _empty_summary(message: str) -> dict[str, Any]:
    """The object of `--json` where a job could not even begin."""
    return {
        "status": "error",
        "error": message,
        "outputs": [],
        "failures": [],
        "frames": {"total": 0, "stylized": 0, "reused": 0},
        "iterations": 0,
        "megapixel_iterations": 0.0,
        "wall_s": 0.0,
    }


def _print_summary(summary: Summary, as_json: bool) -> None:
    if as_json:
        _print_json(summary.to_json())
        return
    frames = summary.frames
    _say(
        f"{summary.status}: {frames['total']} frames, {frames['stylized']} stylized, {frames['reused']} reused, "
        f"{summary.iterations} iterations, {summary.megapixel_iterations:.2f} megapixel-iterations, "
        f"{summary.wall_s:.1f} s"
    )
    count = 0
    for count, output in enumerate(summary.outputs, start=1):
        if count <= SHOWN:
            _tell(str(output.output))
    if count > SHOWN:
        _say(f"… and {count - SHOWN} more outputs; --json lists them all")
    for failure in summary.failures:
        _tell(f"failed: {failure.source}: {failure.error}", err=True)
    if summary.status == "interrupted":
        _say("run the same command again to go on where this stopped", err=True)


def _print_report(config: Config) -> None:
    """Where the page of the run is, if there is one."""
    from pipeline.workspace import Workspace

    page = Workspace(config.output).report
    if page.is_file():
        _tell(f"report: {page}", err=True)


def _print_json(data: dict[str, Any]) -> None:
    """One object, of which the list `outputs` is printed as it is walked through: it may have millions of items."""
    outputs = data.pop("outputs")
    _say(f"{json.dumps(data)[:-1]}, ", nl=False)
    _say('"outputs": [', nl=False)
    for index, output in enumerate(outputs):
        _say(f"{', ' if index else ''}{json.dumps(output)}", nl=False)
    _say("]}")


def _console(stderr: bool = True, shown: HowShown = HowShown.auto) -> Console:
    from rich.console import Console

    quiet, terminal = shown in (HowShown.json, HowShown.none), None if shown == HowShown.auto else False
    return Console(stderr=stderr, highlight=False, quiet=quiet, force_terminal=terminal)


if __name__ == "__main__":
    main()
