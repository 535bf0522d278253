"""What outputs are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.media.formats import Encoding
from pipeline.media.outputs import name_outputs
from pipeline.media.sources import Source


def source(name: str, kind: Any = "video", path: str | None = None) -> Source:
    file = Path("/in", path or name)
    return Source(kind, file, name, (file,))


def outputs(encoding: Encoding, *sources: Source) -> list[str | None]:
    return [one.output for one in name_outputs(sources, encoding)]


def test_by_default_outputs_are_called_as_their_sources() -> None:
    given = (source("a/b.mov"), source("c.avi.mkv", path="c.avi"), source("d.gif", "animation"))
    assert outputs(Encoding(), *given) == ["a/b.mov", "c.avi.mkv", "d.gif"]


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ("mp4", ["a/b.mp4", "c.mp4", "shot.mp4", "my.film.mp4"]),
        ("gif", ["a/b.gif", "c.gif", "shot.gif", "my.film.gif"]),
        ("png", ["a/b", "c", "shot", "my.film"]),
    ],
)
def test_an_output_takes_the_suffix_of_its_container(container: Any, expected: list[str]) -> None:
    given = (
        source("a/b.mov"),
        source("c.avi.mkv", path="c.avi"),
        source("shot.mp4", "sequence", "shot"),
        source("my.film.mkv"),
    )
    assert outputs(Encoding(container=container), *given) == expected


def test_a_codec_that_does_not_go_into_the_sources_container_goes_into_matroska() -> None:
    given = (source("a.mov"), source("b.mkv"), source("c.gif", "animation"), source("s.mp4", "sequence", "s"))
    assert outputs(Encoding(codec="ffv1"), *given) == ["a.mov.mkv", "b.mkv", "c.gif.mkv", "s.mkv"]
    assert outputs(Encoding(codec="vp9"), *given) == ["a.mov.mkv", "b.mkv", "c.gif.mkv", "s.mp4"]


def test_outputs_that_would_be_one_are_numbered_in_order() -> None:
    given = (source("a.mov"), source("A.mp4"), source("a.mkv"))
    assert outputs(Encoding(container="mp4"), *given) == ["a.mp4", "A-2.mp4", "a-3.mp4"]


def test_a_folder_of_pictures_holds_no_other_output() -> None:
    given = (source("a.mov"), source("a/b.mp4"), source("a/b/c.mp4"))
    assert outputs(Encoding(container="png"), *given) == ["a-2", "a/b-2", "a/b/c"]
