"""Is every output of a job there, complete, and true to its source? Reads all of them, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.archive.findings import Done, Planned
from pipeline.archive.job import findings_of
from pipeline.archive.table import Row
from pipeline.assemble import Standing, certify_output, standing_of, written
from pipeline.chronicle import last_failures
from pipeline.config import Config
from pipeline.encoding import Encoding, NowAndThen, follow
from pipeline.errors import MediaError
from pipeline.media.items import printable
from pipeline.media.listing import Refused, Skipped
from pipeline.media.sources import Source
from pipeline.media.verify import Certificate
from pipeline.plan import SourcePlan
from pipeline.records import digest_of
from pipeline.resume import Stock, take_stock
from pipeline.settings.yaml_lines import one_line
from pipeline.survey import Notebook, Watch, brief_of, survey
from pipeline.workspace import Workspace

WATCH_EVERY_S = 0.5


@dataclass(frozen=True)
class Verdict:
    """What is to be said of one source's output."""

    source: str
    output: Path
    certificate: Certificate | None  # None: there is no output, or none that could be compared
    failure: str | None  # what is wrong, as one sentence; None: it is true to its source
    note: str | None = None

    @property
    def line(self) -> str:
        """All of it for a person."""
        checks = (
            f"{', '.join(self.certificate.checks)}: " if self.certificate and self.certificate.checks else ""
        )
        note = f" ({self.note})" if self.note else ""
        return printable(f"{self.source}: {checks}{self.failure or 'true to its source'}{note}")


def verify(config: Config, watch: Watch = lambda _: None) -> Iterator[Verdict]:
    """Look at every output of a job, one after the other: photographs as they are listed, then films.

    `watch` is told what is being looked at, and of a film, how far that is. What decoding found in the sources is
    taken from the run folder as long as their bytes are the same, and so is why the last run failed at one. Raises the
    `PipelineError`s that concern the job as a whole.
    """
    space, films = Workspace(config.output), list[Source]()
    space.shelf.refresh()
    brief = brief_of(config, Notebook(space.read(space.probes)))
    failed = {str(one.get("source")): one_line(str(one.get("error"))) for one in last_failures(space)}
    is_time = NowAndThen(WATCH_EVERY_S)  # photographs may be a million
    with findings_of(config, space, brief) as findings:
        for finding in findings:
            if isinstance(finding, Source):
                films.append(finding)
            elif not isinstance(finding, Skipped):
                if is_time():
                    watch(_name_of(finding))
                yield _judge_picture(finding, space, failed)
    plan = survey(config, brief, films, watch)
    stock, journal = take_stock(plan, space, clean=False), written(space)
    for failure in plan.failures:
        yield Verdict(failure.source, space.output / failure.source, None, failure.error)
    for source in plan.sources:
        progress = _progress(source, stock, failed)
        yield _judge(source, space, standing_of(source, space, journal), stock, progress, watch)


def to_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The object that `--json` prints; an output that differs is in both of its lists."""
    return {
        "status": "incomplete" if any(verdict.failure for verdict in verdicts) else "done",
        "outputs": [
            {
                "source": verdict.source,
                "output": str(verdict.output),
                "frames": verdict.certificate.frames,
                "checks": list(verdict.certificate.checks),
                "differences": list(verdict.certificate.differences),
                "note": verdict.note,
            }
            for verdict in verdicts
            if verdict.certificate is not None
        ],
        "failures": [
            {"source": verdict.source, "frame": None, "error": verdict.failure}
            for verdict in verdicts
            if verdict.failure is not None
        ],
    }


def in_total(verdicts: Sequence[Verdict]) -> str:
    """The last line for a person."""
    true = sum(verdict.failure is None for verdict in verdicts)
    return f"{true} of {len(verdicts)} outputs are complete and true to their sources"


def _judge_picture(finding: Done | Planned | Refused, space: Workspace, failed: Mapping[str, str]) -> Verdict:
    """The verdict on the result of a photograph: it was compared as it was written, and must be that very file."""
    match finding:
        case Refused(name, reason):
            return Verdict(name, space.output / name, None, reason)
        case Planned(picture, _, _, reasons):
            target = space.output / picture.output
            why = f"of an earlier run: {'; '.join(reasons)}" if reasons else "not painted"
            return Verdict(picture.name, target, None, f"{why}; {_way_on(picture.name, failed)}")
        case Done(row):
            return _judge_result(row, space.output / row.output)


def _judge_result(row: Row, target: Path) -> Verdict:
    try:
        same = digest_of(target) == row.digest
    except MediaError as error:
        return Verdict(row.name, target, None, str(error))
    pages = "1 picture" if row.pages == 1 else f"{row.pages} pages"
    checks = (pages, f"{row.width_px}x{row.height_px}", "its bytes as they were verified")
    if same:
        return Verdict(row.name, target, Certificate(row.pages, checks, ()), None)
    wrong = "its bytes are not those that were written"
    return Verdict(
        row.name, target, Certificate(row.pages, checks, (wrong,)), f"differs from its source: {wrong}"
    )


def _name_of(finding: Done | Planned | Refused) -> str:
    """The name of a photograph."""
    match finding:
        case Refused(name, _):
            return name
        case Planned(picture, _, _, _):
            return picture.name
        case Done(row):
            return row.name


def _judge(
    source: SourcePlan, space: Workspace, standing: Standing, stock: Stock, progress: str, watch: Watch
) -> Verdict:
    """The verdict on one output; `progress`: how far its source is."""

    def tell(encoding: Encoding) -> None:
        watch(f"{source.name}, frame {encoding.done} of {encoding.total}")

    output = space.output / source.output
    if standing == "missing":
        return Verdict(source.name, output, None, progress)
    if standing == "foreign":
        return Verdict(source.name, output, None, f"{output} was not written by a run here")
    try:
        pictures = space.shelf.pictures_in(output)
        files = [output] if pictures is None else [output / name for name in pictures]
        with space.shelf.at_hand([*source.inspected.source.files, *files]):
            seen = follow(source.name, "verifying", source.frames, tell)
            certificate = certify_output(source, output, seen)
    except MediaError as error:
        return Verdict(source.name, output, None, f"cannot be compared with its source: {error}")
    wrong = (
        [f"differs from its source: {'; '.join(certificate.differences)}"] if certificate.differences else []
    )
    if standing == "outdated":
        reasons = "".join(f"; {reason}" for reason in stock.reasons.get(source.name, ()))
        wrong.insert(0, f"of an earlier run, not of this config{reasons}; {progress}")
    note = "changed since a run wrote it" if standing == "changed" else None
    return Verdict(source.name, output, certificate, "; ".join(wrong) or None, note)


def _progress(source: SourcePlan, stock: Stock, failed: Mapping[str, str]) -> str:
    """How far a source is whose output is not what it should be."""
    finished = stock.reused_of(source)
    if finished < source.frames:
        return f"not finished: {finished} of {source.frames} frames; {_way_on(source.name, failed)}"
    way_on = _way_on(source.name, failed, "run the job to write it")
    return f"not written, though all {finished} frames are finished; {way_on}"


def _way_on(name: str, failed: Mapping[str, str], otherwise: str = "run the job to go on") -> str:
    """What keeps a source from being done, which names its own remedy; where no run failed at it, to run the job."""
    return f"the last run failed at it: {failed[name]}" if name in failed else otherwise
