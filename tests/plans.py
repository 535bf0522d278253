"""Plans and records for tests, without any file behind them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.forecasting.forecast import forecast
from pipeline.look import look
from pipeline.media.listing import list_sources
from pipeline.media.outputs import name_outputs
from pipeline.media.probe import ColorTags, Probe
from pipeline.media.sources import Source
from pipeline.outline import outline
from pipeline.parts import Inspected, Judges, StyleDigests
from pipeline.plan import Plan, SourcePlan, plan_source
from pipeline.records import FrameRecord
from pipeline.survey import Notebook, Watch, brief_of, survey

JUDGES = Judges(styles=(StyleDigests("aa" * 32, 1.0), StyleDigests("bb" * 32, 2.0)), weights="cc" * 32)


def config(**sections: Any) -> Config:
    return Config(
        **{"input": ("clip.mp4",), "output": Path("/out"), "style": ({"image": Path("/s.png")},), **sections}
    )


def inspected(
    frames: int = 30, cuts: tuple[int, ...] = (), kind: Any = "video", name: str = "clip.mp4", **probe: Any
) -> Inspected:
    found = Probe(
        width_px=65,
        height_px=49,
        rotation_deg=0,
        sample_aspect=Fraction(1),
        time_base=Fraction(1, 25),
        pts=tuple(range(frames)),
        rate=Fraction(25),
        color=ColorTags(1, 1, 1, 1),
        audio_streams=0,
        subtitle_streams=0,
        notes=(),
    )
    path = Path("/media", name)
    return Inspected(Source(kind, path, name, (path,)), replace(found, **probe), "dd" * 32, cuts)


def planned(found: Inspected | None = None, judges: Judges = JUDGES, **sections: Any) -> SourcePlan:
    return plan_source(config(**sections), found or inspected(), judges)


def surveyed(config: Config, notebook: Notebook | None = None, watch: Watch = lambda _: None) -> Plan:
    """The plan of the films that a job's input leads to, as a run makes it."""
    found = list_sources(config.input, folders=config.folders, exclude=config.output)
    films = [source for source in found.sources if source.kind != "still"]
    named = name_outputs(films, config.encoding.wish)
    return survey(config, brief_of(config, notebook or Notebook()), named, watch)


def outlined(config: Config) -> dict[str, Any]:
    """What `stylize plan --no-trial --json` says of a job."""
    seen = look(config)
    return outline(config, seen, forecast(config, seen, trial=False))


def record(frame: int = 0, **changes: Any) -> FrameRecord:
    """The record of a frame whose file is `b"painted"`."""
    fields: dict[str, Any] = {
        "source": "clip.mp4", "frame": frame, "segment": "clip.mp4[0-9]", "start": "cold" if frame == 0 else "warm",
        "iterations": 3, "loss": 1.5, "trace": (3.0, 2.0, 1.5), "megapixel_iterations": 0.01,
        "warp_error": None, "seconds": 0.25, "worker": "host-1", "bytes": len(b"painted"),
    }  # fmt: skip
    return FrameRecord(**{**fields, **changes})
