"""What each layer of VGG19 keeps of a picture: of the content one layer alone, of the style growing sets of layers.

The reconstructions of Gatys et al., CVPR 2016, figure 1: a picture that has nothing yet is made to look, to these
layers only, like the source or like the style. Works in this process, without Ray; writes at the very end.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import torch
from PIL import Image

from pipeline import workspace
from pipeline.config import Config
from pipeline.errors import ConfigError, SpaceError
from pipeline.execute.pool import available_cores
from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.execute.worker import best_device, read_style, style_settings
from pipeline.frames import Frame
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit, output_size
from pipeline.media.listing import Listing, list_sources
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.places import place_of
from pipeline.plan import frame_range
from pipeline.previews.sheet import Cell, Row, save_sheet, sheet
from pipeline.style import Iterate, Settings, Style, Stylizer, Weights
from pipeline.style.settings import PAPER_STYLE_LAYERS
from pipeline.survey import as_read
from pipeline.weights import load_weights

CONTENT_LAYERS = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2")

FOLDER, SHEET = "reconstruct", "reconstruct.png"
"""Below the output: the single pictures, and the sheet of all."""


@dataclass(frozen=True)
class Question:
    """What is asked: what these layers together keep of the content, or of the style."""

    kind: Literal["content", "style"]
    layers: tuple[str, ...]

    @property
    def name(self) -> str:
        """
        >>> Question("content", ("conv1_2",)).name, Question("style", ("conv1_1", "conv2_1", "conv3_1")).name
        ('content_conv1_2', 'style_conv1_1-conv3_1')
        """
        return f"{self.kind}_{'-'.join(dict.fromkeys((self.layers[0], self.layers[-1])))}"

    def settings(self, job: Settings) -> Settings:
        """The job's own way to minimize, with nothing in the objective but these layers, each with weight 1.

        It works at the final size only, so that the loss can be compared with that of the start; coarse sizes first
        did not pay (conv4_2, 160 px, equal work: loss 0.25 instead of 0.18). Two more things may be other than the
        job's, so that the answer holds nothing that the layers did not ask for:

        - The start. Content begins with the mean color, and style, as in the paper, with noise: on an even picture
          the slope of a Gram matrix is even too but for the edges, and from these conv1_1 and conv2_1 grow frames
          and rings. A job that says `mean` or `noise` itself has it.
        - For style, `frequencies` become `pixels`: they give conv1_1 one large cloud instead of specks, and after
          120 evaluations at 192 px losses of 2.5e-4 and 6.4e-4 of the start's for the first two sets instead of 1.5e-5
          and 8.4e-5. Content gains by them from conv2_2 on (35.5 dB instead of 31.0 after 300).
        """
        weights, total = dict.fromkeys(self.layers, 1.0), float(len(self.layers))
        is_content = self.kind == "content"
        return replace(
            job,
            content_weight=total if is_content else 0.0,
            content_layers=weights if is_content else {},
            style_weight=0.0 if is_content else total,
            style_layers={} if is_content else weights,
            tv_weight=0.0,
            scales=1,
            init=job.init if job.init in ("mean", "noise") else "mean" if is_content else "noise",
            preserve_color="none",
            variables=job.variables if is_content or job.variables != "frequencies" else "pixels",
        )


QUESTIONS = (
    *(Question("content", (layer,)) for layer in CONTENT_LAYERS),
    *(Question("style", PAPER_STYLE_LAYERS[:count]) for count in range(1, len(PAPER_STYLE_LAYERS) + 1)),
)


@dataclass(frozen=True)
class Answer:
    """A picture of all that the layers keep, uint8 (h, w, 3); `part` is its loss relative to that of the start."""

    question: Question
    picture: Frame
    part: float
    iterations: int


@dataclass(frozen=True)
class Original:
    """A picture to be reconstructed, uint8 (h, w, 3), and what to call it."""

    picture: Frame
    label: str


class Watcher(Protocol):
    """Sees what happens while it happens."""

    def began(self, size: tuple[int, int], device: str) -> None:
        """The pictures of (width, height) px are going to be made, on this device."""

    def evaluated(self, question: Question, iteration: int, part: float) -> None:
        """The loss at an evaluation, from 1, relative to that of the start."""

    def answered(self, answer: Answer) -> None:
        """One picture is done."""


def reconstruct(config: Config, watcher: Watcher) -> Path:
    """Reconstruct the job's first source and first style from VGG19's layers; returns the path of the sheet.

    Raises `ConfigError`, `MediaError` where a picture cannot be read, `WeightsError`, `DivergenceError`, and
    `SpaceError`. Until all pictures are done nothing is written.
    """
    place_of(config.output, f"{FOLDER}/{SHEET}")
    _check_room(config.output / FOLDER)
    content, style = _content(config), _style(config)
    torch.set_num_threads(available_cores())
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    device = best_device() if config.execution.gpus_per_worker != 0 else torch.device("cpu")
    weights, settings = load_weights(config.weights), style_settings(config.transfer)
    height, width = content.picture.shape[:2]
    watcher.began((width, height), str(device))
    answers = [answer(question, content, style, weights, settings, device, watcher) for question in QUESTIONS]
    return _save(config.output, content, style, answers)


def answer(
    question: Question,
    content: Original,
    style: Original,
    weights: Weights,
    job: Settings,
    device: torch.device,
    watcher: Watcher,
) -> Answer:
    """One reconstruction, of the content's size in either case."""
    stylizer = Stylizer(weights, [Style(as_tensor(style.picture))], question.settings(job), device)
    trace: list[float] = []

    def watch(iterate: Iterate) -> None:
        trace.append(iterate.loss)
        watcher.evaluated(question, iterate.iteration, iterate.loss / trace[0])

    found = stylizer.stylize(as_tensor(content.picture), callback=watch)
    done = Answer(question, as_frame(found.image), found.loss / trace[0], len(trace))
    watcher.answered(done)
    return done


