"""The YAML's shape: every setting with its default and its limits, read strictly and frozen.

Settings come in layers: the defaults below, then the recipe, then the YAML, then `--set`. A section is laid
over the one below it key by key; a list or a mapping of VGG19's layers replaces the one below it as a whole.
Knows nothing of how a setting is used, and looks only at the files that hold styles, masks and weights. The sections
are in `settings.sections`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from importlib.resources import files
from os.path import realpath
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from pipeline.errors import ConfigError
from pipeline.recipes import recipe_names, recipe_text
from pipeline.settings import values as kinds
from pipeline.settings.encoding import Encoding, without_range
from pipeline.settings.errors import complaints, conflicts, unknown_setting
from pipeline.settings.origin import Origin
from pipeline.settings.paths import (
    absolute,
    absolute_pattern,
    is_around,
    kind_of,
    mask_trouble,
    media_by_name,
    root_of,
)
from pipeline.settings.sections import (
    Archive,
    Disk,
    Execution,
    Keyframe,
    Section,
    StyleImage,
    StyleList,
    Transfer,
    Video,
    keyframes_at_odds,
)
from pipeline.settings.styles import absolute_keyframes, absolute_styles, style_troubles
from pipeline.settings.yaml_lines import Placed, one_line, parse_yaml, read_yaml
from pipeline.storage.places import url_of, with_urls
from pipeline.storage.systems import check_scheme

__all__ = [
    "KEYS",
    "Archive",
    "Config",
    "Disk",
    "Encoding",
    "Execution",
    "Keyframe",
    "StyleImage",
    "Transfer",
    "Video",
    "check_files",
    "json_schema",
    "load_config",
    "plain",
    "starter_yaml",
]


class Config(Section):
    """A job for stylize: what to paint, in which style, and how."""

    input: kinds.Patterns
    """What to paint: a file, a folder (searched recursively), a pattern, a manifest, a URL, or a list."""
    output: kinds.PlaceName
    """Folder or URL for the results; the input tree is mirrored below it, file names kept."""
    style: StyleList
    """The painting to learn from, or a list of {image: path, weight: number, mask: path, part: path}."""
    content_mask: kinds.PathName | None = None
    """Picture that says where the source's content counts: white fully, black not; null: everywhere."""
    recipe: kinds.RecipeName = "gatys"
    """Named defaults for `transfer`."""
    transfer: Transfer = Field(default_factory=Transfer)
    """How a frame is painted; every key overrides the recipe's."""
    video: Video = Field(default_factory=Video)
    """What follows from one frame to the next."""
    weights: kinds.WeightsName = "packaged"
    """VGG19's weights: packaged, torchvision, or a path to a .pth file."""
    encoding: Encoding = Field(default_factory=Encoding)
    """How results are encoded; nothing here changes a painted pixel."""
    execution: Execution = Field(default_factory=Execution)
    """Where the work is done; nothing here changes a pixel."""
    archive: Archive = Field(default_factory=Archive)
    """How photographs are read and written back."""
    disk: Disk = Field(default_factory=Disk)
    """What may be kept on the disk; nothing here changes a pixel."""
    folders: Literal["auto", "archive", "sequence"] = "auto"
    """A folder of pictures: each on its own, or a numbered sequence, which becomes a video."""
    rate: kinds.Rate = Field(Fraction(25), json_schema_extra={"default": 25})
    """Frames per second of numbered sequences, a number or a fraction such as "24000/1001"."""
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where it was read, for messages."""
        return self._origin

    def coming_from(self, origin: Origin) -> Self:
        """The same, read elsewhere."""
        copy = self.model_copy()
        copy._origin = origin
        return copy

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse settings of two sections that exclude each other."""
        odds = keyframes_at_odds(self.video.timeline, self.transfer, "video.timeline")
        if found := [*without_range(self.encoding, self.video), *odds]:
            raise conflicts(found)
        return self


_SECTIONS: dict[str, type[BaseModel]] = {
    "transfer": Transfer,
    "video": Video,
    "encoding": Encoding,
    "execution": Execution,
    "archive": Archive,
    "disk": Disk,
}
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
    if what := media_by_name(path):
        command = shlex.join(["stylize", "init", "job.yaml", "--input", str(path)])
        raise ConfigError(f"{path} is {what}, not a job; to write a job for it: {command}")
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
    places = tuple(document.along(("input", index))[-1].place for index in range(len(config.input)))
    words = (str(path), *(part for text in overrides for part in ("--set", text)))
    config = config.coming_from(Origin(words, places))
    check_files(config, document)
    return config


