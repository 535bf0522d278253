"""What tests of whole jobs share: one Ray for the session, a small style image, and jobs as YAML files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import yaml
from hypothesis import settings

from pipeline.config import Config, load_config
from pipeline.media.priority import unhurried

TINY = {"size": 48, "iterations": 6, "warm_iterations": 3}

Job = Callable[..., Config]

# The same examples in every run, so that a test is green or red for what the code does; scripts/fuzz.py looks for new
# ones, and so does pytest with --hypothesis-profile=default.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    """No test leaves this process with the real-time scheduling that SVT-AV1 gives to who opens it as root."""
    with unhurried():
        yield


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray for all tests that run jobs in this process; its workers are not nice to others, as Ray's are."""
    os.environ.setdefault("RAY_worker_niceness", "0")
    import ray

    ray.init("local", num_cpus=4, include_dashboard=False, logging_level="ERROR", log_to_driver=False,
             object_store_memory=100 * 2**20)  # fmt: skip
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def style_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small picture with structure and color."""
    y, x = np.mgrid[:64, :64]
    waves = [np.sin(x / 3 + y / 7), np.sin(y / 4), np.cos((x + y) / 5)]
    path = tmp_path_factory.mktemp("style") / "style.png"
    iio.imwrite(path, (np.stack(waves, -1) * 127 + 128).astype(np.uint8))
    return path


@pytest.fixture
def write_job(tmp_path: Path, style_image: Path) -> Callable[..., Path]:
    """Writes a job's YAML and returns its path: `write_job(input, video={...}, ...)`."""

    def write(source: Path | str | list[str], **sections: Any) -> Path:
        transfer = {**TINY, **sections.pop("transfer", {})}
        job = {
            "input": [str(s) for s in source] if isinstance(source, list) else str(source),
            "output": str(tmp_path / "out"),
            "style": str(style_image),
            "transfer": transfer,
            **sections,
        }
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(job), encoding="utf-8")
        return path

    return write


@pytest.fixture
def job(write_job: Callable[..., Path]) -> Job:
    """The same, loaded."""
    return lambda *args, **sections: load_config(write_job(*args, **sections))


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with its time of change and its bytes; the lock's time aside."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns if path.name != "lock" else 0,
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def committed(output: Path) -> dict[str, bytes]:
    """The bytes of every committed frame, by its segment's folder and its own name."""
    paths = sorted((output / ".stylize/segments").rglob("*.png"))
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}
