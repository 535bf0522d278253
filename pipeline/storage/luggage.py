"""Files that a job names and other machines may lack: styles, masks, weights. They travel through the run folder.

A file's name there is made of its path, so a worker finds it without being told. Every run has a folder of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from pipeline.media.window import Window

T = TypeVar("T")


def luggage_name(path: Path) -> str:
    """The name under which a file travels; its suffix stays, since it may say what the file is."""
    return hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:32] + path.suffix


def paths_in(thing: Any) -> Iterator[Path]:
    """Every path in a job, a batch or a direction."""
    if isinstance(thing, Path):
        yield thing
    elif isinstance(thing, tuple):
        for one in thing:
            yield from paths_in(one)
    elif isinstance(thing, BaseModel):
        for value in thing.__dict__.values():
            yield from paths_in(value)
    elif is_dataclass(thing):
        for field in fields(thing):
            yield from paths_in(getattr(thing, field.name))


def moved(thing: T, move: Callable[[Path], Path]) -> T:
    """The same with other paths."""
    found: Any = thing
    if isinstance(thing, Path):
        found = move(thing)
    elif isinstance(thing, Window):
        found = thing.map(lambda one: moved(one, move))
    elif isinstance(thing, tuple):
        parts = [moved(one, move) for one in thing]
        found = type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
    elif isinstance(thing, BaseModel):
        found = thing.model_copy(update={name: moved(value, move) for name, value in thing.__dict__.items()})
    elif is_dataclass(thing) and not isinstance(thing, type):
        old = {field.name: getattr(thing, field.name) for field in fields(thing) if field.init}
        new = {name: moved(value, move) for name, value in old.items()}
        found = replace(thing, **{name: value for name, value in new.items() if value is not old[name]})
    return found  # type: ignore[no-any-return]
