"""Is an output true to its source? Found by reading both again, not by trusting the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MediaError
from pipeline.media.animated import compare_animation
from pipeline.media.clock import Clock
from pipeline.media.color import resolve_tags, swscale_matrix
from pipeline.media.copies import Finding, compare_copies
from pipeline.media.formats import ANIMATIONS, container_of
from pipeline.media.pictures import compare_pictures, picture_names
from pipeline.media.probe import Probe
from pipeline.media.probe import probe as probe_source
from pipeline.media.seen import Seen, unseen
from pipeline.media.sources import Kind, Source
from pipeline.media.streams import FORMATS, MATROSKA, part_of, tolerance_s


@dataclass(frozen=True)
class Certificate:
    """What of an output was looked at, as phrases for a person, and how it differs from its source."""

    frames: int  # that were decoded
    checks: tuple[str, ...]
    differences: tuple[str, ...]


def certify(
    target: Path,
    source: Source,
    probe: Probe,
    first: int,
    stop: int,
    size: tuple[int, int],
    seen: Seen = unseen,
) -> Certificate:
    """Compares `target` with frames first … stop−1 of the source; `size` = (width, height) in px is the output's.

    Of a video: the number of decoded frames and every timestamp, the shape, the color tags that the source had, and
    what travels with the picture: every packet of sound and of subtitles, bytes and time, attachments, chapters and
    tags, as far as the format of `target` can hold them. Times may differ by half a tick of the coarser time base, in
    Matroska by 1 ms.
    Of a folder of pictures, each; of an animation, what `compare_animation` does. `seen` is told how many frames of
    `target` have been read again, unless it is a folder, of whose pictures only the headers are.
    Raises MediaError if the source itself can no longer be read.
    """
    part = (source, probe, first, stop)
    container = container_of(target) or ""
    kind: Kind = "animation" if container in ANIMATIONS else "video"
    try:
        if target.is_dir():
            return _certificate(*_compare_folder(target, *part, size))
        itself = Source(kind, target, target.name, (target,), None)
        result = probe_source(itself, rate=probe.rate, seen=seen)
    except MediaError as error:
        return Certificate(0, (), (f"the output cannot be read back: {error}",))
    if kind == "animation":
        clock = Clock(probe, first, stop, container)
        return _certificate(result.frames, _compare_animation(result, clock, size))
    return _certificate(result.frames, _compare_video(target, result, *part, size))


def _certificate(frames: int, findings: Iterable[Finding]) -> Certificate:
    found = list(findings)
    return Certificate(
        frames,
        tuple(one.check for one in found if one.check is not None),
        tuple(difference for one in found for difference in one.differences),
    )


def _compare_folder(
    folder: Path, source: Source, probe: Probe, first: int, stop: int, size: tuple[int, int]
) -> tuple[int, list[Finding]]:
    """The numbered pictures of a result: that all are there, no others, and that they can be read."""
    wanted = picture_names(source, probe)[first:stop]
    there = [name for name in wanted if (folder / name).is_file()]
    differences = compare_pictures(folder, source, probe, first, stop, size)
    count = "1 picture" if len(there) == 1 else f"{len(there)} pictures"
    return len(there), [Finding(count, differences), Finding(f"{size[0]}x{size[1]}")]


def _compare_animation(result: Probe, clock: Clock, size: tuple[int, int]) -> Iterator[Finding]:
    """A GIF or WebP, by rules of its own."""
    yield Finding(f"{result.frames} frames", list(compare_animation(result, clock, size)))
    yield Finding(f"{result.frames} timestamps")
    yield Finding(f"{result.width_px}x{result.height_px}")


def _compare_video(
    target: Path, result: Probe, source: Source, probe: Probe, first: int, stop: int, size: tuple[int, int]
) -> Iterator[Finding]:
    format_name = FORMATS.get(target.suffix.lower())
    yield _compare_count(result.frames, stop - first)
    yield _compare_times(result, probe, first, stop, format_name)
    yield _compare_size((result.width_px, result.height_px), result.rotation_deg, size)
    yield _compare_aspect(result, probe, size, format_name)
    yield _compare_colors(result, probe)
    if source.kind == "video":
        yield from compare_copies(target, source.path, part_of(probe, first, stop))


def _compare_count(got: int, wanted: int) -> Finding:
    """The number of decoded frames."""
    return Finding(
        f"{got} frame" if got == 1 else f"{got} frames",
        [] if got == wanted else [f"{got} frames instead of {wanted}"],
    )


def _compare_times(result: Probe, probe: Probe, first: int, stop: int, format_name: str | None) -> Finding:
    """Every timestamp."""
    shift = probe.pts[first] - probe.pts[0]
    slack_s = tolerance_s(result.time_base, probe.time_base, format_name)
    wrong = [
        (index, got_s, wanted_s)
        for index, (got, wanted) in enumerate(zip(result.pts, probe.pts[first:stop], strict=False))
        if abs((got_s := got * result.time_base) - (wanted_s := (wanted - shift) * probe.time_base)) > slack_s
    ]
    check = "1 timestamp" if result.frames == 1 else f"{result.frames} timestamps"
    if not wrong:
        return Finding(check)
    index, got_s, wanted_s = wrong[0]
    return Finding(
        check,
        [
            f"{len(wrong)} timestamps differ, first that of frame {index}: "
            f"{float(got_s):.6f} s instead of {float(wanted_s):.6f}"
        ],
    )


def _compare_size(got: tuple[int, int], rotation_deg: int, wanted: tuple[int, int]) -> Finding:
    """The size in px, and that nothing turns the picture."""
    differences = [] if got == wanted else [f"{got[0]}x{got[1]} px instead of {wanted[0]}x{wanted[1]}"]
    if rotation_deg:
        differences.append(f"tagged with a rotation by {rotation_deg}°, though it is upright")
    return Finding(f"{got[0]}x{got[1]}", differences)


def _compare_aspect(result: Probe, probe: Probe, size: tuple[int, int], format_name: str | None) -> Finding:
    """The shape of the pixels."""
    got, wanted = result.sample_aspect, probe.sample_aspect
    slack_px = 1 if format_name in MATROSKA else 0  # it stores the width on the display in whole pixels
    differs = abs(got - wanted) * size[0] > slack_px
    return Finding(
        f"sample aspect {got.numerator}:{got.denominator}",
        [f"sample aspect {got} instead of {wanted}"] * differs,
    )


def _compare_colors(result: Probe, probe: Probe) -> Finding:
    """The tags that the source had and its output can have; both names of BT.601's matrix are one."""
    wanted, got = probe.shown, result.color
    differences = []
    for name in ("primaries", "transfer", "matrix", "range"):
        had, should, does = (getattr(tags, name) for tags in (probe.color, wanted, got))
        if (had != should and not probe.is_tonemapped) or does == should:
            continue
        if got.matrix == 0 and name in ("matrix", "range"):
            continue  # lossless outputs are RGB
        if name == "matrix" and swscale_matrix(wanted) == swscale_matrix(resolve_tags(got, 0)):
            continue
        differences.append(f"color {name} {does} instead of {should}")
    return Finding("colors", differences)
