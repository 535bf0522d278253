"""What Tab offers, asked for as the shells ask: in the environment, by the words so far."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.commands.completion import complete_config, complete_grid, complete_setting, make_ready
from pipeline.config import KEYS

PROGRAM = "import sys; sys.argv[0] = 'stylize'; from pipeline.cli import main; main()"
ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "ray", "cv2", "av", "numpy")


def answer(folder: Path, shell: str, **variables: str) -> str:
    """What `stylize` prints when a shell asks it to complete."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_STYLIZE_COMPLETE": f"complete_{shell}",
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def in_bash(folder: Path, *words: str) -> list[str]:
    """The words as bash passes them, the last one being at the cursor."""
    text, at = "\n".join(words), str(len(words) - 1)
    return answer(folder, "bash", COMP_WORDS=text, COMP_CWORD=at).splitlines()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "job.yaml",
        "other.YML",
        "my job.yaml",
        "clip.mp4",
        "jobs/a.yaml",
        "jobs/b.yaml",
        ".hid/c.yaml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_config_is_a_yaml_or_a_folder(home: Path) -> None:
    assert in_bash(home, "stylize", "run", "") == ["job.yaml", "jobs/", "my\\ job.yaml", "other.YML"]
    assert in_bash(home, "stylize", "plan", "--json", "o") == ["other.YML"]
    zsh = answer(home, "zsh", _TYPER_COMPLETE_ARGS="stylize run m")
    assert zsh == "_arguments '*: :((\"my job.yaml\"))'\n"
    fish = answer(
        home, "fish", _TYPER_COMPLETE_ARGS="stylize run jobs/", _TYPER_COMPLETE_FISH_ACTION="get-args"
    )
    assert fish.splitlines() == ["jobs/a.yaml", "jobs/b.yaml"]


ODD = ("a\\$(touch x).yaml", "b$(touch x).yaml", "c`touch x`.yaml", 'd"x.yaml', "e'x.yaml")
BROKEN = ("f\ntouch x.yaml", "g\x1b[31m.yaml", "h\udcff.yaml")


def test_zsh_is_offered_no_name_that_it_would_evaluate(home: Path) -> None:
    """It evaluates the answer twice: of `a\\$(touch x).yaml` it would run what is in the parentheses."""
    for name in (*ODD, *BROKEN, "i;x.yaml"):
        (home / name).touch()
    (home / "k\\$(touch x)").mkdir()
    (home / "k\\$(touch x)/a.yaml").touch()
    told = answer(home, "zsh", _TYPER_COMPLETE_ARGS="stylize run ")
    assert told == ('_arguments \'*: :(("i;x.yaml"\n"job.yaml"\n"jobs/"\n"my job.yaml"\n"other.YML"))\'\n')
    assert answer(home, "zsh", _TYPER_COMPLETE_ARGS="stylize run k") == "_files\n"
    assert answer(home, "zsh", _TYPER_COMPLETE_ARGS="stylize run 'k\\$(touch x)/") == "_files\n"


