"""Weights out of a stranger's file are tensors or an error: no code, and nothing that fails an hour later."""

from __future__ import annotations

import ast
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import pipeline
from pipeline import weights
from pipeline.errors import WeightsError
from pipeline.flow_weights import flow_file
from pipeline.motion.raft import FIRST_LAYER, load_raft
from pipeline.style.weights import CONV_CHANNELS, TORCHVISION_POSITIONS
from pipeline.weights import load_weights, weights_file

FIRST = "features.0.weight"


def state() -> dict[str, Any]:
    """A table of torchvision's shape that takes no room: each weight is one zero, many times."""
    found = {}
    for (inputs, outputs), position in zip(CONV_CHANNELS.values(), TORCHVISION_POSITIONS, strict=True):
        found[f"features.{position}.weight"] = torch.zeros(1).expand(outputs, inputs, 3, 3)
        found[f"features.{position}.bias"] = torch.zeros(outputs)
    return found


class Poison:
    """Starts a program when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self._mark}'",)


@pytest.mark.parametrize(
    "make", [torch.save, lambda value, path: Path(path).write_bytes(pickle.dumps(value))]
)
@pytest.mark.parametrize("load", [load_weights, load_raft])
def test_a_poisoned_file_of_weights_is_refused_with_one_line_and_runs_nothing(
    load: Callable[[Path], object], make: Callable[[Any, Path], object], tmp_path: Path
) -> None:
    path, mark = tmp_path / "w.pth", tmp_path / "started"
    make({**state(), FIRST: Poison(mark)}, path)
    with pytest.raises(WeightsError, match="cannot be read as tensors") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Poison(mark)))  # else the test tests nothing
    assert mark.exists()


def test_nothing_of_the_pipeline_unpickles_or_starts_a_program() -> None:
    """But torch's reader, where it reads weights only; and what Ray sends between our own processes.

    One program is started: our own Python, with a constant for a program, which counts the GPUs of a machine. One
    library is asked by its name, a constant that the system looks up: NVIDIA's driver, whether there is a GPU at all.
    """
    banned = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "subprocess", "pty", "ctypes", "xmlrpc"}
    calls = {"eval", "exec", "os.system", "os.popen", "compile", "yaml.load", "yaml.unsafe_load", "np.load"}
    calls |= {"tempfile.mktemp", "mktemp"}  # a name that another may take first
    found = []
    for path in Path(pipeline.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in banned]
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name in calls or name.startswith(("os.exec", "os.spawn")):
                    found.append(f"{path.name}: {name}")
                if name == "torch.load":
                    assert "weights_only=True" in ast.unparse(node)
    assert sorted(found) == ["inspection.py: subprocess", "surroundings.py: ctypes"]


def test_scripts_give_no_shell_a_name() -> None:
    for path in (Path(pipeline.__file__).parents[1] / "scripts").rglob("*"):
        text = (
            path.read_text("utf-8", "replace") if path.is_file() and "__pycache__" not in path.parts else ""
        )
        assert "shell=True" not in text
        assert "os.system(" not in text
        if text.startswith("#!/usr/bin/env bash"):
            assert "set -euo pipefail" in text
            assert "eval " not in text


@pytest.mark.filterwarnings("ignore")  # torch's, of what it cannot check
@pytest.mark.parametrize(
    "odd",
    [
        torch.zeros(64, 3, 3, 3).to_sparse(), torch.zeros(64, 3, 3, 3, dtype=torch.complex64),
        torch.full((64, 3, 3, 3), float("nan")), torch.zeros(64, 3, 3, 3, device="meta"),
        torch.zeros(64, 3, 3, 3, dtype=torch.int64), torch.zeros(64, 3, 3, 4), "text", None,
    ],
)  # fmt: skip
def test_weights_that_are_no_finite_floats_are_refused_at_once(odd: object, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({**state(), FIRST: odd}, path)
    with pytest.raises(WeightsError, match="this is no VGG19 of torchvision's"):
        load_weights(path)


@pytest.mark.parametrize("odd", [{5: torch.zeros(1)}, {"x": "text"}, {FIRST_LAYER: torch.tensor(1.0)}])
def test_a_table_that_is_none_is_no_raft(odd: dict[Any, Any], tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({FIRST_LAYER: torch.zeros(32, 3, 7, 7), **odd}, path)
    with pytest.raises(WeightsError, match=r"video\.flow_weights"):
        load_raft(path)


def test_a_file_of_ones_own_has_no_known_digest_and_tells_its_own(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(state(), path)
    before = weights_file(path)[1]
    assert load_weights(path).sha256 == before
    torch.save({**state(), "features.0.bias": torch.ones(64)}, path)
    assert weights_file(path)[1] != before  # and with it the fingerprint of every frame


def test_a_file_that_is_changed_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.pth"
    torch.save(state(), path)
    monkeypatch.setattr(weights, "weights_file", lambda choice: (path, "0" * 64))
    with pytest.raises(WeightsError, match="was changed while it was read"):
        load_weights(path)


def test_a_pipe_is_no_file_of_weights(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "raft.pth")
    with pytest.raises(WeightsError, match="is no file"):
        flow_file(tmp_path / "raft.pth")
