"""The job that `stylize init` writes: it loads, it names what is there, and it runs as it stands."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands import starter
from pipeline.commands.starter import quote, start
from pipeline.config import KEYS, load_config
from pipeline.errors import ConfigError
from pipeline.media.listing import list_sources
from pipeline.settings.yaml_lines import parse_yaml
from tests.commands.test_surroundings import FOUND, lay
from tests.media.clips import write_clip

OURS = Path(starter.__file__).parents[1] / "paintings/swirl.png"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_written_beside_a_video_runs_as_it_stands(home: Path) -> None:
    write_clip(home / "my clip.mp4", frames=2)
    result = CliRunner().invoke(app, ["init", "a job.yaml"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "input: my clip.mp4 (1 video)",
        "style: paintings/swirl.png, a painting of ours, since none of yours was found",
        "output: out/",
        "size: 256 px, since no NVIDIA GPU was found",
        "wrote a job.yaml; next: stylize plan 'a job.yaml'",
    ]
    command = shlex.split(result.stdout.rpartition("next: ")[2])
    planned = CliRunner().invoke(app, command[1:])
    assert planned.exit_code == 0, planned.output
    assert "2 of 2 frames to do" in planned.output
    assert (home / "paintings/swirl.png").read_bytes() == OURS.read_bytes()


def test_every_setting_is_still_there_with_its_comment(home: Path) -> None:
    lay(home, *(f"clips {number}/{name}.mp4" for number in range(2) for name in "ab"))
    start(Path("job.yaml"), [], None)
    lines = (home / "job.yaml").read_text("utf-8").splitlines()
    default = starter.starter_yaml().splitlines()
    changed = [line for line in lines if line not in default]
    assert [line.split("#")[0].rstrip() for line in changed] == [
        "", "input:", "  - clips 0/", "  - clips 1/", "  size: 256", "", "  shots: null",
    ]  # fmt: skip
    comments = {line.partition("#")[2].replace("job.yaml", "CONFIG") for line in lines}
    assert {line.partition("#")[2] for line in default} <= comments
    written = yaml.safe_load((home / "job.yaml").read_text("utf-8"))
    assert set(written) == {key.partition(".")[0] for key in KEYS}


def test_on_a_machine_with_a_gpu_the_size_is_the_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "has_gpu", lambda: True)
    lay(home, "a.mp4")
    assert "size: 512 px, the default" in start(Path("job.yaml"), [], None)
    assert load_config(Path("job.yaml")).transfer.size == 512
    assert "a quarter of its work" not in Path("job.yaml").read_text("utf-8")


def test_where_nothing_is_found_the_input_is_left_to_set(home: Path) -> None:
    lines = start(Path("job.yaml"), [], None)
    place = f"{home}, nor in its folders; name them with --input"
    assert lines[0] == f"input: neither videos nor pictures in {place}"
    assert lines[-1] == "wrote job.yaml; set input in it, then: stylize plan job.yaml"
    assert load_config(Path("job.yaml")).input == (str(home / "clips"),)


def test_an_existing_file_is_refused_and_nothing_is_left_beside_it(home: Path) -> None:
    lay(home, "a.mp4", "job.yaml")
    with pytest.raises(ConfigError, match=r"job.yaml exists already; choose another name"):
        start(Path("job.yaml"), [], None)
    assert {path.name for path in home.iterdir()} == {"a.mp4", "job.yaml"}


def test_a_link_that_leads_nowhere_is_not_written_through(home: Path) -> None:
    lay(home, "a.mp4")
    (home / "job.yaml").symlink_to("elsewhere.yaml")
    with pytest.raises(ConfigError, match=r"job.yaml exists already"):
        start(Path("job.yaml"), [], None)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "a b.mp4",
            "a b.mp4 is a video, not a job; to write a job for it: stylize init job-2.yaml --input 'a b.mp4'",
        ),
        (
            "p.JPG",
            "p.JPG is a picture, not a job; to write a job for it: stylize init job-2.yaml --input p.JPG",
        ),
        ("new.mp4", "new.mp4 is a name for a video; that of a job ends in .yaml: stylize init new.yaml"),
        ("new.png", "new.png is a name for a picture; that of a job ends in .yaml: stylize init new.yaml"),
    ],
)
def test_the_name_of_a_video_or_a_picture_is_none_for_a_job(name: str, told: str, home: Path) -> None:
    lay(home, "a b.mp4", "p.JPG", "job.yaml")
    result = CliRunner().invoke(app, ["init", name])
    assert (result.exit_code, result.stderr) == (2, f"stylize: {told}\n")
    assert {path.name for path in home.iterdir()} == {"a b.mp4", "p.JPG", "job.yaml"}
    assert CliRunner().invoke(app, shlex.split(told.rpartition("stylize ")[2])).exit_code == 0


def test_the_commands_in_it_have_its_name(home: Path) -> None:
    (home / "jobs").mkdir()
    start(Path("jobs/my job.yaml"), [], None)
    text = Path("jobs/my job.yaml").read_text("utf-8")
    assert "CONFIG" not in text
    assert "`stylize run 'my job.yaml' --set transfer.size=256`" in text
    start(Path("jobs/odd\n.yaml"), [], None)
    assert "stylize run CONFIG --set" in Path("jobs/odd\n.yaml").read_text("utf-8")
    assert load_config(Path("jobs/odd\n.yaml")).output == home / "jobs/out-2"


def test_a_folder_that_is_not_there_is_said_and_not_made(home: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"its folder is not there; make it first: mkdir -p nowhere$",
    ):
        start(Path("nowhere/job.yaml"), [], None)
    assert list(home.iterdir()) == []


def test_our_painting_is_written_over_nothing(home: Path) -> None:
    lay(home, "a.mp4")
    (home / "paintings").mkdir()
    (home / "paintings/swirl.png").write_text("a draft")
    start(Path("job.yaml"), [], None)
    assert (home / "paintings/swirl.png").read_text() == "a draft"
    assert load_config(Path("job.yaml")).style[0].image == home / "paintings/swirl-2.png"


def test_our_painting_is_not_written_where_a_link_leads(home: Path) -> None:
    lay(home, "job/a.mp4", "elsewhere/")
    (home / "job/paintings").symlink_to(home / "elsewhere")
    start(Path("job/job.yaml"), [], None)
    assert list((home / "elsewhere").iterdir()) == []
    assert load_config(Path("job/job.yaml")).style[0].image == home / "job/paintings-2/swirl.png"


@pytest.mark.parametrize(
    ("named", "place"),
    [
        (".", ".paintings"), ("..", ".paintings"), ("*.png", "paintings"), ("**/*.png", ".paintings"),
        ("p*", ".paintings"), ("../job*", ".paintings"), ("*/*.png", ".paintings"),
        ("p.png", "paintings"), ("more", "paintings"), ("*.jpg", "paintings"), ("more/*", "paintings"),
    ],
)  # fmt: skip
def test_our_painting_is_nothing_that_the_job_paints(
    named: str, place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(
        home,
        *(f"job{below}/{name}" for below in ("", "/more") for name in ("p.png", "q.png", "r.jpg", "s.jpg")),
    )
    monkeypatch.chdir(home / "job")
    start(Path("job.yaml"), [named], None)
    config = load_config(Path("job.yaml"))
    assert config.style[0].image == home / "job" / place / "swirl.png"
    listing = list_sources(config.input, folders=config.folders, exclude=config.output)
    assert listing.sources
    assert [source.name for source in listing.sources if "swirl" in source.name] == []


def test_without_our_painting_there_is_no_job(home: Path) -> None:
    lay(home, "a.mp4", "paintings")
    words = "swirl.png cannot be written: .*; name a painting of yours: stylize init job.yaml --style PICTURE"
    with pytest.raises(ConfigError, match=words):
        start(Path("job.yaml"), [], None)
    assert not Path("job.yaml").exists()


def test_the_output_is_a_folder_that_is_not_there_yet(home: Path) -> None:
    lay(home, "out/a.mp4", "out/b.mp4")
    start(Path("job.yaml"), [], None)
    config = load_config(Path("job.yaml"))
    assert (config.input, config.output) == ((str(home / "out"),), home / "out-2")


def test_two_jobs_beside_each_other_have_outputs_of_their_own(home: Path) -> None:
    lay(home, "a.mp4")
    start(Path("one.yaml"), [], None)
    (home / "two.yml").write_text("output: 'out-2/'  # as a person writes it", encoding="utf-8")
    start(Path("three.yaml"), [], None)
    outputs = [load_config(Path(name)).output for name in ("one.yaml", "three.yaml")]
    assert outputs == [home / "out", home / "out-3"]


def test_what_is_left_out_is_said_with_what_would_have_it(home: Path) -> None:
    lay(home, "a.jpg", "b.jpg", "2024 summer/c.jpg", "2024 summer/d.jpg", "portraits/e.jpg")
    lines = start(Path("job.yaml"), [], None)
    assert lines[1] == "left out: 3 more pictures in 2 folders; with --input . they are in, too"


def test_what_is_named_goes_before_what_is_found(home: Path) -> None:
    lay(home, "a.mp4", "b [1].mp4", "art/x.png", "monet #2.jpg")
    arguments = ["--input", "b [1].mp4", "--input", "*.mov", "--style", "monet #2.jpg"]
    result = CliRunner().invoke(app, ["init", "job.yaml", *arguments])
    assert result.stdout.splitlines()[:2] == ["input: b [1].mp4, *.mov", "style: monet #2.jpg"]
    config = load_config(Path("job.yaml"))
    assert config.input == (str(home / "b [1].mp4"), str(home / "*.mov"))
    assert config.style[0].image == home / "monet #2.jpg"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--style", "monet.jpg"], ["input: me.jpg (1 picture)", "style: monet.jpg"]),
        (["--input", "./me.jpg"], ["input: ./me.jpg", "style: monet.jpg"]),
    ],
)
def test_what_one_of_the_two_is_the_other_is_not(home: Path, arguments: list[str], lines: list[str]) -> None:
    lay(home, "me.jpg", "monet.jpg")
    told = CliRunner().invoke(app, ["init", *arguments]).stdout.splitlines()
    assert told[:2] == lines


@pytest.mark.parametrize(
    ("arguments", "style", "is_painted"),
    [
        (["--input", "."], "art/x.jpg", True),
        (["--input", "art"], "art/x.jpg", True),
        (["--input", "**/*.jpg"], "art/x.jpg", True),
        (["--input", "../job*"], "art/x.jpg", True),
        (["--input", "."], ".kept/y.jpg", False),
        (["--input", "."], "../z.jpg", False),
        (["--input", "*.jpg"], "art/x.jpg", False),
        (["--input", "photos"], "art/x.jpg", False),
        (["--input", "a.jpg"], "art/x.jpg", False),
        ([], "art/x.jpg", False),
    ],
)
def test_a_painting_that_lies_in_the_input_is_said_to_be_painted(
    arguments: list[str], style: str, is_painted: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(
        home, "job/a.jpg", "job/photos/b.jpg", "job/photos/c.jpg", "job/art/x.jpg", "job/.kept/y.jpg", "z.jpg"
    )
    monkeypatch.chdir(home / "job")
    told = CliRunner().invoke(app, ["init", "job.yaml", *arguments, "--style", style]).stdout.splitlines()
    (about,) = (line for line in told if line.startswith("style: "))
    assert about == f"style: {style}{', which lies in the input, and so is painted as well' * is_painted}"
    config = load_config(Path("job.yaml"))
    listing = list_sources(config.input, folders="archive", exclude=config.output)
    painted = any(file.samefile(style) for source in listing.sources for file in source.files)
    assert painted == is_painted


def test_a_painting_that_was_found_in_the_input_is_said_to_be_painted(home: Path) -> None:
    lay(home, "a.jpg", "paintings/x.jpg")
    told = start(Path("job.yaml"), ["."], None)
    assert told[1] == "style: paintings/x.jpg, which lies in the input, and so is painted as well"


def test_what_a_named_pattern_matches_is_no_painting(home: Path) -> None:
    lay(home, "me.jpg")
    start(Path("job.yaml"), ["*.jpg"], None)
    assert load_config(Path("job.yaml")).style[0].image == home / "paintings/swirl.png"


def test_what_is_named_counts_from_the_current_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(home, "[x]/a.mp4", "[x]/b.jpg", "jobs/", "far/deep/")
    (home / "link").symlink_to("far/deep")
    monkeypatch.chdir(home / "[x]")
    for path in (home / "jobs/job.yaml", home / "link/job.yaml"):
        start(path, ["a.mp4", "*.mov"], Path("b.jpg"))
        config = load_config(path)
        assert Path(config.input[0]).samefile(home / "[x]/a.mp4")
        assert config.input[1] == f"{home}/[[]x]/*.mov"
        assert config.style[0].image.samefile(home / "[x]/b.jpg")
    assert "../[x]/a.mp4" in (home / "jobs/job.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "b.mp4"], "--input b.mp4 does not exist; name a file, a folder or a pattern that does"),
        (["--style", "b.jpg"], "--style must be an image; b.jpg does not exist"),
        (["--style", "a.mp4"], "--style must be an image; a.mp4 is a video"),
    ],
)
def test_what_is_named_and_not_there_is_said_and_nothing_is_written(
    home: Path, arguments: list[str], words: str
) -> None:
    lay(home, "a.mp4")
    result = CliRunner().invoke(app, ["init", *arguments])
    assert (result.exit_code, result.stderr) == (2, f"stylize: {words}\n")
    assert {path.name for path in home.iterdir()} == {"a.mp4"}


@pytest.mark.parametrize("option", ["--input", "--style"])
def test_a_name_that_no_yaml_can_hold_is_refused(option: str, home: Path) -> None:
    (home / "a\udcff").mkdir()
    Image.new("RGB", (8, 6)).save(home / "a\udcff/b.png")
    result = CliRunner().invoke(app, ["init", option, "a\udcff/b.png"])
    assert (result.exit_code, result.stderr) == (
        2,
        f"stylize: {option} a\\udcff/b.png is not UTF-8, so no YAML file can name it; rename the file or the folder "
        "that is not\n",
    )
    assert not (home / "job.yaml").exists()


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_what_is_painted(name: str, home: Path) -> None:
    files, _, what, _ = FOUND[name]
    lay(home, *files)
    start(Path("job.yaml"), [], None)
    config = load_config(Path("job.yaml"))
    listing = list_sources(config.input, folders=config.folders, exclude=config.output)
    assert len(listing.sources) == (1 if "numbered" in what else int(what.split()[0]))
    assert listing.refused == ()
    assert config.style[0].image.is_file()


def test_of_many_folders_the_first_are_told(home: Path) -> None:
    lay(home, *(f"{year}/{name}.jpg" for year in range(2010, 2016) for name in "ab"))
    told = start(Path("job.yaml"), [], None)[0]
    assert told == "input: 2010/, 2011/, 2012/, 2013/ and 2 more (12 pictures)"
    assert len(load_config(Path("job.yaml")).input) == 6


def test_photos_beside_the_job_are_all_that_it_paints(home: Path) -> None:
    """Neither our painting nor an earlier output is among them."""
    lay(home, *(f"{name}.jpg" for name in "abcde"), "out/.stylize/x", "out/a.jpg")
    start(Path("job.yaml"), [], None)
    config = load_config(Path("job.yaml"))
    listing = list_sources(config.input, folders=config.folders, exclude=config.output)
    assert [source.name for source in listing.sources] == [f"{name}.jpg" for name in "abcde"]


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0") | st.sampled_from("[]*?#:'\"!&- \\~{}%@`\n\x85"),
    min_size=1,
    max_size=12,
).filter(lambda name: not name.startswith(".") and name != "~")


@settings(max_examples=150, deadline=None)
@given(
    text=NAMES
    | st.sampled_from(["null", "0o17", "1e3", "~", "on", ".5e1", "1_0", "12:30", "a: b", "a #b", "\ufeff"])
)
def test_any_text_is_quoted_so_that_it_is_read_back_on_one_line(text: str) -> None:
    written = quote(text)
    assert parse_yaml(f"[{written}, x]", "").plain() == [text, "x"]
    assert parse_yaml(f"input: {written}  # comment", "").plain() == {"input": text}
    assert len(written.splitlines()) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folder=NAMES | st.sampled_from(["STYLE", "my paintings"]),
    names=st.lists(NAMES, min_size=1, max_size=6, unique=True),
    painting=NAMES,
)
def test_any_name_is_read_back_as_that_very_file(
    folder: str, names: list[str], painting: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("[any]")
    home = root / folder
    home.mkdir()
    for name in names:
        (home / f"{name}.mp4").touch()
    (home / "art").mkdir()
    Image.new("RGB", (8, 6)).save(home / "art" / f"{painting}.png")
    start(home / "job.yaml", [], None)
    config = load_config(home / "job.yaml")
    videos = {home / f"{name}.mp4" for name in names}
    if len(names) <= 4:
        assert {Path(text) for text in config.input} == videos
    assert config.style[0].image == home / "art" / f"{painting}.png"
    start(root / "job.yaml", [], home / "art" / f"{painting}.png")
    below = load_config(root / "job.yaml")
    assert [Path(text) for text in below.input] == [home if len(names) > 1 else home / f"{names[0]}.mp4"]
