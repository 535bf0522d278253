"""What the README and the docs show can be followed: commands run, links lead somewhere, named files are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import KEYS
from tests.farms import TextureFarm
from tests.media.clips import write_clip

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


def commands(text: str) -> list[str]:
    """Every `stylize …` of the code blocks and of the running text, without comments and line breaks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = [" ".join(found.split()) for found in re.findall(r"`((?:\.venv/bin/)?stylize [^`]+)`", text)]
    found = [line.removeprefix(".venv/bin/") for line in (*lines, *inline)]
    return [line for line in found if line.startswith("stylize ")]


COMMANDS = list(dict.fromkeys(one for name in TEXT for one in commands(TEXT[name])))
IN_ORDER = commands(TEXT["README.md"].partition("A job needs three lines")[0])


@pytest.fixture
def home(tmp_path: Path, style_image: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a clip and a painting, where a person types what is shown; painted by a stand-in."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", frames=6)
    (tmp_path / "style.png").write_bytes(style_image.read_bytes())
    return tmp_path


def write_job(folder: Path) -> None:
    """The two lines that a person changes in the starter, and a size that is quick."""
    path = folder / "job.yaml"
    job = yaml.safe_load(path.read_text(encoding="utf-8"))
    job |= {"input": "clip.mp4", "output": "out/", "style": "style.png"}
    job["transfer"] |= {"size": 48, "iterations": 2, "warm_iterations": 1}
    path.write_text(yaml.safe_dump(job), encoding="utf-8")


def test_the_first_commands_of_the_readme_run_in_their_order(home: Path) -> None:
    assert [line.split()[1] for line in IN_ORDER] == [
        "doctor", "init", "plan", "preview", "run", "status", "preview", "verify", "report",
    ]  # fmt: skip
    for line in IN_ORDER:
        if line.split()[1] == "doctor":  # has a test of its own, and starts Ray
            continue
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        assert result.exit_code == 0, (line, result.output)
        if line.split()[1] == "init":
            write_job(home)
    assert (home / "out/clip.mp4").is_file()


def test_the_commands_for_beginners_run_as_shown_and_as_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page about beginning: what `init` prints there, a job that names its inputs, the editor's schema."""
    monkeypatch.setattr("pipeline.commands.starter.has_gpu", lambda: False)
    (home / "photos").mkdir()
    (home / "style.png").rename(home / "photos/monet.jpg")  # not where a painting would be looked for
    (home / "clip.mp4").rename(home / "holiday.mp4")
    page = TEXT["editors.md"]
    shown = re.findall(r"```sh\n(stylize (?:init|plan|schema).*?)```", page, re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in shown for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["init", "plan", "init", "schema"]
    for line in lines:
        if "monet.jpg" in line:
            (home / "photos/monet.jpg").rename(home / "monet.jpg")
        command, _, target = line.partition(" > ")
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, (line, result.output)
        if target:
            (home / target).write_text(result.output, encoding="utf-8")
        if line == "stylize init job.yaml":
            told = "".join(f"    {one}\n" for one in result.output.splitlines())
            assert told in page
    assert json.loads((home / "stylize.schema.json").read_text(encoding="utf-8"))["title"] == "stylize job"
    assert (home / "job.yaml").read_text(encoding="utf-8").splitlines()[0] in page


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one_that_there_is(line: str) -> None:
    """Known to the command line with all its options, and what it overrides is a setting."""
    words = shlex.split(line)[1:]
    command, arguments = ([], words) if words[0].startswith("-") else (words[:1], words[1:])
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, result.output
    for option in [part for part in arguments if part.startswith("--")]:
        assert option in re.sub(r"\x1b\[[0-9;]*m", "", result.output), option
    for key in [part.partition("=")[0] for part in arguments if re.match(r"[a-z_.]+=", part)]:
        assert key in KEYS, key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT[page.name]):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for name in re.findall(r"\b((?:scripts|configs|docs|pipeline|tests)/[\w./-]*\w)", TEXT[page.name]):
        assert (ROOT / name).exists() or (ROOT / f"{name}.py").exists(), name


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/([\w.]+\.md)", TEXT["README.md"]))
    assert linked >= TEXT.keys() - {"README.md"}
