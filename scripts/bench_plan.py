"""Whether `stylize plan` tells the truth: for a few jobs, the time and work that it says, and what the run then takes.

Each job is planned and run by the command line, into a folder that is thrown away, one after the other on this machine:
nothing else should run beside.

    .venv/bin/python scripts/bench_plan.py [demo] [calm] [cut] [packed] [passes] [photos]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import skimage.data
import yaml
from PIL import Image
from sample_clips import clip_path

ROOT = Path(__file__).resolve().parents[1]
PAINTING = ROOT / "configs/paintings/swirl.png"
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "cat", "retina")


def demo(folder: Path) -> Mapping[str, Any]:
    """The demo: a moving camera and fast cars, 28 frames."""
    job = yaml.safe_load((ROOT / "configs/demo.yaml").read_text(encoding="utf-8"))
    return {**job, "input": str(clip_path("bikes.mp4"))}


def calm(folder: Path) -> Mapping[str, Any]:
    """A cartoon in which little moves."""
    transfer = {"size": 192, "iterations": 150, "warm_iterations": 40}
    return {"input": str(clip_path("bigbuckbunny.mp4")), "transfer": transfer, "video": {"frames": [60, 92]}}


def cut(folder: Path) -> Mapping[str, Any]:
    """Two shots, painted by two workers of one thread each."""
    transfer = {"size": 160, "iterations": 150, "warm_iterations": 30}
    execution = {"workers": 2, "threads_per_worker": 1}
    job = {"input": str(clip_path("bikes.mp4")), "transfer": transfer, "video": {"frames": [60, 92]}}
    return {**job, "execution": execution}


def packed(folder: Path) -> Mapping[str, Any]:
    """Three shots of one length, painted by two workers of one thread each, so that one of them has two."""
    job = cut(folder)
    return {**job, "video": {"frames": [61, 91], "cuts": [71, 81]}}


def passes(folder: Path) -> Mapping[str, Any]:
    """A film in two passes and three segments, with blends, whose style grows stronger."""
    transfer = {"size": 112, "iterations": 80, "warm_iterations": 24}
    video = {"frames": [80, 116], "passes": 2, "segment_frames": 12, "blend_frames": 4}
    timeline = [{"at": 3, "style_weight": 300}, {"at": 5, "style_weight": 3000}]
    return {
        "input": str(clip_path("bikes.mp4")),
        "transfer": transfer,
        "video": {**video, "timeline": timeline},
    }


def photos(folder: Path) -> Mapping[str, Any]:
    """Six photographs of several sizes."""
    (folder / "photos").mkdir()
    for name in PHOTOS:
        Image.fromarray(getattr(skimage.data, name)()[..., :3]).save(
            folder / "photos" / f"{name}.jpg", quality=95
        )
    transfer = {"size": 224, "iterations": 100}
    return {"input": str(folder / "photos"), "folders": "archive", "transfer": transfer}


JOBS = {"demo": demo, "calm": calm, "cut": cut, "packed": packed, "passes": passes, "photos": photos}


def stylize(command: str, job: Path) -> tuple[dict[str, Any], float]:
    """What a command says as JSON, and the seconds from its start to its end."""
    began = time.monotonic()
    words = [sys.executable, "-m", "pipeline.cli", command, str(job), "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), time.monotonic() - began


def main() -> None:
    """Plan and run each job, and print a row for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", choices=[*JOBS, []], help="which; all if none is named")
    chosen = parser.parse_args().jobs or list(JOBS)
    print(
        "| job | planned s | took s | planned / took | work planned | done | planned / done | the plan took s |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="stylize-bench-") as text:
            folder = Path(text)
            job = {"style": str(PAINTING), **JOBS[name](folder), "output": str(folder / "out")}
            job["style"] = str(PAINTING)
            path = folder / "job.yaml"
            path.write_text(yaml.safe_dump(job), encoding="utf-8")
            plan, plan_s = stylize("plan", path)
            run, run_s = stylize("run", path)
        work = plan["megapixel_iterations"], run["megapixel_iterations"]
        print(
            f"| {name} | {plan['seconds']:.0f} | {run_s:.0f} | {plan['seconds'] / run_s:.2f} "
            f"| {work[0]:.1f} | {work[1]:.1f} | {work[0] / work[1]:.2f} | {plan_s:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
