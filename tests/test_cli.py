"""The command as a person runs it: exit codes, one readable message, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from pipeline.disk.sizes import sized
from pipeline.media.probe import probe
from pipeline.workspace import Workspace
from tests.conftest import committed, tree
from tests.media.clips import source_of, write_clip

WriteJob = Callable[..., Path]


def stylize(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=8)


WRONG = {
    "unknown key": ({"transfer": {"stlye_weight": 3}}, 2, "did you mean transfer.style_weight?"),
    "unknown section": ({"vido": {}}, 2, "did you mean video?"),
    "wrong type": ({"transfer": {"iterations": "many"}}, 2, "transfer.iterations"),
    "number as text": ({"transfer": {"style_weight": "1000"}}, 2, "transfer.style_weight"),
    "negative size": ({"transfer": {"size": -5}}, 2, "transfer.size must be at least 32, got -5"),
    "zero iterations": ({"transfer": {"iterations": 0}}, 2, "transfer.iterations must be at least 1"),
    "unknown layer": ({"transfer": {"style_layers": {"conv9_1": 1.0}}}, 2, "conv9_1"),
    "unknown optimizer": ({"transfer": {"optimizer": "lbgfs"}}, 2, "did you mean lbfgs?"),
    "unknown recipe": ({"recipe": "gatis"}, 2, "did you mean gatys?"),
    "no style": ({"style": None}, 2, "style"),
    "missing style": ({"style": "nowhere.png"}, 2, "nowhere.png"),
    "style no image": ({"style": "job.yaml"}, 2, "job.yaml"),
    "missing input": ({"input": "nowhere.mp4"}, 2, "nowhere.mp4"),
    "glob of nothing": ({"input": "*.mov"}, 2, "*.mov"),
    "reversed frames": ({"video": {"frames": [9, 3]}}, 2, "video.frames"),
    "unsorted cuts": ({"video": {"cuts": [9, 3]}}, 2, "video.cuts"),
    "scales and size": ({"transfer": {"scales": [32, 40]}}, 2, "transfer.scales"),
    "weights missing": ({"weights": "nowhere.pth"}, 2, "nowhere.pth"),
    "malformed address": ({"execution": {"address": "somewhere"}}, 2, "execution.address"),
    "unreachable address": ({"execution": {"address": "127.0.0.1:9"}}, 5, "127.0.0.1:9 cannot be reached"),
    "unreachable client": ({"execution": {"address": "ray://127.0.0.1:9"}}, 5, "cannot be reached"),
    "more GPUs than there are": ({"execution": {"workers": 4, "gpus_per_worker": 1}}, 5, "4 GPUs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_config_is_one_message_and_leaves_nothing_behind(
    name: str, write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    changes, code, words = WRONG[name]
    path = write_job(clip)
    job = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**job, **changes}))
    before = tree(tmp_path)
    began = time.monotonic()
    result = stylize("run", path)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    messages = [line for line in result.stderr.splitlines() if line.startswith("stylize: ")]
    assert len(messages) == 1
    assert tree(tmp_path) == before
    assert time.monotonic() - began < 30


def test_every_command_is_told_whole_in_a_narrow_terminal() -> None:
    told = (
        stylize("--help", env={**os.environ, "COLUMNS": "60"}).stdout.partition("Commands:\n")[2].splitlines()
    )
    assert [line.split()[0] for line in told][:3] == ["run", "plan", "status"]
    assert [line for line in told if not line.endswith(".") or line.endswith("...")] == []


def test_help_answers_without_torch_or_ray() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom pipeline.cli import app\n"
        "result = CliRunner().invoke(app, ['--help'])\n"
        "assert result.exit_code == 0 and 'run' in result.output, result.output\n"
        "print([m for m in ('torch', 'ray', 'cv2', 'av', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_init_writes_a_job_that_only_lacks_its_input_and_never_writes_over_one(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    assert stylize("init", path).returncode == 0
    again = stylize("init", path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    result = stylize("plan", path)
    assert result.returncode == 2
    assert "input" in result.stderr
    assert "Traceback" not in result.stderr


def test_init_is_quick(tmp_path: Path) -> None:
    """Neither torch nor Ray is needed to know whether there is a GPU."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom pipeline.cli import app\n"
        "result = CliRunner().invoke(app, ['init'])\n"
        "assert result.exit_code == 0, result.output\n"
        "print([m for m in ('torch', 'ray', 'cv2', 'av', 'numpy') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stdout.strip() == "[]"


