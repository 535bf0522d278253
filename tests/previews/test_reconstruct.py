"""What layers keep: each is asked alone, and the answers are files with names; or there is none at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

import pipeline.previews.reconstruct as module
from pipeline.config import load_config
from pipeline.errors import ConfigError, MediaError, SpaceError
from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.execute.worker import style_settings
from pipeline.previews.reconstruct import QUESTIONS, Answer, Original, Question, answer, reconstruct
from pipeline.previews.sheet import Picture
from pipeline.recipes import recipe_text
from pipeline.style import Settings, Weights
from pipeline.style.vgg import VGG19
from pipeline.weights import load_weights
from tests.conftest import Job, tree
from tests.media.clips import write_clip
from tests.photos import full_photo, photo

NAMES = [
    "content_conv1_2.png", "content_conv2_2.png", "content_conv3_2.png", "content_conv4_2.png",
    "content_conv5_2.png", "style_conv1_1.png", "style_conv1_1-conv2_1.png", "style_conv1_1-conv3_1.png",
    "style_conv1_1-conv4_1.png", "style_conv1_1-conv5_1.png",
]  # fmt: skip
SIZE = (32, 24)  # width, height
FRAME = 3
CPU = torch.device("cpu")


@dataclass
class Notes:
    """Keeps what a watcher is told."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    parts: list[tuple[str, int, float]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def began(self, size: tuple[int, int], device: str) -> None:
        self.sizes.append(size)

    def evaluated(self, question: Question, iteration: int, part: float) -> None:
        self.parts.append((question.name, iteration, part))

    def answered(self, answer: Answer) -> None:
        self.answers.append(answer)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in tests/style: small pictures gain nothing by threads."""
    before = torch.get_num_threads()
    monkeypatch.setattr(module, "available_cores", lambda: 1)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def real() -> Weights:
    return load_weights("packaged")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, style_image: Path) -> tuple[Path, Notes]:
    """A job's output folder with its reconstructions, and what was told while they were made."""
    folder, notes = tmp_path_factory.mktemp("made"), Notes()
    write_clip(folder / "clip.mp4", frames=5)
    job = {"input": "clip.mp4", "output": "out", "style": str(style_image),
           "transfer": {"size": 32, "iterations": 3}, "video": {"frames": [FRAME, 5]}}  # fmt: skip
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    path = reconstruct(load_config(folder / "job.yaml"), notes)
    assert path == folder / "out" / "reconstruct.png"
    return folder / "out", notes


def pixels(path: Path) -> Picture:
    return np.array(Image.open(path))


def psnr_db(a: Tensor, b: Tensor) -> float:
    return -10 * math.log10(float((a - b).square().mean()))


def ask(
    question: Question, picture: Tensor, weights: Weights, job: Settings, notes: Notes | None = None
) -> Answer:
    original = Original(as_frame(picture), "a picture")
    return answer(question, original, original, weights, job, CPU, notes or Notes())


# --- the files ---


def test_there_is_one_picture_per_question_and_a_sheet_and_nothing_else(made: tuple[Path, Notes]) -> None:
    output, notes = made
    assert set(tree(output)) == {"reconstruct.png", *(f"reconstruct/{name}" for name in NAMES)}
    assert [f"{done.question.name}.png" for done in notes.answers] == NAMES
    for done in notes.answers:
        saved = Image.open(output / "reconstruct" / f"{done.question.name}.png")
        assert saved.size == SIZE
        assert np.array_equal(np.array(saved), done.picture)


def test_the_sheet_shows_two_rows_of_six(made: tuple[Path, Notes]) -> None:
    height, width = pixels(made[0] / "reconstruct.png").shape[:2]
    assert width > 6 * 160
    assert height > 2 * 160


