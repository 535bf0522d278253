"""Styles that a job names: their paths counted from a folder, and what is wrong with their files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline.settings.paths import ABSENT, absolute, image_trouble, mask_trouble, meant, media_by_name
from pipeline.settings.sections import Keyframe, StyleImage


def absolute_keyframes(keyframes: Sequence[Keyframe], folder: Path) -> tuple[Keyframe, ...]:
    """Keyframes whose styles' paths are counted from `folder`."""
    return tuple(
        one.model_copy(update={"style": one.style and absolute_styles(one.style, folder)})
        for one in keyframes
    )


def absolute_styles(styles: Sequence[StyleImage], folder: Path) -> tuple[StyleImage, ...]:
    """Styles whose paths are counted from `folder`."""
    names = ("image", "mask", "part")
    return tuple(
        one.model_copy(
            update={name: absolute(folder, path) for name in names if (path := getattr(one, name))}
        )
        for one in styles
    )


def style_troubles(styles: Sequence[StyleImage], key: str, at: Callable[..., str]) -> Iterator[str]:
    """A sentence for each style, or mask of one, that cannot be read; `at` says the place of a path in them."""
    for index, style in enumerate(styles):
        if trouble := image_trouble(style.image):
            hint = meant(style.image, _is_picture) if trouble == ABSENT else ""
            yield f"{key} must be an image; {style.image} {trouble}{at(index, 'image')}{hint}"
        for name in ("mask", "part"):
            if (path := getattr(style, name)) and (trouble := mask_trouble(path)):
                yield f"{key}.{index}.{name} must be an image; {path} {trouble}{at(index, name)}"


def _is_picture(name: str) -> bool:
    return media_by_name(Path(name)) == "a picture"
