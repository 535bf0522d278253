"""Three machines on this one: a job goes on while one of them is lost, joins, or was the head.

    .venv/bin/python scripts/three_nodes.py [--only lost joined head bucket apart] [--frames N] [--pictures N]
                                            [--keep FOLDER]

    lost      three machines; in the middle of the job one has its network unplugged and its processes killed
    joined    two machines; in the middle a third joins, and has to get some of the work
    head      three machines; the head is killed, and the driver with it; the job is run again on a new cluster
    bucket    three machines without a shared folder, input and output in S3; one is lost in the middle
    apart     one machine has another folder in place of the shared one: refused before any work, with its name

Real weights, a film of several segments and some photographs at 64 px, through the command line. Afterwards every
result and every frame has to be the same bytes as those of a run on one machine alone. Each machine is a network
namespace on a bridge, which takes root; where that is not allowed, the nodes run side by side here, and `apart` is
left out. The exit code is 1 where anything is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from nodes.jobs import command, differences, digests, frames_by_machine, make_media, wait_until, write_job
from nodes.machines import Machine, Machines, why_no_namespaces

TIMEOUT_S = 900


@dataclass(frozen=True)
class Stage:
    """What a scenario plays on: where it is kept, what is painted, and what it is to look like."""

    folder: Path
    media: Path
    iterations: int
    namespaces: bool

    def job(self, name: str) -> tuple[Path, Path]:
        """A job of its own: its YAML and its output folder."""
        output = self.folder / name / "out"
        output.parent.mkdir(parents=True, exist_ok=True)
        job = write_job(output.parent / "job.yaml", self.media, output, iterations=self.iterations)
        return job, output

    def machines(self, name: str, **env: str) -> Machines:
        return Machines(self.folder / name / "m", namespaces=self.namespaces, env=env)


def run_on(machine: Machine, job: Path, address: str) -> subprocess.Popen[bytes]:
    """Start the job's driver on a machine."""
    return machine.start(command(job, address), job.parent / "driver.log")


def finish(process: subprocess.Popen[bytes], job: Path) -> None:
    """Wait for a driver; raises with what it said where it did not end with 0."""
    if process.wait(TIMEOUT_S):
        said = (job.parent / "driver.log").read_text("utf-8", "replace")
        raise RuntimeError(f"the driver ended with {process.returncode}:\n{said[-3000:]}")


def begun(output: Path, frames: int) -> Callable[[], bool]:
    """Whether so many frames are made, by more than one machine."""

    def is_so() -> bool:
        made = frames_by_machine(output)
        return made.total() >= frames and len(made) > 1

    return is_so


def lost(stage: Stage) -> Path:
    """A machine is unplugged and switched off in the middle."""
    job, output = stage.job("lost")
    with stage.machines("lost") as machines:
        head = machines.head()
        machines.join("node", head)
        last = machines.join("node", head)
        driver = run_on(head, job, machines.address(head))
        wait_until(lambda: frames_by_machine(output)[last.name] >= 2, driver, f"{last.name} has worked")
        last.unplug()
        last.kill()
        say(f"{last.name} is gone after {frames_by_machine(output).total()} frames")
        finish(driver, job)
    say(f"made by {dict(frames_by_machine(output))}")
    return output


def joined(stage: Stage) -> Path:
    """A machine joins in the middle, and gets some of the work."""
    job, output = stage.job("joined")
    with stage.machines("joined") as machines:
        head = machines.head()
        machines.join("node", head)
        driver = run_on(head, job, machines.address(head))
        wait_until(begun(output, 3), driver, "the first frames")
        late = machines.join("late", head)
        say(f"{late.name} is there after {frames_by_machine(output).total()} frames")
        finish(driver, job)
    made = frames_by_machine(output)
    say(f"made by {dict(made)}")
    if stage.namespaces and not made[late.name]:
        raise RuntimeError(f"{late.name} was given nothing to do")
    return output


