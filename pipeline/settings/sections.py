"""The sections of the YAML: each setting with its default, its limits and a line that says what it means.

Those of `transfer` are the engine's own, `pipeline.style.Settings`, and what is allowed is the same here and there.
Knows nothing of files, and imports nothing of the engine, which would take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from pipeline.media.formats import PhotoName
from pipeline.settings import values as kinds
from pipeline.settings.errors import conflicts
from pipeline.settings.yaml_lines import show

Conflict = tuple[str, tuple[str, ...]]
"""A sentence, and the dotted keys that it is about."""


class Section(BaseModel):
    """Frozen and strict; a line of text below a field is its description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class StyleImage(Section):
    """One of the pictures to learn from."""

    image: kinds.PathName
    """Path of the picture."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its share of the style, relative to the other pictures' weights."""
    mask: kinds.PathName | None = None
    """Picture that says where in the source this style is to be: white yes, black no; null: what others leave."""
    part: kinds.PathName | None = None
    """Picture that says what part of the painting to learn from: white yes, black no; null: all of it."""


StyleList = Annotated[
    tuple[StyleImage, ...], BeforeValidator(kinds.listed), Field(json_schema_extra=kinds.add_path)
]


class Keyframe(Section):
    """What the style is at one moment of a video; between two of them it changes evenly."""

    at: kinds.Time
    """Time from the video's first frame: seconds, or a text such as "0:12.5"."""
    style: StyleList | None = None
    """The painting, or the list of paintings, at that time; null: as the keyframes around it say."""
    style_weight: kinds.Share | None = None
    """transfer.style_weight at that time; null: as the keyframes around it say."""


def keyframe_conflicts(keyframes: tuple[Keyframe, ...], name: str) -> Iterator[Conflict]:
    """What is wrong with keyframes that are each allowed; `name` is the key that they are under."""
    for index, one in enumerate(keyframes):
        key = f"{name}.{index}"
        if one.style is None and one.style_weight is None:
            yield f"{key} must have a style or a style_weight", (key,)
        for place, style in enumerate(one.style or ()):
            if style.mask is not None:
                masked = f"{key}.style.{place}.mask"
                yield f"{masked} cannot be: a style that comes and goes is everywhere; remove it", (masked,)
    for index, (before, after) in enumerate(pairwise(keyframes), start=1):
        if before.at >= after.at:
            key = f"{name}.{index}.at"
            yield f"{key} must be above {float(before.at):g}, got {float(after.at):g}", (key,)


