"""The commands that look and say what they see, and change nothing: plan, status, verify, doctor and schema."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated

import typer

from pipeline.commands.arguments import AsJson, ConfigPath, Debug, Overrides, ShotList
from pipeline.commands.words import (
    DONE,
    SOME_FAILED,
    UNABLE,
    UNCHANGED,
    Aside,
    open_console,
    reporting,
    say,
    shown_by,
    tell,
)
from pipeline.interruption import stop_by_ctrl_c


def plan(
    config: ConfigPath,
    set_: Overrides = None,
    as_json: AsJson = False,
    shots: ShotList = None,
    force: Annotated[bool, typer.Option("--force", help="Let --shots write over an existing file.")] = False,
    trial: Annotated[
        bool, typer.Option("--trial/--no-trial", help="Paint some frames, to know how long it will take.")
    ] = True,
    debug: Debug = False,
) -> None:
    """Say what would be done, and in what time. Lists shots, frames, work and disk; only --shots writes a file."""
    with reporting(as_json, debug, interrupted=UNCHANGED):
        from pipeline.config import load_config
        from pipeline.forecasting.forecast import forecast, timed
        from pipeline.look import look
        from pipeline.outline import outline, show
        from pipeline.shots.writing import check_free, write_shots

        if shots is not None:
            check_free(shots, force=force)
        loaded = load_config(config, [*(set_ or ()), *(("video.shots=null",) if shots else ())])
        stop_by_ctrl_c()
        with open_console().status("looking") as status:  # seen on a terminal only
            seen, looked_s = timed(lambda: look(loaded, shown_by(status)))
            written = 0 if shots is None else write_shots(shots, seen.plan)
            told = forecast(loaded, seen, trial=trial, looked_s=looked_s, watch=shown_by(status, "trying "))
        found = outline(loaded, seen, told)
        if as_json:
            say(json.dumps({**found, **({"shot_list": str(shots)} if shots else {})}))
        else:
            show(found, open_console(stderr=False), loaded.origin.command("status"))
            if shots is not None:
                tell(f"wrote {written} shots to {shots}; edit it, and name it as video.shots in {config}")
        if found["disk_refusal"] or found["refusal"]:
            raise typer.Exit(UNABLE)
        raise typer.Exit(SOME_FAILED if found["failures"] else DONE)


def status(config: ConfigPath, set_: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Say how far the run is. Works from another terminal; after the run, it says how that ended."""
    with reporting(as_json, debug, interrupted=UNCHANGED):
        from pipeline.config import load_config
        from pipeline.live.status import lines, read_status
        from pipeline.workspace import Workspace

        found = read_status(Workspace(load_config(config, set_ or ()).output))
        if as_json:
            say(json.dumps(found or {"status": "none"}))
        else:
            for line in (
                ("no run has worked on this job yet",)
                if found is None
                else lines(found, get_terminal_size().columns - 1)
            ):
                tell(line)


def verify(config: ConfigPath, set_: Overrides = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Say whether outputs are whole and true. Each is held against its source; touches nothing."""
    with reporting(as_json, debug, interrupted=UNCHANGED):
        from pipeline.config import load_config
        from pipeline.verify import in_total, to_json
        from pipeline.verify import verify as judge

        verdicts = []
        with Aside(open_console()) as aside:
            for verdict in judge(load_config(config, set_ or ()), aside):
                verdicts.append(verdict)
                aside.make_way()
                if not as_json:
                    tell(verdict.line)
        tell(json.dumps(to_json(verdicts)) if as_json else in_total(verdicts))
        raise typer.Exit(SOME_FAILED if any(verdict.failure for verdict in verdicts) else DONE)


def doctor(debug: Debug = False) -> None:
    """Say what works on this machine. Where something does not, it says what to do."""
    with reporting(False, debug):
        from rich.text import Text

        from pipeline.doctor import examine
        from pipeline.media.items import printable

        console, healthy = open_console(stderr=False), True
        for finding in examine(Path.cwd()):
            healthy &= finding.works
            mark = Text("ok   ", "green") if finding.works else Text("FAIL ", "red")
            console.print(mark + Text(printable(f"{finding.name:8} {finding.seen}")), soft_wrap=True)
            if not finding.works:
                console.print(Text(printable(f"              → {finding.remedy}")), soft_wrap=True)
        raise typer.Exit(DONE if healthy else UNABLE)


def schema() -> None:
    """Print the YAML's JSON Schema. Editors complete and check with it."""
    from pipeline.config import json_schema

    say(json.dumps(json_schema(), indent=2))