def test_the_progress_is_told_picture_by_picture_relative_to_the_start(made: tuple[Path, Notes]) -> None:
    notes = made[1]
    assert notes.sizes == [SIZE]
    expected = [(name.removesuffix(".png"), n) for name in NAMES for n in (1, 2, 3)]
    assert [(name, n) for name, n, _ in notes.parts] == expected
    assert all(part == 1 for _, n, part in notes.parts if n == 1)
    assert all(done.iterations == 3 for done in notes.answers)
    assert all(done.part < 1 for done in notes.answers)


def test_the_sheet_is_no_input_of_the_same_job(made: tuple[Path, Notes], job: Job) -> None:
    config = job(made[0].parent).model_copy(update={"output": made[0]})
    sources = module.list_sources(config.input, folders="auto", exclude=config.output).sources
    assert [source.name for source in sources] == ["clip.mp4"]


def test_the_source_is_the_first_frame_that_the_job_would_paint(job: Job, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    whole, later = (module._content(job(clip, video=video)) for video in ({}, {"frames": [FRAME, 5]}))
    assert (whole.label, later.label) == ("clip.mp4, frame 0", f"clip.mp4, frame {FRAME}")
    assert whole.picture.shape == later.picture.shape == (36, 48, 3)
    assert not np.array_equal(whole.picture, later.picture)


# --- what is asked ---


def test_every_layer_of_the_content_is_asked_alone_and_the_styles_sets_grow() -> None:
    asked = [question.settings(Settings()) for question in QUESTIONS]
    assert [list(s.content_layers) for s in asked[:5]] == [
        ["conv1_2"], ["conv2_2"], ["conv3_2"], ["conv4_2"], ["conv5_2"],
    ]  # fmt: skip
    assert all(s.style_weight == 0 and not s.style_layers for s in asked[:5])
    assert [list(s.style_layers) for s in asked[5:]] == [
        [f"conv{block}_1" for block in range(1, count + 1)] for count in range(1, 6)
    ]
    assert all(s.content_weight == 0 and not s.content_layers for s in asked[5:])


def test_the_job_decides_how_and_nothing_but_the_layers_is_in_the_objective() -> None:
    given = Settings(iterations=7, optimizer="adam", pooling="average", tv_weight=3.0, preserve_color="match")
    for question in QUESTIONS:
        found = question.settings(given)
        assert (found.iterations, found.optimizer, found.pooling) == (7, "adam", "average")
        assert (found.tv_weight, found.preserve_color, found.scales) == (0, "none", 1)


def test_style_is_found_in_steps_that_favor_no_size_of_structure() -> None:
    content, style = QUESTIONS[0], QUESTIONS[-1]
    assert content.settings(Settings()).variables == "frequencies"
    assert style.settings(Settings()).variables == "pixels"
    assert style.settings(Settings(variables="normalized")).variables == "normalized"


def test_nothing_starts_from_what_it_is_to_find() -> None:
    content, style = QUESTIONS[0], QUESTIONS[-1]
    for init in ("content", "style"):
        assert content.settings(Settings(init=init)).init == "mean"
        assert style.settings(Settings(init=init)).init == "noise"
    for init in ("mean", "noise"):
        assert {question.settings(Settings(init=init)).init for question in QUESTIONS} == {init}


def test_an_early_layer_brings_the_picture_back_and_a_late_one_does_not(real: Weights) -> None:
    picture, job = photo("astronaut", 48), Settings(iterations=50)
    early, late = (ask(Question("content", (layer,)), picture, real, job) for layer in ("conv1_2", "conv4_2"))
    assert psnr_db(as_tensor(early.picture), picture) > 30
    assert psnr_db(as_tensor(late.picture), picture) < 20
    assert early.part < 1e-3


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_even_start_is_no_place_to_stay(question: Question, real: Weights) -> None:
    assert ask(question, photo("astronaut", 48), real, Settings(iterations=20, init="mean")).part < 0.7


# --- the recipe ---


def tutorial_loop(question: Question, picture: Tensor, weights: Weights, steps: int) -> list[float]:
    """The reconstruction as the tutorials write it, on normalized pixels; the losses relative to the first."""
    network = VGG19(weights, list(question.layers))
    mean, std = (torch.tensor(x)[None, :, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    target = {layer: found.detach() for layer, found in network.features(picture).items()}
    x = torch.zeros_like(picture).requires_grad_()
    adam, losses = torch.optim.Adam([x], lr=0.001), list[float]()
    for _ in range(steps):
        adam.zero_grad()
        loss = torch.zeros(())
        for layer, found in network.features(x * std + mean).items():
            if question.kind == "content":
                loss = loss + (found - target[layer]).square().mean()
            else:
                ours, theirs = (f[0].flatten(1) @ f[0].flatten(1).T for f in (found, target[layer]))
                loss = loss + (ours - theirs).square().mean() / found.numel()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return [loss / losses[0] for loss in losses]


@pytest.mark.parametrize("question", [QUESTIONS[1], QUESTIONS[7]], ids=lambda question: question.name)
def test_the_recipe_takes_the_tutorials_steps(question: Question, real: Weights) -> None:
    written = yaml.safe_load(recipe_text("reconstruct"))
    assert written["iterations"] == 4000
    job = Settings(**{key: value for key, value in written.items() if key != "size"} | {"iterations": 20})
    picture, notes = photo("astronaut", 40), Notes()
    ask(question, picture, real, job, notes)
    expected = tutorial_loop(question, as_tensor(as_frame(picture)), real, 20)
    fallen = [1 - part for part in expected]
    assert fallen[-1] > 1e-3
    assert [1 - part for _, _, part in notes.parts] == pytest.approx(fallen, rel=0.02, abs=1e-6)


def test_the_job_of_the_recipe_has_its_settings(job: Job, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=1)
    found = style_settings(job(clip, recipe="reconstruct", transfer={}).transfer)
    assert (found.optimizer, found.learning_rate, found.variables) == ("adam", 0.001, "normalized")
    assert (found.network, found.gram, found.clamp, found.tolerance) == ("raw", "undivided", False, 0)
    assert (found.init, found.style_aspect, found.scales) == ("mean", "stretch", 1)


# --- what may go wrong ---


class Interrupting(Notes):
    """A person who has seen enough at the third picture."""

    def evaluated(self, question: Question, iteration: int, part: float) -> None:
        if len(self.answers) == 2:
            raise KeyboardInterrupt


@pytest.fixture
def nothing_written(tmp_path: Path) -> Iterator[Path]:
    """A folder that is the same after the test, but for what the test put there before it yielded."""
    yield tmp_path
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_behind(job: Job, nothing_written: Path) -> None:
    Image.fromarray(full_photo("coffee")).save(nothing_written / "coffee.png")
    with pytest.raises(KeyboardInterrupt):
        reconstruct(
            job(nothing_written / "coffee.png", transfer={"size": 32, "iterations": 2}), Interrupting()
        )


def test_a_source_that_cannot_be_read_leaves_nothing_behind(job: Job, nothing_written: Path) -> None:
    (nothing_written / "bad.png").write_text("no picture")
    with pytest.raises(MediaError, match=r"bad\.png"):
        reconstruct(job(nothing_written / "bad.png"), Notes())


def test_the_painting_of_a_source_is_not_written_over(job: Job, nothing_written: Path) -> None:
    Image.fromarray(full_photo("coffee")).save(nothing_written / "reconstruct.png")
    with pytest.raises(ConfigError, match="choose another one"):
        reconstruct(job(nothing_written / "reconstruct.png"), Notes())


def test_an_output_that_is_in_the_way_is_an_error_of_its_own(job: Job, tmp_path: Path) -> None:
    Image.fromarray(full_photo("coffee")).save(tmp_path / "coffee.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reconstruct").write_text("a file of somebody")
    with pytest.raises(SpaceError, match="reconstruct"):
        reconstruct(job(tmp_path / "coffee.png", transfer={"size": 32, "iterations": 1}), Notes())
    assert set(tree(tmp_path / "out")) == {"reconstruct"}
