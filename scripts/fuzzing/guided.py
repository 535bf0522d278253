"""The text readers once more, guided by coverage: atheris changes bytes towards branches that were never taken.

    python -m pip install atheris
    .venv/bin/python scripts/fuzzing/guided.py config FOLDER -max_total_time=300

FOLDER keeps the inputs that reached something new; the other arguments are libFuzzer's. What is found is printed with
its traceback, and kept as `crash-…` in the current folder.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

import atheris

with atheris.instrument_imports(include=["yaml", "pipeline"]):
    from fuzzing.cases import Case, finding_in
    from fuzzing.processes import TARGETS

FILES = {
    "config": ("job.yaml",),
    "manifest": ("m/list.csv", "m/list.jsonl"),
    "journal": ("segment/packs.jsonl", "segment/records-host-1.jsonl", "segment/dropped.jsonl"),
    "shots": ("shots.yaml",),
}
"""By target, the files of a case, of which one gets the bytes; the others are as a seed has them."""

SEEDS = 200


def main() -> None:
    name, corpus = sys.argv[1], Path(sys.argv[2])
    folder = Path(tempfile.mkdtemp())
    TARGETS[name].prepare(folder)
    _plant(name, corpus)
    atheris.Setup(sys.argv[:1] + sys.argv[2:], _tester(name, folder))
    atheris.Fuzz()


def _plant(name: str, corpus: Path) -> None:
    """Begin with cases of the other fuzzer's; the first byte of an input says which file it is."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(SEEDS):
        files = TARGETS[name].make(Random(number)).files
        for place, file in enumerate(FILES[name]):
            if file in files:
                (corpus / f"{number}-{place}").write_bytes(bytes([place]) + files[file])


def _tester(name: str, folder: Path) -> Callable[[bytes], None]:
    def test(data: bytes) -> None:
        place, *_ = data or b"\0"
        file = FILES[name][place % len(FILES[name])]
        if trouble := finding_in(TARGETS[name], folder, Case({file: data[1:]})):
            raise RuntimeError(trouble)

    return test


if __name__ == "__main__":
    main()
