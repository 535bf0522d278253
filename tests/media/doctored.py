"""Outputs with one thing wrong: copied packet by packet, with a change on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av

Change = Callable[[Any], Any]


def same(it: Any) -> Any:
    return it


def remux(
    path: Path,
    target: Path,
    change: Change = same,
    *,
    without: Sequence[int] = (),
    chapters: Change = same,
    tags: Change = same,
    language: str | None = None,
    rotate_deg: int = 0,
) -> Path:
    """Copies a file with all that is in it; of `change` returns None for a packet, it is lost.

    `without` are streams to leave out, `language` is that of all of its sound, `rotate_deg` turns the picture.
    """
    options = {"movie_timescale": "192000"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path)) as origin, av.open(str(target), "w", container_options=options) as out:
        copies = {}
        for stream in origin.streams:
            if stream.index not in without and stream.type in ("video", "audio", "subtitle", "attachment"):
                copies[stream.index] = _copy(out, stream, language)
        if rotate_deg:
            copies[0].set_display_rotation(rotate_deg)
        out.metadata.update(tags(dict(origin.metadata)))
        out.set_chapters(chapters(origin.chapters()))
        timed = [
            stream for stream in origin.streams if stream.index in copies and stream.type != "attachment"
        ]
        for packet in origin.demux(timed):
            if packet.pts is not None and change(packet) is not None:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return target


def _copy(out: Any, stream: Any, language: str | None) -> Any:
    copy = out.add_stream_from_template(stream)
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key != "DURATION"})
    if language and stream.type == "audio":
        copy.metadata["language"] = language
    return copy


def losing(kind: str, number: int) -> Change:
    """Loses one packet, by its number, of a kind of stream."""

    def change(packet: Any) -> Any:
        return None if turn(packet) == number else packet

    turn = _counter(kind)
    return change


def shifting(kind: str, ticks: int, number: int | None = None) -> Change:
    """Moves one packet, or all, of a kind of stream."""

    def change(packet: Any) -> Any:
        if (turn(packet) == number) if number is not None else turn(packet) is not None:
            packet.pts += ticks
            packet.dts = min(packet.dts, packet.pts) if number is not None else packet.dts + ticks
        return packet

    turn = _counter(kind)
    return change


def lengthening(kind: str, ticks: int) -> Change:
    """Makes every packet of a kind of stream last longer."""

    def change(packet: Any) -> Any:
        if packet.stream.type == kind:
            packet.duration += ticks
        return packet

    return change


def _counter(kind: str) -> Callable[[Any], int | None]:
    """Numbers the packets of a kind of stream from 0; None for others."""
    seen = [-1]

    def turn(packet: Any) -> int | None:
        if packet.stream.type != kind:
            return None
        seen[0] += 1
        return seen[0]

    return turn


def flip_byte(path: Path, target: Path, kind: str, number: int) -> Path:
    """Copies a file with one byte inverted in the middle of a packet of a kind of stream that is not empty."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        packet = [p for p in container.demux(stream) if p.size > 2][number]
        content = bytes(packet)
    data = bytearray(path.read_bytes())
    place = data.index(content) + len(content) // 2
    data[place] ^= 0xFF
    target.write_bytes(data)
    return target
