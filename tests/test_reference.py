"""The reference in the docs is what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts/make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_current(maker: ModuleType) -> None:
    assert maker.main(["--check"]) == 0, "run: .venv/bin/python scripts/make_reference.py"


def test_a_setting_or_an_option_that_is_not_in_the_page_is_noticed(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "reference.md"
    page.write_text(maker.page().replace("| `hang_timeout_s` |", "| `hang` |"))
    monkeypatch.setattr(maker, "PAGE", page)
    assert maker.main(["--check"]) == 1


def test_an_option_is_told_with_what_turns_it_off(maker: ModuleType) -> None:
    assert "| `--trial, --no-trial` |" in maker.page()


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"anyOf": [{"type": "integer", "minimum": 32}, {"type": "null"}]}, "whole number ≥ 32, or null"),
        ({"enum": ["a", "b"]}, "`a` \\| `b`"),
        ({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}}, "list of number > 0"),
        ({"anyOf": [{"const": "auto"}, {"type": "boolean"}]}, "`auto`, or true or false"),
    ],
)
def test_what_a_key_takes_is_told_in_words(maker: ModuleType, schema: dict[str, object], words: str) -> None:
    assert maker.kind(schema) == words
