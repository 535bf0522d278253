"""The wheel: what is in it, and that it works outside of the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from pipeline import __version__

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git knows, so that nothing gets in or is missing by chance."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        if name.startswith(("pipeline/", "pyproject", "README", "LICENSE")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        folder,
        source,
    ]
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=300)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel in it; what it depends on comes from where the tests run."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def stylize(installed: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The command of the wheel, in a folder that is not the checkout."""
    program = f"import sys; sys.path.insert(0, {str(installed)!r}); from pipeline.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(installed)}  # also for the workers that Ray starts
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *args], cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_everything_that_is_in_the_package_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", "pipeline"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert names == set(listed.stdout.split())


def test_the_version_comes_from_one_place(wheel: Path) -> None:
    assert wheel.name.split("-")[1] == __version__
    assert re.search(
        rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )


def test_the_command_is_an_entry_point_of_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "stylize = pipeline.cli:main" in archive.read(name).decode()


def test_the_wheel_paints_the_demo_in_another_folder(installed: Path, tmp_path: Path) -> None:
    """With its own recipes and starter, and workers that import it, too."""
    started = stylize(installed, tmp_path, "init", "starter.yaml")
    assert started.returncode == 0, started.stderr
    starter = yaml.safe_load((tmp_path / "starter.yaml").read_text(encoding="utf-8"))
    assert starter["transfer"]["iterations"] == 300
    painting = (tmp_path / starter["style"]).read_bytes()
    assert painting == (ROOT / "configs/paintings/swirl.png").read_bytes()
    sets = [
        "recipe=five-layer", "video.frames=[140,142]", f"output={tmp_path / 'out'}", "transfer.size=32",
        "transfer.iterations=2", "transfer.warm_iterations=1",
    ]  # fmt: skip
    arguments = [part for one in sets for part in ("--set", one)]
    result = stylize(installed, tmp_path, "run", str(ROOT / "configs/demo.yaml"), *arguments)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out/bikes.mp4").is_file()
    shown = stylize(installed, tmp_path, "schema")
    assert shown.returncode == 0
    assert "five-layer" in shown.stdout


def test_what_the_package_links_to_is_there_when_an_image_builds_the_wheel() -> None:
    """The painting is in the repository once, in configs; a wheel holds the file itself."""
    links = [path for path in (ROOT / "pipeline").rglob("*") if path.is_symlink()]
    assert [link.name for link in links] == ["swirl.png"]
    copied = {part for name, rest in stages()["wheel"] if name == "COPY" for part in rest.split()[:-1]}
    for link in links:
        assert link.is_file(), link
        assert link.resolve().relative_to(ROOT).parts[0] in copied


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's steps in order, continued lines joined: ("RUN", "apt-get update && ...")."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    steps = (line.split(None, 1) for line in text.replace("\\\n", " ").splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, rest in steps]


def stages() -> dict[str, list[tuple[str, str]]]:
    """By name; what comes before the first is left out."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in instructions():
        if name == "FROM":
            found[rest.rpartition(" AS ")[2]] = [(name, rest)]
        elif found:
            found[list(found)[-1]].append((name, rest))
    return found


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_an_image_runs_as_nobody_special_and_looks_after_itself(name: str) -> None:
    steps = stages()[name]
    assert [rest for step, rest in steps if step == "USER"] == ["stylize"]
    assert "useradd --create-home stylize" in dict(stages()["base"])["RUN"]
    (check,) = [rest for step, rest in steps if step == "HEALTHCHECK"]
    assert check.endswith('CMD ["stylize", "doctor"]')
    assert ("ENTRYPOINT", '["stylize"]') in steps
    order = [step for step, _ in steps]
    assert order.index("USER") > max(place for place, step in enumerate(order) if step in ("RUN", "COPY"))


def test_an_image_is_for_gpus_unless_asked_for_the_small_one() -> None:
    assert list(stages()) == ["base", "wheel", "cpu", "cuda"]
    assert any("download.pytorch.org/whl/cpu" in rest for _, rest in stages()["cpu"])
    assert not any("download.pytorch.org" in rest for _, rest in stages()["cuda"])


def test_what_an_image_is_made_of_is_there_and_enough_to_build_the_wheel() -> None:
    copied = [part for name, rest in instructions() if name == "COPY" for part in rest.split()[:-1]]
    assert set(copied) == {"pyproject.toml", "README.md", "pipeline", "configs"}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for part in copied:
        assert (ROOT / part).exists(), part
        assert part not in ignored
