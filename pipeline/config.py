"""The YAML's shape: every setting with its default and its limits, read strictly and frozen.

Settings come in layers: the defaults below, then the recipe, then the YAML, then `--set`. A section is laid
over the one below it key by key; a list or a mapping of VGG19's layers replaces the one below it as a whole.
Knows nothing of how a setting is used, and looks only at the files that hold the style and the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.resources import files
from os.path import realpath
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pipeline import config_values as kinds
from pipeline.config_errors import complaints, conflicts, unknown_setting
from pipeline.config_paths import absolute, absolute_pattern, image_trouble, is_around, kind_of, root_of
from pipeline.errors import ConfigError
from pipeline.recipes import recipe_names, recipe_text
from pipeline.yaml_lines import Placed, parse_yaml, read_yaml, show


class _Section(BaseModel):
    """Frozen and strict; a line of text below a field is its description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class StyleImage(_Section):
    """One of the pictures to learn from."""

    image: kinds.PathName
    """Path of the picture."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its share of the style, relative to the other pictures' weights."""


class Transfer(_Section):
    """How a frame is painted; the recipe and then these settings override the defaults."""

    size: Annotated[int, Field(ge=32, le=16384)] | None = 512
    """Longest side of the result in px; null keeps the source's own."""
    iterations: Annotated[int, Field(ge=1)] = 300
    """Iterations of a frame that starts cold, at the final size."""
    warm_iterations: Annotated[int, Field(ge=0)] = 40
    """Iterations of a frame that starts warm, from its stylized predecessor."""
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    """The method that changes the pixels."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """The optimizer's step size; null: the optimizer's own."""
    content_weight: kinds.Share = 1.0
    """How much the result keeps of the source."""
    style_weight: kinds.Share = 1000.0
    """How much the result takes from the style."""
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
    pooling: Literal["max", "average", "l2"] = "max"
    """How VGG19 shrinks its features between blocks."""
    init: Literal["content", "noise", "style"] = "content"
    """What a cold frame starts from."""
    network: Literal["normalized", "raw"] = "normalized"
    """VGG19 with mean activations of 1, as in the paper, or as trained."""
    scales: kinds.Scales = "auto"
    """Sizes in px from coarse to fine, the last of them `size`; 1: the final size only."""
    style_size: Annotated[int, Field(ge=32)] | None = None
    """Longest side of the style images in px; null: as `size`."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1.0e-4
    """Stop when the loss changes relatively less than this over 50 iterations; 0: never."""
    preserve_color: Literal["none", "luminance", "match"] = "none"
    """Keep the source's colors: by its color channels, or by a style matched to its colors."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse settings that are each allowed but exclude each other."""
        found = []
        weights = ("transfer.content_weight", "transfer.style_weight")
        if self.content_weight == self.style_weight == 0:
            found.append((f"{weights[0]} and {weights[1]} cannot both be 0", weights))
        losses = (
            ("content", self.content_weight, self.content_layers),
            ("style", self.style_weight, self.style_layers),
        )
        for name, weight, layers in losses:
            if weight > 0 and not any(layers.values()):
                layers_key, weight_key = f"transfer.{name}_layers", f"transfer.{name}_weight"
                allowed = f"must have a weight above 0 because {weight_key} is {weight:g}"
                found.append((f"{layers_key} {allowed}, got {show(dict(layers))}", (layers_key, weight_key)))
        if self.size is not None and isinstance(self.scales, tuple) and self.scales[-1] != self.size:
            text = f"transfer.scales must end with transfer.size, {self.size}, got {show(list(self.scales))}"
            found.append((text, ("transfer.scales", "transfer.size")))
        if found:
            raise conflicts(found)
        return self


class Video(_Section):
    """What follows from one frame to the next."""

    warm_start: Literal["flow", "previous", "none"] = "flow"
    """A frame starts from its predecessor, moved by optical flow or as it is, or from scratch."""
    frames: kinds.FrameRange | None = None
    """[first, stop) to work on a part of each video, in frame indices from 0; null: all of it."""
    cuts: kinds.Cuts = "auto"
    """Frames that start a new shot, as indices from 0; auto: detect them."""