def head(stage: Stage) -> Path:
    """The head goes, and the driver that runs there; the same command is run on a new cluster."""
    job, output = stage.job("head")
    with stage.machines("head") as machines:
        first = machines.head()
        machines.join("node", first)
        machines.join("node", first)
        driver = run_on(first, job, machines.address(first))
        wait_until(begun(output, 4), driver, "the first frames")
        first.unplug()
        first.kill()
        made = frames_by_machine(output).total()
        say(f"{first.name} is gone after {made} frames")
    with Machines(stage.folder / "head/n", namespaces=stage.namespaces) as machines:
        second = machines.head()
        machines.join("node", second)
        machines.join("node", second)
        finish(run_on(second, job, machines.address(second)), job)
    summary = json.loads((job.parent / "driver.log").read_text("utf-8").splitlines()[-1])
    say(f"run again: {summary['frames']}")
    if summary["frames"]["reused"] == 0:
        raise RuntimeError("nothing of what was finished was kept")
    return output


def bucket(stage: Stage) -> dict[str, str] | None:
    """Nothing is shared but a bucket: input and output are there; a machine is switched off in the middle."""
    if not stage.namespaces:
        say("left out: all nodes see the same files here")
        return None
    from nodes import bucket as s3

    job, _ = stage.job("bucket")
    job = write_job(job, s3.URL + "/in", s3.URL + "/out", iterations=stage.iterations)
    own = stage.folder / "bucket/own"  # of each process another one
    own.mkdir()
    with ExitStack() as stack:
        machines = stack.enter_context(stage.machines("bucket", TMPDIR=str(own)))
        files = stack.enter_context(s3.served(machines.outside, stage.media))
        private = [own, stage.media]
        head = machines.head(private)
        machines.join("node", head, private)
        last = machines.join("node", head, private)
        driver = head.start(command(job, machines.address(head)), job.parent / "driver.log")
        wait_until(
            lambda: any(last.name in name for name in s3.names(files)), driver, f"{last.name} has worked"
        )
        last.unplug()
        last.kill()
        say(f"{last.name} is gone after {sum(name.endswith('.png') for name in s3.names(files))} files")
        finish(driver, job)
        return s3.digests(files)


def apart(stage: Stage) -> None:
    """A machine does not see the shared folder: the job is refused with its name, and nothing was painted."""
    if not stage.namespaces:
        say("left out: all nodes see the same files here")
        return
    job, output = stage.job("apart")
    output.mkdir()
    with stage.machines("apart") as machines:
        first = machines.head()
        machines.join("node", first)
        other = machines.join("stranger", first, private=[output])
        driver = run_on(first, job, machines.address(first))
        code = driver.wait(TIMEOUT_S)
    said = (job.parent / "driver.log").read_text("utf-8", "replace")
    say("\n".join(line for line in said.splitlines() if other.name in line or "cannot do this job" in line))
    if code != 5 or other.name not in said or "not shared" not in said or frames_by_machine(output):
        raise RuntimeError(f"it ended with {code}, and said:\n{said[-3000:]}")


SCENARIOS: dict[str, Callable[[Stage], Path | dict[str, str] | None]] = {
    "lost": lost,
    "joined": joined,
    "head": head,
    "bucket": bucket,
    "apart": apart,
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    reason = why_no_namespaces()
    if reason:
        say(f"{reason}; the nodes run side by side")
    folder = Path(options.keep or tempfile.mkdtemp(prefix="st"))
    try:
        make_media(folder / "media", frames=options.frames, pictures=options.pictures)
        stage = Stage(folder, folder / "media", options.iterations, namespaces=reason is None)
        return 0 if play(stage, options.only) else 1
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def play(stage: Stage, names: Sequence[str]) -> bool:
    """Play some scenarios, and compare each with a run on this machine alone; whether all is as it should be."""
    expected: dict[str, str] = {}
    is_well = True
    for name in names:
        began = time.monotonic()
        say(f"--- {name}: {SCENARIOS[name].__doc__}")
        try:
            made = SCENARIOS[name](stage)
            if made is not None:
                expected = expected or alone(stage)
                unlike = differences(expected, digests(made) if isinstance(made, Path) else made)
                say(f"{len(expected)} files, {len(unlike)} unlike those of one machine {unlike[:5] or ''}")
                is_well &= not unlike
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            say(f"FAILED: {error}")
            is_well = False
        say(f"{time.monotonic() - began:.0f} s")
    say("all as it should be" if is_well else "NOT as it should be")
    return is_well


def alone(stage: Stage) -> dict[str, str]:
    """What a run with one worker on this machine makes."""
    job, output = stage.job("alone")
    done = subprocess.run(command(job, None), capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"the run on one machine ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return digests(output)


def say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--keep", metavar="FOLDER", help="where all is kept; a short path")
    return parser


if __name__ == "__main__":
    sys.exit(main())