def test_bash_and_fish_are_offered_every_name_that_is_one_line_of_text(home: Path) -> None:
    for name in (*ODD, *BROKEN):
        (home / name).touch()
    usual = ["job.yaml", "jobs/", "my job.yaml", "other.YML"]
    asked = {"_TYPER_COMPLETE_ARGS": "stylize run ", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert answer(home, "fish", **asked).splitlines() == [*ODD, *usual]
    escaped = (
        r"a\\\$\(touch\ x\).yaml",
        r"b\$\(touch\ x\).yaml",
        r"c\`touch\ x\`.yaml",
        r"d\"x.yaml",
        r"e\'x.yaml",
    )
    assert in_bash(home, "stylize", "run", "")[: len(ODD)] == list(escaped)


def test_a_link_in_a_circle_hides_nothing_but_itself(home: Path) -> None:
    for number in range(20):  # so that one of them is read before the rest, in whatever order that is
        (home / f"{number}.yaml").symlink_to(f"{number}.yaml")
    assert words(complete_config("")) == ["job.yaml", "jobs/", "my job.yaml", "other.YML"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_offered_the_words_of_a_setting(shell: str, home: Path) -> None:
    line = "stylize run job.yaml --set transfer.optimizer=a"
    bash = {"COMP_WORDS": line, "COMP_CWORD": "4"}
    others = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    said = answer(home, shell, **(bash if shell == "bash" else others))
    expected = (
        "_arguments '*: :((\"transfer.optimizer=adam\"))'" if shell == "zsh" else "transfer.optimizer=adam"
    )
    assert said == f"{expected}\n"


def test_bash_is_offered_what_follows_the_equals_sign_at_which_it_takes_words_apart(home: Path) -> None:
    head = ("stylize", "run", "job.yaml")
    assert in_bash(home, *head, "--set", "transfer.optimizer", "=") == ["lbfgs", "adam"]
    assert in_bash(home, *head, "--set", "transfer.optimizer", "=", "l") == ["lbfgs"]
    assert in_bash(home, *head, "--set", "=", "transfer.optimizer", "=", "l") == ["lbfgs"]
    assert in_bash(home, *head, "--set", "seed", "=", "1", "--set", "recipe", "=", "udacity-") == [
        "udacity-soft"
    ]
    assert in_bash(home, "stylize", "preview", "--at", "0", ":", "12", "jo") == ["job.yaml", "jobs/"]


def test_what_a_run_shows_is_offered(home: Path) -> None:
    assert in_bash(home, "stylize", "run", "--progress", "") == ["auto", "lines", "json", "none"]


def test_what_is_told_about_an_offer_is_on_its_line(home: Path) -> None:
    """Fish takes every line for a word; the longest lines are those of options."""
    told = {"_TYPER_COMPLETE_ARGS": "stylize plan --", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    lines = answer(home, "fish", **told).splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("--")] == []
    told["_TYPER_COMPLETE_ARGS"] = "stylize plan --set video.fr"
    lines = answer(home, "fish", **told).splitlines()
    assert lines[0].startswith("video.frames=\t(first, stop) to work on")
    assert [line for line in lines if not line.startswith("video.frames=")] == []


def test_completion_is_without_what_is_slow() -> None:
    code = (
        f"import os, sys\nos.environ['COMP_WORDS'] = 'stylize run a --set transfer.'\nos.environ['COMP_CWORD'] = '4'\n"
        f"os.environ['_STYLIZE_COMPLETE'] = 'complete_bash'\nsys.argv = ['stylize']\nfrom pipeline.cli import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(' '.join(m for m in {HEAVY} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "transfer.size=" in done.stdout
    assert done.stderr == ""


# --- the offers themselves ---


def words(offers: object) -> list[str]:
    assert isinstance(offers, list)
    return [one if isinstance(one, str) else one[0] for one in offers]


def test_every_key_is_offered_but_for_sections() -> None:
    offered = words(complete_setting(""))
    sections = {key.partition(".")[0] for key in KEYS if "." in key}
    assert offered == [f"{key}=" for key in KEYS if key not in sections]


@pytest.mark.parametrize(
    "key",
    [key for key in KEYS if "." in key]
    + ["input", "style", "recipe", "rate", "transfer.style_layers.conv1_1"],
)
def test_a_key_is_never_offered_alone_since_a_space_would_follow(key: str) -> None:
    offered = words(complete_setting(key))
    assert offered[0] == f"{key}="
    assert len(offered) > 1
    assert all(one.startswith(key) for one in offered)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("transfer.optimizer=", ["lbfgs", "adam"]),
        ("recipe=u", ["udacity", "udacity-soft"]),
        ("transfer.size=", ["512", "null"]),
        ("transfer.clamp=", ["true", "false"]),
        ("video.cuts=", ["auto", "none"]),
        ("execution.workers=", ["auto"]),
        ("archive.chroma=4", ["444", "420"]),
        ("weights=", ["packaged", "torchvision"]),
        ("transfer.tolerance=", ["0.0001"]),
        ("input=", []),
        ("nonsense=", []),
        ("transfer.style_layers.conv4", [f"conv4_{number}=" for number in range(1, 5)]),
    ],
)
def test_behind_the_equals_sign_are_the_words_that_the_setting_takes(typed: str, offered: list[str]) -> None:
    head = typed.rpartition("conv")[0] if "conv" in typed else typed.partition("=")[0] + "="
    assert words(complete_setting(typed)) == [head + one for one in offered]


def test_a_grid_is_offered_what_it_has_not_yet() -> None:
    assert words(complete_grid("transfer.pool")) == words(complete_setting("transfer.pool"))
    assert words(complete_grid("transfer.pooling=l2,")) == [
        f"transfer.pooling=l2,{one}" for one in ("max", "average")
    ]
    assert words(complete_grid("transfer.pooling=l2,m")) == ["transfer.pooling=l2,max"]


def test_a_folder_that_is_alone_is_offered_as_what_is_in_it(home: Path) -> None:
    (home / "deep/deeper").mkdir(parents=True)
    (home / "deep/clip.mp4").touch()
    assert complete_config("deep") == []  # there is no YAML in it
    (home / "deep/deeper/a.yaml").touch()
    assert complete_config("de") == ["deep/deeper/a.yaml"]
    (home / "circle").mkdir()
    (home / "circle/loop").symlink_to(".")
    assert complete_config("circle") == []
    assert complete_config("nowhere/") == []


def test_hidden_names_are_offered_to_those_who_ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete_config(".h") == [".hid/c.yaml"]
    monkeypatch.setenv("HOME", str(home / "jobs"))
    assert complete_config("~/") == ["~/a.yaml", "~/b.yaml"]


def test_a_shell_that_does_not_ask_finds_its_environment_as_it_was() -> None:
    for environment in ({}, {"COMP_WORDS": "a\n=", "COMP_CWORD": "1"}):
        before = dict(environment)
        make_ready(environment)
        assert environment == before


# --- a real bash, typed into ---


class Typist:
    """A bash at a terminal, with the completion that `stylize --show-completion` prints."""

    def __init__(self, folder: Path) -> None:
        program = folder / "bin/stylize"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{PROGRAM}" "$@"\n')
        program.chmod(0o755)
        begin = 'PS1="> "; bind "set enable-bracketed-paste off"; bind "set bell-style none"\n'
        (folder / "rc").write_text(f'{begin}eval "$(stylize --show-completion)"\necho READY\n')
        environment = {
            **os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [str(shutil.which("bash")), "--noprofile", "--rcfile", str(folder / "rc"), "-i"],
            stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.read_until("READY")

    def read_until(self, wanted: str, timeout_s: float = 60.0) -> str:
        seen, deadline = "", time.monotonic() + timeout_s
        while wanted not in seen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {wanted!r} in {seen!r}"
            seen += os.read(self._master, 4096).decode()
        return seen

    def type(self, keys: str, wanted: str) -> str:
        """Type, and read until `wanted` is on the screen."""
        os.write(self._master, keys.encode())
        return self.read_until(wanted)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(30)
        os.close(self._master)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_what_the_page_tells_to_type_installs_it(home: Path) -> None:
    """For a new bash, which reads ~/.bashrc; in a home of its own."""
    page = (ROOT / "docs/editors.md").read_text(encoding="utf-8")
    assert '\neval "$(stylize --show-completion)"\n' in page  # what the test below does
    assert "\nstylize --install-completion " in page
    bash = Typist(home)
    try:
        bash.type("stylize --install-completion\r", "completion installed")
    finally:
        bash.close()
    installed = home / ".bash_completions/stylize.sh"
    assert f"source '{installed}'" in (home / ".bashrc").read_text(encoding="utf-8")
    assert "_STYLIZE_COMPLETE=complete_bash" in installed.read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_a_line_is_typed_in_bash_with_tab_alone(home: Path) -> None:
    bash = Typist(home)
    try:
        bash.type("stylize ru\t", "run ")
        bash.type("my\t", "my\\ job.yaml ")
        bash.type("--set transfer.opt\t", "transfer.optimizer=")
        bash.type("a\t", "adam ")
        bash.type("--progress=li\t", "lines ")
        said = bash.type("\x01printf '<%s>' \r", "lines>")
    finally:
        bash.close()
    # not at the end: the next prompt may have been read with it
    assert "<stylize><run><my job.yaml><--set><transfer.optimizer=adam><--progress=lines>" in said
