"""Commands whose usage and complaints are in plain words, whatever typer's or pydantic's are."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand


class Plainly(TyperCommand):
    """A command that shows CONFIG where typer shows {CONFIG}, and says what is wrong without naming a kind of error."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the name in the line of usage."""
        return [re.sub(r"^\{(.*)\}", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the arguments apart; raises `typer.BadParameter` for what cannot be."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _plainly(error.message)
            raise


def _plainly(message: str) -> str:
    """A complaint of pydantic's about a value, without its way to begin."""
    if message.startswith("Input should be a valid integer"):
        return "it must be a whole number"
    return message.removeprefix("Value error, ").removeprefix("Input ")


def within(least: int, most: int | None = None) -> Callable[[int | None], int | None]:
    """A check of an option that takes a whole number; typer's own shows [1<=x<=24] in the help."""
    allowed = f"at least {least}" if most is None else f"from {least} to {most}"

    def check(value: int | None) -> int | None:
        if value is not None and not least <= value <= (value if most is None else most):
            raise typer.BadParameter(f"it must be {allowed}, got {value}")
        return value

    return check