class Transfer(Section):
    """How a frame is painted; the recipe and then these settings override the defaults."""

    size: Annotated[int, Field(ge=32, le=16384)] | None = 512
    """Longest side of the result in px; null keeps the source's own."""
    iterations: Annotated[int, Field(ge=1)] = 300
    """Iterations of a frame that starts cold, at the final size."""
    warm_iterations: Annotated[int, Field(ge=0)] = 40
    """Iterations of a frame that starts warm, from its stylized predecessor."""
    coarse_iterations: Annotated[int, Field(ge=1)] | None = None
    """Iterations of a cold frame at each coarser size; null: half of `iterations`."""
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    """The method that changes the pixels."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """The optimizer's step size; null: the optimizer's own, 1 for lbfgs and 0.02 for adam."""
    adam_betas: kinds.Betas = (0.9, 0.99)
    """How much Adam keeps of its means of the gradient and of its square at each step."""
    variables: Literal["frequencies", "pixels", "normalized"] = "frequencies"
    """What the optimizer steps in: frequencies weighed by size, pixels in 0 to 1, or VGG19's normalized inputs."""
    clamp: bool = True
    """Keep the pixels within 0 to 1 at every step, not at the end alone."""
    averaging: kinds.BelowOne = 0.0
    """The result is the mean of the iterates, each weighing so much of the next; 0: the best iterate."""
    content_weight: kinds.Share = 1.0
    """How much the result keeps of the source."""
    style_weight: kinds.Share = 1000.0
    """How much the result takes from the style."""
    tv_weight: kinds.Share = 0.0
    """How much the result is smoothed: weight of the total variation."""
    content_layers: kinds.Layers = {"conv4_2": 1.0}
    """VGG19 layers that judge the content, with weights; replaces the recipe's as a whole."""
    style_layers: kinds.Layers = {
        "conv1_1": 1.0,
        "conv2_1": 1.0,
        "conv3_1": 1.0,
        "conv4_1": 1.0,
        "conv5_1": 1.0,
    }
    """VGG19 layers that judge the style, with weights; replaces the recipe's as a whole."""
    style_loss: Literal["gram", "wasserstein", "mean_std"] = "gram"
    """What of a style layer is compared: Gram matrices, normal distributions, or means and deviations."""
    gram: Literal["per_position", "paper", "per_element", "undivided"] = "per_position"
    """How Gram matrices are divided, see the losses; only where `style_loss` is gram."""
    pooling: Literal["max", "average", "l2"] = "max"
    """How VGG19 shrinks its features between blocks."""
    padding: Literal["zeros", "replicate"] = "zeros"
    """What VGG19 sees around the picture: nothing, or the border once more."""
    init: Literal["content", "noise", "style", "mean"] = "content"
    """What a cold frame starts from; mean: ImageNet's mean color."""
    network: Literal["normalized", "raw"] = "normalized"
    """VGG19 with mean activations of 1, as in the paper, or as trained."""
    scales: kinds.Scales = "auto"
    """Sizes in px from coarse to fine, the last of them `size`; 1: the final size only."""
    style_size: Annotated[int, Field(ge=32)] | None = None
    """Longest side of the style images in px; null: as `size`."""
    style_scale: Annotated[float, Field(gt=0, le=16)] = 1.0
    """Times that: larger paints larger strokes."""
    style_aspect: Literal["keep", "stretch"] = "keep"
    """Style images keep their shape, or are stretched to the source's size."""
    tolerance: kinds.BelowOne = 1.0e-4
    """Stop when the loss changes relatively less than this over 50 iterations; 0: never."""
    warm_tolerance: kinds.BelowOne = 0.01
    """A warm frame stops when its loss changes relatively less than this over 10 iterations; 0: never."""
    preserve_color: Literal["none", "luminance", "match", "histogram"] = "none"
    """Keep the source's colors: by its color channels, or by a style matched to their spread or histogram."""
    tile: kinds.Tile = "auto"
    """Longest side in px of the tiles of a large picture; null: in one piece; auto: as memory asks."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers of the convolutions; auto: bfloat16 on GPUs that have it in hardware, else float32."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse settings that are each allowed but exclude each other."""
        found = [*self._without_weight(), *self._at_odds()]
        if found:
            raise conflicts(found)
        return self

    def _without_weight(self) -> Iterator[Conflict]:
        """Losses that are to count and have nothing to count."""
        weights = ("transfer.content_weight", "transfer.style_weight")
        if self.content_weight == self.style_weight == 0:
            yield f"{weights[0]} and {weights[1]} cannot both be 0", weights
        losses = (
            ("content", self.content_weight, self.content_layers),
            ("style", self.style_weight, self.style_layers),
        )
        for name, weight, layers in losses:
            if weight > 0 and not any(layers.values()):
                layers_key, weight_key = f"transfer.{name}_layers", f"transfer.{name}_weight"
                allowed = f"must have a weight above 0 because {weight_key} is {weight:g}"
                yield f"{layers_key} {allowed}, got {show(dict(layers))}", (layers_key, weight_key)

    def _at_odds(self) -> Iterator[Conflict]:
        """Pairs of settings of which one leaves no room for the other."""
        if self.size is not None and isinstance(self.scales, tuple) and self.scales[-1] != self.size:
            text = f"transfer.scales must end with transfer.size, {self.size}, got {show(list(self.scales))}"
            yield text, ("transfer.scales", "transfer.size")
        if self.precision == "float16" and self.network == "raw":
            text = "transfer.precision float16 cannot hold the activations of transfer.network raw; take bfloat16"
            yield text, ("transfer.precision", "transfer.network")
        sized = {"style_size": (self.style_size, None), "style_scale": (self.style_scale, 1.0)}
        for name, (value, neutral) in sized.items():
            if self.style_aspect == "stretch" and value != neutral:
                allowed = f"must be {show(neutral)} because transfer.style_aspect is stretch"
                yield (
                    f"transfer.{name} {allowed}, got {show(value)}",
                    (f"transfer.{name}", "transfer.style_aspect"),
                )


def keyframes_at_odds(keyframes: tuple[Keyframe, ...], transfer: Transfer, name: str) -> Iterator[Conflict]:
    """Style weights at keyframes that `transfer` leaves nothing to do; `name` is the key that they are under."""
    for index, one in enumerate(keyframes):
        key = f"{name}.{index}.style_weight"
        if one.style_weight == 0 and transfer.content_weight == 0:
            yield f"{key} must be above 0 because transfer.content_weight is 0", (key,)
        if one.style_weight and not any(transfer.style_layers.values()):
            yield f"{key} must be 0 because no weight of transfer.style_layers is above it", (key,)


