"""What one setting may be, and the sentence for one that is not; knows nothing of which settings there are.

The types below are strict: a whole number is no text and no truth value, only an int may stand for a float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    WithJsonSchema,
)

from pipeline.errors import ConfigError
from pipeline.recipes import recipe_names
from pipeline.settings.errors import expects, not_allowed
from pipeline.storage.places import is_url, place_of

# --- names and paths ---


def _path(value: Any) -> Path:
    """Take a text or a Path that the system can open."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError
    str(value).encode()  # half of a surrogate pair is a ValueError
    return Path(value)


def _place(value: Any) -> Path:
    """Take a path, or a URL for the place that stands for it."""
    path = _path(value)
    return _place_of(str(value)) if is_url(str(value)) else path


def _place_of(url: str) -> Path:
    try:
        return place_of(url)
    except ConfigError:
        raise ValueError from None


def _patterns(value: Any) -> tuple[str, ...]:
    """Take a path or pattern, or a list of them."""
    values = [value] if isinstance(value, str | Path) else value
    if not isinstance(values, list | tuple) or not values:
        raise ValueError
    return tuple(str(one) for one in values if _place(one))


def _weights(value: Any) -> str | Path:
    """Take the name of a set of weights, or the path of a file with them."""
    if value in ("packaged", "torchvision"):
        return str(value)
    path = _path(value)
    if path.suffix.lower() not in (".pth", ".pt"):
        raise ValueError
    return path


def listed(value: Any) -> Any:
    """Take a path for a list of one image; refuse what is no list, or empty."""
    values = [{"image": value}] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values:
        raise not_allowed("a path, or a list of {image: path, weight: number}")
    return tuple(values)


def add_path(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema of `listed` that a path will do."""
    items = {key: schema.pop(key) for key in ("type", "items")}
    schema["anyOf"] = [_TEXT, {**items, "minItems": 1}]


def _recipe_name(value: Any) -> Any:
    """Refuse what is no recipe's name."""
    if value not in recipe_names():
        raise not_allowed(f"one of {', '.join(recipe_names())}", recipe_names())
    return value


def _add_recipe_names(schema: dict[str, Any]) -> None:
    """List the recipes in the JSON Schema."""
    schema["enum"] = list(recipe_names())


_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "minItems": 1, "items": _TEXT}

PlaceName = Annotated[Path, BeforeValidator(_place), expects("a path"), WithJsonSchema(_TEXT)]
PathName = Annotated[Path, BeforeValidator(_path), expects("a path"), WithJsonSchema(_TEXT)]
Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(_patterns),
    expects("a path, a pattern, or a list of these that is not empty"),
    WithJsonSchema({"anyOf": [_TEXT, _TEXTS]}),
]
WeightsName = Annotated[
    Literal["packaged", "torchvision"] | Path,
    BeforeValidator(_weights),
    expects("packaged, torchvision, or a path to a .pth or .pt file", "packaged", "torchvision"),
    WithJsonSchema(
        {"anyOf": [{"enum": ["packaged", "torchvision"]}, {"type": "string", "pattern": r"\.[pP][tT][hH]?$"}]}
    ),
]

RecipeName = Annotated[str, BeforeValidator(_recipe_name), Field(json_schema_extra=_add_recipe_names)]

# --- numbers and lists of numbers ---

LARGEST_PART = 2**31 - 1  # of a rate: FFmpeg's rationals are two 32-bit integers


def _rate(value: Any) -> Fraction:
    """Take 25, 29.97, "29.97" or "24000/1001"; a decimal is the nearest fraction with a denominator to 1001.

    So 23.976023976, which people copy from players, is exactly 24000/1001, and 29.97 is 2997/100.
    """
    if isinstance(value, bool) or not re.fullmatch(
        r"\d{1,10}/\d{1,10}|\d{1,10}(\.\d{0,20})?|\.\d{1,20}", str(value)
    ):
        raise ValueError
    if "/" in str(value) and not int(str(value).split("/")[1]):
        raise ValueError
    rate = Fraction(str(value))
    if "." in str(value):
        rate = rate.limit_denominator(1001)
    if rate <= 0 or max(rate.numerator, rate.denominator) > LARGEST_PART:
        raise ValueError
    return rate


def _time(value: Any) -> Fraction:
    """Take seconds from 0 up, or a text such as "1:02:03.5" or "0:12.5"; exactly what is written."""
    parts = str(value).split(":")
    if isinstance(value, bool) or not 1 <= len(parts) <= 3 or not _TIME.fullmatch(str(value)):
        raise ValueError
    if any(Fraction(part) >= 60 for part in parts[1:]):
        raise ValueError
    return sum((Fraction(part) * 60**power for power, part in enumerate(reversed(parts))), Fraction(0))


_TIME = re.compile(r"(\d{1,9}:){0,2}\d{1,9}(\.\d{0,9})?")


def _neither_bool_nor_float(value: Any) -> Any:
    """Refuse true and 1.0, which pydantic's Literal takes for 1."""
    if isinstance(value, bool | float):
        raise ValueError
    return value


