"""RAFT with weights of no use, since nothing can be downloaded: what is tested is what lies around the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_large, raft_small

from pipeline.errors import WeightsError
from pipeline.flow_weights import KNOWN, flow_file
from pipeline.motion import raft as raft_module
from pipeline.motion.flow import Estimate, estimate_motion
from pipeline.motion.raft import load_raft

from .pictures import window


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small pictures gain nothing by threads, and where other processes keep the cores busy they lose a lot."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "small.pth"
    torch.save(raft_small().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def estimate(small: Path) -> Estimate:
    return load_raft(small)


@pytest.mark.parametrize("size", [(80, 96), (128, 128), (131, 161), (1, 1), (5, 200), (300, 40)])
def test_frames_of_any_size_have_a_flow_of_their_size(estimate: Estimate, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    flow = estimate(*noise)
    assert (flow.shape, flow.dtype) == ((*size, 2), np.float32)
    assert np.isfinite(flow).all()


def test_the_same_frames_have_the_same_flow(estimate: Estimate, small: Path) -> None:
    frames = window(200, 100), window(197, 102)
    assert np.array_equal(estimate(*frames), estimate(*frames))
    assert np.array_equal(estimate(*frames), load_raft(small)(*frames))


def shifting(seen: list[Any]) -> Callable[..., Any]:
    """A network that takes down what it is given, and finds that everything moves by (3, −2) px."""

    def network(first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
        seen.append((first, second))
        flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, *first.shape[-2:])
        return [torch.zeros_like(flow), flow]

    return network


def test_the_network_sees_multiples_of_8_with_the_edge_repeated_in_minus_1_to_1() -> None:
    seen: list[Any] = []
    frame = np.full((131, 90, 3), 255, np.uint8)
    frame[:, -1] = 0
    flow = raft_module._estimate(shifting(seen), frame, frame, torch.device("cpu"))
    ((first, _),) = seen
    assert first.shape == (1, 3, 136, 128)
    assert (float(first.max()), float(first.min())) == (1, -1)
    assert bool((first[..., 89:] == -1).all())
    assert bool((first[..., :89] == 1).all())
    assert flow.shape == (131, 90, 2)
    assert (flow == [3, -2]).all()


def test_large_frames_are_reduced_and_their_flow_is_in_their_own_pixels() -> None:
    seen: list[Any] = []
    frame = np.zeros((600, 2048, 3), np.uint8)
    flow = raft_module._estimate(shifting(seen), frame, frame, torch.device("cpu"))
    assert seen[0][0].shape == (1, 3, 304, 1024)
    assert flow.shape == (600, 2048, 2)
    assert np.allclose(flow, [6, -4])


def test_raft_takes_the_place_of_dis(estimate: Estimate) -> None:
    pairs: list[Any] = []

    def noted(start: Any, end: Any) -> Any:
        pairs.append((start, end))
        return estimate(start, end)

    one, two = window(200, 100), window(197, 102)
    motion = estimate_motion(one, two, noted)
    assert motion.flow.shape == (80, 96, 2)
    assert [(start is two, end is one) for start, end in pairs] == [(True, True), (False, False)]


def test_a_file_says_itself_which_raft_it_is_for(tmp_path: Path) -> None:
    torch.save(raft_large().state_dict(), tmp_path / "large.pth")
    flow = load_raft(tmp_path / "large.pth")(window(200, 100, 32, 24), window(199, 100, 32, 24))
    assert flow.shape == (24, 32, 2)


def test_what_is_no_raft_is_refused(tmp_path: Path, small: Path) -> None:
    state = torch.load(small, weights_only=True)
    wrong = {
        "words.pth": (b"no tensors", "cannot be read as tensors"),
        "list.pth": ([1], "holds a list, not a table of tensors"),
        "vgg.pth": ({"features.0.weight": torch.zeros(1)}, "no feature_encoder"),
        "half.pth": (dict(list(state.items())[:20]), "does not fit torchvision's RAFT"),
    }
    for name, (content, words) in wrong.items():
        path = tmp_path / name
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        with pytest.raises(WeightsError, match=words):
            load_raft(path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"feature_encoder.convnormrelu.0.weight": Path("/")}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="cannot be read as tensors"):
        load_raft(tmp_path / "evil.pth")


# --- the file ---


def test_without_a_name_the_hubs_cache_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        WeightsError, match=r"video\.flow is raft, but .* has no weights for it; fetch https://.*dis$"
    ):
        flow_file(None)
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / KNOWN[1]).write_bytes(b"other bytes")
    with pytest.raises(WeightsError, match=r"raft_small.* is damaged or another file: .* not with 01064c6d"):
        flow_file(None)


def test_the_cache_is_where_torch_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.flow_weights import _cache

    for name, value in (
        ("TORCH_HOME", None),
        ("XDG_CACHE_HOME", None),
        ("XDG_CACHE_HOME", tmp_path),
        ("TORCH_HOME", tmp_path),
    ):
        monkeypatch.setenv(name, str(value)) if value else monkeypatch.delenv(name, raising=False)
        assert _cache() == Path(torch.hub.get_dir(), "checkpoints")


def test_a_file_that_is_named_has_its_digest(tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"abc")
    path, digest = flow_file(tmp_path / "mine.pth")
    assert (path, digest[:8]) == (tmp_path / "mine.pth", "ba7816bf")
    with pytest.raises(WeightsError, match=r"nowhere\.pth cannot be read: No such file .*; fetch https"):
        flow_file(tmp_path / "nowhere.pth")
