"""Damaged input for every reader: whatever it is, the answer is a result or one clear error, never a crash.

    .venv/bin/python scripts/fuzz.py [--only TARGET …] [--cases N] [--minutes M] [--seed S] [--case K] [--jobs J]
                                     [--findings FOLDER]

    config     a job's YAML and its `--set` texts           load_config
    manifest   a list of pictures, CSV or JSON lines        read_manifest: also, no name leads out of the output folder
    journal    records, packs, drops and outputs of a run   read_journal, finished_frames, dropped_frames, written
    index      records.jsonl and a damaged pictures.sqlite  PictureIndex
    shots      a shot list                                  read_shots, check_frames
    folder     the small JSON files of a run folder         look: the plan, what is finished, why the rest is not
    command    the command line with its `--set`            stylize status
    photo      19 small photographs                         read_photo_header, read_photo, image_trouble, read_still
    prober     11 small films and animations                probe

A case is whole input with some places of it damaged: values replaced, renamed or doubled, bytes flipped, cut out or
overwritten. Case K of seed S is always the same, and `--seed S --case K --only TARGET` runs it alone. Readers run in
processes of their own, so that one that libav or Pillow brings down, or that takes more than a minute, is a finding
too. A finding is a folder with the input and the traceback; with one or more the exit code is 1.

`--cases` is per target. Without it, 300 000 of each text reader and of the index, 100 000 of shots, 20 000 of folder
and of command, 10 000 of each reader of media.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fuzzing.cases import Case, case_of
from fuzzing.processes import TARGETS, Finding, run_apart

CASES = {"shots": 100_000, "folder": 20_000, "command": 20_000, "photo": 10_000, "prober": 10_000}
TEXT_CASES = 300_000
MOST_FINDINGS = 100  # of one target: more of them are the same again


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    deadline_s = time.monotonic() + 60 * options.minutes / len(options.only)
    found = 0
    for name in options.only:
        found += fuzz(name, options, deadline_s)
        deadline_s += 60 * options.minutes / len(options.only)
    return 1 if found else 0


def fuzz(name: str, options: argparse.Namespace, deadline_s: float) -> int:
    """Run one target's cases, keep its findings and say how it went; how many findings there are."""
    count = options.cases or CASES.get(name, TEXT_CASES)
    cases = range(count) if options.case is None else range(options.case, options.case + 1)
    begin_s, done, found = time.monotonic(), 0, 0
    is_over = lambda: time.monotonic() > deadline_s or found >= MOST_FINDINGS  # noqa: E731
    for done, findings in run_apart(  # noqa: B007 (the last of them is told)
        TARGETS[name], options.seed, cases, options.jobs, is_over
    ):
        for finding in findings:
            found += 1
            place = keep(finding, options.seed, options.findings)
            print(
                f"{name} {finding.number}: {finding.trouble.strip().splitlines()[-1][:300]} ({place})",
                flush=True,
            )
    seconds = time.monotonic() - begin_s
    print(
        f"{name}: {done} of {len(cases)} cases, {done / seconds:.0f} a second, {found} findings", flush=True
    )
    return found


def keep(finding: Finding, seed: int, folder: Path) -> Path:
    """Write a finding's input and what is wrong with it into a folder of its own."""
    place = folder / f"{finding.target}-{seed}-{finding.number}"
    case: Case = case_of(TARGETS[finding.target], seed, finding.number)
    for name, data in case.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    (place / "trouble.txt").write_text(
        "\n".join([*map(ascii, case.texts), ascii(finding.trouble)]).replace("\\n", "\n")
    )
    return place


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="TARGET")
    parser.add_argument("--cases", type=int, help="of each target")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="for all targets together, in equal parts"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="run this one alone")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--findings", type=Path, default=Path("out/fuzz"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
