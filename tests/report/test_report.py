"""What the page tells of a run, as text; the browser's part is in test_in_browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import load_config
from pipeline.errors import ResumeError, SpaceError
from pipeline.execute.events import Event
from pipeline.ledger import Watcher
from pipeline.report import album as album_module
from pipeline.report import is_current, write_report
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import Job
from tests.farms import TextureFarm
from tests.media.clips import picture, write_clip
from tests.report.conftest import Made, do
from tests.report.jobs import FailingFarm, FiguredFarm

VIDEO = {"cuts": [4]}


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return write_clip(tmp_path / "in/clip.mp4", frames=8, size=(96, 72))


def text(page: Path) -> str:
    """The page's text, without tags."""
    html = re.sub(r"<(style|script)>.*?</\1>", "", page.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).replace("&#34;", '"').replace("&#39;", "'")


def pictures_of(page: Path) -> list[str]:
    return re.findall(r"data:image/webp", page.read_text("utf-8"))


def test_the_head_says_what_was_made_from_what_and_what_it_took(made: Made) -> None:
    found = text(made.page)
    (ended,) = [json.loads(line) for line in made.space.events.open() if '"ended"' in line]
    assert "clip.mp4 and 3 of 4 photographs, painted after style" in found
    assert "31 frames" not in found  # the number stands above its label
    assert re.search(r"frames 31 ", found)
    assert f"iterations {ended['iterations']:,}" in found
    assert "failure 1 " in found
    assert "broken.jpg" in found
    assert "28 frames (1.1 s), 160 × 120 px painted at 160 × 120 px; 2 shots, 5 segments" in found


def test_what_was_compared_when_an_output_was_written_is_on_the_page(made: Made) -> None:
    (line,) = [json.loads(line) for line in made.space.outputs.open() if '"checks"' in line]
    assert line["checks"][:3] == ["28 frames", "28 timestamps", "160x120"]
    assert f"true to its source: {', '.join(line['checks'])}" in text(made.page)


def test_settings_that_differ_from_the_defaults_come_first_with_the_default_beside_them(made: Made) -> None:
    html = made.page.read_text("utf-8")
    rows = re.findall(
        r'<tr( class="changed")?><th scope="row">([a-z_.]+)</th><td>(.*?)</td><td>(.*?)</td>', html
    )
    changed = {key: (value, default) for mark, key, value, default in rows if mark}
    marks = [bool(mark) for mark, *_ in rows]
    assert marks == sorted(marks, reverse=True)
    assert changed["transfer.size"] == ("160", "512")
    assert "transfer.iterations" not in changed
    assert "rate" not in changed
    assert len(rows) > 40


def test_versions_and_the_digest_of_the_weights_are_on_the_page(made: Made) -> None:
    found = text(made.page)
    for name in ("torch", "ray", "python", "stylize"):
        assert re.search(rf"{name} \d+\.\d+", found), name
    assert re.search(r"SHA-256 [0-9a-f]{64}", found)


def test_only_our_own_style_and_script_are_allowed_by_their_hashes(made: Made) -> None:
    html = made.page.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    allowed = policy[1].replace("&#39;", "'")
    assert "default-src 'none'" in allowed
    assert "unsafe" not in allowed
    for kind in ("style", "script"):
        (inside,) = re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in allowed
    assert not re.search(r"<[^>]* (on[a-z]+|style)=", html)
    assert not re.search(r"(src|href)=\"(https?:)?//", html)


def test_photographs_are_counted_by_folder_and_shown_before_and_after(made: Made) -> None:
    html = made.page.read_text("utf-8")
    assert len(re.findall(r'alt="source: (a\.jpg|b\.png|sub/c\.jpg)"', html)) == 3
    assert len(re.findall(r'alt="painted: (a\.jpg|b\.png|sub/c\.jpg)"', html)) == 3
    assert re.search(r"<td>the input folder itself</td><td class=\"n\">2</td>", html)
    assert re.search(r"<td>sub</td><td class=\"n\">1</td>", html)


