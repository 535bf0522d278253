"""A few hundred damaged inputs for every reader; `scripts/fuzz.py` is for a million."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from pipeline.errors import MediaError

SCRIPTS = Path(__file__).parents[1] / "scripts"
CASES = {
    "config": 150,
    "manifest": 300,
    "journal": 300,
    "index": 300,
    "shots": 300,
    "folder": 150,
    "command": 100,
    "photo": 300,
    "prober": 200,
}
SEED = 1


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    """The script, which finds its neighbors beside it, as it does when it is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield import_module("fuzz")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("fuzz", "fuzzing")]:
        del sys.modules[name]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("name", sorted(CASES.keys() - {"prober"}))
def test_whatever_is_damaged_the_answer_is_a_result_or_one_clear_error(
    fuzz: ModuleType, name: str, tmp_path: Path
) -> None:
    processes = import_module("fuzzing.processes")
    found = list(processes.run_here(fuzz.TARGETS[name], SEED, range(CASES[name]), tmp_path))
    assert len(found) == CASES[name]
    assert [finding for finding in found if finding] == []


def test_a_damaged_film_brings_no_process_down(
    fuzz: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    count = CASES["prober"]
    wish = ["--only", "prober", "--cases", str(count), "--jobs", "1", "--seed", str(SEED)]
    assert fuzz.main([*wish, "--findings", str(tmp_path)]) == 0
    assert capfd.readouterr().out.startswith(f"prober: {count} of {count} cases")


def test_a_case_is_the_same_whenever_it_is_asked_for(fuzz: ModuleType) -> None:
    for target in fuzz.TARGETS.values():
        assert fuzz.case_of(target, 7, 11) == fuzz.case_of(target, 7, 11)
        assert len({str(fuzz.case_of(target, 7, number)) for number in range(20)}) > 10


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (MediaError(""), "an empty message"),
        (MediaError("x" * 2001), "a message of 2001 characters"),
        (MediaError("a\rb"), "a message of several lines"),
        (MediaError("no <_io.BytesIO object at 0x7fdb50d5a340>"), "a message for programmers"),
        (MediaError("a.png is cut off"), None),
    ],
)
def test_a_finding_is_what_a_person_could_make_no_sense_of(
    fuzz: ModuleType, answer: Exception, trouble: str | None, tmp_path: Path
) -> None:
    cases = import_module("fuzzing.cases")

    def read(folder: Path, case: Any) -> Iterable[str]:
        raise answer

    target = cases.Target("x", lambda rng: cases.Case({}), read, MediaError)
    found = cases.finding_in(target, tmp_path, target.make(Random(0)))
    assert found is None if trouble is None else trouble in found
