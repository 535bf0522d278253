"""What the command line prints, and the exit codes it ends with."""

from __future__ import annotations

import json
import shlex
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from pipeline.errors import ConfigError, MediaError, PipelineError
from pipeline.interruption import STOPPED
from pipeline.storage.places import with_urls

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from pipeline.config import Config
    from pipeline.ledger import Summary
    from pipeline.plan import Failure

DONE, WRONG_CONFIG, SOME_FAILED, UNABLE, INTERRUPTED = 0, 2, 3, 5, 75
SHOWN = 50  # outputs, and failures, that a person is told one by one
BEFORE_WORK = "interrupted before any work began; run again to start over"
AGAIN = ("stopped; run again to start over", STOPPED)
UNCHANGED = ("stopped; nothing was changed", STOPPED)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print, with URLs instead of the paths that stand for them."""
    typer.echo(with_urls(text), err=err, nl=nl)


BrokeOff = Callable[[str, str], None]
"""Is told an error's message, and the status that the command ends with, in the place of a person."""


@contextmanager
def reporting(
    as_json: bool,
    debug: bool,
    interrupted: tuple[str, int] = (BEFORE_WORK, INTERRUPTED),
    broke_off: BrokeOff | None = None,
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
        fail(*interrupted, as_json, debug, broke_off)
    except PipelineError as error:
        fail(str(error), _code(error), as_json, debug, broke_off)
    except (OSError, MemoryError) as error:
        fail(_refusal(error), UNABLE, as_json, debug, broke_off)
    except Exception as error:  # a bug of ours: still one message, and where to find more
        what = f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        fail(what, 1, as_json, debug, broke_off)


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


def fail(message: str, code: int, as_json: bool, debug: bool, broke_off: BrokeOff | None = None) -> NoReturn:
    """Print an error, and end with its exit code."""
    if debug:
        traceback.print_exc()
    if as_json:
        say(json.dumps(_empty_summary(message)))
    if broke_off is None:
        tell(f"stylize: {message}", err=True)
    else:
        broke_off(message, "interrupted" if code in (INTERRUPTED, STOPPED) else "error")
    raise typer.Exit(code)


def tell(text: str, *, err: bool = False) -> None:
    """Print lines in which something may be quoted: a name of a file must not drive the terminal."""
    from pipeline.media.items import printable

    say("\n".join(map(printable, text.split("\n"))), err=err)


def shown_by(status: Status, before: str = "looking at ") -> Callable[[str], None]:
    """What tells a terminal's status line something; not as plain text, in which Rich takes brackets for markup."""
    from rich.text import Text

    from pipeline.media.items import printable

    return lambda what: status.update(Text(printable(before + what)))


class Aside:
    """A line on a terminal that says what is being looked at, and makes way for lines that stay."""

    def __init__(self, console: Console, before: str = "looking at ") -> None:
        self._status = console.status("") if console.is_interactive else None
        self._before = before

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_: object) -> None:
        self.make_way()

    def __call__(self, what: str) -> None:
        """Show it, or show it instead."""
        if self._status is not None:
            shown_by(self._status, self._before)(what)
            self._status.start()

    def make_way(self) -> None:
        """Clear the line; as long as it is there, all that is printed would go where it is."""
        if self._status is not None:
            self._status.stop()


def _empty_summary(message: str) -> dict[str, Any]:
    """The object of `--json` where a job could not even begin."""
    return {
        "status": "error",
        "error": message,
        "outputs": [],
        "failures": [],
        "frames": {"total": 0, "stylized": 0, "reused": 0},
        "sources": {"films": 0, "photographs": 0},
        "iterations": 0,
        "megapixel_iterations": 0.0,
        "wall_s": 0.0,
    }


def print_summary(
    summary: Summary,
    as_json: bool,
    told: Collection[tuple[str, str]] = (),
    command: Sequence[str] = (),
    *,
    with_errors: bool = True,
) -> None:
    """What a run did; `with_errors`: on standard error, too.

    `told`: failures, by source and error, that were told already; `command`: the job's, to see them again.
    """
    if as_json:
        _print_json(summary.to_json())
        return
    say(closing_line(summary))
    count = 0
    for count, output in enumerate(summary.outputs, start=1):
        if count <= SHOWN:
            tell(str(output.output))
    if count > SHOWN:
        say(f"… and {count - SHOWN} more outputs; --json lists them all")
    if with_errors:
        _print_failures(summary.failures, told, command)
    if summary.status == "interrupted" and with_errors:
        say("run the same command again to go on where this stopped", err=True)


def _print_failures(
    failures: Sequence[Failure], told: Collection[tuple[str, str]], command: Sequence[str]
) -> None:
    """What was not told while the run went on; of all together how many there are, why, and how to see them again."""
    from pipeline.media.items import blamed

    untold = [one for one in failures if (one.source, one.error) not in told]
    for failure in untold[:SHOWN]:
        tell(f"failed: {blamed(failure.source, failure.error)}", err=True)
    if len(untold) > SHOWN:
        tell(f"… and {len(untold) - SHOWN} more", err=True)
    if failures and (len(failures) > 1 or not untold):
        from pipeline.reasons import summed_up

        tell(
            f"{summed_up(failures)}; to see them again: {shlex.join(['stylize', 'verify', *command])}",
            err=True,
        )


def closing_line(summary: Summary) -> str:
    """What a run did, in a line."""
    from pipeline.live.progress import noun

    frames, photographs = summary.frames, summary.sources["photographs"]
    films = summary.sources["films"] or not photographs
    failed = len({failure.source for failure in summary.failures})
    of = sum(summary.sources.values())
    what = noun(int(films), photographs)
    what = what[:-1] if frames["total"] == 1 and "and" not in what else what
    parts = (
        f"{summary.status}: {frames['total']} {what}",
        f"{frames['stylized']} stylized",
        f"{frames['reused']} reused",
        *([f"{failed} of {of} source{'' if of == 1 else 's'} failed"] if failed else []),
        f"{summary.iterations} iterations",
        f"{summary.megapixel_iterations:.2f} megapixel-iterations",
        f"{summary.wall_s:.1f} s",
    )
    return ", ".join(parts)


def page_of(config: Config) -> Path | None:
    """Where the page of the run is, if there is one."""
    from pipeline.workspace import Workspace

    page = Workspace(config.output).report
    return page if page.is_file() else None


def _print_json(data: dict[str, Any]) -> None:
    """One object, of which the list `outputs` is printed as it is walked through: it may have millions of items."""
    outputs = data.pop("outputs")
    say(f"{json.dumps(data)[:-1]}, ", nl=False)
    say('"outputs": [', nl=False)
    for index, output in enumerate(outputs):
        say(f"{', ' if index else ''}{json.dumps(output)}", nl=False)
    say("]}")


def open_console(stderr: bool = True, shown: str = "auto") -> Console:
    """Where text goes; `shown`: auto, lines, json or none, of which the last two leave it silent."""
    from rich.console import Console

    quiet, terminal = shown in ("json", "none"), None if shown == "auto" else False
    # FORCE_COLOR in a log asks for colors, not for a panel
    is_seen = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr,
        highlight=False,
        quiet=quiet,
        force_terminal=terminal,
        force_interactive=None if is_seen else False,
    )
