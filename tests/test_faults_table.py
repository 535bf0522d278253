"""The table of faults names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs/faults.md"


def rows() -> list[list[str]]:
    """The cells of every row, without the heads."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] != "fault"]


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test_that_exists() -> None:
    found = rows()
    assert len(found) >= 36
    for row in found:
        assert len(row) == 4 and all(row), row
        assert (match := re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[3])), row
        assert match[2] in functions_in(ROOT / match[1]), row[3]


def test_every_test_of_faults_is_in_a_row() -> None:
    named = {row[3] for row in rows()}
    for path in (*ROOT.glob("tests/faults/test_*.py"), *ROOT.glob("tests/chaos/test_*.py")):
        for name in sorted(name for name in functions_in(path) if name.startswith("test_")):
            assert f"`{path.relative_to(ROOT)}::{name}`" in named or name in HELPERS, name


HELPERS = {"test_a_frame_is_read_if_it_is_that_of_any_of_its_records"}
"""Tests of parts, which are no faults themselves."""
