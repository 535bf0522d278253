"""Adam against torch's own, its bounds, and its moments at another size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pipeline.errors import DivergenceError
from pipeline.style.adam import AdamMoments, adam
from pipeline.style.scaling import SCALINGS, pixels

SHAPE = (1, 3, 6, 5)


def noise(seed: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.9, 0.99), (0.0, 0.5)])
def test_without_bounds_each_step_is_torchs_own(betas: tuple[float, float]) -> None:
    start = noise(0)
    theirs = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([theirs], lr=0.03, betas=betas)
    ours = adam(start, pixels(start), AdamMoments(), rate=0.03, betas=betas, bounded=False)
    image = next(ours)
    for step in range(1, 20):
        gradient = noise(step)
        image = ours.send((1.0, gradient))
        theirs.grad = gradient
        optimizer.step()
        assert torch.allclose(image, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("variables", SCALINGS)
def test_in_other_variables_it_is_adam_on_those(variables: str) -> None:
    start = noise(0)
    scaling = SCALINGS[variables](start)
    z = torch.zeros(SHAPE, requires_grad=True)  # start = T 0 + start
    optimizer = torch.optim.Adam([z], lr=0.03, betas=(0.9, 0.99))
    ours = adam(start, scaling, AdamMoments(), rate=0.03, bounded=False)
    image = next(ours)
    for step in range(1, 10):
        gradient = noise(step)
        image = ours.send((1.0, gradient))
        z.grad = scaling(gradient)
        optimizer.step()
        assert torch.allclose(image, start + scaling(z.detach()), rtol=1e-4, atol=1e-5)


def test_within_bounds_a_step_ends_at_0_and_1() -> None:
    start = torch.tensor([0.01, 0.5, 0.99]).reshape(1, 3, 1, 1)
    steps = adam(start, pixels(start), AdamMoments(), rate=0.1)
    next(steps)
    found = steps.send((1.0, torch.tensor([1.0, 1.0, -1.0]).reshape(1, 3, 1, 1)))
    assert found.flatten().tolist() == pytest.approx([0.0, 0.4, 1.0])


@pytest.mark.parametrize("variables", SCALINGS)
def test_a_pixel_held_at_its_bound_takes_no_part_in_a_step(variables: str) -> None:
    start, outward = torch.full(SHAPE, 0.5), noise(1)
    start[..., 2, 3], outward[..., 2, 3] = 0.0, 100.0
    inert = outward.clone()
    inert[..., 2, 3] = 0.0

    def moved(gradient: Tensor) -> Tensor:
        steps = adam(start, SCALINGS[variables](start), AdamMoments(), rate=0.01)
        next(steps)
        return steps.send((1.0, gradient))

    assert not moved(outward)[..., 2, 3].any()
    others = torch.ones(SHAPE, dtype=torch.bool)
    others[..., 2, 3] = False
    assert torch.equal(moved(outward)[others], moved(inert)[others])


def test_the_pictures_given_out_stay_as_they_are() -> None:
    steps = adam(torch.full(SHAPE, 0.5), pixels(torch.zeros(SHAPE)), AdamMoments(), rate=0.1)
    first = next(steps)
    kept = first.clone()
    steps.send((1.0, noise(1)))
    assert torch.equal(first, kept)


def test_a_state_is_gone_on_from() -> None:
    start, state = torch.full(SHAPE, 0.5), AdamMoments()
    through = adam(start, pixels(start), AdamMoments(), rate=0.02)
    first_half = adam(start, pixels(start), state, rate=0.02)
    next(through)
    next(first_half)
    for step in range(5):
        expected, image = through.send((1.0, noise(step))), first_half.send((1.0, noise(step)))
    second_half = adam(image, pixels(start), state, rate=0.02)
    next(second_half)
    for step in range(5, 10):
        expected, image = through.send((1.0, noise(step))), second_half.send((1.0, noise(step)))
    assert state.steps == 10
    assert torch.equal(image, expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error(bad: float) -> None:
    steps = adam(torch.full(SHAPE, 0.5), pixels(torch.zeros(SHAPE)), AdamMoments(), rate=0.05)
    next(steps)
    steps.send((1.0, noise(1)))
    with pytest.raises(DivergenceError, match=r"after 1 steps of Adam at 0\.05"):
        steps.send((bad, noise(2)))


# --- another size ---


@pytest.mark.parametrize("shape", [(12, 10), (9, 14), (3, 2)])
def test_a_step_at_another_size_goes_on_as_at_this_one(shape: tuple[int, int]) -> None:
    start, gradient = torch.full(SHAPE, 0.5), torch.full(SHAPE, 0.7)
    state = AdamMoments()
    steps = adam(start, pixels(start), state, rate=0.01)
    after = next(steps)
    for _ in range(5):
        before, after = after, steps.send((1.0, gradient))
    larger = torch.full((1, 3, *shape), 0.5)
    ratio = SHAPE[2] * SHAPE[3] / (shape[0] * shape[1])  # of a mean, each pixel's gradient
    there = adam(larger, pixels(larger), state.resized(shape), rate=0.01)
    next(there)
    moved = there.send((1.0, torch.full_like(larger, 0.7 * ratio))) - larger
    assert torch.allclose(moved, (after - before).mean().expand_as(moved), rtol=1e-3)


def test_the_square_is_never_below_0_at_another_size() -> None:
    square = torch.zeros(SHAPE)
    square[..., 2, 2] = 1.0
    resized = AdamMoments(3, torch.zeros(SHAPE), square).resized((13, 11))
    assert resized.steps == 3
    assert resized.square is not None
    assert float(resized.square.min()) >= 0


def test_no_moments_at_another_size_are_none() -> None:
    assert AdamMoments().resized((13, 11)) == AdamMoments()
