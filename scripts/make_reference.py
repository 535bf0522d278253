"""Writes docs/reference.md: every key of the YAML and every command, out of the code that reads them.

    .venv/bin/python scripts/make_reference.py [--check]

With `--check` nothing is written, and the exit code is 1 where the page is not what it would be; a test does that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from pipeline.cli import app
from pipeline.config import json_schema
from pipeline.recipes import recipe_names, recipe_text

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"

HEAD = """# Reference

Made by `scripts/make_reference.py` from the code that reads the YAML and the command line; do not edit it by hand.

## The YAML

Paths are relative to the YAML file. Every key can be overridden on the command line: `--set transfer.size=256`. A key
that does not exist, a value of the wrong type or a combination that makes no sense ends the command with exit code 2
and one line that says which, where, and what would be right.
"""

EXITS = """## Exit codes

| code | means |
|---|---|
| 0 | done, also where nothing was left to do |
| 2 | the config or the command line is wrong |
| 3 | finished, but some sources failed; they are listed |
| 5 | the environment is not able to: no space, no cluster, no weights |
| 75 | interrupted, and can be resumed: run the same command again |
| 130 | stopped at once, by a second Ctrl-C |
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_settings(json_schema()), *_recipes(), *_commands(), EXITS])


def _settings(schema: dict[str, Any]) -> Iterator[str]:
    plain = {key: one for key, one in schema["properties"].items() if "properties" not in one}
    yield from _table("The job", "", plain, schema.get("required", ()))
    for key, one in schema["properties"].items():
        if "properties" in one:
            yield from _table(f"`{key}`", one["description"], one["properties"], one.get("required", ()))


def _table(title: str, about: str, properties: dict[str, Any], required: Sequence[str]) -> Iterator[str]:
    yield f"### {title}\n"
    if about:
        yield f"{about}\n"
    yield "| key | default | takes | |"
    yield "|---|---|---|---|"
    for key, one in properties.items():
        default = "required" if key in required else f"`{_yaml(one.get('default'))}`"
        yield f"| `{key}` | {default} | {_cell(kind(one))} | {_cell(one.get('description', ''))} |"
    yield ""


def kind(schema: dict[str, Any]) -> str:
    """What a key takes, in words.

    >>> kind({"anyOf": [{"type": "integer", "minimum": 32}, {"type": "null"}]})
    'whole number ≥ 32, or null'
    """
    if "anyOf" in schema:
        parts = list(dict.fromkeys(kind(one) for one in schema["anyOf"]))
        return ", or ".join(parts)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " \\| ".join(f"`{_yaml(value)}`" for value in schema["enum"])
    name = schema.get("type")
    if name == "array":
        return f"list of {kind(schema['items'])}" if "items" in schema else "list"
    if name == "object":
        inner = [f"`{key}`" for key in schema.get("properties", ())]
        if "`conv1_1`" in inner:
            return "mapping of VGG19's layers, `conv1_1` to `conv5_4`, to numbers"
        return "mapping of " + ", ".join(inner) if inner else "mapping"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return words.get(str(name), str(name)) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    bounds = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    found = [f"{sign} {schema[name]:g}" for name, sign in bounds if name in schema]
    return f" {', '.join(found)}" if found else ""


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value).replace('"', "") if value is not None else "null"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("\\\\|", "\\|")


def _recipes() -> Iterator[str]:
    yield "## Recipes\n"
    yield "Named defaults for `transfer`; any key of the YAML overrides them.\n"
    for name in recipe_names():
        yield f"### `{name}`\n\n```yaml\n{recipe_text(name).strip()}\n```\n"


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        arguments = [_value(one) for one in command.params if not one.opts[0].startswith("-")]
        yield f"### `stylize {' '.join([name, *arguments])}`\n"
        yield f"{' '.join((command.help or '').split())}\n"
        options = [one for one in command.params if one.opts[0].startswith("-")]
        if options:
            yield "| option | |"
            yield "|---|---|"
            for one in options:
                value = "" if one.is_flag else f" {_value(one)}"
                yield f"| `{_cell(_names(one) + value)}` | {_cell(one.help or '')} |"
        yield ""


def _names(option: Any) -> str:
    """An option's first name, and the one that turns it off."""
    return ", ".join([option.opts[0], *option.secondary_opts[:1]])


def _value(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    made = page()
    if parser.parse_args(arguments).check:
        return int(PAGE.read_text("utf-8") != made)
    PAGE.write_text(made, "utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
