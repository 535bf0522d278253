"""Networks: the real one, and a narrow seeded one for the plumbing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from pipeline.style import Weights
from pipeline.style.weights import CONV_CHANNELS
from pipeline.weights import load_weights

CHANNELS = 4


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Small pictures gain nothing by threads, and where other processes keep the cores busy they lose a lot."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def real() -> Weights:
    """The packaged weights."""
    return load_weights("packaged")


@pytest.fixture(scope="session")
def narrow() -> Weights:
    """A VGG19 of 4 channels per layer with random filters; to be used as it is, `network="raw"`."""
    generator = torch.Generator().manual_seed(1)
    convs = {}
    for name in CONV_CHANNELS:
        inputs = 3 if name == "conv1_1" else CHANNELS
        weight = torch.randn((CHANNELS, inputs, 3, 3), generator=generator) * (2 / 9 / inputs) ** 0.5
        convs[name] = (weight, torch.full((CHANNELS,), 0.1))
    return Weights(convs, "narrow")


@pytest.fixture
def with_threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads; the old one comes back after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
