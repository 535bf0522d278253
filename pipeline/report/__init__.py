"""A run as one page of HTML that needs nothing but itself: `write_report`.

records.jsonl → figures → charts; events.jsonl → history → lanes; frames and photographs → thumbnails; all of it →
page. It reads the run folder and the media, one picture at a time, and writes only the page.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.assemble import without_blocked, written
from pipeline.config import Config, plain
from pipeline.disk.room import budget_bytes
from pipeline.disk.sizes import sized
from pipeline.durable import bytes_below, size_of
from pipeline.errors import ResumeError, SpaceError
from pipeline.media.sources import Source
from pipeline.places import refuse_links
from pipeline.plan import Plan
from pipeline.report.album import album_of, has_pictures
from pipeline.report.figures import read_figures
from pipeline.report.films import address, film_of
from pipeline.report.history import read_runs
from pipeline.report.inputs import result_of, sources_of
from pipeline.report.lanes import timeline
from pipeline.report.page import render
from pipeline.report.summary import STATUS, failed_in, failings, headline, numbers, settings, told
from pipeline.report.words import shown, texts_in
from pipeline.resume import planned_sources
from pipeline.storage.places import throughout
from pipeline.survey import Notebook, brief_of, survey
from pipeline.versions import versions
from pipeline.workspace import Workspace, replace

__all__ = ["fits", "is_current", "make_way", "write_report"]

MOST_FILMS = 20
"""Films with pictures and charts of their own; of more, the first."""


def write_report(config: Config, command: Sequence[str] = ()) -> Path:
    """Write the page of what runs have made of a job so far, and say where it is.

    `command`: the config's path and the options that it was loaded with, for the commands that are shown; without it
    those of the last run. Raises `ResumeError` where no run has worked on the job, `SpaceError` where the page has no
    room in the budget.
    """
    space = Workspace(config.output)
    sources = _sources_told(space, config.origin.command("run"))
    refuse_links(space.root, space.segments)
    sources = sources_of(config, sources)
    brief = brief_of(config, Notebook(space.read(space.probes)))
    plan = without_blocked(survey(config, brief, sources), space)
    page = _page(config, space, plan, brief.judges.weights, command)
    if not fits(config, space, len(page)):
        raise SpaceError(
            f"the report takes {sized(len(page))}, for which disk.budget_gib leaves no room; raise it"
        )
    replace(space.report, page)
    space.shelf.publish(space.report)
    return space.report


def _sources_told(space: Workspace, to_run: str) -> tuple[Source, ...]:
    """The films that the last run set out to paint; `ResumeError`, with `to_run`, where nobody has said any."""
    sources = planned_sources(space)
    if sources is None and space.plan.exists() and "sources" not in space.read(space.plan):
        raise ResumeError(
            f"{space.plan} does not say which films were painted, since it is damaged or of an earlier version; "
            f"run again, which paints nothing twice: {to_run}"
        )
    if sources is None and not has_pictures(space):
        raise ResumeError(f"no run has worked in {space.output} yet; start one, with: {to_run}")
    return sources or ()


def fits(config: Config, space: Workspace, wanted: int | None = None) -> bool:
    """Whether the run folder is within the budget, with a page of `wanted` bytes; None: with the one that is there."""
    budget = budget_bytes(config.disk)
    if budget is None:
        return True
    old = 0 if wanted is None else size_of(space.report)
    return bytes_below(space.root) - old + (wanted or 0) <= budget


def make_way(config: Config, space: Workspace) -> None:
    """Remove the page where the budget is too small for it: it can be made again at once, so it is the first to go."""
    if not fits(config, space):
        space.report.unlink(missing_ok=True)


def is_current(space: Workspace) -> bool:
    """Whether the page is there, and nothing that it tells of has been written since."""
    try:
        made_ns = space.report.stat().st_mtime_ns
    except OSError:
        return False
    told_in = (space.records, space.events, space.outputs)
    return all(path.stat().st_mtime_ns < made_ns for path in told_in if path.exists())


def _page(config: Config, space: Workspace, plan: Plan, weights: str, command: Sequence[str]) -> bytes:
    figures, runs = read_figures(space.records), read_runs(space)
    pictures, journal = album_of(config, space), written(space).last
    sources = plan.sources[:MOST_FILMS]
    films = [
        film_of(s, figures.films.get(s.name, {}), journal.get(s.name, {}), space, len(sources))
        for s in sources
    ]
    failed, failures = failed_in(plan, runs, config)
    last, now = runs[-1] if runs else None, throughout(plain(config))
    command = command or (last.command if last else ())
    return render(
        title=headline(plan, pictures, config),
        status=STATUS.get(last.status, last.status) if last else "",
        made_at=time.strftime("%Y-%m-%d %H:%M"),
        numbers=numbers(figures, plan, runs, failures),
        films=films,
        more_films=max(0, len(plan.sources) - MOST_FILMS),
        album=pictures,
        timeline=timeline(runs),
        runs=told(runs),
        failures=list(failings(failed, command, space)),
        more_failures=max(0, failures - len(failed)),
        outputs=_outputs(plan, journal, space),
        settings=settings(last.settings if last and last.settings else now),
        has_changed=bool(last and last.settings and last.settings != now),
        versions={**versions(weights), **(last.versions if last else {})},
    )


MOST_OUTPUTS = 500


def _outputs(plan: Plan, journal: Mapping[str, Mapping[str, Any]], space: Workspace) -> list[dict[str, Any]]:
    """The films' outputs: name, address and what was compared with the source when it was written."""
    found = []
    for source in plan.sources[:MOST_OUTPUTS]:
        entry = journal.get(source.name, {})
        target = result_of(source.output, space) if "digest" in entry else None
        found.append(
            {
                "name": shown(source.output),
                "address": None if target is None else address(target, space.root),
                "checks": () if target is None else texts_in(entry.get("checks")),
            }
        )
    return found