class Execution(_Section):
    """Where the work is done; nothing here changes a pixel."""

    address: kinds.Address = None
    """Ray cluster; null: start Ray here, auto, host:port or ray://host:port: use a running one."""
    workers: kinds.Workers = "auto"
    """Number of workers; auto: one per GPU, or one per machine without GPUs."""
    threads_per_worker: kinds.Threads = "auto"
    """CPU threads of each worker."""
    gpus_per_worker: kinds.GpuShare = "auto"
    """GPUs of each worker; 0.5 puts two workers on one."""


class Config(_Section):
    """A job for stylize: what to paint, in which style, and how."""

    input: kinds.Patterns
    """What to paint: a file, a folder (searched recursively), a pattern, or a list of these."""
    output: kinds.PathName
    """Folder for the results; the input tree is mirrored below it, file names kept."""
    style: Annotated[
        tuple[StyleImage, ...], BeforeValidator(kinds.listed), Field(json_schema_extra=kinds.add_path)
    ]
    """The painting to learn from, or a list of {image: path, weight: number}."""
    recipe: kinds.RecipeName = "gatys"
    """Named defaults for `transfer`."""
    transfer: Transfer = Field(default_factory=Transfer)
    """How a frame is painted; every key overrides the recipe's."""
    video: Video = Field(default_factory=Video)
    """What follows from one frame to the next."""
    weights: kinds.WeightsName = "packaged"
    """VGG19's weights: packaged, torchvision, or a path to a .pth file."""
    execution: Execution = Field(default_factory=Execution)
    """Where the work is done; nothing here changes a pixel."""
    folders: Literal["auto", "archive", "sequence"] = "auto"
    """A folder of pictures: each on its own, or a numbered sequence, which becomes a video."""
    rate: kinds.Rate = Field(Fraction(25), json_schema_extra={"default": 25})
    """Frames per second of numbered sequences, a number or a fraction such as "24000/1001"."""


