"""The recipes that reproduce other systems' numbers, against a straight loop written from what these systems do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pipeline.config import load_config
from pipeline.execute.worker import style_settings
from pipeline.style import Settings, Style, Stylizer, Weights
from tests.photos import photo, square_photo

SIDE_PX, STEPS = 48, 50
CONTENT = square_photo("astronaut", SIDE_PX)[..., :40].contiguous()
PAINTING = photo("coffee", 60)

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
FIVE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
LAST_OF_BLOCK = ("conv1_2", "conv2_2", "conv3_4", "conv4_4")

Layers = Mapping[str, Tensor]


def recipe(name: str, folder: Path, *overrides: str) -> Settings:
    """The engine's settings as a job of `recipe: name` gets them."""
    Image.new("RGB", (8, 8), "teal").save(folder / "style.png")
    (folder / "job.yaml").write_text(f"input: a\noutput: out\nstyle: style.png\nrecipe: {name}\n")
    config = load_config(folder / "job.yaml", [f"transfer.size={SIDE_PX}", *overrides])
    return style_settings(config.transfer)


def features(weights: Weights, x: Tensor) -> Layers:
    """Every layer after its ReLU, of a normalized picture: the ReLUs of the original work in place."""
    found = {}
    for name, (weight, bias) in weights.convs.items():
        x = found[name] = F.relu(F.conv2d(x, weight, bias, padding=1))
        if name in LAST_OF_BLOCK:
            x = F.max_pool2d(x, 2)
    return found


def gram(layer: Tensor) -> Tensor:
    rows = layer.view(layer.shape[1], -1)
    return rows @ rows.t()


def udacity(beta: float) -> Callable[[Layers, Layers, Layers], Tensor]:
    """α · mean((F − P)²) at conv4_2 and β · Σ w · mean((G − A)²) / (C · H · W)."""
    weights = dict(zip(FIVE, (1.0, 0.8, 0.5, 0.3, 0.1), strict=True))

    def loss(target: Layers, content: Layers, style: Layers) -> Tensor:
        total = torch.mean((target["conv4_2"] - content["conv4_2"]) ** 2)
        for name, weight in weights.items():
            difference = torch.mean((gram(target[name]) - gram(style[name])) ** 2)
            total = total + beta * weight * difference / target[name].numel()
        return total

    return loss


def five_layer(target: Layers, content: Layers, style: Layers) -> Tensor:
    """Content and style at five layers, summed: content + 100 · style."""
    total = torch.zeros(())
    for name in FIVE:
        difference = torch.mean((gram(target[name]) - gram(style[name])) ** 2) / target[name].numel()
        total = total + torch.mean((target[name] - content[name]) ** 2) + 100 * difference
    return total


def gatys_pytorch(target: Layers, content: Layers, style: Layers) -> Tensor:
    """MSE at conv4_2 and Σ 1e3 / C² · MSE of the Gram matrices, each divided by its own H · W."""
    total = F.mse_loss(target["conv4_2"], content["conv4_2"])
    for name, channels in zip(FIVE, (64, 128, 256, 512, 512), strict=True):
        ours, theirs = (gram(layer) / layer[0, 0].numel() for layer in (target[name], style[name]))
        total = total + 1e3 / channels**2 * F.mse_loss(ours, theirs)
    return total


@pytest.mark.parametrize(
    ("name", "loss_of", "betas"),
    [
        ("udacity", udacity(1e6), (0.9, 0.999)),
        ("udacity-soft", udacity(1e3), (0.9, 0.999)),
        ("five-layer", five_layer, (0.5, 0.999)),
    ],
)
def test_a_recipe_loses_step_by_step_what_its_system_loses(
    name: str,
    loss_of: Callable[[Layers, Layers, Layers], Tensor],
    betas: tuple[float, float],
    real: Weights,
    tmp_path: Path,
) -> None:
    size = CONTENT.shape[-2:]
    stretched = F.interpolate(PAINTING, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(
        0, 1
    )
    with torch.no_grad():
        content, style = (features(real, (image - MEAN) / STD) for image in (CONTENT, stretched))
    target = ((CONTENT - MEAN) / STD).clone().requires_grad_(True)
    optimizer = torch.optim.Adam([target], lr=0.003, betas=betas)
    expected = []
    for _ in range(STEPS):
        loss = loss_of(features(real, target), content, style)
        expected.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    settings = recipe(name, tmp_path, f"transfer.iterations={STEPS}")
    found = Stylizer(real, [Style(PAINTING)], settings).stylize(CONTENT).trace
    assert found == pytest.approx(expected, rel=1e-4)
    assert found[-1] < 0.8 * found[0]


def test_the_authors_own_recipe_loses_what_their_version_loses(real: Weights, tmp_path: Path) -> None:
    settings = recipe("gatys-pytorch", tmp_path, "transfer.iterations=1", "transfer.warm_iterations=1")
    generator = torch.Generator().manual_seed(5)
    perturbed = (CONTENT + 0.1 * torch.randn(CONTENT.shape, generator=generator)).clamp(0, 1)
    shape = (round(SIDE_PX * PAINTING.shape[2] / PAINTING.shape[3]), SIDE_PX)
    painting = F.interpolate(PAINTING, size=shape, mode="bicubic", antialias=True, align_corners=False).clamp(
        0, 1
    )
    with torch.no_grad():
        pictures = (CONTENT, painting, CONTENT, perturbed)
        content, style, *targets = (features(real, (image - MEAN) / STD) for image in pictures)
        expected = [gatys_pytorch(target, content, style).item() for target in targets]
    stylizer = Stylizer(real, [Style(PAINTING)], settings)
    found = [stylizer.stylize(CONTENT).trace[0], stylizer.stylize(CONTENT, perturbed).trace[0]]
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_authors_own_recipe_gets_somewhere_with_our_minimizer(real: Weights, tmp_path: Path) -> None:
    settings = recipe("gatys-pytorch", tmp_path, "transfer.iterations=25")
    trace = Stylizer(real, [Style(PAINTING)], settings).stylize(CONTENT).trace
    assert min(trace) < trace[0] / 4
