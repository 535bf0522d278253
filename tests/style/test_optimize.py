"""The minimizers, on losses whose minimum is known, and batches of pictures that know nothing of each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style import Weights
from pipeline.style.adam import AdamMoments
from pipeline.style.evaluate import Evaluator, features_of, moments_of
from pipeline.style.losses import gram_loss
from pipeline.style.objective import Objective, Region, content_terms, style_terms
from pipeline.style.optimize import SAFER_RATE, WINDOW, Average, Evaluate, Method, Minimum, minimize
from pipeline.style.scaling import SCALINGS
from pipeline.style.sums import ordered_sums
from pipeline.style.vgg import VGG19
from tests.photos import square_photo

SHAPE = (1, 3, 6, 5)
START = torch.full(SHAPE, 0.5)
GOAL = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
OUTSIDE = (GOAL - 0.5) * 3 + 0.5
"""A goal of which a part is out of bounds."""
STEEPNESS = torch.logspace(-1, 1, GOAL.numel()).reshape(SHAPE)

Loss = Callable[[Tensor], Tensor]

OPTIMIZERS = ("lbfgs", "adam")
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
each_method = pytest.mark.parametrize(
    "method",
    [
        Method(optimizer=optimizer, variables=variables, bounded=bounded)
        for optimizer, variables, bounded in product(OPTIMIZERS, SCALINGS, (True, False))
    ],
    ids=lambda method: f"{method.optimizer}-{method.variables}-{'bounded' if method.bounded else 'free'}",
)


def quadratic(scale: float = 1.0, least: float = 0.1, goal: Tensor = GOAL) -> Loss:
    """`least` · scale at the goal, and steeper in some pixels than in others."""
    return lambda x: scale * ((STEEPNESS * (x - goal).square()).flatten(1).mean(1) + least)


def evaluator(*losses: Loss) -> Evaluate:
    """One loss for each picture of the batch, or one for all."""

    def evaluate(images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        leaf = images.detach().requires_grad_(True)
        found = torch.cat(
            [losses[i % len(losses)](image) for i, image in zip(which, torch.split(leaf, 1), strict=True)]
        )
        return found.detach(), torch.autograd.grad(found.sum(), leaf)[0]

    return evaluate


def run(
    loss: Loss, start: Tensor = START, iterations: int = 300, watch: Any = None, **method: Any
) -> Minimum:
    """Minimize from a single start, and be certain of a result."""
    (found,) = minimize(evaluator(loss), start, Method(**method), iterations=iterations, watch=watch)
    assert isinstance(found, Minimum)
    return found


def evaluations_to(trace: tuple[float, ...], loss: float) -> int:
    return next(count for count, value in enumerate(trace, 1) if value <= loss)


# --- known minima ---


@each_method
def test_the_minimum_is_found(method: Method) -> None:
    (found,) = minimize(evaluator(quadratic()), START, method, iterations=400)
    assert isinstance(found, Minimum)
    assert found.loss == pytest.approx(0.1, rel=1e-3)
    assert torch.allclose(found.image, GOAL, atol=5e-2)


@each_method
def test_a_minimum_out_of_bounds_is_found_where_there_are_none_and_approached_where_there_are(
    method: Method,
) -> None:
    loss = quadratic(goal=OUTSIDE)
    (found,) = minimize(evaluator(loss), START, method, iterations=600)
    assert isinstance(found, Minimum)
    goal = OUTSIDE.clamp(0, 1) if method.bounded else OUTSIDE  # pixel by pixel, since none acts on another
    assert found.loss == pytest.approx(float(loss(goal)), rel=2e-3)
    assert torch.allclose(found.image, goal, atol=0.08)


@each_optimizer
@pytest.mark.parametrize("variables", SCALINGS)
def test_within_bounds_no_picture_is_ever_outside(optimizer: str, variables: str) -> None:
    seen: list[Tensor] = []
    run(
        quadratic(goal=OUTSIDE),
        iterations=60,
        watch=lambda _, __, image: seen.append(image),
        optimizer=optimizer,
        variables=variables,
    )
    assert len(seen) == 60
    assert all(bool((image >= 0).all() and (image <= 1).all()) for image in seen)


def test_lbfgs_needs_fewer_evaluations_than_adam() -> None:
    lbfgs, adam = (run(quadratic(), iterations=200, optimizer=optimizer).trace for optimizer in OPTIMIZERS)
    assert evaluations_to(lbfgs, 0.101) < evaluations_to(adam, 0.101) / 1.5


@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e10])
def test_the_scale_of_a_quadratic_makes_no_difference_to_lbfgs(scale: float) -> None:
    here, scaled = (run(quadratic(s), iterations=30) for s in (1.0, scale))
    assert scaled.loss / scale == pytest.approx(here.loss, rel=1e-3)
    assert torch.allclose(scaled.image, here.image, atol=1e-2)


@each_optimizer
@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20, 2.0**33])  # which change no bit but the exponents
def test_the_scale_of_the_losses_of_a_network_makes_no_difference(
    narrow: Weights, optimizer: str, scale: float
) -> None:
    network = VGG19(narrow, ["conv2_1", "conv3_1"])
    content, style = square_photo("astronaut", 24), square_photo("coffee", 24)

    def painted(scale: float) -> tuple[float, float]:
        content_layers, style_layers = {"conv3_1": 1.0}, {"conv2_1": 1.0}
        targets = content_terms(features_of(network, content, content_layers), content_layers, scale)
        region = Region(None, moments_of(network, style, style_layers))
        of = Objective(targets, style_terms([region], style_layers, 1e4 * scale, gram_loss))
        (found,) = minimize(Evaluator(network, of), content, Method(optimizer=optimizer), iterations=40)
        assert isinstance(found, Minimum)
        return found.trace[0], found.loss

    first, last = painted(1.0)
    scaled_first, scaled_last = painted(scale)
    assert last < first / 2
    assert scaled_last / scaled_first == pytest.approx(
        last / first, rel=1e-5 if optimizer == "lbfgs" else 0.15
    )


# --- counting ---


@each_optimizer
def test_the_best_image_is_returned_with_its_own_loss(optimizer: str) -> None:
    loss = quadratic()
    found = run(loss, iterations=30, optimizer=optimizer)
    assert found.loss == min(found.trace) == float(loss(found.image))


@each_optimizer
@pytest.mark.parametrize("iterations", [1, 2, 17])
def test_the_trace_has_an_entry_for_each_evaluation(optimizer: str, iterations: int) -> None:
    seen: list[tuple[int, float, float]] = []
    loss = quadratic()
    found = run(
        loss,
        iterations=iterations,
        watch=lambda index, value, image: seen.append((index, value, float(loss(image)))),
        optimizer=optimizer,
    )
    assert len(found.trace) == len(seen) == iterations
    assert [value for _, value, _ in seen] == [again for _, _, again in seen] == list(found.trace)
    assert {index for index, _, _ in seen} == {0}


@each_optimizer
@pytest.mark.parametrize("iterations", [0, 1])
def test_without_iterations_the_start_is_the_result(optimizer: str, iterations: int) -> None:
    found = run(quadratic(), iterations=iterations, optimizer=optimizer)
    assert torch.equal(found.image, START)
    assert len(found.trace) == 1


@each_optimizer
def test_the_start_stays_as_it_is(optimizer: str) -> None:
    start = START.clone()
    run(quadratic(), start, 5, optimizer=optimizer)
    assert torch.equal(start, START)


@each_optimizer
def test_a_tolerance_stops_where_nothing_moves_any_more(optimizer: str) -> None:
    found = run(quadratic(), iterations=800, optimizer=optimizer, tolerance=1e-3)
    assert WINDOW < len(found.trace) < 500
    assert found.loss == pytest.approx(0.1, rel=1e-2)


def test_a_tolerance_of_0_never_stops_adam() -> None:
    assert len(run(quadratic(), iterations=400, optimizer="adam").trace) == 400


@each_optimizer
def test_a_loss_of_0_stands_still(optimizer: str) -> None:
    found = run(quadratic(least=0.0), GOAL, 200, optimizer=optimizer, tolerance=1e-4)
    assert len(found.trace) == WINDOW + 1
    assert found.loss == 0


def test_the_curvature_is_gone_on_from() -> None:
    method, loss = Method(), evaluator(quadratic())
    (first,) = minimize(loss, START, method, iterations=12)
    assert isinstance(first, Minimum)
    (warm,) = minimize(loss, first.image, method, iterations=2, states=[first.state])
    (cold,) = minimize(loss, first.image, method, iterations=2)
    assert isinstance(warm, Minimum)
    assert isinstance(cold, Minimum)
    assert warm.trace[1] < cold.trace[1]


def test_the_moments_are_gone_on_from() -> None:
    method, loss = Method(optimizer="adam", variables="pixels"), evaluator(quadratic())
    (through,) = minimize(loss, START, method, iterations=20)
    (first,) = minimize(loss, START, method, iterations=12)
    assert isinstance(first, Minimum)
    assert isinstance(through, Minimum)
    assert isinstance(first.state, AdamMoments)
    assert first.state.steps == 11  # the last evaluation is followed by none
    (rest,) = minimize(loss, first.image, method, iterations=9, states=[first.state])
    assert isinstance(rest, Minimum)
    assert rest.trace == pytest.approx(through.trace[11:], rel=1e-5)


def test_another_optimizers_state_is_nothing_to_go_on_from() -> None:
    loss = evaluator(quadratic())
    (fresh,) = minimize(loss, START, Method(), iterations=5)
    (found,) = minimize(loss, START, Method(), iterations=5, states=[AdamMoments()])
    assert isinstance(found, Minimum)
    assert isinstance(fresh, Minimum)
    assert found.trace == fresh.trace


# --- averaging ---


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_averaging_gives_the_mean_of_the_iterates(decay: float) -> None:
    seen: list[Tensor] = []
    loss = quadratic()
    found = run(
        loss,
        iterations=20,
        watch=lambda _, __, image: seen.append(image),
        optimizer="adam",
        averaging=decay,
    )
    iterates = seen[:20]  # after them the mean itself is evaluated
    weights = [decay ** (len(iterates) - 1 - i) for i in range(len(iterates))]
    mean = sum((w * image for w, image in zip(weights, iterates, strict=True)), start=torch.zeros(()))
    assert torch.allclose(found.image, mean / sum(weights), atol=1e-6)
    assert found.loss == pytest.approx(float(loss(found.image)), rel=1e-6)
    assert found.loss == found.trace[-1]
    assert len(found.trace) == 21


def test_the_mean_of_one_image_is_that_image() -> None:
    average = Average(0.99)
    average.add(GOAL)
    assert torch.allclose(average.value(), GOAL, rtol=1e-5)


def test_a_mean_that_cannot_be_evaluated_leaves_the_best() -> None:
    seen: list[int] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(0)
        return quadratic()(x) * (math.nan if len(seen) == 21 else 1)

    found = run(loss, iterations=20, optimizer="adam", averaging=0.9)
    assert math.isnan(found.trace[-1])
    assert found.loss == min(found.trace[:-1])


# --- recovery ---


def interrupted(*bad: int, loss: Loss = quadratic()) -> Loss:  # noqa: B008 - it is stateless
    """The loss, but NaN at the evaluations of these numbers, from 1."""
    count = 0

    def broken(x: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return loss(x) * (math.nan if count in bad else 1)

    return broken


def test_lbfgs_survives_steps_of_no_finite_loss() -> None:
    found = run(interrupted(2, 5, 6, 20), iterations=150)
    assert found.loss == pytest.approx(0.1, rel=1e-3)
    assert sum(map(math.isnan, found.trace)) == 4
    assert len(found.trace) == 150


@each_optimizer
def test_a_gradient_that_is_not_finite_counts_as_such_a_loss(optimizer: str) -> None:
    (found,) = minimize(
        evaluator(lambda x: (x - START).square().sum().sqrt()[None]),
        START,
        Method(optimizer=optimizer),
        iterations=10,
    )
    assert isinstance(found, DivergenceError)


def test_lbfgs_survives_a_loss_that_is_not_finite_far_from_the_start() -> None:
    loss, steps = quadratic(), list[float]()

    def walled(x: Tensor) -> Tensor:
        steps.append(float((x.detach() - START).square().mean().sqrt()))
        return loss(x) if steps[-1] < 0.03 else loss(x) * math.nan

    found = run(walled, iterations=40)
    assert max(steps) > 0.03
    assert found.loss < found.trace[0]
    assert found.image.isfinite().all()
    assert any(math.isnan(value) for value in found.trace)


@each_optimizer
def test_where_it_diverges_it_is_tried_again_with_small_steps_of_adam(optimizer: str) -> None:
    seen: list[Tensor] = []
    found = run(
        interrupted(1),
        iterations=3,
        watch=lambda _, __, image: seen.append(image),
        optimizer=optimizer,
        variables="pixels",
    )
    assert torch.equal(seen[1], START)  # from the start
    assert float((seen[2] - START).abs().max()) == pytest.approx(SAFER_RATE, rel=1e-3)
    assert len(found.trace) == 4  # the first one does not count
    assert found.loss == min(found.trace[1:])


def test_after_a_late_divergence_the_second_try_has_all_its_evaluations() -> None:
    found = run(interrupted(WINDOW + 20), iterations=WINDOW + 100, optimizer="adam", tolerance=1e-6)
    assert len(found.trace) > WINDOW + 20 + WINDOW
    assert found.loss < found.trace[0] / 2


def test_a_mean_is_of_the_second_try_alone() -> None:
    seen: list[Tensor] = []
    run(
        interrupted(10),
        iterations=11,
        watch=lambda _, __, image: seen.append(image),
        optimizer="adam",
        averaging=0.9,
        learning_rate=0.2,
    )
    assert len(seen) == 10 + 11 + 1
    second, mean = torch.cat(seen[10:-1]), seen[-1]
    assert (mean <= second.amax(0, keepdim=True) + 1e-6).all()
    assert (mean >= second.amin(0, keepdim=True) - 1e-6).all()


@each_optimizer
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_never_finite_is_an_error_in_the_result(optimizer: str, bad: float) -> None:
    (found,) = minimize(
        evaluator(lambda x: x.sum()[None] * bad), START, Method(optimizer=optimizer), iterations=10
    )
    assert isinstance(found, DivergenceError)
    assert "not finite" in str(found)


@each_optimizer
def test_where_the_start_is_an_island_it_is_not_passed_off_as_a_painting(optimizer: str) -> None:
    def island(x: Tensor) -> Tensor:
        return (x.sum() if torch.equal(x, START) else x.sum() * math.nan)[None]

    (found,) = minimize(evaluator(island), START, Method(optimizer=optimizer), iterations=100)
    assert isinstance(found, DivergenceError)


# --- batches ---

BATCH = torch.rand((4, *SHAPE[1:]), generator=torch.Generator().manual_seed(5))
LOSSES: tuple[Loss, ...] = (
    quadratic(),
    lambda x: x.flatten(1).sum(1) * math.nan,  # diverges
    quadratic(scale=30.0, goal=OUTSIDE),
    lambda x: (x.flatten(1) - BATCH[3:].flatten(1)).square().mean(1),  # is there, and stops at once
)


def batch(order: Sequence[int], at_once: int, iterations: int = 60, **method: Any) -> list[Any]:
    """The results of these of the pictures, in this order."""
    return minimize(
        evaluator(*(LOSSES[i] for i in order)),
        BATCH[list(order)],
        Method(tolerance=1e-3, **method),
        iterations=iterations,
        at_once=at_once,
    )


@each_optimizer
@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_a_picture_is_bit_for_bit_what_it_is_alone(optimizer: str, averaging: float, at_once: int) -> None:
    settings = {"optimizer": optimizer, "averaging": averaging}
    alone = [batch([i], 1, **settings)[0] for i in range(4)]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0], [1, 2]):
        for i, found in zip(order, batch(order, at_once, **settings), strict=True):
            if isinstance(alone[i], DivergenceError):
                assert isinstance(found, DivergenceError)
                continue
            assert found.trace == alone[i].trace
            assert torch.equal(found.image, alone[i].image)


@each_optimizer
def test_one_that_diverges_is_an_error_in_its_place_and_the_others_finish(optimizer: str) -> None:
    found = batch([0, 1, 2, 3], 4, optimizer=optimizer)
    assert [type(result) for result in found] == [Minimum, DivergenceError, Minimum, Minimum]
    assert len(found[3].trace) == WINDOW + 1 < len(found[0].trace)


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_no_more_pictures_than_allowed_are_evaluated_together(at_once: int) -> None:
    groups: list[tuple[int, ...]] = []
    loss = evaluator(quadratic())

    def noted(images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        groups.append(tuple(which))
        assert len(images) == len(which)
        return loss(images, which)

    minimize(noted, BATCH, Method(), iterations=1, at_once=at_once)
    assert groups == {1: [(0,), (1,), (2,), (3,)], 3: [(0, 1, 2), (3,)], 8: [(0, 1, 2, 3)]}[at_once]


@each_optimizer
def test_a_picture_evaluated_by_a_network_is_what_it_is_alone(narrow: Weights, optimizer: str) -> None:
    network, layers = VGG19(narrow, ["conv3_1"]), {"conv3_1": 1.0}
    pictures = torch.cat([square_photo(name, 32) for name in ("astronaut", "coffee", "chelsea")])
    style = moments_of(network, square_photo("rocket", 32), layers)

    def painted(contents: Tensor) -> list[Any]:
        targets = content_terms(features_of(network, contents, layers), layers, 1.0)
        of = Objective(targets, style_terms([Region(None, style)], layers, 10.0, gram_loss))
        return minimize(Evaluator(network, of), contents, Method(optimizer=optimizer), iterations=15)

    together = painted(pictures)
    for picture, found in zip(torch.split(pictures, 1), together, strict=True):
        (alone,) = painted(picture)
        assert torch.equal(found.image, alone.image)


# --- threads ---


@each_optimizer
@pytest.mark.parametrize("variables", SCALINGS)
def test_the_same_start_gives_the_same_bits_for_any_number_of_threads(
    optimizer: str, variables: str, with_threads: Callable[[int], None]
) -> None:
    goal = torch.rand((1, 3, 200, 211), generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2
    loss = evaluator(lambda x: ordered_sums((x - goal).square() * (1 + goal.abs())))
    method, found = Method(optimizer=optimizer, variables=variables), list[Any]()
    for threads in (1, 2, 3):
        with_threads(threads)
        found += minimize(loss, torch.full_like(goal, 0.5), method, iterations=8)
    for other in found[1:]:
        assert other.trace == found[0].trace
        assert torch.equal(other.image, found[0].image)