def test_schema_is_json_that_knows_the_keys() -> None:
    schema = json.loads(stylize("schema").stdout)
    assert "style_weight" in schema["properties"]["transfer"]["properties"]


def test_plan_tells_what_would_be_done_and_touches_nothing(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip, video={"cuts": [3]})
    before = tree(tmp_path)
    plan = json.loads(stylize("plan", path, "--json").stdout)
    assert plan["frames"] == {"total": 8, "reused": 0, "left": 8}
    assert plan["sources"][0]["segments"] == [[0, 3], [3, 8]]
    most = (2 * 6 + 6 * (3 + 1)) * 48 * 36 / 1e6
    assert plan["megapixel_iterations_most"] == pytest.approx(most, abs=1e-3)
    assert 0 < plan["megapixel_iterations"] <= plan["megapixel_iterations_most"]
    assert plan["seconds"] > plan["seconds_one_worker"] > 0
    assert plan["longest_chain"]["frames"] == [3, 8]
    assert plan["disk_peak_bytes"] > plan["disk_bytes"] > 0
    assert plan["disk_refusal"] is None
    text = stylize("plan", path).stdout
    assert "8 of 8 frames to do in 2 segments" in text
    bound = "on any number of workers: frames 3 to 7 of clip.mp4 are made one after the other"
    assert (bound in text) == (plan["workers"] > 1)
    peak = sized(plan["disk_peak_bytes"])
    assert f"peak disk: {peak} of the run folder at most; disk.budget_gib 0." in text
    assert tree(tmp_path) == before


def test_a_budget_that_cannot_be_held_is_refused_by_plan_and_run(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip, disk={"budget_gib": 0.00001})
    for command in ("plan", "run"):
        result = stylize(command, path)
        assert result.returncode == 5
        assert "disk.budget_gib 0.00001 is too little: the job needs up to" in result.stdout + result.stderr
    assert not (tmp_path / "out").exists()


def test_json_is_one_object_on_standard_output(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    result = stylize("run", write_job([clip, tmp_path / "bad.mp4"]), "--json", "--set", "video.frames=[0, 2]")
    assert result.returncode == 3
    summary = json.loads(result.stdout)
    assert summary["status"] == "incomplete"
    assert summary["frames"] == {"total": 2, "stylized": 2, "reused": 0}
    output = summary["outputs"][0]
    assert (output["source"], output["frames"]) == ("clip.mp4", 2)
    assert Path(output["output"]).is_file()
    (failure,) = summary["failures"]
    assert (failure["source"], failure["frame"]) == ("bad.mp4", None)
    assert summary["iterations"] == 6 + 3
    assert summary["megapixel_iterations"] > 0
    assert summary["wall_s"] > 0


def test_reconstruct_says_where_the_sheet_is(write_job: WriteJob, clip: Path, tmp_path: Path) -> None:
    result = stylize("reconstruct", write_job(clip, transfer={"size": 32}), "--set", "transfer.iterations=2")
    assert result.returncode == 0, result.stderr
    assert f"wrote {tmp_path / 'out' / 'reconstruct.png'}" in result.stdout
    assert len(list((tmp_path / "out" / "reconstruct").iterdir())) == 10
    assert "content_conv1_2: 2 iterations" in result.stderr
    assert "style_conv1_1-conv5_1: 2 iterations" in result.stderr


@pytest.mark.parametrize("name", ["unknown layer", "missing style", "missing input", "weights missing"])
def test_reconstruct_of_a_wrong_config_is_one_message_and_leaves_nothing_behind(
    name: str, write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    changes, code, words = WRONG[name]
    path = write_job(clip)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))
    before = tree(tmp_path)
    result = stylize("reconstruct", path)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert tree(tmp_path) == before


