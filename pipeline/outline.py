"""The plan as a person, or a machine, reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.config import Config
from pipeline.disk.room import foresee
from pipeline.disk.sizes import as_budget, sized
from pipeline.execute.pool import available_cores
from pipeline.forecasting.forecast import Forecast
from pipeline.look import Sight
from pipeline.media.items import blamed, printable
from pipeline.plan import SourcePlan
from pipeline.resume import Stock
from pipeline.workspace import Workspace

SHOWN = 50
"""Lines of a kind that a person is shown."""


def outline(config: Config, seen: Sight, told: Forecast) -> dict[str, Any]:
    """The plan as plain data, with what it costs."""
    plan, stock, pictures, cost = seen.plan, seen.stock, seen.pictures, told.estimate
    room, refusal, warning = foresee(config, plan, stock, Workspace(config.output), seen.written)
    return {
        "sources": [*(_source(source, stock) for source in plan.sources), *pictures.listed],
        "pictures": {"total": pictures.count, "listed": len(pictures.listed)},
        "segments": sum(segment.kind in ("paint", "skip") for segment in plan.segments) + pictures.count,
        "frames": {"total": seen.frames, "reused": seen.reused, "left": seen.frames - seen.reused},
        "videos": {"total": len(plan.sources), "left": cost.writing.outputs},
        "megapixel_iterations": round(cost.work, 3),
        "megapixel_iterations_most": round(cost.most, 3),
        "disk_bytes": cost.disk_bytes,
        "disk_peak_bytes": room.peak,
        "disk_least_bytes": room.least,
        "disk_refusal": refusal,
        "disk_warning": warning,
        **_time(told, elsewhere=config.execution.address),
        "recomputed": {**stock.reasons, **pictures.reasons},
        "failures": [asdict(failure) for failure in (*plan.failures, *pictures.failures)],
        "skipped": pictures.skipped,
        "skipped_count": pictures.skipped_count,
    }


def _time(told: Forecast, elsewhere: str | None) -> dict[str, Any]:
    """How long it takes, on how many workers, and what of it no more workers would speed up."""
    cost, chain = told.estimate, told.estimate.chain
    return {
        "seconds": _rounded(told.seconds),
        "seconds_one_worker": _rounded(cost.worker_s),
        "seconds_writing": _rounded(cost.writing.seconds(available_cores())),
        "workers": None if told.hands is None else told.hands.workers,
        "address": elsewhere,
        "longest_chain": None if chain is None else {
            "source": chain.source,
            "frames": [chain.first, chain.stop],
            "megapixel_iterations": round(chain.work, 3),
            "seconds": _rounded(chain.seconds),
            "share": round(chain.work / cost.work, 4) if cost.work else None,
            "workers": chain.workers,
        },
        "refusal": told.refusal,
        "trouble": told.trouble,
        "busy": told.is_busy,
        "trial_s": _rounded(told.trial_s),
    }  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def show(found: dict[str, Any], console: Console, to_see: str) -> None:
    """Print an outline; `to_see`: the command that says how far a run is."""
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
    for line in _cost(found, to_see):
        console.print(Text(printable(line)), soft_wrap=True)
    if found["frames"]["left"] and any(source["kind"] != "still" for source in found["sources"]):
        peak, least = found["disk_peak_bytes"], found["disk_least_bytes"]
        if least <= peak:  # else the budget is too little, which is said below
            enough = f"disk.budget_gib {as_budget(least)} ({sized(least)}) would do"
            text = f"peak disk: {sized(peak)} of the run folder at most; {enough}"
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
    failures = [f"cannot be used: {blamed(one['source'], one['error'])}" for one in found["failures"]]
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


def _cost(found: dict[str, Any], to_see: str) -> Iterator[str]:
    """What is left to be done, how long that takes, and what bounds it."""
    frames = found["frames"]
    if not frames["total"]:
        yield "nothing that could be done"
    elif not frames["left"]:
        yield f"{_plural(frames['total'], 'frame')}, all finished; {_left_to_write(found, to_see)}"
    else:
        work, most = found["megapixel_iterations"], found["megapixel_iterations_most"]
        bound = f", at most {most:.2f}" if work < most else ""
        yield (
            f"{frames['left']} of {_plural(frames['total'], 'frame')} to do "
            f"in {_plural(found['segments'], 'segment')}: about {work:.2f} megapixel-iterations{bound}, "
            f"about {sized(found['disk_bytes'])} of finished frames"
        )
        yield from _duration(found, to_see)
    if found["refusal"]:
        yield f"a run would be refused: {found['refusal']}"


def _left_to_write(found: dict[str, Any], to_see: str) -> str:
    """What is left to do where everything is painted."""
    if not found["videos"]["left"]:
        return "nothing left to do"
    videos = f"{_plural(found['videos']['left'], 'video')} to write"
    if found["busy"]:
        return f"{videos}, which the run that is at work does; how far that is: {to_see}"
    return videos if found["seconds"] is None else f"{videos}, about {spoken(found['seconds'])}"


def _duration(found: dict[str, Any], to_see: str) -> Iterator[str]:
    seconds, alone, chain = found["seconds"], found["seconds_one_worker"], found["longest_chain"]
    if found["busy"]:
        yield f"time: not tried beside the run that is at work; how far that is: {to_see}"
    elif seconds is not None:
        workers = _plural(found["workers"], "worker")
        yield f"time: about {spoken(seconds)} on this machine as it is now, with {workers}, start and encoding included"
    elif found["refusal"]:
        yield "time: not tried, since a run would be refused"
    elif found["trouble"]:
        yield f"time: could not be tried: {found['trouble']}"
    elif alone is not None:
        yield f"time: by what was painted before, one worker would paint for {spoken(alone)}"
    elif found["address"]:
        yield f"time: not known, since the work is done at {found['address']} and nothing has been painted there yet"
    elif found["trial_s"] is None:
        yield "time: not known without a trial"
    else:
        yield "time: not known, since no frame could be read to try it"
    if chain is not None and chain["workers"] > 1:
        yield _bound(chain)


def _bound(chain: dict[str, Any]) -> str:
    """What no number of workers would speed up, and how many workers are as many as it is worth."""
    first, stop = chain["frames"]
    length = f"{chain['share']:.0%} of the work" if chain["seconds"] is None else spoken(chain["seconds"])
    return (
        f"bound: {length} on any number of workers: frames {first} to {stop - 1} of {chain['source']} are made one "
        f"after the other, so more than {chain['workers']} workers, each with a device of its own, would not be faster"
    )


def spoken(seconds: float) -> str:
    """A duration as people say it, in at most two units.

    >>> spoken(4.2), spoken(95), spoken(7321), spoken(200_000)
    ('4 s', '1 min 35 s', '2 h 2 min', '2 d 8 h')
    """
    total = max(1, round(seconds))
    for large, small, size, part in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if total >= size:
            whole, rest = divmod(round(total / part) * part, size)
            return f"{whole} {large}" + (f" {rest // part} {small}" if rest else "")
    return f"{total} s"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
