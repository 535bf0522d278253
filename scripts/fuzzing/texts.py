"""The readers of what people write: jobs and manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any

from PIL import Image

from pipeline.config import KEYS, Config, load_config, plain
from pipeline.errors import ConfigError
from pipeline.media.items import Entry, Refused
from pipeline.media.manifest import read_manifest
from pipeline.media.sources import Source

from .cases import Case, Target, WrongError
from .damage import TOKENS, damaged_bytes, damaged_value, json_line, odd_value


def small_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "white").save(path)


# --- jobs ---


@cache
def _settings() -> dict[str, Any]:
    """Every setting at its default, by dotted key."""
    job = {"input": "in", "output": "out", "style": "s.png"}
    found = plain(Config.model_validate(job))
    flat = {key: value for key, value in found.items() if not isinstance(value, dict)}
    for section in found.keys() - flat.keys():
        flat |= {f"{section}.{key}": value for key, value in found[section].items()}
    flat["style"] = [{"image": "s.png", "weight": 2.0, "mask": "s.png"}]
    flat["video.timeline"] = [
        {"at": "0:01", "style": "s.png", "style_weight": 10.0},
        {"at": 2, "style_weight": 1},
    ]
    return flat


def _job(rng: Random) -> Case:
    settings = {key: _settings()[key] for key in rng.sample(sorted(_settings()), rng.randrange(6))}
    settings |= {"input": "in", "output": "out", "style": rng.choice(("s.png", _settings()["style"]))}
    job: dict[str, Any] = {}
    for key, value in settings.items():
        section, _, name = key.rpartition(".")
        (job.setdefault(section, {}) if section else job)[name] = value
    if rng.random() < 0.7:
        job = damaged_value(rng, job)
    text = _yaml(job) if isinstance(job, dict) else json_line(job)
    if rng.random() < 0.3:
        text = damaged_bytes(rng, text, TOKENS)
    count = rng.choice((0, 0, 0, 1, 2))
    return Case({"job.yaml": text}, tuple(override(rng) for _ in range(count)))


def _yaml(job: dict[str, Any]) -> bytes:
    """A job as YAML: sections in lines of their own, what is in them as JSON."""
    lines = []
    for key, value in job.items():
        lines += [f"{key}:"] if isinstance(value, dict) else [f"{key}: {json.dumps(value)}"]
        lines += [f"  {k}: {json.dumps(v)}" for k, v in value.items()] if isinstance(value, dict) else []
    return "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")


def override(rng: Random) -> str:
    key = rng.choice(KEYS)
    value = _settings().get(key, "")
    text = f"{key}={json.dumps(odd_value(rng) if rng.random() < 0.5 else damaged_value(rng, value))}"
    if rng.random() < 0.5:
        text = damaged_bytes(rng, text.encode(), TOKENS).decode("utf-8", "surrogateescape")
    return text


def _read_job(folder: Path, case: Case) -> Iterator[str]:
    config = load_config(folder / "job.yaml", case.texts)
    if not config.output.is_absolute():
        raise WrongError(f"the output is not absolute: {config.output}")
    yield from ()


def _prepare_job(folder: Path) -> None:
    small_picture(folder / "s.png")
    small_picture(folder / "in/a.png")


# --- manifests ---

_LINES: tuple[dict[str, Any], ...] = (
    {"path": "a.png"},
    {"path": "sub/b.png", "style": "s.png", "strength": 0.5, "mask": "s.png"},
    {"path": "film.mp4"},
    {"path": "a.png", "style": [{"image": "s.png", "weight": 2.0, "mask": "s.png"}, {"image": "a.png"}]},
    {"path": "sub/../a.png", "strength": 1},
    {"path": "../elsewhere.png"},
    {"path": "../../x.png", "style": "../s.png"},
)


def _manifest(rng: Random) -> Case:
    chosen: list[Any] = [rng.choice(_LINES) for _ in range(rng.choice((1, 2, 3, 5)))]
    for place in range(len(chosen)):
        if rng.random() < 0.5:
            chosen[place] = damaged_value(rng, chosen[place])
    is_csv = rng.random() < 0.5
    data = _csv(chosen) if is_csv else b"".join(map(json_line, chosen))
    if rng.random() < 0.6:
        data = damaged_bytes(rng, data, TOKENS)
    return Case({"m/list.csv" if is_csv else "m/list.jsonl": data})


def _csv(lines: list[Any]) -> bytes:
    columns = ("path", "style", "strength", "mask")
    rows = [",".join(columns)]
    for line in lines:
        cells = line if isinstance(line, dict) else {"path": line}
        rows.append(",".join(_cell(cells[name]) if name in cells else "" for name in columns))
    return "\n".join([*rows, ""]).encode("utf-8", "replace")


def _cell(value: Any) -> str:
    text = str(value)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if {",", '"', "\n"} & set(text) else text


def _read_manifest(folder: Path, case: Case) -> Iterator[str]:
    (name,) = case.files
    for item in read_manifest(folder / name, folder / "out"):
        if isinstance(item, Refused):
            yield from (item.name, item.reason)
        elif isinstance(item, Entry | Source):
            _check_name(item.name)
            if not item.path.is_absolute() or item.path.is_relative_to(folder / "out"):
                raise WrongError(f"a source that cannot be one: {item.path}")


def _check_name(name: str) -> None:
    """What a result is called must lie below the output folder, whatever the manifest says."""
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or str(path) == ".":
        raise WrongError(f"a name that leads out of the output folder: {name!r}")


def _prepare_manifest(folder: Path) -> None:
    for name in ("m/a.png", "m/sub/b.png", "m/s.png", "elsewhere.png", "out/c.png"):
        small_picture(folder / name)
    (folder / "m/film.mp4").touch()


TEXTS = (
    Target("config", _job, _read_job, ConfigError, _prepare_job),
    Target("manifest", _manifest, _read_manifest, ConfigError, _prepare_manifest),
)
