"""The job that `stylize init` writes: the commented starter, with what was found around it filled in.

Decides what to fill in, and writes the YAML and, where there is no painting, ours. Prints nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from glob import has_magic
from importlib.resources import files
from os.path import lexists, realpath, relpath
from pathlib import Path

import yaml

from pipeline.commands.surroundings import (
    FEW,
    find_style,
    find_subject,
    has_gpu,
    is_text,
    left_out,
    look_around,
    outputs_named,
    unused,
    without,
)
from pipeline.config import starter_yaml
from pipeline.errors import ConfigError
from pipeline.media.walking import is_reached
from pipeline.settings.paths import absolute, absolute_pattern, image_trouble, kind_of, media_by_name, root_of
from pipeline.settings.yaml_lines import parse_yaml
from pipeline.storage.places import is_url

SMALL_PX = 256  # a quarter of the default's work
_COLUMN = 35  # where the starter's comments begin


@dataclass(frozen=True)
class Choices:
    """What is filled in, with a line for a person about each."""

    input: tuple[str, ...]  # empty: as it stands in the starter
    style: str
    output: str
    size_px: int | None  # None: the default
    brings_style: bool  # `style` names our own painting, which is to be written there
    lines: tuple[str, ...]


def start(path: Path, inputs: Sequence[str], style: Path | None) -> list[str]:
    """Write a job to `path` for what is in its folder, and say what was decided, and the next command.

    `inputs` and `style`, counted from the current folder, go before what is found. Raises `ConfigError` where `path`
    exists or cannot be written, or where one of them is not there.
    """
    if trouble := _name_trouble(path):
        raise ConfigError(trouble)
    if lexists(path):
        raise ConfigError(f"{path} exists already; choose another name: stylize init other.yaml")
    choices = choose(path.parent, inputs, style)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_naming(path, fill(choices)))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    if choices.brings_style:
        _write_painting(path, path.parent / choices.style)
    command = f"stylize plan {_word(path)}"
    done = f"next: {command}" if choices.input else f"set input in it, then: {command}"
    return [*choices.lines, f"wrote {path}; {done}"]


def _name_trouble(path: Path) -> str | None:
    """Why a job cannot go by a name: it is that of what is to be painted, or its folder is not there."""
    if what := media_by_name(path):
        if kind_of(path) == "nothing":
            command = f"stylize init {_word(path.with_suffix('.yaml'))}"
            return f"{path} is a name for {what}; that of a job ends in .yaml: {command}"
        command = shlex.join(["stylize", "init", unused(Path(), "job", ".yaml"), "--input", str(path)])
        return f"{path} is {what}, not a job; to write a job for it: {command}"
    if kind_of(path.parent) == "nothing":
        return f"{path} cannot be written, since its folder is not there; make it first: mkdir -p {_word(path.parent)}"
    return None


def choose(folder: Path, inputs: Sequence[str], style: Path | None) -> Choices:
    """What to fill in for a job in `folder`."""
    inputs_there = [_from(folder, text, "--input") for text in inputs]
    style_there = None if style is None else _from_style(folder, style)
    around = without(look_around(folder), [*inputs_there, *([style_there] if style_there else ())])
    subject = None if inputs else find_subject(around)
    if subject:
        names, told = subject.names, f"input: {_few(subject.names)} ({subject.what})"
    else:
        names, told = tuple(inputs_there), f"input: {_few(inputs)}"
    if not names:
        told = f"input: neither videos nor pictures in {folder.absolute()}, nor in its folders; name them with --input"
    painting = style_there or find_style(folder, around, subject)
    ours = _place_of_ours(folder, inputs_there)
    about = str(style or painting or f"{ours}, a painting of ours, since none of yours was found")
    if painting and _is_painted_too(absolute(folder.absolute(), painting), folder, names):
        about += ", which lies in the input, and so is painted as well"
    output = f"{unused(folder, 'out', taken=outputs_named(folder))}/"
    small = None if has_gpu() else SMALL_PX
    sized = f"size: {SMALL_PX} px, since no NVIDIA GPU was found" if small else "size: 512 px, the default"
    more = left_out(around, subject) if subject else ""
    also = [f"left out: {more}; with --input {_word(folder)} they are in, too"] if more else []
    lines = (told, *also, f"style: {about}", f"output: {output}", sized)
    return Choices(names, painting or ours, output, small, painting is None, lines)


def _place_of_ours(folder: Path, inputs: Sequence[str]) -> str:
    """Where our own painting goes: hidden where an input would lead to it, and never to where a link leads."""
    is_hidden = _is_painted_too(folder.absolute() / "paintings/swirl.png", folder, inputs)
    place = ".paintings" if is_hidden else "paintings"
    if (folder / place).is_symlink():
        place = unused(folder, place)
    return f"{place}/{unused(folder / place, 'swirl', '.png')}"


def _is_painted_too(painting: Path, folder: Path, inputs: Sequence[str]) -> bool:
    """Whether inputs that count from `folder` lead to a painting, an absolute path, which need not be there yet."""
    real = Path(realpath(painting.parent)) / painting.name
    return any(_leads_to(real, absolute_pattern(folder.absolute(), text)) for text in inputs)


def _leads_to(path: Path, text: str) -> bool:
    """Whether an absolute input, a folder or a pattern, finds a file in a real folder, once it is there."""
    root, kind = Path(realpath(root_of(text))), kind_of(Path(text))
    if kind == "file" or not path.is_relative_to(root):
        return False
    pattern = () if kind == "folder" else Path(text).parts[len(root_of(text).parts) :]
    return is_reached(pattern, path.relative_to(root).parts)


def _few(names: Sequence[str]) -> str:
    """The names, or the first of very many."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"{', '.join(names[:FEW])}{more}"