_SECTIONS: dict[str, type[BaseModel]] = {"transfer": Transfer, "video": Video, "execution": Execution}
_MERGED = frozenset((name,) for name in _SECTIONS)
_LAYERS = ("transfer.content_layers", "transfer.style_layers")
KEYS = (
    *Config.model_fields,
    *(f"{name}.{key}" for name, part in _SECTIONS.items() for key in part.model_fields),
)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a job from a YAML and `key=value` overrides; raises one ConfigError with a line for each problem.

    Relative paths are counted from the YAML's folder, those of overrides from the current one.
    """
    written = read_yaml(path)
    problems: list[str] = []
    changes = _read_overrides(overrides, problems)
    document = _lay_over(Placed(written.value, str(path)), changes)
    try:
        config = Config.model_validate(document.plain())
    except ValidationError as error:
        raise ConfigError("\n".join(problems + complaints(error, document, KEYS))) from None
    if problems:
        raise ConfigError("\n".join(problems))
    config = _with_absolute_paths(config, path.parent.absolute(), {key for key, _ in changes})
    check_files(config, document)
    return config


def _read_overrides(overrides: Sequence[str], problems: list[str]) -> list[tuple[str, Placed]]:
    """Split each `a.b=value`, whose value is YAML; note what is wrong in `problems`."""
    found = []
    for text in overrides:
        key, _, value = text.partition("=")
        place = f"--set {text}"
        if not key or not value.strip():
            problems.append(f"{place} must be key=value, for example --set transfer.size=512")
        elif key not in KEYS and key.rpartition(".")[0] not in _LAYERS:
            problems.append(unknown_setting(key, KEYS, place))
        elif value.startswith("*"):  # a pattern; an alias would have nothing to refer to
            found.append((key, Placed(value, place)))
        else:
            try:
                found.append((key, parse_yaml(value, place, numbered=False)))
            except ConfigError as error:
                problems.append(str(error))
    return found


def _lay_over(written: Placed, changes: Sequence[tuple[str, Placed]]) -> Placed:
    """Lay recipe, YAML and overrides over the defaults of `transfer`, in this order."""
    recipe = written.value.get("recipe", Placed("gatys", written.place))
    recipe = ([recipe] + [value for key, value in changes if key == "recipe"])[-1].plain()
    document = Placed({"transfer": Placed.of(plain(Transfer()), written.place)}, written.place)
    if recipe in recipe_names():
        document.put(("transfer",), parse_yaml(recipe_text(recipe), f"recipe {recipe}"), _MERGED)
    for key, value in written.value.items():
        document.put((key,), value, _MERGED)
    for key, value in changes:
        section = key.split(".")[0]
        if section in _SECTIONS:
            document.value.setdefault(section, Placed({}, value.place))
        document.put(tuple(key.split(".")), value, _MERGED)
    return document


def _with_absolute_paths(config: Config, folder: Path, overridden: set[str]) -> Config:
    """Count relative paths from `folder`, or from the current one where they came from an override."""
    bases = {
        key: Path.cwd() if key in overridden else folder for key in ("input", "output", "style", "weights")
    }
    style = [one.model_copy(update={"image": absolute(bases["style"], one.image)}) for one in config.style]
    changes: dict[str, Any] = {
        "input": tuple(absolute_pattern(bases["input"], text) for text in config.input),
        "output": absolute(bases["output"], config.output),
        "style": tuple(style),
    }
    if isinstance(config.weights, Path):
        changes["weights"] = absolute(bases["weights"], config.weights)
    return config.model_copy(update=changes)


def check_files(config: Config, document: Placed | None = None) -> None:
    """Check that style and weights can be read and that output is a folder of its own; raises ConfigError."""

    def at(*path: str | int) -> str:
        return f" ({document.along(path)[-1].place})" if document else ""

    problems = []
    for index, style in enumerate(config.style):
        if trouble := image_trouble(style.image):
            problems.append(f"style must be an image; {style.image} {trouble}{at('style', index, 'image')}")
    if isinstance(config.weights, Path) and (kind := kind_of(config.weights)) != "file":
        trouble = "is a folder" if kind == "folder" else "does not exist"
        problems.append(f"weights must be a file; {config.weights} {trouble}{at('weights')}")
    existing = next(path for path in (config.output, *config.output.parents) if kind_of(path) != "nothing")
    if kind_of(existing) == "file":
        problems.append(f"output must be a folder, {existing} is a file{at('output')}")
    output = realpath(config.output)
    if output in {realpath(root_of(text)) for text in config.input}:
        text = "output must not be the folder of an input, where results would replace sources"
        problems.append(f"{text}, got {config.output}{at('output')}")
    elif any(is_around(output, text) for text in config.input):
        text = "output must not lie around an input, which is searched for everything but the output"
        problems.append(f"{text}, got {config.output}{at('output')}")
    if problems:
        raise ConfigError("\n".join(problems))


def plain(model: BaseModel) -> dict[str, Any]:
    """A model's values as JSON has them: paths are text, a rate is "24000/1001"."""
    return model.model_dump(mode="json")


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 7, which editors know best) of the YAML as people write it."""
    schema = Config.model_json_schema()
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "stylize job"}
    return {**_inlined(schema, schema.pop("$defs")), **head}


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """Put definitions where they are referred to: draft 7 ignores what stands beside a `$ref`."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    whole = {**definitions.get(str(node.get("$ref")).rpartition("/")[2], {}), **node}
    return {key: _inlined(item, definitions) for key, item in whole.items() if key != "$ref"}


def starter_yaml() -> str:
    """A commented YAML with every setting at its default, to start a job from."""
    return (files("pipeline") / "starter.yaml").read_text(encoding="utf-8")
