"""L-BFGS: what it knows of the curvature, its steps and its recoveries."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style.lbfgs import FIRST_STEP, HISTORY, STALLED, Curvature, history, lbfgs
from pipeline.style.scaling import SCALINGS, pixels
from pipeline.style.steps import Steps

SHAPE = (1, 3, 4, 5)
HALF = torch.full(SHAPE, 0.5)


def noise(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Problem = Callable[[Tensor], tuple[float, Tensor]]


def follow(steps: Steps, problem: Problem, evaluations: int) -> list[tuple[float, Tensor]]:
    """The losses and pictures of so many evaluations, fewer where the steps end."""
    image, found = next(steps), []
    for _ in range(evaluations):
        loss, gradient = problem(image)
        found.append((loss, image))
        try:
            image = steps.send((loss, gradient))
        except StopIteration:
            break
    return found


def test_small_pictures_keep_all_pairs_and_large_ones_fewer() -> None:
    assert [history(megapixels * 10**6) for megapixels in (1, 2, 4, 8, 100)] == [HISTORY, HISTORY, 12, 6, 2]


@pytest.mark.parametrize("variables", SCALINGS)
def test_the_first_step_has_a_fixed_length_and_goes_down(variables: str) -> None:
    gradient = noise(0)
    for scale in (1e-6, 1.0, 1e6):
        step = Curvature().step(gradient * scale, SCALINGS[variables](gradient))
        assert float(step.square().mean().sqrt()) == pytest.approx(FIRST_STEP, rel=1e-6)
        assert float((step * gradient).sum()) < 0


def test_no_gradient_is_no_step() -> None:
    assert not Curvature().step(torch.zeros(SHAPE), pixels(HALF)).any()


@pytest.mark.parametrize("variables", SCALINGS)
def test_the_newest_pair_is_satisfied(variables: str) -> None:
    curvature, steepness = Curvature(), torch.rand(SHAPE, dtype=torch.float64) + 0.5
    for seed in range(5):
        curvature.add(noise(seed), steepness * noise(seed))
    s, y, _ = curvature.pairs[-1]
    assert torch.allclose(curvature.step(y, SCALINGS[variables](s)), -s, atol=1e-9)  # H y = s


def test_a_step_is_that_of_the_matrix_written_out() -> None:
    curvature, count = Curvature(), noise(0).numel()
    for seed in range(3):
        curvature.add(noise(seed), (noise(seed) + 0.3 * noise(seed + 10)))
    assert len(curvature.pairs) == 3
    columns = [(s.reshape(-1, 1), y.reshape(-1, 1)) for s, y, _ in curvature.pairs]
    s, y = columns[-1]
    eye = torch.eye(count, dtype=torch.float64)
    matrix = eye * float(s.T @ y) / float(y.T @ y)
    for s, y in columns:  # equation 7.16 of Nocedal & Wright
        rho = 1 / (s.T @ y)
        matrix = (eye - rho * s @ y.T) @ matrix @ (eye - rho * y @ s.T) + rho * s @ s.T
    gradient = noise(20)
    expected = -(matrix @ gradient.reshape(-1, 1)).reshape(SHAPE)
    assert torch.allclose(curvature.step(gradient, pixels(gradient)), expected, atol=1e-9)


def test_pairs_along_which_the_loss_curves_down_are_left_out() -> None:
    curvature = Curvature()
    curvature.add(noise(0), -noise(0))
    assert curvature.pairs == []
    curvature.add(1e-9 * noise(0), 1e-9 * noise(0))  # small ones count as well
    assert len(curvature.pairs) == 1


def test_the_oldest_pairs_are_forgotten() -> None:
    curvature = Curvature()
    for seed in range(HISTORY + 3):
        curvature.add(noise(seed), noise(seed))
    assert len(curvature.pairs) == HISTORY
    assert torch.equal(curvature.pairs[-1][0], noise(HISTORY + 2))


def test_a_step_leaves_the_gradient_and_the_pairs_as_they_are() -> None:
    curvature, gradient = Curvature(), noise(9)
    curvature.add(noise(0), noise(0))
    before = [x.clone() for x in (gradient, *curvature.pairs[0])]
    curvature.step(gradient, pixels(gradient))
    assert all(torch.equal(a, b) for a, b in zip(before, (gradient, *curvature.pairs[0]), strict=True))


def test_pixels_that_are_pushed_out_stay_and_do_not_spoil_the_step_of_the_others() -> None:
    start = torch.tensor([0.0, 1.0, 0.5]).reshape(1, 3, 1, 1)
    outward = torch.tensor([1e6, -1e6, 1.0]).reshape(1, 3, 1, 1)
    steps = lbfgs(start, pixels(start), Curvature())
    next(steps)
    moved = (steps.send((1.0, outward)) - start).flatten()
    assert moved[:2].tolist() == [0.0, 0.0]
    assert float(moved[2]) == pytest.approx(-FIRST_STEP * math.sqrt(3), rel=1e-5)


def test_pixels_at_the_bounds_that_are_pulled_in_move() -> None:
    start = torch.tensor([0.0, 1.0, 0.5]).reshape(1, 3, 1, 1)
    steps = lbfgs(start, pixels(start), Curvature())
    next(steps)
    moved = (steps.send((1.0, torch.tensor([-1.0, 1.0, 0.0]).reshape(1, 3, 1, 1))) - start).flatten()
    assert moved[0] > 0 > moved[1]


def test_a_rate_shortens_the_steps() -> None:
    whole, half = (lbfgs(HALF, pixels(HALF), Curvature(), rate=rate) for rate in (1.0, 0.5))
    moved = []
    for steps in (whole, half):
        next(steps)
        moved.append(steps.send((1.0, noise(0).float())) - HALF)
    assert torch.allclose(moved[1], moved[0] / 2, atol=1e-7)


def test_a_valley_as_rosenbrocks_is_followed_to_its_end() -> None:
    start = torch.tensor([-1.2, 1.0, 0.0], dtype=torch.float64).reshape(1, 3, 1, 1)

    def valley(image: Tensor) -> tuple[float, Tensor]:
        leaf = image.clone().requires_grad_(True)
        a, b, c = leaf.flatten()
        loss = (1 - a) ** 2 + 100 * (b - a**2) ** 2 + c**2
        return loss.item(), torch.autograd.grad(loss, leaf)[0]

    found = follow(lbfgs(start, pixels(start), Curvature(), bounded=False), valley, 400)
    least, image = min(found, key=lambda pair: pair[0])
    assert least < 1e-8
    assert image.flatten().tolist() == pytest.approx([1.0, 1.0, 0.0], abs=1e-3)


def test_after_a_loss_that_is_not_finite_a_shorter_step_is_tried_from_the_same_place() -> None:
    steps = lbfgs(HALF, pixels(HALF), Curvature())
    start = next(steps)
    first = steps.send((1.0, HALF)) - start
    second = steps.send((math.nan, HALF)) - start
    assert torch.allclose(second, first / 4, atol=1e-7)
    third = steps.send((1.3, HALF)) - start  # 30 % worse
    assert torch.allclose(third, first / 16, atol=1e-7)


def test_a_loss_a_little_worse_is_gone_on_from() -> None:
    steps = lbfgs(HALF, pixels(HALF), Curvature())
    next(steps)
    second = steps.send((1.0, HALF))
    third = steps.send((1.1, HALF))
    assert float((third - second).square().mean().sqrt()) > FIRST_STEP / 2


def test_after_many_evaluations_without_a_new_best_the_best_is_gone_back_to() -> None:
    curvature = Curvature()
    steps = lbfgs(HALF, pixels(HALF), curvature)
    next(steps)
    best = steps.send((1.0, HALF))
    image = steps.send((0.5, HALF))
    for seed in range(STALLED):
        image = steps.send((0.55, noise(seed).float()))
    assert curvature.pairs == []
    assert float((image - best).square().mean().sqrt()) == pytest.approx(FIRST_STEP / 4, rel=1e-4)


def test_at_the_minimum_it_ends() -> None:
    steps = lbfgs(HALF, pixels(HALF), Curvature())
    next(steps)
    steps.send((1.0, HALF))
    steps.send((0.5, HALF))  # the best there is
    with pytest.raises(StopIteration):
        for _ in range(30):
            steps.send((9.0, HALF))


def test_an_island_is_an_error() -> None:
    steps = lbfgs(HALF, pixels(HALF), Curvature())
    next(steps)
    steps.send((1.0, HALF))
    with pytest.raises(DivergenceError, match="no step of L-BFGS lowers the loss from 1"):
        for _ in range(30):
            steps.send((math.nan, HALF))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_at_the_start_is_an_error(bad: float) -> None:
    steps = lbfgs(HALF, pixels(HALF), Curvature())
    next(steps)
    with pytest.raises(DivergenceError, match="not finite at the start"):
        steps.send((bad, HALF))
