"""The page itself: a template, a style sheet and a script, in one file that asks for nothing but the media beside it.

The only module that knows Jinja. Everything is escaped unless it is ours; what may be run or styled is known by its
hash, so nothing that got in could be.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report import charts, lanes


def render(**content: Any) -> bytes:
    """The page in UTF-8."""
    style, script = _own("page.css"), _own("page.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",
            "media-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    template = _environment().get_template("page.html.j2")
    text = template.render(
        policy=policy, style=Markup(style), script=Markup(script), geometry=charts, lane=lanes, **content
    )
    return text.encode("utf-8", "backslashreplace")  # a name need not be Unicode


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pipeline.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _own(name: str) -> str:
    return (files("pipeline.report") / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
