"""The walls between the modules: who may import whom, and who may print."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipeline

ROOT = Path(pipeline.__file__).parent
MODULES = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
STYLE = [name for name in MODULES if name.startswith("style/")]


def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


def imports(name: str) -> Iterator[str]:
    """The full names of all that a module imports, wherever it does; relative ones made absolute."""
    package = ["pipeline", *Path(name).parent.parts]
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def top(names: Iterator[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("name", STYLE)
def test_style_knows_torch_and_the_errors_only(name: str) -> None:
    allowed = {"torch", "pipeline", *sys.stdlib_module_names}
    assert top(imports(name)) <= allowed
    ours = [found for found in imports(name) if found.startswith("pipeline.")]
    assert [found for found in ours if not found.startswith(("pipeline.style.", "pipeline.errors."))] == []


def test_ray_is_imported_by_the_scheduler_only() -> None:
    assert [name for name in MODULES if "ray" in top(imports(name))] == ["execute/scheduler.py"]


def test_of_the_motion_only_raft_imports_torch_and_only_who_wants_it_imports_raft() -> None:
    motion = [name for name in MODULES if name.startswith("motion/")]
    assert [name for name in motion if "torch" in top(imports(name))] == ["motion/raft.py"]
    heads = {
        name: [node for node in tree_of(name).body if isinstance(node, ast.ImportFrom)] for name in MODULES
    }
    assert [
        name for name, nodes in heads.items() if any("raft" in (node.module or "") for node in nodes)
    ] == []


def test_the_plan_is_pure() -> None:
    assert not top(imports("plan.py")) & {
        "torch",
        "torchvision",
        "ray",
        "cv2",
        "av",
        "imageio",
        "os",
        "pathlib",
    }


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("media/", {"style", "motion", "execute", "config", "plan", "workspace", "run", "cli", "commands"}),
        ("motion/", {"style", "execute", "config", "plan", "workspace", "run", "cli", "commands", "media"}),
        ("execute/", {"run", "cli", "commands", "assemble", "ledger", "live", "archive"}),
        ("archive/", {"run", "cli", "commands", "ledger", "live"}),
        ("report/", {"run", "cli", "commands", "ledger", "live", "chronicle", "execute", "style", "motion"}),
        ("plan.py", {"style", "execute", "workspace", "run", "cli"}),
        ("workspace.py", {"style", "motion", "execute", "plan", "run", "cli", "media"}),
    ],
)
def test_dependencies_point_one_way(package: str, forbidden: set[str]) -> None:
    for name in (name for name in MODULES if name.startswith(package)):
        ours = {found.split(".")[1] for found in imports(name) if found.startswith("pipeline.")}
        assert not ours & forbidden, name


def test_the_page_is_made_by_jinja_in_one_place_and_asked_for_by_runs_and_people_only() -> None:
    assert [name for name in MODULES if top(imports(name)) & {"jinja2", "markupsafe"}] == ["report/page.py"]
    asking = {
        name for name in MODULES if any(found.startswith("pipeline.report.") for found in imports(name))
    }
    assert {name for name in asking if not name.startswith("report/")} == {"cli.py", "run.py"}


ARCHIVE = {
    "archive", "config", "direction", "durable", "errors", "execute", "media", "parts", "places", "plan", "records",
    "survey", "workspace",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("archive/")])
def test_the_archive_knows_of_films_and_workers_no_more_than_it_needs(name: str) -> None:
    """Of assembling only what films wrote, of execution only what travels."""
    ours = [found.removeprefix("pipeline.") for found in imports(name) if found.startswith("pipeline.")]
    assert {found.partition(".")[0] for found in ours} <= ARCHIVE | {"assemble"}
    assert {found for found in ours if found.startswith("assemble.")} <= {"assemble.written"}
    execute = {found for found in ours if found.startswith("execute.")}
    assert all(found.startswith(("execute.job.", "execute.events.")) for found in execute), execute


def test_only_the_command_line_prints_or_exits() -> None:
    def speaks(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node.func) in {
            "print", "typer.echo", "typer.secho", "sys.exit", "exit", "sys.stdout.write", "sys.stderr.write",
        }  # fmt: skip

    assert {name for name in MODULES if any(map(speaks, ast.walk(tree_of(name))))} <= {
        "cli.py",
        "commands/words.py",
    }


HEAVY = ("torch", "torchvision", "ray", "cv2", "scenedetect")


def heavy_after(code: str) -> list[str]:
    """Which of the slow libraries a fresh Python has loaded after `code`."""
    ending = f"\nimport sys\nsys.stderr.write('|' + ' '.join(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("|")[2].split()


@pytest.mark.parametrize(
    "name",
    [
        "cli", "config", "run", "look", "verify", "survey", "resume", "plan", "workspace", "weights",
        "archive.stream", "archive.summary", "report", "chronicle", "execute.queue", "execute.delivery",
    ],
)  # fmt: skip
def test_importing_is_quick(name: str) -> None:
    assert heavy_after(f"import pipeline.{name}") == []


def test_the_scheduler_is_without_torch_so_that_the_driver_stays_small() -> None:
    assert heavy_after("import pipeline.execute.scheduler") == ["ray"]


def test_asking_for_help_is_quick() -> None:
    code = """
import runpy, sys
sys.argv = ["stylize", "--help"]
try:
    runpy.run_module("pipeline.cli", run_name="__main__")
except SystemExit as done:
    assert not done.code, done.code
"""
    assert heavy_after(code) == []
    command = [sys.executable, "-m", "pipeline.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "run" in done.stdout
