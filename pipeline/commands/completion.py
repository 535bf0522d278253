"""What a shell offers when Tab is pressed: YAML files, the dotted keys of settings, and their values.

Whatever shell it is, a word that is offered alone is followed by a space. So a key, behind which something is to
follow, never is: `transfer.optimizer=` comes with `transfer.optimizer=adam`, and a folder is offered as what is in it.
Answers within a fraction of a second: imports pydantic at most, and looks at one folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

Offer = str | tuple[str, str]
"""A word, or a word and a line about it."""

_VARIABLE = "_STYLIZE_COMPLETE"  # click's, by the name of the command
_BASH, _FISH = "complete_bash", "complete_fish"
_BEGINNING = "_STYLIZE_BEGINNING"
_MOST_NAMES = 2000
_EVALUATED = re.compile(r"[\\$`\"']")
"""What means something within quotes: zsh evaluates what it is offered, twice, and typer escapes it once."""
_OPENINGS = {"string": "./", "array": "[", "number": "1"}  # how a value begins that cannot be guessed


def make_ready(environment: MutableMapping[str, str]) -> None:
    """Mend what a shell asks with, where it asks, before typer sees it."""
    if _VARIABLE in environment:
        environment["COLUMNS"] = "10000"  # Rich breaks lines to that, and fish takes every line for a word
    if environment.get(_VARIABLE) == _BASH and "\n" in environment.get("COMP_WORDS", ""):
        _set_apart(environment)


def _set_apart(environment: MutableMapping[str, str]) -> None:
    """Put together again what bash takes apart, words at = and :, and keep the beginning of the word at the cursor.

    Bash replaces only what follows the last = by what is offered, so the part before it is kept in a variable, and the
    word at the cursor is what follows it.
    """
    words, at = environment["COMP_WORDS"].split("\n"), int(environment["COMP_CWORD"])
    joined, is_open = _joined(words[:at])
    current = words[at] if at < len(words) else ""
    if joined and _is_break(current):
        joined[-1], current, is_open = joined[-1] + current, "", True
    if is_open:
        option, equals, rest = joined.pop().partition("=")
        is_option = option.startswith("--")
        joined += [option] * is_option
        environment[_BEGINNING] = rest if is_option else f"{option}{equals}{rest}"
    environment["COMP_WORDS"] = "\n".join([*joined, current])
    environment["COMP_CWORD"] = str(len(joined))


def _joined(words: list[str]) -> tuple[list[str], bool]:
    """The words as they were typed, and whether the last one ends with where bash takes it apart."""
    joined: list[str] = []
    is_open = False
    for word in words:
        if joined and (is_open or _is_break(word)):
            joined[-1] += word
        else:
            joined.append(word)
        is_open = _is_break(word)
    return joined, is_open


def _is_break(word: str) -> bool:
    return re.fullmatch("[=:]+", word) is not None


def complete_config(incomplete: str) -> list[Offer]:
    """YAML files, and the folders that may hold some."""
    before = _beginning()
    found = [one.removeprefix(before) for one in _yaml_files(before + incomplete)]
    return [_escaped(one) if os.environ.get(_VARIABLE) == _BASH else one for one in found]


def _escaped(path: str) -> str:
    """A path as bash wants it; other shells look after that themselves."""
    return re.sub(r"([^\w./~@%+,-])", r"\\\1", path)


def _yaml_files(incomplete: str) -> list[str]:
    """What begins with `incomplete`; of a folder that is the only thing to do so, what is in it."""
    cut = incomplete.rfind("/") + 1
    typed, beginning = incomplete[:cut], incomplete[cut:]
    names = [name for name in _names(typed) if name.startswith(beginning)]
    shown = [typed + name for name in names if beginning.startswith(".") or not name.startswith(".")]
    found = [path for path in shown if _is_safe(path)]
    if len(found) == 1 and found[0].endswith("/"):
        return _yaml_files(found[0])  # a link in a circle ends where the system has had enough of it
    return found


def _is_safe(path: str) -> bool:
    """Whether the shell takes a path for that and nothing else: a line break ends an offer, and `$(…)` may be run."""
    escapes_itself = os.environ.get(_VARIABLE) in (_BASH, _FISH)  # by `_escaped`, and as it inserts
    return path.isprintable() and (escapes_itself or not _EVALUATED.search(path))


def _names(folder: str) -> list[str]:
    """The YAML files of a folder, and the folders in it with a slash behind them."""
    found = []
    with suppress(OSError, RuntimeError), os.scandir(Path(folder or ".").expanduser()) as entries:
        for entry in islice(entries, _MOST_NAMES):
            with suppress(OSError):  # a link in a circle
                if entry.is_dir():
                    found.append(f"{entry.name}/")
                elif entry.name.lower().endswith((".yaml", ".yml")):
                    found.append(entry.name)
    return sorted(found)


def complete_setting(incomplete: str) -> list[Offer]:
    """KEY=VALUE: keys, and behind the equals sign the words that the key takes."""
    key, equals, value = _typed(incomplete)
    if not equals:
        return _keys(key)
    return [f"{_head(key)}{one}" for one in _values(key) if one.startswith(value)]


def complete_grid(incomplete: str) -> list[Offer]:
    """KEY=VALUE,VALUE,…: the same, and behind a comma what is not there yet."""
    key, equals, value = _typed(incomplete)
    if not equals:
        return _keys(key)
    before, comma, last = value.rpartition(",")
    left = [one for one in _values(key) if one.startswith(last) and one not in before.split(",")]
    return [f"{_head(key)}{before}{comma}{one}" for one in left]


def _beginning() -> str:
    """What `_set_apart` took off the word at the cursor."""
    return os.environ.get(_BEGINNING, "")


def _typed(incomplete: str) -> tuple[str, str, str]:
    """The key at the cursor, the equals sign, if there is one, and what follows it."""
    return f"{_beginning()}{incomplete}".partition("=")


def _head(key: str) -> str:
    """What stands before a value in what is offered."""
    return "" if _beginning() else f"{key}="


def _keys(beginning: str) -> list[Offer]:
    """Keys with an equals sign; of a single one its values as well."""
    found = {key: node for key, node in _settings(beginning) if key.startswith(beginning)}
    offers: list[Offer] = [(f"{key}=", _line(node)) for key, node in found.items()]
    if len(found) == 1:
        ((key, node),) = found.items()
        openings = [_OPENINGS[kind] for kind in _types(node) if kind in _OPENINGS]
        offers += [f"{key}={one}" for one in _values(key) or openings[:1]]
        offers += [f"{key}.{layer}=" for layer in node.get("properties", ())]
    return offers


def _line(node: Mapping[str, Any]) -> str:
    """What a setting means, without brackets, which Rich would take for markup."""
    return str(node["description"]).translate(str.maketrans("[]", "()"))


def _settings(beginning: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every setting with its JSON Schema, single layers only where they are asked for."""
    from pipeline.config import KEYS, json_schema

    schema = json_schema()
    for key in KEYS:
        node = schema
        for name in key.split("."):
            node = node["properties"][name]
        if "." in key or "properties" not in node:
            yield key, node
        if "." in key and beginning.startswith(f"{key}."):
            for layer, weight in node["properties"].items():
                yield f"{key}.{layer}", weight


def _values(key: str) -> list[str]:
    """The words that a setting takes, after its default where that is a number."""
    node = dict(_settings(key)).get(key, {})
    default = node.get("default")
    is_number = isinstance(default, int | float) and not isinstance(default, bool)
    return list(dict.fromkeys([*([f"{default:g}"] if is_number else ()), *_choices(node)]))


def _choices(node: Mapping[str, Any]) -> Iterator[str]:
    for part in (node, *node.get("anyOf", ())):
        yield from (
            str(one) for one in (*part.get("enum", ()), *([part["const"]] if "const" in part else ()))
        )
        yield from {"boolean": ("true", "false"), "null": ("null",)}.get(str(part.get("type")), ())


def _types(node: Mapping[str, Any]) -> list[str]:
    return [str(part.get("type")) for part in (node, *node.get("anyOf", ()))]