def _increasing(value: Any) -> Any:
    """Refuse a list in which a number is not above the one before it; let words pass."""
    if isinstance(value, tuple) and any(a >= b for a, b in pairwise(value)):
        raise ValueError
    return value


def _whole_above_1(value: Any) -> Any:
    """Refuse 1.5 GPUs: Ray gives a worker a part of one GPU, or several whole ones."""
    if isinstance(value, float) and value > 1 and not value.is_integer():
        raise ValueError
    return value


def _address(value: Any) -> Any:
    """Let null, auto, host:port and ray://host:port pass."""
    if value is None or value == "auto":
        return value
    match = re.fullmatch(r"(?:ray://)?(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", str(value))
    if not isinstance(value, str) or not match or not 0 < int(match[1]) < 65536:
        raise ValueError
    return value


Share = Annotated[float, Field(ge=0)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Betas = Annotated[
    tuple[BelowOne, BelowOne],
    Strict(False),
    expects("a list of two numbers from 0 to below 1"),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "minItems": 2,
            "maxItems": 2,
        }
    ),
]
Rate = Annotated[
    Fraction,
    PlainValidator(_rate),
    expects('a number above 0, or a fraction such as "24000/1001"'),
    PlainSerializer(lambda rate: f"{rate.numerator}/{rate.denominator}", return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^(\d+/\d+|\d+(\.\d*)?|\.\d+)$"},
            ]
        }
    ),
]
Time = Annotated[
    Fraction,
    PlainValidator(_time),
    expects('seconds from 0 up, or a time such as "1:02:03.5"'),
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^(\d{1,9}:){0,2}\d{1,9}(\.\d{0,9})?$"},
            ]
        }
    ),
]
Scales = Annotated[
    Literal["auto", 1]
    | Annotated[tuple[Annotated[int, Field(ge=16, le=16384)], ...], Strict(False), Field(min_length=1)],
    BeforeValidator(_neither_bool_nor_float),
    AfterValidator(_increasing),
    expects("auto, 1, or a list of increasing sizes in px from 16 to 16384", "auto"),
]
FrameRange = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]],
    Strict(False),
    AfterValidator(_increasing),
    expects("null, or [first, stop] with 0 <= first < stop"),
    WithJsonSchema(
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2}
    ),
]
Cuts = Annotated[
    Literal["auto", "none"] | Annotated[tuple[Annotated[int, Field(ge=1)], ...], Strict(False)],
    AfterValidator(_increasing),
    expects("auto, none, or a list of increasing frame indices, each at least 1", "auto", "none"),
]
Backs = Annotated[
    tuple[Annotated[int, Field(ge=2, le=256)], ...],  # as many frames are kept in memory
    Strict(False),
    AfterValidator(_increasing),
    expects("a list of increasing numbers of frames, from 2 to 256"),
]
Workers = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1, le=4096)],
    expects("auto, or a whole number from 1 to 4096", "auto"),
]
Threads = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=1)], expects("auto, or a whole number from 1 up", "auto")
]
GpuShare = Annotated[
    Literal["auto"] | Share,
    AfterValidator(_whole_above_1),
    expects("auto, a number from 0 to 1, or a whole number", "auto"),
]
Memory = Annotated[
    Literal["auto"] | Annotated[float, Field(gt=0)], expects("auto, or a number of GiB above 0", "auto")
]
Budget = Annotated[
    Annotated[float, Field(gt=0)] | None, expects("null, or a number of GiB above 0, for example 20")
]
Tile = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=64)] | None,
    expects("auto, null, or a whole number of px from 64 up", "auto"),
]
Bits = Annotated[
    Literal["auto", 8, 10], BeforeValidator(_neither_bool_nor_float), expects("auto, 8 or 10", "auto")
]
Chroma = Annotated[Literal[444, 420], BeforeValidator(_neither_bool_nor_float), expects("444 or 420")]
Address = Annotated[
    str | None,
    AfterValidator(_address),
    expects("null, auto, host:port or ray://host:port, for example ray://10.0.0.5:10001", "auto"),
    WithJsonSchema(
        {"anyOf": [{"const": "auto"}, {"type": "string", "pattern": r":\d{1,5}$"}, {"type": "null"}]}
    ),
]

# --- layers ---

# fmt: off
LayerName = Literal[
    "conv1_1", "conv1_2",
    "conv2_1", "conv2_2",
    "conv3_1", "conv3_2", "conv3_3", "conv3_4",
    "conv4_1", "conv4_2", "conv4_3", "conv4_4",
    "conv5_1", "conv5_2", "conv5_3", "conv5_4",
]
# fmt: on
Layers = Annotated[  # a Mapping, so that mypy holds off whoever writes into it
    Mapping[LayerName, Share],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                name: {
                    "type": "number",
                    "minimum": 0,
                    "description": f"Weight of {name}, relative to the others'.",
                }
                for name in get_args(LayerName)
            },
            "additionalProperties": False,
        }
    ),
]
