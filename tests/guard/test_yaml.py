"""YAML from a stranger, be it a job, a shot list or a `--set`: values or one clear error, in bounded time."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline
from pipeline.config import load_config
from pipeline.errors import ConfigError
from pipeline.settings.yaml_lines import MAX_BYTES, read_yaml
from pipeline.shots.shotlist import read_shots
from tests.plans import config

LEVELS = 20
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, LEVELS)
)
HOSTILE = {
    "a billion laughs": LAUGHS,
    "an alias of itself": "a: &a [*a]",
    "a merge key": "base: &base {x: 1}\nother: {<<: *base}",
    "an object of Python's": "a: !!python/object/apply:os.system [touch started]",
    "a module of Python's": "a: !!python/module:antigravity",
    "a tag of one's own": "a: !x 1",
    "bytes": "a: !!binary aGk=",
    "lists in lists": "a: " + "[" * 100_000,
    "mappings in mappings": "a: " + "{b: " * 100_000,
    "a huge whole number": "a: " + "9" * 500_000,
    "a huge exponent": "a: 1e" + "9" * 500_000,
    "an escape that is no character": 'a: "\\UFFFFFFFF"',
    "control characters": "a: \x1b]0;owned\x07",
    "bytes that are no text": "a: \udcff",
    "two documents": "a: 1\n---\nb: 2",
    "nothing": "",
    "a directive": "%YAML 9.9\n---\na: 1",
}

READERS: dict[str, Callable[[Path], object]] = {
    "job": load_config,
    "shot list": lambda path: read_shots(path, config()),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_is_one_clear_error_soon(kind: str, reader: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(HOSTILE[kind].encode("utf-8", "surrogateescape"))
    begin_s = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        READERS[reader](path)
    assert time.monotonic() - begin_s < 20
    lines = str(caught.value).split("\n")
    assert len(lines) < 200
    assert all(line and line.isprintable() and len(line) < 2000 for line in lines)


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE if kind != "bytes that are no text"])
def test_a_hostile_override_is_one_too(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("input: a\noutput: b\nstyle: c\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, [f"transfer.size={HOSTILE[kind]}"])
    assert all(line.isprintable() for line in str(caught.value).split("\n"))


def test_a_file_without_end_is_read_up_to_a_bound(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path / "large.yaml"):
        if not path.exists():
            path.write_bytes(b"#" * (MAX_BYTES + 1))
        with pytest.raises(ConfigError, match=f"at most {MAX_BYTES} bytes"):
            read_yaml(path)


def test_yaml_is_read_in_one_place_by_the_safe_loader() -> None:
    found = set[str]()
    for path in Path(pipeline.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.Import) and node.names[0].name == "yaml" for node in ast.walk(tree)):
            used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            loaders = {name for name in used if name.startswith("yaml.") and "oad" in name}
            assert loaders <= {"yaml.SafeLoader"}
            found |= {path.name} if loaders else set()
    assert found == {"yaml_lines.py"}
