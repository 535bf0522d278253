"""Have copied streams the packets of their originals? Both files are read once, side by side.

Packets are compared by digest and time, as they come. What is kept is what one file has shown and the other has
not yet: little, however long they are. Only where a file is badly interleaved is it a digest per packet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from pipeline.media.streams import WHOLE, Part, packets_of

_BLOCK_BYTES = 12_288  # a whole number of samples of 1 to 4 or 8 bytes in 1 to 4, 6 or 8 channels
_NO_LINE = b"\0\0"  # QuickTime's text between two lines; its muxer adds them as it likes
_BEFORE_ALL_S = Fraction(-(10**9))


@dataclass(frozen=True)
class Mark:
    """What is compared of a packet, or of a block of PCM, since muxers regroup its packets."""

    digest: bytes
    time_s: Fraction
    duration_s: Fraction | None = None  # of a line of subtitles; None where it is unknown


@dataclass
class Pair:
    """A stream and its copy, in comparison; `tolerance_s` is how far two times may lie apart that mean the same."""

    name: str  # "sound stream 1"
    original: Stream
    copy: Stream
    tolerance_s: Fraction
    _counts: list[int] = field(default_factory=lambda: [0, 0])  # marks seen of the original, and of the copy
    _equal: int = 0
    _waiting: tuple[deque[Mark], deque[Mark]] = field(default_factory=lambda: (deque(), deque()))
    _difference: str | None = None

    @property
    def unit(self) -> str:
        """What a mark stands for."""
        return "block" if is_pcm(self.original) else "packet"

    @property
    def count(self) -> int:
        """The number of packets, or of blocks, of the copy."""
        return self._counts[1]

    @property
    def verdict(self) -> str | None:
        """The first difference, and the numbers of packets if they differ too; None if there is none."""
        wanted, got = self._counts
        if wanted == got:
            return self._difference
        if self._difference is not None:
            return f"{self._difference}; {got} {self.unit}s instead of {wanted}"
        word = "more" if got > wanted else "fewer"
        return f"{self.name} has {word} {self.unit}s than its source, after {self._equal} equal ones"

    def take(self, side: int, mark: Mark) -> None:
        """Take in the next mark of the original (side 0) or of the copy (side 1)."""
        self._counts[side] += 1
        if self._difference is None:
            self._waiting[side].append(mark)
            if all(self._waiting):
                self._compare(self._waiting[0].popleft(), self._waiting[1].popleft())

    def _compare(self, one: Mark, other: Mark) -> None:
        change = _change(one, other, self.tolerance_s)
        if change is None:
            self._equal += 1
            return
        place = f"{self.unit} {self._equal} of {self.name} at {float(one.time_s):.4f} s"
        self._difference = f"{place}: the copy {change}"
        for marks in self._waiting:
            marks.clear()


def compare_packets(origin: InputContainer, copy: InputContainer, pairs: Sequence[Pair], part: Part) -> None:
    """Reads both files to their ends and tells the pairs what they hold: of `origin` the part, of `copy` all.

    Raises MediaError if one of them is damaged.
    """
    if not pairs:
        return
    owners = {0: {p.original.index: p for p in pairs}, 1: {p.copy.index: p for p in pairs}}
    readers = {
        0: _marks(origin, [p.original for p in pairs], part),
        1: _marks(copy, [p.copy for p in pairs], WHOLE),
    }
    reached_s = dict.fromkeys(readers, _BEFORE_ALL_S)
    while readers:
        side = min(readers, key=lambda s: reached_s[s])  # the one that is behind, so that little has to wait
        found = next(readers[side], None)
        if found is None:
            del readers[side]
            continue
        index, mark = found
        reached_s[side] = mark.time_s
        owners[side][index].take(side, mark)


def _change(one: Mark, other: Mark, tolerance_s: Fraction) -> str | None:
    """What the copy of a packet does otherwise, as the end of a sentence."""
    if one.digest != other.digest:
        return "has other bytes"
    if abs(one.time_s - other.time_s) > tolerance_s:
        return f"is at {float(other.time_s):.4f} s"
    if one.duration_s is None or other.duration_s is None:
        return None
    if abs(one.duration_s - other.duration_s) > tolerance_s:
        return f"lasts {float(other.duration_s):.4f} s instead of {float(one.duration_s):.4f}"
    return None


def _marks(container: InputContainer, streams: list[Stream], part: Part) -> Iterator[tuple[int, Mark]]:
    """The marks of the streams in the order of the file, each with the index of its stream."""
    blocks = {stream.index: _Blocks() for stream in streams if is_pcm(stream)}
    for packet, time_s in packets_of(container, streams, part):
        index = packet.stream.index
        if index in blocks:
            yield from ((index, mark) for mark in blocks[index].take(packet, time_s))
        elif packet.stream.type == "audio":
            yield index, Mark(sha256(_payload(packet)).digest(), time_s)
        elif bytes(packet) != _NO_LINE:
            duration_s = packet.duration * packet.time_base if packet.duration else None
            yield index, Mark(sha256(bytes(packet)).digest(), time_s, duration_s)
    for index, rest in blocks.items():
        yield from ((index, mark) for mark in rest.close())


def is_pcm(stream: Stream) -> bool:
    """Whether a stream is sound without compression, whose packets mean nothing."""
    return stream.codec_context is not None and stream.codec_context.name.startswith("pcm_")


def _payload(packet: Packet[Stream]) -> bytes:
    """The bytes of a packet of sound without the ADTS header, which AAC has in some containers only.

    No AAC frame begins like one: its first three bits would mean that it ends there.
    """
    data = bytes(packet)
    if (
        packet.stream.codec_context.name != "aac"
        or len(data) < 9
        or data[0] != 0xFF
        or data[1] & 0xF6 != 0xF0
    ):
        return data
    return data[7:] if data[1] & 1 else data[9:]  # the bit says that there is no checksum


class _Blocks:
    """PCM in blocks of one size, whatever its packets are."""

    def __init__(self) -> None:
        self._data, self._start_s = bytearray(), Fraction(0)

    def take(self, packet: Packet[Stream], time_s: Fraction) -> Iterator[Mark]:
        """The blocks that a packet completes."""
        data, done = bytes(packet), 0
        byte_s = (packet.duration or 0) * packet.time_base / max(1, len(data))
        while done < len(data):
            if not self._data:
                self._start_s = time_s + done * byte_s
            piece = data[done : done + _BLOCK_BYTES - len(self._data)]
            self._data += piece
            done += len(piece)
            if len(self._data) == _BLOCK_BYTES:
                yield from self.close()

    def close(self) -> Iterator[Mark]:
        """The block that is begun, if there is one."""
        if self._data:
            yield Mark(sha256(self._data).digest(), self._start_s)
            self._data.clear()
