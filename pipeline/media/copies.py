"""Is what travels with the picture what the source has: sound, subtitles, attachments, chapters, tags?

Only what the format of the output can hold is asked for; `streams` says what that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from av.container import InputContainer
from av.stream import Stream

from pipeline.media.container import open_media, video_stream
from pipeline.media.packets import Pair, compare_packets, is_pcm
from pipeline.media.streams import (
    FORMATS,
    WHOLE,
    Part,
    chapters_of,
    held_language,
    select_streams,
    stored_tags,
    tolerance_s,
)

_KINDS = {"audio": "sound", "subtitle": "subtitle"}
_WITHOUT_CHAPTERS = ("mpegts",)
_WITHOUT_GAPS = ("mp4", "mov")  # the first chapter starts at 0 there, and each lasts until the next


class Finding(NamedTuple):
    """One thing that was looked at, as "120 frames", None where there is nothing; and how it differs, as sentences."""

    check: str | None
    differences: Sequence[str] = ()


class Span(NamedTuple):
    """A chapter, in seconds."""

    start_s: Fraction
    end_s: Fraction
    title: str


def compare_copies(target: Path, path: Path, part: Part) -> Iterator[Finding]:
    """What the output `target` has besides the picture, against the part of the source `path`.

    Raises MediaError if a file cannot be read.
    """
    format_name = FORMATS[target.suffix.lower()]
    with open_media(path) as origin, open_media(target) as copy:
        kept, _ = select_streams(origin, video_stream(origin, path), format_name)
        yield from _compare_streams(origin, copy, kept, part, format_name)
        yield _compare_attachments(kept, list(copy.streams.attachments))
        if format_name not in _WITHOUT_CHAPTERS:
            yield _compare_chapters(origin, copy, part, format_name)
        yield _compare_tags(stored_tags(origin.metadata, format_name), copy.metadata)


def _compare_streams(
    origin: InputContainer, copy: InputContainer, kept: list[Stream], part: Part, format_name: str
) -> Iterator[Finding]:
    """The streams of sound and of subtitles: their number, their languages, and every packet."""
    wanted = {kind: [s for s in kept if s.type == kind] for kind in _KINDS}
    got: dict[str, list[Stream]] = {kind: [s for s in copy.streams if s.type == kind] for kind in _KINDS}
    pairs = {
        kind: [
            Pair(f"{name} stream {one.index}", one, other, _slack_s(one, other, format_name))
            for one, other in zip(wanted[kind], got[kind], strict=False)
        ]
        for kind, name in _KINDS.items()
    }
    compare_packets(origin, copy, [pair for kind in _KINDS for pair in pairs[kind]], part)
    for kind, name in _KINDS.items():
        differences = [one for pair in pairs[kind] for one in _differences(pair, format_name)]
        if len(got[kind]) != len(wanted[kind]):
            differences.insert(
                0, f"{_number(len(got[kind]), f'{name} stream')} instead of {len(wanted[kind])}"
            )
        yield Finding(_in_words(name, pairs[kind]), differences)


def _slack_s(one: Stream, other: Stream, format_name: str) -> Fraction:
    """The tolerance of the times of packets; of blocks of PCM, whose times are interpolated, it is twice that."""
    return tolerance_s(one.time_base, other.time_base, format_name) * (2 if is_pcm(one) else 1)


def _differences(pair: Pair, format_name: str) -> Iterator[str]:
    """How a copy differs from its stream: in its language, as far as the format knows it, and in its packets."""
    wanted, got = held_language(pair.original.language, format_name), pair.copy.language
    is_nameless = got in (None, "und")
    if wanted is not None and got != wanted and not (is_nameless and format_name == "mov"):
        yield f"{pair.name} is in {wanted}, its copy in {'no language' if is_nameless else got}"
    if pair.verdict is not None:
        yield pair.verdict


def _in_words(name: str, pairs: list[Pair]) -> str | None:
    """Streams and the packets of each: "2 sound streams of 210 and 48 packets"."""
    if not pairs:
        return None
    counts = " and ".join(_number(pair.count, pair.unit) for pair in pairs)
    return f"{_number(len(pairs), f'{name} stream')} of {counts}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _compare_attachments(kept: list[Stream], got: list[Any]) -> Finding:
    """The attached files, fonts for the most part, byte by byte."""
    wanted: list[Any] = [stream for stream in kept if stream.type == "attachment"]
    if [one.data for one in wanted] == [other.data for other in got]:
        return Finding(_number(len(got), "attachment") if got else None)
    names = ", ".join(str(one.name) for one in wanted)
    return Finding(None, [f"{_number(len(got), 'attachment')}, which are not those of the source ({names})"])


def _compare_chapters(origin: InputContainer, copy: InputContainer, part: Part, format_name: str) -> Finding:
    """The chapters: their number, starts, ends and titles; the first that differs is told."""
    wanted = _as_held(list(_spans(chapters_of(origin, part))), format_name)
    got = list(_spans(chapters_of(copy, WHOLE)))
    bases = [chapter["time_base"] for container in (origin, copy) for chapter in container.chapters()]
    slack_s = 2 * tolerance_s(max(filter(None, bases), default=None), None, format_name)
    differences = (
        [f"{_number(len(got), 'chapter')} instead of {len(wanted)}"] if len(got) != len(wanted) else []
    )
    for number, (one, other) in enumerate(zip(wanted, got, strict=False), start=1):
        if one.title != other.title:
            differences.append(f"chapter {number} is called {other.title!r} instead of {one.title!r}")
        if abs(one.start_s - other.start_s) > slack_s or abs(one.end_s - other.end_s) > slack_s:
            differences.append(f"chapter {number} is {_times(other)} instead of {_times(one)}")
    return Finding(_number(len(got), "chapter") if got else None, differences[:2])


def _spans(chapters: Sequence[Any]) -> Iterator[Span]:
    """Chapters in the order of their times."""
    found = [
        Span(c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"].get("title", ""))
        for c in chapters
        if c["time_base"]
    ]
    yield from sorted(found)


def _as_held(spans: list[Span], format_name: str) -> list[Span]:
    """The chapters as a format can hold them."""
    if format_name not in _WITHOUT_GAPS or not spans:
        return spans
    starts = [Fraction(0), *(span.start_s for span in spans[1:])]
    ends = [*starts[1:], *(span.end_s for span in spans[-1:])]
    return [Span(start, end, span.title) for start, end, span in zip(starts, ends, spans, strict=True)]


def _times(span: Span) -> str:
    return f"from {float(span.start_s):.3f} to {float(span.end_s):.3f} s"


def _compare_tags(wanted: dict[str, str], metadata: dict[str, str]) -> Finding:
    """The metadata of the file that its format can hold."""
    got = {key.lower(): value for key, value in metadata.items()}
    differences = [
        f"{key} is {got[key]!r} instead of {value!r}" if key in got else f"{key} {value!r} is lost"
        for key, value in wanted.items()
        if got.get(key) != value
    ]
    return Finding(", ".join(sorted(wanted)) if wanted else None, differences)
