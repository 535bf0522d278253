"""Networks: the real one, and a narrow seeded one for the plumbing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from pipeline.style import Weights
from pipeline.weights import load_weights
from tests.execute.narrow import narrow_weights


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
    return narrow_weights()


@pytest.fixture
def with_threads() -> Iterator[Callable[[int], None]]:
    """Sets torch's number of threads; the old one comes back after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
