"""YAML text ↔ values that remember where they were written; knows nothing of what the settings mean.

Reads the core schema of YAML 1.2, with PyYAML's safe parser but not its YAML 1.1 types: `1e-4` is a number,
`2024-01-01`, `on` and `1:30` are text, `010` is ten.

Anchors and aliases work; tags of one's own and `<<` do not.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from pipeline.errors import ConfigError

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1 << 20  # a hand-written job is a few kB; PyYAML needs some 10 s for 1 MiB
MAX_VALUES = 100_000  # after aliases are expanded: ten lines of them could ask for 10^9
MAX_CHARACTERS = 1000  # of a line for people

_TAG = "tag:yaml.org,2002:"
_SCALARS = {  # in the order of trial: what is not an int may still be a float; 300 digits keep int() cheap
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "str": (r"(?s:.*)", []),  # what is none of the above
}
_PLAIN_WORDS = [  # (pattern in PyYAML's message, the same for people); the first that is found wins
    (r"'\\t'.* cannot start any token", "a tab cannot indent or separate in YAML; use spaces"),
    (
        r"found character '(.)' that cannot start any token",
        r"text cannot begin with \1 in YAML; put it in quotes",
    ),
    (r"while scanning an alias", "text that begins with * must be in quotes, for example '*.mp4'"),
    (r"found undefined alias '(.+?)'", r"*\1 refers to an anchor, but there is no &\1 above it"),
    (
        r"mapping values are not allowed",
        "a colon where none can be; check the indentation, and put text with ': ' in quotes",
    ),
    (r"could not find expected ':'", "a key without its colon, or text that needs quotes"),
    (r"while scanning a quoted scalar.* end of stream", "a quote is opened and never closed"),
    (r"unknown escape character", "a backslash in double quotes is an escape; use single quotes for a path"),
    (r"expected ',' or '\]'", "a list that is opened with [ is not closed with ]"),
    (r"expected ',' or '\}'", "a mapping that is opened with { is not closed with }"),
    (r"expected <block end>|'<document start>'", "the indentation does not fit the lines above"),
    (r"expected a single document", "a job is one YAML document; remove what follows the second ---"),
]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which resolves plain scalars by the core schema of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way to start without the resolvers of YAML 1.1)


for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(frozen=True)
class Placed:
    """A value and the place where it was written, such as `video.yaml:7`; dicts and lists hold Placed."""

    value: Any
    place: str

    @classmethod
    def of(cls, value: Any, place: str) -> Placed:
        """Put plain values in one and the same place."""
        if isinstance(value, dict):
            return cls({key: cls.of(item, place) for key, item in value.items()}, place)
        if isinstance(value, list):
            return cls([cls.of(item, place) for item in value], place)
        return cls(value, place)

    def plain(self) -> Any:
        """The values alone: dict, list, str, int, float, bool and None."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return [item.plain() for item in self.value] if isinstance(self.value, list) else self.value

    def along(self, path: KeyPath) -> list[Placed]:
        """The values on the way to `path`, from the outermost, as far as they exist."""
        found = [self]
        for part in path:
            inner = found[-1].value
            known = range(len(inner)) if isinstance(inner, list) else inner if isinstance(inner, dict) else ()
            if part not in known:
                break
            found.append(inner[part])
        return found

    def put(self, path: KeyPath, top: Placed, merged: Collection[KeyPath]) -> None:
        """Lay `top` over the value at `path`: key by key where the path is in `merged`, otherwise as a whole.

        A path that leads through something else than mappings changes nothing: that is an error already.
        """
        parent = self.along(path[:-1])[-1].value
        if not isinstance(parent, dict) or len(self.along(path[:-1])) < len(path):
            return
        old = parent.get(path[-1])
        if (
            path not in merged
            or old is None
            or not isinstance(old.value, dict)
            or not isinstance(top.value, dict)
        ):
            parent[path[-1]] = top
            return
        parent[path[-1]] = Placed(old.value, top.place)
        for key, item in top.value.items():
            self.put((*path, key), item, merged)


@dataclass
class _Reading:
    """What a reading keeps track of: the name of the text, the values so far, and what is wrong."""

    name: str
    numbered: bool
    values: int = 0
    problems: list[str] = field(default_factory=list)

    def place(self, line: int) -> str:
        """The place of a line, counted from 0."""
        return f"{self.name}:{line + 1}" if self.numbered else self.name


