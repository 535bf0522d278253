"""Pydantic's errors → sentences: the dotted key, what is allowed, the value, the place, the nearest name.

Knows the required settings and the keys of style images and keyframes; the other names to suggest are passed in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError

from pipeline.settings.yaml_lines import Placed, one_line, show

MAX_LINES = 20  # a config with more problems than that is not a config

_ALLOWED = {  # what pydantic's types of error mean; `{…}` is from the error's context
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "string_type": "text",
    "model_type": "a mapping, lines of `key: value`",
    "dict_type": "a mapping of layers to weights, such as {{conv4_2: 1.0}}",
    "mapping_type": "a mapping of layers to weights, such as {{conv4_2: 1.0}}",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
}
_EXAMPLES = {  # what to write for a key that must be there
    "input": "it is what to paint, for example input: clips/",
    "output": "it is the folder for the results, for example output: out/",
    "style": "it is the painting to learn from, for example style: paintings/swirl.png",
    "frames": "it is where the shot is, for example frames: [0, 48]",
    "shots": "it is the list of the source's shots, for example shots: [{frames: [0, 48]}]",
}


def not_allowed(allowed: str, choices: Sequence[str] = ()) -> PydanticCustomError:
    """The error of a value that is not what is `allowed`; `choices` are the words it may be a typo of."""
    return PydanticCustomError("allowed", "{allowed}", {"allowed": allowed, "choices": tuple(choices)})


def conflicts(found: Collection[tuple[str, Collection[str]]]) -> PydanticCustomError:
    """The error of settings that exclude each other: sentences, each with the dotted keys it is about."""
    return PydanticCustomError("conflicts", "{found}", {"found": tuple(found)})


def expects(allowed: str, *choices: str) -> WrapValidator:
    """One sentence for whatever may be wrong with a value, instead of one for each type of a union."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise not_allowed(allowed, choices) from None

    return WrapValidator(check)


def nearest(word: str, names: Collection[str]) -> str:
    """The end of a sentence that asks for the name most like `word`, or nothing if none is like it.

    Names that are equal but for their section count as equal: `style_weight` is near `transfer.style_weight`.
    """

    def likeness(name: str) -> tuple[float, float]:
        whole = SequenceMatcher(None, word, name).ratio()
        last = SequenceMatcher(None, word.split(".")[-1], name.split(".")[-1]).ratio()
        return max(whole if whole > 0.85 else 0.0, last), whole

    best = max(names, key=likeness, default="")
    return f"; did you mean {best}?" if best and likeness(best)[0] >= 0.6 else ""


def unknown_setting(key: str, names: Collection[str], place: str) -> str:
    """The sentence for a dotted key that does not exist."""
    plain = re.fullmatch(r"[\w.-]{1,100}", key)
    return f"{key if plain else show(key)} is not a setting ({place}){nearest(key[:100], names)}"


def complaints(error: ValidationError, document: Placed, names: Collection[str]) -> list[str]:
    """One line for each problem that pydantic found in `document`; `names` are all dotted keys there are."""
    details = error.errors(include_url=False, include_input=False)
    lines = [line for problem in details[:MAX_LINES] for line in _complain(problem, document, names)]
    lines = [one_line(line) for line in lines]
    return lines + [f"… and {len(details) - MAX_LINES} more problems"] * (len(details) > MAX_LINES)


def _complain(problem: ErrorDetails, document: Placed, names: Collection[str]) -> list[str]:
    """The lines for one of pydantic's errors."""
    kind, context = problem["type"], problem.get("ctx", {})
    path = tuple(part for part in problem["loc"] if part != "[key]")
    key, found = ".".join(map(str, path)), document.along(path)
    place = found[-1].place
    if kind == "conflicts":
        return conflict_lines(context["found"], document)
    if kind == "missing":
        return [f"{key} is missing ({place})" + (f"; {_EXAMPLES[key]}" if key in _EXAMPLES else "")]
    if kind == "extra_forbidden":
        return [unknown_setting(key, _siblings(path) or names, place)]
    choices = context.get("choices") or re.findall(r"'([^']+)'", str(context.get("expected", "")))
    if "[key]" in problem["loc"]:
        return [f"{key} is not a layer of VGG19 ({place}){nearest(str(path[-1]), choices)}"]
    value = found[-1].plain()
    allowed = _allowed(kind, context, choices, problem["msg"])
    if kind == "model_type" and isinstance(value, str) and path[-2:-1] == ("style",):
        allowed = f"a mapping such as {{image: {value}}}"
    written = ".".join(map(str, path[: len(found) - 1]))  # `style: x` is checked as if it were style.0.image
    hint = nearest(value, choices) if isinstance(value, str) else ""
    if "path" in allowed and isinstance(value, bool | int | float):
        hint = "; put a name that looks like a number in quotes"
    return [f"{written} must be {allowed}, got {show(value)} ({place}){hint}"]


def _siblings(path: tuple[int | str, ...]) -> list[str]:
    """The dotted keys that there are where a key of a list's item was not known."""
    if len(path) < 3 or not isinstance(path[-2], int):
        return []
    known = {"style": ("image", "weight", "mask", "part"), "timeline": ("at", "style", "style_weight")}
    around = ".".join(map(str, path[:-1]))
    return [f"{around}.{name}" for name in known.get(str(path[-3]), ())]


def _allowed(kind: str, context: dict[str, Any], choices: Collection[str], message: str) -> str:
    """What is allowed, to follow the words "must be"."""
    if kind == "allowed":
        return str(context["allowed"])
    if kind == "literal_error":
        return f"one of {', '.join(choices)}"
    return _ALLOWED[kind].format(**context) if kind in _ALLOWED else f"valid: {message}"


def conflict_lines(found: Collection[tuple[str, Collection[str]]], document: Placed) -> list[str]:
    """One line for each of the sentences of `conflicts`, with the places of what it is about."""
    return [f"{text} ({_places(keys, document)})" for text, keys in found]


def _places(keys: Collection[str], document: Placed) -> str:
    """The places of those settings that someone wrote, or the file's name if all of them are defaults."""
    paths = [[int(part) if part.isdecimal() else part for part in key.split(".")] for key in keys]
    places = [document.along(tuple(path))[-1].place for path in paths]
    written = dict.fromkeys(place for place in places if place != document.place)
    return ", ".join(written) or document.place
