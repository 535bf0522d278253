"""What `certify` has against an output, as tests ask for it."""

from __future__ import annotations

from pathlib import Path

from pipeline.media.probe import Probe
from pipeline.media.sources import Source
from pipeline.media.verify import certify


def verify_video(
    target: Path, source: Source, probe: Probe, first: int, stop: int, size: tuple[int, int]
) -> list[str]:
    """The differences from frames first … stop−1 of the source at `size`, (width, height) in px."""
    return list(certify(target, source, probe, first, stop, size).differences)