def read_yaml(path: Path) -> Placed:
    """Read a YAML file whose top level is a mapping; raises ConfigError if it is anything else."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist; `stylize init {path}` writes a file to start from"
        ) from None
    except OSError as error:
        problem = "is a folder, not a YAML file" if path.is_dir() else f"cannot be read: {error.strerror}"
        raise ConfigError(f"{path} {problem}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"{path} must be at most {MAX_BYTES} bytes; name folders or patterns, not each file"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"{path}:{data[: error.start].count(10) + 1}"
        bad = f"0x{data[error.start]:02x}"
        raise ConfigError(
            f"the file must be UTF-8 text, got the byte {bad} ({place}); save it as UTF-8"
        ) from None
    document = parse_yaml(text, str(path))
    if document.value is None:
        raise ConfigError(f"{path} is empty; `stylize init` writes a file to start from")
    if not isinstance(document.value, dict):
        got = f"got {show(document.plain())} ({document.place})"
        raise ConfigError(f"the top level must be a mapping, lines of `key: value`, {got}")
    return document


def parse_yaml(text: str, name: str, *, numbered: bool = True) -> Placed:
    """Parse one YAML document; places read `name:line`, or just `name` if they are not numbered."""
    reading = _Reading(name, numbered)
    document = Placed(None, name)
    try:
        node = _Loader(text).get_single_node()
        if node is not None:
            document = _build(node, (), node.start_mark.line, reading)
    except ReaderError as error:
        where = reading.place(text.count("\n", 0, error.position))
        reading.problems = [f"the character U+{int(error.character):04X} is not allowed in YAML ({where})"]
    except yaml.MarkedYAMLError as error:
        opened = re.search(
            "flow|quoted|simple key", error.context or ""
        )  # say where, not where the text ended
        mark = (error.context_mark if opened else error.problem_mark) or error.problem_mark
        reading.problems = [f"{_in_plain_words(error)} ({reading.place(mark.line if mark else 0)})"]
    except (ValueError, OverflowError):  # out of PyYAML's scanner, which converts unchecked
        odd = "an escape that names no character, such as \\UFFFFFFFF, or a number of thousands of digits"
        reading.problems = [f"not valid YAML: {odd} ({name})"]
    except RecursionError:
        reading.problems = [f"the YAML is nested too deeply, or an alias contains itself ({name})"]
    if reading.problems:
        raise ConfigError("\n".join(map(one_line, reading.problems)))
    return document


def _in_plain_words(error: yaml.MarkedYAMLError) -> str:
    """Say what PyYAML found wrong to someone who does not know its grammar."""
    text = f"{error.context or ''} {error.problem or ''}"
    for pattern, words in _PLAIN_WORDS:
        if match := re.search(pattern, text):
            return match.expand(words)
    return f"not valid YAML: {text.strip()}"


def _build(node: Any, path: KeyPath, line: int, reading: _Reading) -> Placed:
    """Turn PyYAML's node, whose place is `line`, into placed values; expand aliases within bounds."""
    reading.values += 1
    if reading.values > MAX_VALUES:
        expanded = f"the YAML has more than {MAX_VALUES} values once its aliases are expanded"
        raise ConfigError(f"{expanded} ({reading.name}); make it shorter")
    kind = node.tag.removeprefix(_TAG)
    value: Any = None
    if isinstance(node, yaml.MappingNode) and kind == "map":
        value = _build_mapping(node, path, reading)
    elif isinstance(node, yaml.SequenceNode) and kind == "seq":
        pairs = enumerate(node.value)
        value = [_build(item, (*path, index), item.start_mark.line, reading) for index, item in pairs]
    elif (
        isinstance(node, yaml.ScalarNode) and kind in _SCALARS and re.fullmatch(_SCALARS[kind][0], node.value)
    ):
        value = _scalar(kind, node.value)
    else:
        tag = node.tag.replace(_TAG, "!!")
        reading.problems.append(f"the tag {tag} is not allowed here; remove it ({reading.place(line)})")
    return Placed(value, reading.place(line))


def _build_mapping(node: yaml.MappingNode, path: KeyPath, reading: _Reading) -> dict[str, Placed]:
    """Build a mapping whose keys are text, each of them once; the first of two equal keys is kept."""
    values: dict[str, Placed] = {}
    for key_node, value_node in node.value:
        line, key = key_node.start_mark.line, key_node.value
        here = reading.place(line)
        if key_node.tag != _TAG + "str":
            shown = key if isinstance(key, str) else "a list or mapping"
            reading.problems.append(
                f"a key must be text, got {shown} ({here}); put it in quotes if it is a name"
            )
        elif key in values:
            dotted = ".".join(map(str, (*path, key)))
            reading.problems.append(
                f"{dotted} is set twice ({values[key].place} and {here}); keep one of them"
            )
        else:
            values[key] = _build(value_node, (*path, key), line, reading)
    return values


def _scalar(kind: str, text: str) -> Any:
    """Convert a scalar that fits the pattern of its kind."""
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))


def show(value: Any, depth: int = 0) -> str:
    """Write a value for a message: on one line, as in YAML, and short whatever the value is."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= 100 else f"{text[:60]}…{text[-30:]}"
    items = list(value)[:6] if depth < 2 else []
    shown = [
        f"{k}: {show(value[k], depth + 1)}" if isinstance(value, dict) else show(k, depth + 1) for k in items
    ]
    shown += ["…"] * (len(items) < len(value))
    return ("{%s}" if isinstance(value, dict) else "[%s]") % ", ".join(shown)


def one_line(text: str, most: int = MAX_CHARACTERS) -> str:
    r"""A text for a message: on one line, and short whatever is quoted in it.

    >>> one_line("a\nb\udcff"), one_line("abcdefghijkl", most=10)
    ('a\\nb\\udcff', 'abcdefg…kl')
    """
    short = text if len(text) <= most else f"{text[: most * 7 // 10]}…{text[-most // 5 :]}"
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)
