"""Every promise of docs/security.md has its tests: those that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_tests_that_the_page_names_exist() -> None:
    page = (ROOT / "docs/security.md").read_text("utf-8")
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(?:tests/)?(?:\w+/)*(test_\w+)(\.py)?`", page)
    assert len(named) > 30
    for name, is_file in named:
        assert f"{name}.py" in files if is_file else any(f"def {name}(" in text for text in files.values()), (
            name
        )
