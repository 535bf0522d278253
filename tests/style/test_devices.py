"""What a device has and can."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.style import devices
from pipeline.style.devices import CPU_MOST, CPU_SHARE, GPU_SHARE, budget_bytes, memory_bytes, precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_a_machine_has_memory() -> None:
    assert 2**28 < memory_bytes(CPU) < 2**50


@pytest.mark.parametrize(("has", "expected"), [(4 * 2**30, CPU_SHARE * 4 * 2**30), (2**40, CPU_MOST)])
def test_on_a_cpu_half_of_the_memory_is_taken_and_8_gib_at_most(
    monkeypatch: pytest.MonkeyPatch, has: int, expected: float
) -> None:
    monkeypatch.setattr(devices, "memory_bytes", lambda device: has)
    assert budget_bytes(CPU) == expected


@pytest.mark.parametrize(("says", "expected"), [("1000000\n", 1_000_000), ("max\n", None), (None, None)])
def test_a_container_has_what_its_limit_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, expected: int | None
) -> None:
    before, limit = memory_bytes(CPU), tmp_path / "memory.max"
    if says is not None:
        limit.write_text(says, "ascii")
    monkeypatch.setattr(devices, "CONTAINER_LIMITS", (limit,))
    assert memory_bytes(CPU) == expected if expected else memory_bytes(CPU) >= before


def test_on_a_gpu_a_share_of_its_memory_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "memory_bytes", lambda device: 10**10)
    assert budget_bytes(CUDA) == GPU_SHARE * 10**10
    assert budget_bytes(CUDA, 0.25) == GPU_SHARE * 10**10 / 4


def test_auto_is_float32_on_a_cpu_and_bfloat16_where_cuda_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision("auto", CPU) == torch.float32
    for has_it, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, it=has_it: it)
        assert precision("auto", CUDA) == expected


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16"])
def test_a_precision_asked_for_is_taken(name: str, device: torch.device) -> None:
    assert precision(name, device) == getattr(torch, name)
