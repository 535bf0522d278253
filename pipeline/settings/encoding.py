"""The YAML's `encoding`: how results are written, and which of its settings exclude each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.media.formats import CODECS, SRGB_ONLY, CodecName, ContainerName, codecs_in
from pipeline.media.formats import Encoding as Wish
from pipeline.settings import values as kinds
from pipeline.settings.errors import conflicts
from pipeline.settings.sections import Conflict, Section, Video

_CODEC, _QUALITY, _CONTAINER, _BITS = (f"encoding.{key}" for key in ("codec", "quality", "container", "bits"))


class Encoding(Section):
    """How results are encoded; nothing here changes a painted pixel, so a change encodes again and paints nothing."""

    codec: CodecName = "auto"
    """Codec of videos; auto: H.264, which plays everywhere, VP9 in .webm; ffv1 is lossless, every pixel as painted."""
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """Quality from 1 to 100, the best, spread over the codec's own scale; null: the codec's default."""
    container: ContainerName = "source"
    """Container of videos; source: as the source's; gif and webp are animations, png a folder of numbered pictures."""
    bits: kinds.Bits = "auto"
    """Bits per channel of videos; auto: 8, and 10 for high dynamic range that is kept."""

    @property
    def wish(self) -> Wish:
        """The same for those who know nothing of configs."""
        return Wish(**self.model_dump())

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        """Refuse settings that are each allowed but exclude each other."""
        if found := [*self._misplaced(), *self._too_deep(), *self._without_scale()]:
            raise conflicts(found)
        return self

    def _misplaced(self) -> Iterator[Conflict]:
        """A codec in a container that cannot hold it."""
        if self.codec == "auto" or self.container == "source":
            return
        if self.container not in CODECS[self.codec].containers:
            known = [name for name in codecs_in(self.container) if name != self.container]
            others = f"one of auto, {', '.join(known)}" if known else "auto"
            text = f"{_CODEC} must be {others} because {_CONTAINER} is {self.container}, got {self.codec!r}"
            yield text, (_CODEC, _CONTAINER)

    def _too_deep(self) -> Iterator[Conflict]:
        """Ten bits where there is room for eight."""
        if self.bits != 10:
            return
        if self.container in SRGB_ONLY:
            yield f"{_BITS} must be 8 because {_CONTAINER} is {self.container}, got 10", (_BITS, _CONTAINER)
        elif self.codec != "auto" and 10 not in CODECS[self.codec].pixels:
            yield f"{_BITS} must be 8 because {_CODEC} is {self.codec}, got 10", (_BITS, _CODEC)

    def _without_scale(self) -> Iterator[Conflict]:
        """A quality of what has none."""
        if self.quality is None:
            return
        for key, name in ((_CODEC, self.codec), (_CONTAINER, self.container)):
            if name in ("ffv1", "gif", "png"):
                yield f"{_QUALITY} must be null because {key} is {name}, got {self.quality}", (_QUALITY, key)


def without_range(encoding: Encoding, video: Video) -> Iterator[Conflict]:
    """Encodings that have no room for the high dynamic range that is to be kept."""
    if video.hdr != "keep":
        return
    narrow = {
        _CONTAINER: encoding.container in SRGB_ONLY,
        _CODEC: encoding.codec == "vp9",
        _BITS: encoding.bits == 8,
    }
    for key, is_narrow in narrow.items():
        if is_narrow:
            value = getattr(encoding, key.rpartition(".")[2])
            text = f"video.hdr must be tonemap or fail because {key} is {value}, which has no room for it, got 'keep'"
            yield text, ("video.hdr", key)
