"""The command line that does again what failed, alone, and beside the results that are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from pipeline.report.history import Failed
from pipeline.storage.places import with_urls

_ESCAPES = {'"': '\\"', "\\": "\\\\"}

_PLAIN = re.compile(r"[A-Za-z0-9_./-]*[A-Za-z_/-][A-Za-z0-9_./-]*")
"""A value that is the same text in YAML: no number, no pattern, nothing to quote."""


def command_for(failed: Failed, command: Sequence[str], output: Path) -> str | None:
    """`stylize run` with only the file and the frames that failed, as a shell takes it, a line for each option.

    None: no file is known.

    `command`: the config's path and the options of the run that failed. Its output folder is another one, so that
    what is finished stays as it is.
    """
    if failed.path is None or not command:
        return None
    kept = [(key, value) for key, value in _overrides(command) if key not in ("input", "output")]
    changes = [
        ("input", _text(with_urls(failed.path))),
        ("output", _text(with_urls(str(output.with_name(f"{output.name}-again"))))),
    ]
    if failed.frames is not None:
        first, stop = failed.frames
        last = failed.failure.frame
        changes.append(("video.frames", f"[{first}, {stop if last is None else max(last, first) + 1}]"))
        kept = [(key, value) for key, value in kept if key != "video.frames"]
    options = [["--set", f"{key}={value}"] for key, value in (*kept, *changes)]
    return " \\\n  ".join(shlex.join(words) for words in (["stylize", "run", command[0]], *options))


def _overrides(command: Sequence[str]) -> list[tuple[str, str]]:
    """The `key=value` of each `--set`."""
    texts = [text for flag, text in zip(command[1::2], command[2::2], strict=False) if flag == "--set"]
    return [(key, value) for key, _, value in (text.partition("=") for text in texts)]


def _text(path: str) -> str:
    """A path as YAML: itself, or in double quotes, in which what cannot be printed is escaped.

    >>> print(_text("a/b.jpg"), _text("2024 süd/[a].jpg"), _text("a\\tb\\u200b"))
    a/b.jpg "2024 süd/[a].jpg" "a\\u0009b\\u200b"
    """
    if _PLAIN.fullmatch(path):
        return path
    return f'"{"".join(_ESCAPES.get(c, c) if c.isprintable() else _escaped(c) for c in path)}"'


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 1 << 16 else f"\\U{ord(char):08x}"
