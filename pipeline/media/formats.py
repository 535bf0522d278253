"""Which codec goes into which container, and how an encoder is asked for a quality. Pure: tables and look-ups.

Names are those of the YAML's `encoding` and `archive`; a container is also known by the suffix of a file in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

CodecName = Literal["auto", "h264", "h265", "vp9", "av1", "ffv1"]
ContainerName = Literal["source", "mp4", "mov", "mkv", "webm", "ts", "gif", "webp", "png"]
Bits = Literal["auto", 8, 10]
PhotoName = Literal["source", "jpeg", "png", "webp", "tiff", "avif", "heic"]


@dataclass(frozen=True)
class Encoding:
    """How outputs are to be encoded, as a person asks for it; nothing here changes a painted pixel."""

    codec: CodecName = "auto"
    quality: int | None = None  # 1 to 100; None: the codec's default
    container: ContainerName = "source"
    bits: Bits = "auto"


@dataclass(frozen=True)
class Codec:
    """An encoder of libav: where its streams may go, its pixel format by bits, its scale of quality.

    `default` and `worst` are on the encoder's own scale, crf or the like, on which 1 is (nearly) lossless. Without
    `worst` there is no such scale.
    """

    encoder: str
    containers: tuple[str, ...]
    pixels: Mapping[int, str]
    options: Mapping[str, str]
    default: int = 0
    worst: int | None = None


@dataclass(frozen=True)
class Coding:
    """How one output is encoded: a name in CODECS, the encoder's own measure of quality, and bits per channel."""

    codec: str
    strength: int | None  # crf, or the quality of WebP; None: the codec has none
    bits: int


_420 = {8: "yuv420p", 10: "yuv420p10le"}
CODECS: Mapping[str, Codec] = {
    "h264": Codec("libx264", ("mp4", "mov", "mkv", "ts"), _420, {"preset": "medium"}, 16, 51),
    "h265": Codec(
        "libx265", ("mp4", "mov", "mkv", "ts"), _420,
        {"preset": "medium", "x265-params": "log-level=none"}, 18, 51,
    ),
    "vp9": Codec(
        "libvpx-vp9", ("mp4", "mkv", "webm"), {8: "yuv420p"},
        {"b": "0", "deadline": "good", "cpu-used": "2", "row-mt": "1"}, 24, 63,
    ),
    "av1": Codec("libsvtav1", ("mp4", "mkv", "webm"), _420, {"preset": "6"}, 24, 63),
    "ffv1": Codec("ffv1", ("mkv",), {8: "bgr0"}, {"level": "3", "slicecrc": "1"}),
    "gif": Codec("gif", ("gif",), {8: "pal8"}, {}),
    "webp": Codec("libwebp", ("webp",), {8: "bgra"}, {"compression_level": "4"}),
    "png": Codec("png", ("png",), {8: "rgb24"}, {}),
}  # fmt: skip
"""By the YAML's name; the last three are what the containers of the same name hold. Lossless is ffv1, in RGB: every
painted pixel comes back, which no 4:2:0 can, however well it is encoded. This build's VP9 has 8 bits only."""

_WEBP_QUALITY = 95
_CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "mkv", ".webm": "webm", ".ts": "ts",
               ".gif": "gif", ".webp": "webp", "": "png"}  # fmt: skip
ANIMATIONS = ("gif", "webp")
SRGB_ONLY = (*ANIMATIONS, "png")
"""Containers that hold sRGB of 8 bits, without a tag that says otherwise."""


def container_of(path: PurePath) -> str | None:
    """The container of a file by its suffix, of a folder `png`; None where it is none that can be written."""
    return _CONTAINERS.get(path.suffix.lower())


def codecs_in(container: str) -> tuple[str, ...]:
    """The codecs that a container may hold.

    >>> codecs_in("webm")
    ('vp9', 'av1')
    """
    return tuple(name for name, codec in CODECS.items() if container in codec.containers)


def coding_of(encoding: Encoding, container: str, *, is_hdr: bool = False) -> Coding:
    """How to encode into a container; `is_hdr`: the frames are coded for a high dynamic range, which takes 10 bits.

    By default H.264 with 8 bits, which plays everywhere, and VP9 in WebM. With 10 bits H.265, and AV1 in WebM: hardly
    anything plays H.264 of 10 bits.

    >>> coding_of(Encoding(), "mp4")
    Coding(codec='h264', strength=16, bits=8)
    """
    wants_10 = encoding.bits == 10 or (encoding.bits == "auto" and is_hdr)
    first, deep = {"webm": ("vp9", "av1")}.get(container, ("h264", "h265"))
    usual = container if container in SRGB_ONLY else deep if wants_10 else first
    name = usual if encoding.codec == "auto" else encoding.codec
    bits = 10 if wants_10 and 10 in CODECS[name].pixels else 8
    return Coding(name, _strength(name, encoding.quality), bits)


def _strength(name: str, quality: int | None) -> int | None:
    """A quality of 1 to 100 on the codec's own scale; evenly spread, 100 being its 1.

    >>> _strength("h264", 70), _strength("vp9", 70), _strength("webp", 70), _strength("ffv1", None)
    (16, 20, 70, None)
    """
    codec = CODECS[name]
    if name == "webp":
        return _WEBP_QUALITY if quality is None else quality
    if codec.worst is None:
        return None
    return codec.default if quality is None else round(1 + (codec.worst - 1) * (100 - quality) / 99)
