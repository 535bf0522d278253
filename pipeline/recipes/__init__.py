"""Recipes: named defaults for the `transfer` section, one YAML file each, shipped with the package.

A recipe is a mapping of `transfer` keys; what it leaves out has the default of `config.Transfer`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def recipe_names() -> tuple[str, ...]:
    """The names of all recipes, in alphabetical order."""
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


def recipe_text(name: str) -> str:
    """The YAML of one of `recipe_names()`."""
    return (files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
