"""The minimizers, on losses whose minimum is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style import Weights
from pipeline.style.losses import ordered_sum
from pipeline.style.objective import Objective, content_targets, style_targets
from pipeline.style.optimize import WINDOW, minimize
from pipeline.style.vgg import VGG19
from tests.photos import square_photo

SHAPE = (1, 3, 6, 5)
GOAL = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
START = torch.full(SHAPE, 0.5)
STEEPNESS = torch.logspace(-1, 1, GOAL.numel()).reshape(SHAPE)

Loss = Callable[[Tensor], Tensor]


def quadratic(scale: float = 1.0, least: float = 0.1) -> Loss:
    """`least` · scale at GOAL, and steeper in some pixels than in others."""
    return lambda x: scale * ((STEEPNESS * (x - GOAL).square()).mean() + least)


def evaluations_to(trace: tuple[float, ...], loss: float) -> int:
    return next(count for count, value in enumerate(trace, 1) if value <= loss)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_minimum_is_found(optimizer: str) -> None:
    found = minimize(quadratic(), START, optimizer=optimizer, iterations=300)
    assert found.loss == pytest.approx(0.1, rel=1e-4)
    assert torch.allclose(found.image, GOAL, atol=2e-2)


def test_lbfgs_needs_fewer_evaluations_than_adam() -> None:
    lbfgs, adam = (minimize(quadratic(), START, optimizer=o, iterations=200).trace for o in ("lbfgs", "adam"))
    assert evaluations_to(lbfgs, 0.101) < evaluations_to(adam, 0.101) / 1.5


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_best_image_is_returned_with_its_own_loss(optimizer: str) -> None:
    loss = quadratic()
    found = minimize(loss, START, optimizer=optimizer, iterations=30)
    assert found.loss == min(found.trace) == float(loss(found.image))


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("iterations", [1, 2, 17])
def test_the_trace_has_an_entry_for_each_evaluation(optimizer: str, iterations: int) -> None:
    seen: list[tuple[float, float]] = []
    loss = quadratic()
    found = minimize(
        loss,
        START,
        optimizer=optimizer,
        iterations=iterations,
        watch=lambda value, image: seen.append((value, float(loss(image)))),
    )
    assert len(found.trace) == len(seen) == iterations
    assert [value for value, _ in seen] == [again for _, again in seen] == list(found.trace)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("iterations", [0, 1])
def test_without_iterations_the_start_is_the_result(optimizer: str, iterations: int) -> None:
    found = minimize(quadratic(), START, optimizer=optimizer, iterations=iterations)
    assert torch.equal(found.image, START)
    assert len(found.trace) == 1


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_start_stays_as_it_is(optimizer: str) -> None:
    start = START.clone()
    minimize(quadratic(), start, optimizer=optimizer, iterations=5)
    assert torch.equal(start, START)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_tolerance_stops_where_nothing_moves_any_more(optimizer: str) -> None:
    found = minimize(quadratic(), START, optimizer=optimizer, iterations=400, tolerance=1e-3)
    assert WINDOW < len(found.trace) < 250
    assert found.loss == pytest.approx(0.1, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_tolerance_of_0_never_stops(optimizer: str) -> None:
    assert len(minimize(quadratic(), START, optimizer=optimizer, iterations=400).trace) == 400


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_loss_of_0_stands_still(optimizer: str) -> None:
    found = minimize(quadratic(least=0.0), GOAL, optimizer=optimizer, iterations=200, tolerance=1e-4)
    assert len(found.trace) == WINDOW + 1
    assert found.loss == 0


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_at_the_start_is_an_error(optimizer: str, bad: float) -> None:
    with pytest.raises(DivergenceError, match="not finite"):
        minimize(lambda x: x.sum() * bad, START, optimizer=optimizer, iterations=10)


def test_a_gradient_that_is_not_finite_is_an_error_though_the_loss_is() -> None:
    with pytest.raises(DivergenceError, match="not finite"):
        minimize(lambda x: (x - START).square().sqrt().sum(), START, optimizer="lbfgs", iterations=10)


def test_lbfgs_survives_a_loss_that_is_not_finite_far_from_the_start() -> None:
    loss, steps = quadratic(), []

    def walled(x: Tensor) -> Tensor:
        step = float((x.detach() - START).square().mean().sqrt())
        steps.append(step)
        return loss(x) if step < 0.03 else loss(x) * math.nan

    found = minimize(walled, START, optimizer="lbfgs", iterations=40)
    assert max(steps) > 0.03
    assert found.loss < found.trace[0]
    assert found.image.isfinite().all()
    assert any(math.isnan(value) for value in found.trace)


def test_lbfgs_gives_up_where_the_start_is_an_island() -> None:
    def island(x: Tensor) -> Tensor:
        return x.sum() if torch.equal(x, START) else x.sum() * math.nan

    with pytest.raises(DivergenceError, match="no step of L-BFGS lowers the loss"):
        minimize(island, START, optimizer="lbfgs", iterations=100)


def test_adam_gives_up_at_the_first_loss_that_is_not_finite() -> None:
    def island(x: Tensor) -> Tensor:
        return x.sum() if torch.equal(x, START) else x.sum() * math.nan

    with pytest.raises(DivergenceError, match=r"after 2 steps of Adam at 0\.05"):
        minimize(island, START, optimizer="adam", iterations=100, learning_rate=0.05)


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e10])
def test_the_scale_of_a_quadratic_makes_no_difference_to_lbfgs(scale: float) -> None:
    here = minimize(quadratic(), START, optimizer="lbfgs", iterations=30)
    scaled = minimize(quadratic(scale), START, optimizer="lbfgs", iterations=30)
    assert scaled.loss / scale == pytest.approx(here.loss, rel=1e-3)
    assert torch.allclose(scaled.image, here.image, atol=1e-2)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e10])
def test_the_scale_of_the_losses_of_a_network_makes_no_difference(
    narrow: Weights, optimizer: str, scale: float
) -> None:
    network = VGG19(narrow, ["conv2_1", "conv3_1"])
    content, style = square_photo("astronaut", 24), square_photo("coffee", 24)

    def painted(content_weight: float, style_weight: float) -> tuple[float, float]:
        objective = Objective(
            network,
            content_targets(network, content, {"conv3_1": 1.0}),
            style_targets(network, [(style, 1.0)], {"conv2_1": 1.0}),
            content_layers={"conv3_1": 1.0},
            style_layers={"conv2_1": 1.0},
            content_weight=content_weight,
            style_weight=style_weight,
        )
        found = minimize(objective, content, optimizer=optimizer, iterations=40)
        return found.trace[0], found.loss

    first, last = painted(1.0, 1e4)
    scaled_first, scaled_last = painted(scale, 1e4 * scale)
    assert last < first / 2
    assert scaled_last / scaled_first == pytest.approx(last / first, rel=0.15)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_same_start_gives_the_same_bits_for_any_number_of_threads(
    optimizer: str, with_threads: Callable[[int], None]
) -> None:
    goal = torch.rand((1, 3, 200, 200), generator=torch.Generator().manual_seed(1))
    found = []
    for threads in (1, 2, 3):
        with_threads(threads)
        found.append(
            minimize(
                lambda x: ordered_sum((x - goal).square() * (1 + goal)),
                torch.full_like(goal, 0.5),
                optimizer=optimizer,
                iterations=8,
            )
        )
    for other in found[1:]:
        assert other.trace == found[0].trace
        assert torch.equal(other.image, found[0].image)