def test_of_many_photographs_a_sample_is_shown(
    tmp_path: Path, style_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(album_module, "SAMPLE", 4)
    (tmp_path / "in").mkdir()
    for index, name in enumerate("abcdefghij"):
        Image.fromarray(picture(index)).save(tmp_path / f"in/{name}.png")
    one = do(tmp_path, {"style": str(style_image), "transfer": {"size": 64}})
    html = one.page.read_text("utf-8")
    assert re.findall(r'alt="painted: (.).png"', html) == ["a", "d", "g", "j"]
    assert "Shown: 4, evenly spread." in html


def test_a_failure_does_not_say_twice_which_file_it_is_about(made: Made) -> None:
    html = made.page.read_text("utf-8")
    assert "<p><b>broken.jpg</b><br>cannot be read as a picture" in html
    assert str(made.job.parent / "in/broken.jpg") not in html


def test_the_legends_explain_what_there_is_and_nothing_else(
    made: Made, tmp_path: Path, style_image: Path
) -> None:
    words = ("cut</span>", "border of a segment</span>", "its segment goes on", "a worker died</span>")
    html = made.page.read_text("utf-8")
    assert [word for word in words if word not in html] == []
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in/clip.mp4", frames=4, size=(72, 96))
    sections = {"style": str(style_image), "transfer": {"size": 96}, "video": {"cuts": "none"}}
    html = do(tmp_path, sections, FiguredFarm).page.read_text("utf-8")
    assert [word for word in words if word in html] == []
    assert "cold: from scratch" in html and "warm: from the frame before" in html
    assert 'class="compare tall"' in html  # an upright film does not fill three screens


def test_a_failure_comes_with_a_command_that_does_it_again_and_spoils_nothing(
    tmp_path: Path, style_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", FailingFarm)
    (tmp_path / "in").mkdir()
    clip = write_clip(tmp_path / "in/it's [a] clip.mp4", frames=12, size=(96, 72))
    sections = {"style": str(style_image), "transfer": {"size": 96}, "video": VIDEO}
    one = do(tmp_path, sections, FailingFarm)
    (command,) = re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code>", one.page.read_text("utf-8"), re.DOTALL)
    words = shlex.split(
        command.replace("\\\n", "").replace("&#39;", "'").replace("&#34;", '"').replace("&amp;", "&")
    )
    assert words[:2] == ["stylize", "run"]
    before = (one.space.plan.read_bytes(), one.space.events.read_bytes())
    answer = CliRunner().invoke(app, [*words[1:], "--json"])
    told = json.loads(answer.stdout)
    assert told["failures"] == [{"source": clip.name, "frame": 5, "error": FailingFarm.ERROR}]
    assert told["frames"]["total"] == 2  # the failing one, and the one that it starts from
    assert (tmp_path / "out-again/.stylize").is_dir()
    assert (one.space.plan.read_bytes(), one.space.events.read_bytes()) == before


def commands_in(page: Path) -> list[list[str]]:
    """The commands on the page, as a shell reads them."""
    found = re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code>", page.read_text("utf-8"), re.DOTALL)
    return [shlex.split(unescape(command).replace("\\\n", "")) for command in found]


def test_a_file_that_cannot_be_read_comes_without_a_command_that_would_fail_again(
    tmp_path: Path, style_image: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("good", "cut", "empty"):
        Image.fromarray(picture(1, 96, 72)).save(tmp_path / f"in/{name}.jpg")
    (tmp_path / "in/cut.jpg").write_bytes((tmp_path / "in/cut.jpg").read_bytes()[:-400])
    (tmp_path / "in/empty.jpg").write_bytes(b"")
    one = do(tmp_path, {"style": str(style_image), "transfer": {"size": 96}})
    found = text(one.page)
    assert commands_in(one.page) == []
    assert "cut.jpg" in found and "empty.jpg" in found
    assert found.count("To do it again alone would not help; see to the file") == 2
    assert "1 of 3 photographs, painted after style" in found
    assert "of 3 photographs 1 " in found


def test_the_command_works_in_any_folder_is_readable_and_has_the_options_of_the_run(
    tmp_path: Path, write_job: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", FailingFarm)
    (tmp_path / "2024 süd").mkdir()
    clip = write_clip(tmp_path / "2024 süd/clip.mp4", frames=12, size=(96, 72))
    job = write_job(clip, video=VIDEO)
    monkeypatch.chdir(job.parent)
    run_ = CliRunner().invoke(app, ["run", job.name, "--set", "transfer.size=64"])
    assert run_.exit_code == 3, run_.output
    page = Workspace(load_config(job).output).report
    for again in (False, True):
        if again:  # without the run's options
            answer = CliRunner().invoke(app, ["report", job.name])
            said = "the settings are not those of the last run any more (transfer.size); the page has the last run's"
            assert answer.stdout.splitlines()[1:] == [said]
        (command,) = commands_in(page)
        assert command[:5] == ["stylize", "run", str(job), "--set", "transfer.size=64"]
        assert command[6] == f'input="{clip}"'


def test_the_command_line_writes_the_page_and_says_where(made: Made) -> None:
    answer = CliRunner().invoke(app, ["report", str(made.job)])
    assert answer.exit_code == 0
    assert answer.stdout == f"wrote {made.page}; open it in a browser\n"


def test_without_a_run_there_is_nothing_to_report(job: Job, clip: Path) -> None:
    config = job(clip)
    with pytest.raises(ResumeError, match=r"no run has worked in .*out yet; start one"):
        write_report(config)
    assert not config.output.exists()


def test_a_run_folder_of_an_earlier_version_is_told_as_that_and_one_more_run_makes_the_page(
    job: Job, clip: Path
) -> None:
    config = job(clip, video=VIDEO)
    run(config)
    space = Workspace(config.output)
    space.report.unlink()
    space.write(space.plan, {key: value for key, value in space.read(space.plan).items() if key != "sources"})
    with pytest.raises(ResumeError, match="of an earlier version; run again, which paints nothing twice"):
        write_report(config)
    assert run(config).frames["stylized"] == 0
    assert "clip.mp4, painted after" in text(space.report)


def test_a_run_whose_report_fails_is_done_and_warns(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings = list[str]()

    class Listener(Watcher):
        def warned(self, text: str) -> None:
            warnings.append(text)

    def fail(*_: Any) -> Path:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pipeline.run.write_report", fail)
    assert run(job(clip, video=VIDEO), Listener()).status == "done"
    (text,) = warnings
    assert text.startswith("the report could not be written (a bug); to try again: stylize report /")
    assert text.endswith(".yaml")


def test_a_run_that_is_stopped_keeps_nobody_waiting_for_its_report(job: Job, clip: Path) -> None:
    class Impatient(Watcher):
        def __init__(self) -> None:
            self.is_stopped, self.warnings = False, list[str]()

        def happened(self, event: Event) -> None:
            self.is_stopped = True

        def warned(self, text: str) -> None:
            self.warnings.append(text)

    one = Impatient()
    config = job(clip, video=VIDEO)
    run(config, one, lambda: one.is_stopped)
    (text,) = one.warnings
    assert text.startswith("the report was left out; to make it: stylize report /")
    assert text.endswith(".yaml")
    assert not Workspace(config.output).report.exists()


def test_how_a_run_ended_is_told_while_it_holds_its_folder_and_before_the_report(
    job: Job, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, config = list[str](), job(clip, video=VIDEO)
    space = Workspace(config.output)

    class Listener(Watcher):
        def ended(self, status: str) -> None:
            with pytest.raises(ResumeError, match="another run is working"), space.locked():
                pass
            told.append(status)

    def fail(*_: Any) -> None:
        told.append("report")
        raise RuntimeError("a bug")

    monkeypatch.setattr("pipeline.run.write_report", fail)
    run(config, Listener())
    monkeypatch.setattr("pipeline.run._work", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run(config, Listener())
    with pytest.raises(RuntimeError, match="a bug"):
        run(config, Listener(), stop=lambda: True)
    assert told == ["done", "report", "report", "error", "report", "interrupted"]


def test_the_page_is_made_anew_where_something_has_changed_since(job: Job, clip: Path) -> None:
    config = job(clip, video=VIDEO)
    run(config)
    space = Workspace(config.output)
    assert is_current(space)
    before = space.report.stat().st_mtime_ns
    run(config)
    assert space.report.stat().st_mtime_ns == before
    run(job(clip, video=VIDEO, transfer={"iterations": 7}))
    assert space.report.stat().st_mtime_ns > before


def test_a_page_without_room_in_the_budget_is_not_written(job: Job, clip: Path) -> None:
    config = job(clip, video=VIDEO)
    run(config)
    tight = job(clip, video=VIDEO, disk={"budget_gib": 1e-5})
    with pytest.raises(
        SpaceError, match=r"the report takes \d+(\.\d)? kB, for which disk\.budget_gib leaves no room"
    ):
        write_report(tight)


def test_a_source_that_is_gone_leaves_its_failure_and_the_rest_of_the_page(
    tmp_path: Path, style_image: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_clip(tmp_path / f"in/{name}.mp4", frames=4, size=(96, 72))
    one = do(tmp_path, {"style": str(style_image), "transfer": {"size": 96}, "video": VIDEO}, FiguredFarm)
    (tmp_path / "in/a.mp4").unlink()
    found = text(write_report(load_config(one.job)))
    assert "a.mp4 " in found
    assert "b.mp4, painted after style" in found
    assert "cannot be read" in found


def test_frames_that_were_thrown_away_are_shown_out_of_the_output(tmp_path: Path, style_image: Path) -> None:
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in/clip.mp4", frames=4, size=(96, 72))
    disk = {"keep": "none"}
    sections = {"style": str(style_image), "transfer": {"size": 96}, "video": VIDEO, "disk": disk}
    html = do(tmp_path, sections).page.read_text("utf-8")
    assert not list((tmp_path / "out/.stylize").rglob("*.png"))
    assert len(re.findall(r'alt="painted, frame \d"', html)) == 4


def test_an_unfinished_film_is_shown_as_far_as_it_is(
    tmp_path: Path, style_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    write_clip(tmp_path / "in/clip.mp4", frames=8, size=(96, 72))
    sections = {"style": str(style_image), "transfer": {"size": 96}, "video": VIDEO}
    one = do(tmp_path, sections, FailingFarm)
    html, found = one.page.read_text("utf-8"), text(one.page)
    assert "of 8 frames 4 " in found
    assert len(re.findall(r'alt="painted, frame \d"', html)) == 4
    assert "clip.mp4: not written yet" in found
    assert "<video" not in html


def test_what_a_strangers_run_folder_names_outside_of_the_input_is_not_shown(
    made: Made, tmp_path: Path
) -> None:
    shutil.copytree(made.job.parent, tmp_path / "copy")
    write_clip(tmp_path / "secret.mp4", frames=4, size=(64, 48))
    job = tmp_path / "copy/job.yaml"
    space = Workspace(load_config(job).output)
    plan = space.read(space.plan)
    film = {**plan["sources"][0], "path": str(tmp_path / "secret.mp4"), "name": "secret.mp4", "output": None}
    for damaged in ({"kind": 1}, {"path": None}, {"kind": "sequence", "files": ["../../secret.png"]}):
        space.write(space.plan, {**plan, "sources": [{**film, **damaged}]})
        assert "secret" not in write_report(load_config(job)).read_text("utf-8")
    space.write(space.plan, {**plan, "sources": [film]})
    assert "secret" not in write_report(load_config(job)).read_text("utf-8")
    film["path"] = f"{tmp_path}/copy/in/../../secret.mp4"
    space.write(space.plan, {**plan, "sources": [film]})
    assert "secret" not in write_report(load_config(job)).read_text("utf-8")


def test_nothing_is_shown_to_which_a_link_leads_out_of_the_input_and_the_output(
    made: Made, tmp_path: Path
) -> None:
    shutil.copytree(made.job.parent, tmp_path / "copy")
    job = tmp_path / "copy/job.yaml"
    space = Workspace(load_config(job).output)
    assert len(pictures_of(write_report(load_config(job)))) == 8 + 2 * 12

    def lead_out(path: Path) -> None:
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)

    lead_out(space.output / "a.jpg")
    lead_out(tmp_path / "copy/in/b.png")
    assert len(pictures_of(write_report(load_config(job)))) == 6 + 2 * 12
    (space.output / "clip.mp4").unlink()
    for path in space.segments.rglob("*.png"):
        lead_out(path)
    assert len(pictures_of(write_report(load_config(job)))) == 4 + 12
    lead_out(tmp_path / "copy/in/clip.mp4")
    assert len(pictures_of(write_report(load_config(job)))) == 4


def test_damaged_journals_make_a_page_all_the_same(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.job.parent, tmp_path / "copy")
    job = tmp_path / "copy/job.yaml"
    space = Workspace(load_config(job).output)
    space.events.write_text(
        '{"what":"ended","at":1}\n{"what":"started","at":1,"settings":[],"versions":7}\nx'
    )
    space.outputs.write_text(
        space.outputs.read_text().replace('"notes":[]', '"notes":5').replace('"checks":[', '"checks":7,"x":[')
    )
    space.records.write_bytes(space.records.read_bytes()[:-30])
    page = write_report(load_config(job))
    assert "clip.mp4 and 3 photographs" in text(page)


@pytest.mark.parametrize("value", ["1e999", "NaN", "1e308", "-1e308", "9" * 18])
def test_figures_that_no_run_has_are_passed_over(made: Made, tmp_path: Path, value: str) -> None:
    shutil.copytree(made.job.parent, tmp_path / "copy")
    job = tmp_path / "copy/job.yaml"
    space = Workspace(load_config(job).output)
    for path, names in (
        (space.records, "megapixel_iterations|loss|seconds|warp_error|iterations|frame"),
        (space.events, "at|wall_s|iterations|megapixel_iterations|began|photographs"),
    ):
        lines = path.read_text().splitlines(keepends=True)
        for name in names.split("|"):
            lines += [re.sub(rf'"{name}": ?[^,}}]+', f'"{name}":{value}', line) for line in lines[-4:]]
        path.write_text("".join(lines))
    assert "clip.mp4 and 3 of 4 photographs" in text(write_report(load_config(job)))


def test_runs_of_which_each_is_as_long_as_can_be_are_told(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.job.parent, tmp_path / "copy")
    job = tmp_path / "copy/job.yaml"
    space = Workspace(load_config(job).output)
    told = '{"what":"started","at":1}\n{"what":"ended","at":2,"wall_s":9e11,"status":"done"}\n'
    space.events.write_text(told * 100)
    assert "clip.mp4 and 3 photographs" in text(write_report(load_config(job)))


def test_the_films_and_photographs_of_a_manifest_are_found(tmp_path: Path, style_image: Path) -> None:
    write_clip(tmp_path / "clip.mp4", frames=4, size=(96, 72))
    Image.fromarray(picture(1, 96, 72)).save(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("path\nclip.mp4\na.png\n")
    sections = {"input": "list.csv", "style": str(style_image), "transfer": {"size": 96}}
    html = do(tmp_path, sections).page.read_text("utf-8")
    assert re.findall(r'alt="source: ([^"]*)"', html) == ["clip.mp4, frame 1", "a.png"]