def _check_room(folder: Path) -> None:
    """Tell now, without touching anything, what would otherwise be told when all the work is done."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise SpaceError(f"cannot write in {folder}: {there} is no folder with the right to write in it")


def _content(config: Config) -> Original:
    """The first frame that the job would paint of its first source, at the size that it would have."""
    listing = list_sources(
        config.input, folders=config.folders, exclude=config.output, places=config.origin.inputs
    )
    _refuse_to_replace(listing)
    source = listing.sources[0]
    seen = as_read(probe(source, rate=config.rate), config.video)
    index = 0 if source.kind == "still" else frame_range(config, seen)[0]
    frame = next(decode_frames(source, seen, index, index + 1))
    is_still = source.kind == "still"
    size = output_size(seen.width_px, seen.height_px, config.transfer.size, even=not is_still)
    return Original(fit(frame, size), source.name if is_still else f"{source.name}, frame {index}")


def _refuse_to_replace(listing: Listing) -> None:
    """A painting that a run of this job writes to where the reconstructions go must not be written over."""

    def is_taken(source: Source) -> bool:
        name = source.name.casefold()
        return name == SHEET or name.partition("/")[0] == FOLDER

    if taken := [source for source in listing.sources if is_taken(source)]:
        raise ConfigError(
            f"output must not hold the painting of {taken[0].path} where {SHEET} and the folder {FOLDER} go; "
            "choose another one: --set output=FOLDER"
        )


def _style(config: Config) -> Original:
    path = config.style[0].image
    return Original(read_style(path), path.name)


def _save(output: Path, content: Original, style: Original, answers: Sequence[Answer]) -> Path:
    for done in answers:
        file = io.BytesIO()
        Image.fromarray(done.picture).save(file, "PNG")
        workspace.replace(output / FOLDER / f"{done.question.name}.png", file.getvalue())
    rows = [_row("content", content, answers), _row("style", style, answers)]
    cell_px = min(max(*content.picture.shape[:2], 256), 512)  # the style's own size says nothing here
    save_sheet(output / SHEET, sheet(rows, "What VGG19 keeps of a picture, layer by layer", cell_px))
    return output / SHEET


def _row(kind: str, original: Original, answers: Sequence[Answer]) -> Row:
    cells = [Cell(original.picture, f"the {kind}\n{original.label}")]
    for done in answers:
        if done.question.kind == kind:
            layers = " + ".join(done.question.layers)
            cells.append(Cell(done.picture, f"{layers}\nloss {done.part:.2g} of the start's"))
    return Row(cells)