def _from_style(folder: Path, style: Path) -> str:
    """A picture that counts from the current folder, as one that counts from `folder`."""
    if trouble := image_trouble(style):
        raise ConfigError(f"--style must be an image; {style} {trouble}")
    return _from(folder, str(style), "--style")


def _from(folder: Path, text: str, option: str) -> str:
    """What an option names, counted from `folder`, as a text that a YAML file can hold."""
    if not is_text(there := _counted_from(folder, text)):
        raise ConfigError(
            f"{option} {there} is not UTF-8, so no YAML file can name it; rename the file or the folder that is not"
        )
    return there


def _counted_from(folder: Path, text: str) -> str:
    """A path or pattern that counts from the current folder, as one that counts from `folder`."""
    here = Path.cwd()
    if is_url(text):
        return text
    if kind_of(Path(text)) == "nothing" and not has_magic(text):
        raise ConfigError(f"--input {text} does not exist; name a file, a folder or a pattern that does")
    if Path(text).is_absolute() or folder.absolute() == here:
        return text
    if kind_of(Path(text)) == "nothing":
        return absolute_pattern(here, text)
    return relpath(absolute(here, text), realpath(folder))  # .. leads out of the folder that a link leads to


def _write_painting(job: Path, painting: Path) -> None:
    """Write our own painting where nothing is; without it the job goes, too."""
    try:
        painting.parent.mkdir(exist_ok=True)
        with painting.open("xb") as file:
            file.write((files("pipeline") / "paintings" / "swirl.png").read_bytes())
    except OSError as error:
        job.unlink()
        remedy = f"name a painting of yours: stylize init {_word(job)} --style PICTURE"
        raise ConfigError(f"{painting} cannot be written: {error.strerror}; {remedy}") from error


def fill(choices: Choices) -> str:
    """The starter with the choices in it, every other line as it is."""
    text = starter_yaml()
    if choices.input:
        text = _set(text, "input", [quote(one) for one in choices.input])
    text = _set(_set(text, "output", [quote(choices.output)]), "style", [quote(choices.style)])
    if choices.size_px:
        why = "512 is the default; on a CPU, 256 is a quarter of its work"
        text = _set(text, "  size", [str(choices.size_px)], f"\n{'':{_COLUMN}}# {why}")
    return text


def _naming(path: Path, text: str) -> str:
    """The starter with the job's own name in its commands, where a comment can hold that."""
    return text.replace(" CONFIG ", f" {_word(Path(path.name))} ") if path.name.isprintable() else text


def _set(text: str, key: str, values: Sequence[str], more: str = "") -> str:
    """The text with other values for a key, as YAML, and `more` behind its comment; several are a list below it."""
    head, items = (f"{key}: {values[0]}", ()) if len(values) == 1 else (f"{key}:", values)
    below = more + "".join(f"\n  - {value}" for value in items)
    line = re.compile(rf"^{key}:[^#]*(#.*)$", re.MULTILINE)
    return line.sub(lambda found: f"{head:{_COLUMN - 1}} {found[1]}{below}", text, count=1)


def quote(text: str) -> str:
    """A text as YAML on one line, in quotes where it would be something else without.

    >>> quote("clips/"), quote("a: b.mp4"), quote("0o17/")
    ('clips/', "'a: b.mp4'", '0o17/')
    """
    is_plain = text.isprintable()
    style = None if is_plain else '"'
    written = _dump(text, style, allow_unicode=is_plain)
    as_read = parse_yaml(written, "").plain()
    return written if as_read == text else _dump(text, '"', allow_unicode=is_plain)  # PyYAML writes YAML 1.1


def _dump(text: str, style: str | None, *, allow_unicode: bool) -> str:
    listed = yaml.safe_dump(
        [text], default_style=style, default_flow_style=True, allow_unicode=allow_unicode, width=2**31
    )
    return listed.strip()[1:-1]


def _word(path: Path) -> str:
    """A path as one word of a shell."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
