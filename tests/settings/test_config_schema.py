"""The JSON Schema as an editor uses it: it knows, describes and lists what there is, and flags what there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import jsonschema
import pytest
import yaml
from pydantic import BaseModel, ValidationError
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import KEYS, Config, json_schema, plain, starter_yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json_schema()
VALID = jsonschema.Draft7Validator(SCHEMA)
SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}
SETTINGS = [key for key in KEYS if key not in SECTIONS]
JOB = {"input": "a.mp4", "output": "out", "style": "a.png"}
JOBS = [
    path for path in sorted((ROOT / "configs").glob("*.yaml")) if path.stem != "bikes_shots"
]  # a shot list


def node_of(key: str) -> dict[str, Any]:
    node = SCHEMA
    for name in key.split("."):
        node = node["properties"][name]
    return node


def with_value(key: str, value: Any) -> dict[str, Any]:
    """A job that sets one key."""
    section, _, name = key.rpartition(".")
    return {**JOB, **({section: {name: value}} if section else {name: value})}


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema of a mapping, at whatever depth."""
    if isinstance(node, dict):
        if "properties" in node and isinstance(node["properties"], dict):
            yield node
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from objects(inner)


def test_every_key_at_every_depth_says_what_it_means() -> None:
    missing = [
        name
        for node in objects(SCHEMA)
        for name, property_ in node["properties"].items()
        if not property_.get("description", "").endswith(".")
    ]
    assert missing == []


@pytest.mark.parametrize("key", [key for key in SETTINGS if key not in JOB])
def test_every_key_has_the_default_that_it_has(key: str) -> None:
    section, _, name = key.rpartition(".")
    defaults: BaseModel = Config.model_validate(JOB)
    expected = plain(getattr(defaults, section) if section else defaults)[name]
    assert node_of(key)["default"] == (25 if key == "rate" else expected)


def test_a_key_that_there_is_not_is_flagged_at_every_depth() -> None:
    assert len(list(objects(SCHEMA))) > 10
    assert [node["title"] for node in objects(SCHEMA) if node.get("additionalProperties") is not False] == []


def words(annotation: Any) -> set[Any]:
    """What a type allows by name."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return {word for inner in get_args(annotation) for word in words(inner)}


@pytest.mark.parametrize("key", SETTINGS)
def test_the_words_that_a_key_takes_are_listed(key: str) -> None:
    section, _, name = key.rpartition(".")
    model = type(getattr(Config.model_validate(JOB), section)) if section else Config
    expected = words(model.model_fields[name].annotation)
    if name.endswith("_layers"):
        assert set(node_of(key)["properties"]) == expected
        return
    parts = [node_of(key), *node_of(key).get("anyOf", ())]
    listed = {
        word
        for part in parts
        for word in (*part.get("enum", ()), *([part["const"]] if "const" in part else ()))
    }
    assert listed >= expected


VALUES: list[Any] = [
    None, True, 0, 1, 2, -1, 64, 444, 0.5, 1e9, "", "auto", "none", "x", "a.pth", "A.PTH", "a.pt", "24000/1001",
    "29.97", ".5", "12.", "1:02:03.5", "h:1", "ray://h:10001", [], [1], [1, 2], [0.5, 0.5], ["a", "b"], {},
    {"conv4_2": 1}, {"conv4_2": -1}, [{"image": "a"}], [{"at": 0, "style": "a"}], [{"at": "0:1.5", "style_weight": 2}],
]  # fmt: skip


@pytest.mark.parametrize("key", SETTINGS)
def test_the_editor_flags_nothing_that_the_program_takes(key: str) -> None:
    for value in VALUES:
        job = with_value(key, value)
        try:
            Config.model_validate(job)
        except ValidationError:
            continue
        assert VALID.is_valid(job), value


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_the_examples_are_valid(path: Path) -> None:
    assert list(VALID.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))) == []


def test_the_starter_is_valid_and_names_a_schema_that_its_own_command_writes() -> None:
    text = starter_yaml()
    assert list(VALID.iter_errors(yaml.safe_load(text))) == []
    modeline = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", text.splitlines()[0])
    assert modeline is not None
    command = re.search(r"^# .*`stylize schema > (\S+)`", text, re.MULTILINE)
    assert command is not None
    assert command[1] == modeline[1]
    assert CliRunner().invoke(app, ["schema"]).stdout.strip() != ""


WRONG: dict[str, Any] = {
    "a key that there is not": {"vido": {}},
    "a key of another section": {"transfer": {"cuts": "auto"}},
    "a word that is none of the listed": {"transfer": {"optimizer": "lbgfs"}},
    "a number as text": {"transfer": {"style_weight": "1000"}},
    "too small": {"transfer": {"size": 8}},
    "too large": {"archive": {"quality": 101}},
    "a layer that VGG19 has not": {"transfer": {"style_layers": {"conv9_9": 1}}},
    "a recipe that there is not": {"recipe": "gatis"},
    "a style without a picture": {"style": [{"weight": 1}]},
    "no style": {"style": None},
    "a section that is none": {"video": None},
    "a whole that is half": {"transfer": {"iterations": 1.5}},
    "three betas": {"transfer": {"adam_betas": [0.1, 0.2, 0.3]}},
    "an address without a port": {"execution": {"address": "somewhere"}},
    "an empty input": {"input": []},
    "a keyframe without a time": {"video": {"timeline": [{"style": "a.png"}]}},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_flagged_as_it_is_refused(name: str) -> None:
    job = {**JOB, **WRONG[name]}
    assert not VALID.is_valid(job)
    with pytest.raises(ValidationError):
        Config.model_validate(job)


@pytest.mark.parametrize("name", JOB)
def test_what_has_to_be_there_is_missed(name: str) -> None:
    assert not VALID.is_valid({key: value for key, value in JOB.items() if key != name})
