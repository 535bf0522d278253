"""Is a written video true to its source? Found by reading both again, not by trusting the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from av.packet import Packet
from av.stream import Stream

from pipeline.errors import MediaError
from pipeline.media.animated import compare_animation
from pipeline.media.clock import Clock
from pipeline.media.color import resolve_tags, swscale_matrix
from pipeline.media.container import open_media, video_stream
from pipeline.media.formats import ANIMATIONS, container_of
from pipeline.media.probe import Probe
from pipeline.media.probe import probe as probe_source
from pipeline.media.sources import Kind, Source
from pipeline.media.streams import FORMATS, Part, packets_of, part_of, select_streams

_ZERO = Fraction(0)
_WHOLE = Part(offset_s=_ZERO, start_s=None, end_s=None)
_MATROSKA = ("matroska", "webm")
_MATROSKA_TICK_S = Fraction(1, 1000)


def verify_video(
    target: Path, source: Source, probe: Probe, first: int, stop: int, size: tuple[int, int]
) -> list[str]:
    """The differences between `target` and frames first … stop−1 of the source, as sentences; empty if none.

    Compares the number of decoded frames, every timestamp (to half a tick of the coarser time base, to 1 ms
    in Matroska), the size = (width, height) in px, the sample aspect, the color tags that the source had, and
    every sound packet, bytes and time, of the streams that the format of `target` can hold. Of an animation, what
    `compare_animation` does.
    Raises MediaError if the source itself can no longer be read.
    """
    container = container_of(target) or ""
    kind: Kind = "animation" if container in ANIMATIONS else "video"
    try:
        result = probe_source(Source(kind, target, target.name, (target,), None), rate=probe.rate)
    except MediaError as error:
        return [f"the output cannot be read back: {error}"]
    if kind == "animation":
        return [*compare_animation(result, Clock(probe, first, stop, container), size)]
    is_matroska = FORMATS.get(target.suffix.lower()) in _MATROSKA
    differences = [
        *_compare_times(result, probe, first, stop, is_matroska),
        *_compare_picture(result, probe, size, is_matroska),
        *_compare_colors(result, probe),
    ]
    if source.kind == "video":
        differences += _compare_sound(target, source, part_of(probe, first, stop), is_matroska)
    return differences


def _compare_times(result: Probe, probe: Probe, first: int, stop: int, is_matroska: bool) -> Iterator[str]:
    """Differences in the number of frames and in their timestamps."""
    if result.frames != stop - first:
        yield f"{result.frames} frames instead of {stop - first}"
    shift = probe.pts[first] - probe.pts[0]
    tolerance_s = _tolerance_s(result.time_base, probe.time_base, is_matroska)
    wrong = [
        (index, got_s, wanted_s)
        for index, (got, wanted) in enumerate(zip(result.pts, probe.pts[first:stop], strict=False))
        if abs((got_s := got * result.time_base) - (wanted_s := (wanted - shift) * probe.time_base))
        > tolerance_s
    ]
    if wrong:
        index, got_s, wanted_s = wrong[0]
        yield (
            f"{len(wrong)} timestamps differ, first that of frame {index}: "
            f"{float(got_s):.6f} s instead of {float(wanted_s):.6f}"
        )


def _tolerance_s(one: Fraction, other: Fraction, is_matroska: bool) -> Fraction:
    """How far two times may lie apart that mean the same, in seconds."""
    return _MATROSKA_TICK_S if is_matroska else max(one, other) / 2


def _compare_picture(result: Probe, probe: Probe, size: tuple[int, int], is_matroska: bool) -> Iterator[str]:
    """Differences in size, rotation and sample aspect."""
    if (result.width_px, result.height_px) != size:
        yield f"{result.width_px}x{result.height_px} px instead of {size[0]}x{size[1]}"
    if result.rotation_deg:
        yield f"tagged with a rotation by {result.rotation_deg}°, though it is upright"
    slack_px = 1 if is_matroska else 0  # Matroska stores the width on the display in whole pixels
    if abs(result.sample_aspect - probe.sample_aspect) * size[0] > slack_px:
        yield f"sample aspect {result.sample_aspect} instead of {probe.sample_aspect}"


def _compare_colors(result: Probe, probe: Probe) -> Iterator[str]:
    """Differences in tags that the source had and its output can have; both names of BT.601 are one."""
    wanted = probe.shown
    got = result.color
    for name in ("primaries", "transfer", "matrix", "range"):
        had, should, does = (getattr(tags, name) for tags in (probe.color, wanted, got))
        if (had != should and not probe.is_tonemapped) or does == should:
            continue
        if got.matrix == 0 and name in ("matrix", "range"):
            continue  # lossless outputs are RGB
        if name == "matrix" and swscale_matrix(wanted) == swscale_matrix(resolve_tags(got, 0)):
            continue
        yield f"color {name} {does} instead of {should}"


def _compare_sound(target: Path, source: Source, part: Part, is_matroska: bool) -> Iterator[str]:
    """Differences in the sound streams: their number, and the bytes and the time of every packet."""
    with open_media(source.path) as origin:
        video = video_stream(origin, source.path)
        kept, _ = select_streams(origin, video, FORMATS[target.suffix.lower()])
        wanted = [stream.index for stream in kept if stream.type == "audio"]
    with open_media(target) as output:
        got = [stream.index for stream in output.streams.audio]
    if len(got) != len(wanted):
        yield f"{len(got)} sound streams instead of {len(wanted)}"
    for wanted_index, got_index in zip(wanted, got, strict=False):
        yield from _compare_packets(source.path, wanted_index, target, got_index, part, is_matroska)


def _compare_packets(
    path: Path, index: int, target: Path, target_index: int, part: Part, is_matroska: bool
) -> Iterator[str]:
    """The first difference between two streams, packet by packet; of PCM, which muxers regroup, in one."""
    with open_media(path) as origin, open_media(target) as output:
        here, there = origin.streams[index], output.streams[target_index]
        wanted, got = packets_of(origin, [here], part), packets_of(output, [there], _WHOLE)
        is_pcm = here.codec_context is not None and here.codec_context.name.startswith("pcm_")
        pairs = zip_longest(*map(_joined if is_pcm else _digests, (wanted, got)))
        tolerance_s = _tolerance_s(here.time_base or _ZERO, there.time_base or _ZERO, is_matroska)
        for number, (one, other) in enumerate(pairs):
            if one is None or other is None:
                verdict = "more" if one is None else "fewer"
                yield f"sound stream {index} has {verdict} packets than its source, after {number} equal ones"
                return
            if one[0] != other[0] or abs(one[1] - other[1]) > tolerance_s:
                change = "has other bytes" if one[0] != other[0] else f"is at {float(other[1]):.4f} s"
                yield f"packet {number} of sound stream {index} at {float(one[1]):.4f} s: the copy {change}"
                return


def _digests(packets: Iterator[tuple[Packet[Stream], Fraction]]) -> Iterator[tuple[bytes, Fraction]]:
    """Digest and time of each packet."""
    for packet, time_s in packets:
        yield sha256(_bare(packet)).digest(), time_s


def _bare(packet: Packet[Stream]) -> bytes:
    """The bytes of a packet, without the ADTS header that AAC has in MPEG-TS and nowhere else."""
    data, context = bytes(packet), packet.stream.codec_context
    is_adts = context is not None and context.name == "aac" and data[:1] == b"\xff" and data[1] & 0xF6 == 0xF0
    return data[7 if data[1] & 1 else 9 :] if is_adts else data


def _joined(packets: Iterator[tuple[Packet[Stream], Fraction]]) -> Iterator[tuple[bytes, Fraction]]:
    """Digest of all packets as one, and the time of the first."""
    digest, start_s = sha256(), None
    for packet, time_s in packets:
        digest.update(bytes(packet))
        start_s = time_s if start_s is None else start_s
    if start_s is not None:
        yield digest.digest(), start_s
