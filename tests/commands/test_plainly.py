"""What typer and pydantic say of a command line, in plain words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pipeline.cli import app

TAKING_A_CONFIG = ("run", "plan", "status", "preview", "reconstruct", "verify", "report")


def told(*args: str) -> str:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("command", [*TAKING_A_CONFIG, "init", "doctor", "schema"])
def test_the_usage_has_no_braces_and_the_help_no_mathematics(command: str) -> None:
    text = CliRunner().invoke(app, [command, "--help"]).output
    assert not set("{}") & set(text.partition("\n")[0])
    assert "<=" not in text
    assert ("[OPTIONS] CONFIG" in text) == (command in TAKING_A_CONFIG)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ("run", "x", "--progress", "fancy"),
            "'--progress': 'fancy' is not one of 'auto', 'lines', 'json', 'none'.",
        ),
        (("preview", "x", "--frames", "99"), "'--frames': it must be from 1 to 24, got 99"),
        (("preview", "x", "--frames", "some"), "'--frames': it must be a whole number"),
        (("preview", "x", "--size", "31"), "'--size': it must be at least 32, got 31"),
    ],
)
def test_a_wrong_option_is_told_without_the_name_of_an_error(args: tuple[str, ...], words: str) -> None:
    assert told(*args).endswith(f"Invalid value for {words}")


def test_what_an_option_allows_is_taken() -> None:
    assert "x does not exist" in told("preview", "x", "--frames", "24", "--size", "32")