class Video(Section):
    """What follows from one frame to the next."""

    warm_start: Literal["flow", "previous", "none"] = "flow"
    """A frame starts from its predecessor, moved by optical flow or as it is, or from scratch."""
    frames: kinds.FrameRange | None = None
    """[first, stop) to work on a part of each video, in frame indices from 0; null: all of it."""
    cuts: kinds.Cuts = "auto"
    """Frames that start a new shot, as indices from 0; auto: detect them."""
    hdr: Literal["tonemap", "keep", "fail"] = "tonemap"
    """High dynamic range (PQ, HLG): brought to BT.709, painted as it is coded and written so, or a failure."""
    deinterlace: Literal["auto", "none"] = "auto"
    """auto: interlaced frames are made whole first, one for one; none: two fields are painted as one picture."""
    temporal_weight: kinds.Share = 18.0
    """How much a frame is held to its painted predecessor, moved by optical flow; relative to the loss, 0: not."""
    long_term: kinds.Backs = ()
    """More paintings to be held to, by how many frames they lie back, nearest first: [4, 16]."""
    passes: Annotated[int, Field(ge=1, le=64)] = 1
    """Passes over each shot, forward and backward in turn; each costs half of the warm iterations again."""
    segment_frames: Annotated[int, Field(ge=4)] | None = 96
    """Longest part of a shot that one worker makes; longer shots are spread over workers; null: no shot is."""
    blend_frames: Annotated[int, Field(ge=2)] = 16
    """Frames over which a part of a shot is blended with the part before it."""
    shots: kinds.PathName | None = None
    """Shot list, a YAML written by `stylize plan --shots` and edited by hand: cuts, and what a shot has of its own."""
    timeline: Annotated[tuple[Keyframe, ...], Strict(False)] = ()
    """Styles that change over time: a list of {at: seconds, style: path or list, style_weight: number}."""
    flow: Literal["dis", "raft"] = "dis"
    """Optical flow: OpenCV's DIS, or torchvision's RAFT, slower and better at large motions; needs its weights."""
    flow_weights: kinds.PathName | None = None
    """RAFT's weights, a .pth file of torchvision's raft_small or raft_large; null: those in torch.hub's cache."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse settings that are each allowed but exclude each other."""
        found = [*keyframe_conflicts(self.timeline, "video.timeline"), *self._without_flow()]
        if self.flow_weights is not None and self.flow != "raft":
            keys = ("video.flow_weights", "video.flow")
            found.append((f"video.flow_weights must be null because video.flow is {self.flow}", keys))
        if found:
            raise conflicts(found)
        return self

    def _without_flow(self) -> Iterator[Conflict]:
        """What looks along the flow, where frames do not start along it."""
        wanted = {"passes": (self.passes, 1), "long_term": (list(self.long_term), [])}
        for name, (value, neutral) in wanted.items():
            if value != neutral and self.warm_start != "flow":
                allowed = f"must be {show(neutral)} because video.warm_start is {self.warm_start}"
                yield f"video.{name} {allowed}, got {show(value)}", (f"video.{name}", "video.warm_start")


class Execution(Section):
    """Where the work is done; nothing here changes a pixel, but by the order in which threads and tiles are summed."""

    address: kinds.Address = None
    """Ray cluster; null: start Ray here, auto, host:port or ray://host:port: use a running one."""
    workers: kinds.Workers = "auto"
    """Number of workers; auto: one per GPU, or one per machine without GPUs."""
    threads_per_worker: kinds.Threads = "auto"
    """CPU threads of each worker."""
    gpus_per_worker: kinds.GpuShare = "auto"
    """GPUs of each worker; 0.5 puts two workers on one."""
    memory_per_worker: kinds.Memory = "auto"
    """Memory in GiB that a worker may take for one picture; larger pictures are painted in tiles."""
    hang_timeout_s: Annotated[float, Field(gt=0)] | None = 1800.0
    """A worker that makes no progress for so long, in seconds, is replaced; null: never."""


class Disk(Section):
    """What a run may keep on the disk; nothing here changes a pixel."""

    budget_gib: kinds.Budget = None
    """Most that the run folder and unfinished outputs may take, in GiB; null: as much as there is room."""
    pack: Literal["auto", "always", "never"] = "auto"
    """Frames of a finished segment in one lossless, smaller file; auto: when the budget asks for it."""
    keep: Literal["auto", "all", "none"] = "auto"
    """Frames whose output is written and verified; auto: thrown away when the budget asks for it."""


class Archive(Section):
    """How photographs are read and written back; a picture's result is its only copy, so a change paints it anew."""

    format: PhotoName = "source"
    """Format of the results; source: that of each picture, by its content."""
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    """Quality from 1 to 100, the best, of JPEG, WebP, AVIF and HEIC."""
    chroma: kinds.Chroma = 444
    """Color of JPEG and AVIF at full resolution, or halved, which saves a third and blurs strokes; HEIC is 420."""
    metadata: Literal["keep", "none"] = "keep"
    """EXIF, GPS, XMP, captions and resolution: kept, or left out of the results."""
    identity: Literal["stat", "content"] = "stat"
    """A picture has changed if its size or time has, or, where these have, only if its bytes have, too."""
    max_megapixels: Annotated[float, Field(gt=0)] = 250.0
    """Larger pictures are refused, since a small file can promise any size; in millions of pixels."""
