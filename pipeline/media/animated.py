"""Is a written GIF or WebP true to its source? Its own rules: it starts at zero and counts in its own ticks."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.media.clock import Clock
from pipeline.media.probe import Probe


def compare_animation(result: Probe, clock: Clock, size: tuple[int, int]) -> Iterator[str]:
    """The differences between what was written, `result`, and what was to be, as sentences.

    Times and durations may be off by half a tick (10 ms in GIF, 1 ms in WebP), the last duration by one.
    """
    count = clock.stop - clock.first
    if result.frames != count:
        yield f"{result.frames} frames instead of {count}"
    if (result.width_px, result.height_px) != size:
        yield f"{result.width_px}x{result.height_px} px instead of {size[0]}x{size[1]}"
    if count == 1:
        return  # no animation: WebP keeps neither how long the one frame is shown nor how often
    yield from _compare_times(result, clock)
    plays = clock.probe.plays or 0
    if result.plays != plays:
        yield f"is played {result.plays} times instead of {plays} (0: for ever)"


def _compare_times(result: Probe, clock: Clock) -> Iterator[str]:
    """The first time that is off, and the duration of the last frame if that is."""
    source = clock.probe
    start = source.pts[clock.first]
    for index, (got, wanted) in enumerate(
        zip(result.pts, source.pts[clock.first : clock.stop], strict=False)
    ):
        got_s, wanted_s = got * result.time_base, (wanted - start) * source.time_base
        if abs(got_s - wanted_s) > clock.time_base / 2:
            yield (
                f"timestamps differ, first that of frame {index}: "
                f"{float(got_s):.3f} s instead of {float(wanted_s):.3f}"
            )
            break
    last_s = clock.duration(clock.stop - 1) * clock.time_base
    if abs(result.last_duration * result.time_base - last_s) > clock.time_base:
        yield f"the last frame is shown for {result.last_duration} ms instead of {float(1000 * last_s):.0f}"
