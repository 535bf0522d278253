"""A job on three machines of which one is lost on the way; `scripts/three_nodes.py` plays more, and takes minutes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[ModuleType]:
    """The script, which finds its neighbors beside it, as it does when it is run."""
    pytest.importorskip("psutil")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield import_module("three_nodes")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("three_nodes", "nodes")]:
        del sys.modules[name]


def test_what_two_of_three_machines_finish_is_what_one_alone_makes(
    three_nodes: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = import_module("nodes.machines")
    if reason := machines.why_no_namespaces():
        pytest.skip(reason)
    code = three_nodes.main(["--only", "lost", "--frames", "8", "--pictures", "3", "--iterations", "6"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert "is gone after" in said


def test_two_results_that_differ_in_a_byte_are_told(three_nodes: ModuleType, tmp_path: Path) -> None:
    jobs = import_module("nodes.jobs")
    for name, data in (("one", b"paint"), ("other", b"point")):
        frames = tmp_path / name / ".stylize/segments/s"
        frames.mkdir(parents=True)
        (frames / "0.png").write_bytes(data)
        (tmp_path / name / "film.mp4").write_bytes(b"film")
    (tmp_path / "other/late.png").touch()
    unlike = jobs.differences(jobs.digests(tmp_path / "one"), jobs.digests(tmp_path / "other"))
    assert unlike == [".stylize/segments/s/0.png", "late.png"]


def test_machines_leave_nothing_behind_also_where_one_does_not_start(
    three_nodes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = import_module("nodes.machines")
    if reason := machines.why_no_namespaces():
        pytest.skip(reason)
    monkeypatch.setattr(machines, "OBJECT_STORE_BYTES", 1)  # Ray refuses that
    before = networks()
    with machines.Machines(tmp_path) as some, pytest.raises(RuntimeError, match="ray start on head1 failed"):
        some.head()
    assert networks() == before


def networks() -> set[str]:
    """The names of all links and namespaces here."""
    spaces = Path("/run/netns")
    return {*(path.name for path in Path("/sys/class/net").iterdir())} | {
        path.name for path in (spaces.iterdir() if spaces.is_dir() else ())
    }