def test_reconstruct_without_the_right_weights_is_unable(
    write_job: WriteJob, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.pth").write_bytes(b"")
    result = stylize("reconstruct", write_job(clip, weights=str(tmp_path / "empty.pth")))
    assert result.returncode == 5
    assert "empty.pth" in result.stderr
    assert not (tmp_path / "out").exists()


def test_reconstruct_of_a_source_that_cannot_be_read_fails(write_job: WriteJob, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    result = stylize("reconstruct", write_job(tmp_path / "bad.mp4"))
    assert result.returncode == 3
    assert "bad.mp4" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test started, ended with it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def _hear_ctrl_c() -> None:
    """Where these tests run in the background, Ctrl-C is ignored, and a child would ignore it, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(path: Path, started: list[subprocess.Popen[str]], command: str = "run") -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "pipeline.cli", command, str(path)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    )
    started.append(process)
    return process


def wait_for_frames(output: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(list((output / ".stylize").rglob("*.png"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no frames"
        time.sleep(0.02)


SLOW = {"iterations": 40, "warm_iterations": 80, "tolerance": 0, "warm_tolerance": 0}


def test_a_killed_driver_loses_nothing_and_the_next_run_gives_the_same_bytes(
    write_job: WriteJob, clip: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    path, output = write_job(clip, transfer=SLOW), tmp_path / "out"
    assert stylize("run", path).returncode == 0
    undisturbed = committed(output)
    shutil.rmtree(output)

    process = start(path, started)
    wait_for_frames(output, 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    result = stylize("run", path, "--json")
    assert result.returncode == 0, result.stderr
    frames = json.loads(result.stdout)["frames"]
    assert frames["reused"] >= 3
    assert frames["stylized"] == 8 - frames["reused"] > 0
    assert f"8 frames; {frames['reused']} reused, {frames['stylized']} to do" in result.stderr
    assert committed(output) == undisturbed


def test_a_job_is_shown_while_it_runs_and_after_it_was_killed(
    write_job: WriteJob, clip: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    path, output = write_job(clip, transfer=SLOW), tmp_path / "out"
    process = start(path, started)
    wait_for_frames(output, 2, process)
    beside = stylize("preview", path)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    after = json.loads(stylize("preview", path, "--json").stdout)
    assert beside.returncode == 0, beside.stderr
    assert "of 8 frames painted → " in beside.stdout
    assert 2 <= after["frames"]["painted"] <= 8
    shown = Path(after["previews"][0]["output"])
    times, wanted = (probe(source_of(video), rate=Fraction(25)) for video in (shown, clip))
    assert [pts * times.time_base for pts in times.pts] == [pts * wanted.time_base for pts in wanted.pts]


def test_ctrl_c_finishes_the_frames_in_work_and_leaves_the_rest_for_the_next_run(
    write_job: WriteJob, clip: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    path, output = write_job(clip, transfer=SLOW), tmp_path / "out"
    process = start(path, started)
    wait_for_frames(output, 1, process)
    second = stylize("run", path)
    assert second.returncode == 5
    assert "another run is working" in second.stderr
    assert str(process.pid) in second.stderr
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "interrupted" in out
    assert 1 <= len(committed(output)) < 8
    assert stylize("run", path).returncode == 0
    assert len(committed(output)) == 8


def wait_for_work(output: Path, process: subprocess.Popen[str]) -> None:
    """Until a worker is in the middle of a frame."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        space = Workspace(output)
        workers = space.read(space.status).get("workers", [])
        if any(worker["progress"] for worker in workers):
            return
        time.sleep(0.1)
    raise AssertionError(f"no worker began: {process.poll()}")


def test_a_second_ctrl_c_stops_at_once(
    write_job: WriteJob, clip: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    process = start(write_job(clip, transfer={**SLOW, "iterations": 5000}), started)
    wait_for_work(tmp_path / "out", process)  # at the first frame, which takes minutes
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_ctrl_c_ends_reconstruct_at_once_and_leaves_nothing_behind(
    write_job: WriteJob, clip: Path, tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    path = write_job(clip, transfer={"iterations": 100_000, "tolerance": 0})
    process = start(path, started, "reconstruct")
    assert process.stderr is not None
    while "reconstructing" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