def _read_overrides(overrides: Sequence[str], problems: list[str]) -> list[tuple[str, Placed]]:
    """Split each `a.b=value`, whose value is YAML; note what is wrong in `problems`."""
    found = []
    for text in overrides:
        key, _, value = text.partition("=")
        place = f"--set {one_line(text, most=200)}"
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
                problems += str(error).split("\n")
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
    in_video = ("shots", "timeline", "flow_weights")
    keys = ("input", "output", "style", "content_mask", "weights", *(f"video.{name}" for name in in_video))
    bases = {key: Path.cwd() if key in overridden else folder for key in keys}
    changes: dict[str, Any] = {
        "input": tuple(absolute_pattern(bases["input"], text) for text in config.input),
        "output": absolute(bases["output"], config.output),
        "style": absolute_styles(config.style, bases["style"]),
        "video": _absolute_video(config.video, {name: bases[f"video.{name}"] for name in in_video}),
    }
    if config.content_mask is not None:
        changes["content_mask"] = absolute(bases["content_mask"], config.content_mask)
    if isinstance(config.weights, Path):
        changes["weights"] = absolute(bases["weights"], config.weights)
    return config.model_copy(update=changes)


def _absolute_video(video: Video, bases: Mapping[str, Path]) -> Video:
    paths = {name: getattr(video, name) for name in ("shots", "flow_weights")}
    changes: dict[str, Any] = {name: path and absolute(bases[name], path) for name, path in paths.items()}
    timeline = absolute_keyframes(video.timeline, bases["timeline"])
    return video.model_copy(update={**changes, "timeline": timeline})


def check_files(config: Config, document: Placed | None = None) -> None:
    """Check that styles, masks and weights can be read and that output is a folder of its own; raises ConfigError."""

    def at(*path: str | int) -> str:
        return f" ({document.along(path)[-1].place})" if document else ""

    problems = [*style_troubles(config.style, "style", partial(at, "style"))]
    for index, one in enumerate(config.video.timeline):
        path = ("video", "timeline", index, "style")
        problems += style_troubles(one.style or (), ".".join(map(str, path)), partial(at, *path))
    if config.video.shots and kind_of(config.video.shots) != "file":
        job = document.place if document else "CONFIG"
        remedy = f"write one: {shlex.join(['stylize', 'plan', job, '--shots', str(config.video.shots)])}"
        problems.append(
            f"video.shots must be a file; {config.video.shots} is not there{at('video', 'shots')}; {remedy}"
        )
    if config.content_mask and (trouble := mask_trouble(config.content_mask)):
        problems.append(f"content_mask must be an image; {config.content_mask} {trouble}{at('content_mask')}")
    if isinstance(config.weights, Path) and (kind := kind_of(config.weights)) != "file":
        trouble = {"folder": "is a folder", "special": "is a device or a pipe"}.get(kind, "does not exist")
        problems.append(f"weights must be a file; {config.weights} {trouble}{at('weights')}")
    existing = next(path for path in (config.output, *config.output.parents) if kind_of(path) != "nothing")
    if kind_of(existing) != "folder":
        problems.append(f"output must be a folder, {existing} is a file{at('output')}")
    problems += _url_troubles(config, at)
    output = realpath(config.output)
    if output in {realpath(root_of(text)) for text in config.input}:
        text = "output must not be the folder of an input, where results would replace sources"
        problems.append(f"{text}, got {config.output}{at('output')}")
    elif any(is_around(output, text) for text in config.input):
        text = "output must not lie around an input, which is searched for everything but the output"
        problems.append(f"{text}, got {config.output}{at('output')}")
    if problems:
        raise ConfigError("\n".join(one_line(with_urls(problem)) for problem in problems))


def _url_troubles(config: Config, at: Callable[[str], str]) -> Iterator[str]:
    """What is wrong with the URLs of a config, so far as this machine can tell."""
    for key, places in (("input", config.input), ("output", (str(config.output),))):
        for url in filter(None, (url_of(Path(place)) for place in places)):
            try:
                check_scheme(url)
            except ConfigError as error:
                yield f"{key}: {error}{at(key)}"


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
