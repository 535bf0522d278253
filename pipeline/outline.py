"""The plan as a person, or a machine, reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.config import Config
from pipeline.estimate import estimate, try_out
from pipeline.look import Sight
from pipeline.media.items import printable
from pipeline.plan import SourcePlan
from pipeline.resume import Stock
from pipeline.room import foresee
from pipeline.workspace import Workspace

SHOWN = 50
"""Lines of a kind that a person is shown."""


def outline(config: Config, seen: Sight) -> dict[str, Any]:
    """The plan as plain data, with what it costs; tries some iterations where there is work left to be done here."""
    plan, stock, pictures = seen.plan, seen.stock, seen.pictures
    left = seen.frames - seen.reused
    rate = try_out(config) if left and config.execution.address is None else None
    cost = estimate(plan, stock, pictures, config.transfer, rate)
    room, refusal, warning = foresee(config, plan, stock, Workspace(config.output))
    return {
        "sources": [*(_source(source, stock) for source in plan.sources), *pictures.listed],
        "pictures": {"total": pictures.count, "listed": len(pictures.listed)},
        "segments": sum(segment.kind in ("paint", "skip") for segment in plan.segments) + pictures.count,
        "frames": {"total": seen.frames, "reused": seen.reused, "left": left},
        "megapixel_iterations": round(cost.megapixel_iterations, 3),
        "disk_bytes": cost.disk_bytes,
        "disk_peak_bytes": room.peak,
        "disk_least_bytes": room.least,
        "disk_refusal": refusal,
        "disk_warning": warning,
        "seconds": None if cost.seconds is None else round(cost.seconds, 1),
        "recomputed": {**stock.reasons, **pictures.reasons},
        "failures": [asdict(failure) for failure in (*plan.failures, *pictures.failures)],
        "skipped": pictures.skipped,
        "skipped_count": pictures.skipped_count,
    }


def show(found: dict[str, Any], console: Console) -> None:
    """Print an outline."""
    table = Table(box=None, pad_edge=False)
    for heading in ("source", "kind", "frames", "shots", "size", "reused"):
        table.add_column(
            heading, justify="left" if heading in ("source", "kind") else "right", overflow="fold"
        )
    for source in found["sources"][:SHOWN]:
        width, height = source["size"]
        cells = (source["source"], source["kind"], source["frames"], len(source["shots"]),
                 f"{width}×{height}", source["reused"])  # fmt: skip
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    console.print(table)
    more = len(found["sources"]) + found["pictures"]["total"] - found["pictures"]["listed"] - SHOWN
    if more > 0:
        console.print(Text(f"… and {more} more"))
    for line, color in _remarks(found):
        console.print(Text(printable(line), color), soft_wrap=True)
    console.print(Text(_cost(found)), soft_wrap=True)
    if found["frames"]["left"] and any(source["kind"] != "still" for source in found["sources"]):
        peak, least = found["disk_peak_bytes"] / 1e6, found["disk_least_bytes"] / 1e6
        text = f"peak disk: {peak:.1f} MB of the run folder at most; with a disk.budget_gib, {least:.1f} MB would do"
        console.print(Text(text), soft_wrap=True)
    if found["disk_refusal"]:
        console.print(Text(printable(f"does not fit: {found['disk_refusal']}"), "red"), soft_wrap=True)
    if found["disk_warning"]:
        console.print(Text(printable(f"may not fit: {found['disk_warning']}"), "yellow"), soft_wrap=True)


def _remarks(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is to be said of single sources, with its color; of each kind the first ones."""
    notes = [f"{source['source']}: {note}" for source in found["sources"] for note in source["notes"]]
    again = [
        f"{name}: to be made again: {'; '.join(reasons)}" for name, reasons in found["recomputed"].items()
    ]
    failures = [f"cannot be used: {one['source']}: {one['error']}" for one in found["failures"]]
    for lines, color in ((notes, ""), (again, ""), (failures, "red")):
        yield from ((line, color) for line in lines[:SHOWN])
        if len(lines) > SHOWN:
            yield f"… and {len(lines) - SHOWN} more such lines; --json has them", color
    if found["skipped"]:
        shown = ", ".join(found["skipped"][:SHOWN])
        more = found["skipped_count"] - SHOWN
        yield f"skipped, neither video nor picture: {shown}{f' and {more} more' if more > 0 else ''}", ""


def _source(source: SourcePlan, stock: Stock) -> dict[str, Any]:
    return {
        "source": source.name,
        "kind": source.inspected.source.kind,
        "frames": source.frames,
        "size": list(source.size),
        "shots": [list(shot) for shot in source.shots],
        "segments": [[s.first, s.stop] for s in source.segments if s.kind in ("paint", "skip")],
        "reused": stock.reused_of(source),
        "notes": list(source.notes),
    }


def _cost(found: dict[str, Any]) -> str:
    frames = found["frames"]
    if not frames["total"]:
        return "nothing that could be done"
    if not frames["left"]:
        return f"{_plural(frames['total'], 'frame')}, all finished; nothing left to do but, at most, to write videos"
    text = (
        f"{frames['left']} of {_plural(frames['total'], 'frame')} to do in {_plural(found['segments'], 'segment')}: "
        f"at most {found['megapixel_iterations']:.2f} megapixel-iterations, "
        f"about {found['disk_bytes'] / 1e6:.0f} MB of finished frames"
    )
    if found["seconds"] is None:
        return f"{text}; the time was not tried, since the work is done elsewhere"
    duration = timedelta(seconds=round(found["seconds"]))
    return f"{text}, and about {duration} on this machine as it is now, plus some seconds to start"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
