"""What is found wrong with machines before they get any work, and what is said about it."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.errors import ClusterError
from pipeline.execute import inspection
from pipeline.execute.inspection import Errand, NodeReport, examine, source_digest, versions
from pipeline.execute.meeting import SharedFolder
from pipeline.execute.pool import Node
from pipeline.execute.preflight import LEAST_FREE_BYTES, Preflight, Problem, UnfitError, errand_of, refusal


@pytest.fixture
def errand(tmp_path: Path) -> Errand:
    style = tmp_path / "style.png"
    style.write_bytes(b"paint")
    return Errand(tmp_path / "out", SharedFolder(tmp_path / "out/meet", patience_s=0.2), (style, tmp_path))


def problems(errand: Errand, change: Callable[[NodeReport], NodeReport] = lambda found: found) -> list[str]:
    """What is said of a machine that is like this one, but for a change."""
    with Preflight(errand) as flight:
        found = change(examine(flight.for_node(0)))
        return [problem.what for problem in flight.problems("n2", found)]


def test_a_machine_like_this_one_is_fit(errand: Errand) -> None:
    assert problems(errand) == []


def test_nothing_is_left_behind(errand: Errand) -> None:
    problems(errand)
    assert not (errand.output / "meet").exists()


def test_an_errand_and_a_report_pickle(errand: Errand) -> None:
    assert pickle.loads(pickle.dumps(errand)) == errand
    found = examine(errand)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("name", "value"), [("stylize", "0.0.9 (abc)"), ("torch", "2.5"), ("python", "3.10")]
)
def test_another_version_is_told_with_both_numbers(errand: Errand, name: str, value: str) -> None:
    (said,) = problems(errand, lambda found: replace(found, versions={**found.versions, name: value}))
    assert said == f"{name} is {value} there, {versions()[name]} here"


def test_one_changed_byte_of_our_code_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/code.py").write_text("x = 1")
    (tmp_path / "cached.pyc").write_bytes(b"1")
    first = source_digest(tmp_path)
    (tmp_path / "cached.pyc").write_bytes(b"2")
    assert source_digest(tmp_path) == first
    (tmp_path / "deep/code.py").write_text("x = 2")
    assert source_digest(tmp_path) != first


def test_a_machine_that_sees_another_folder_is_told(errand: Errand, tmp_path: Path) -> None:
    elsewhere = replace(errand, meeting=SharedFolder(tmp_path / "elsewhere", patience_s=0.2))
    (said,) = problems(errand, lambda _: examine(elsewhere))
    assert said == "the output folder is not shared: sees nothing of what is written here"


def test_a_machine_that_writes_into_another_folder_is_told(errand: Errand) -> None:
    for answer in (None, "answer-of-nobody"):
        (said,) = problems(errand, lambda found, answer=answer: replace(found, answer=answer))  # type: ignore[misc]
        assert said == "the output folder is not shared: what it writes is not seen here"


def test_the_token_of_an_earlier_run_is_no_answer(errand: Errand) -> None:
    with Preflight(errand) as flight:
        found = examine(flight.errand)
        flight.errand.meeting.leave(found.answer or "", "a token of last week")
        (problem,) = flight.problems("n2", found)
    assert "what it writes is not seen here" in problem.what


def test_a_text_that_takes_its_time_over_the_network_is_waited_for(tmp_path: Path) -> None:
    folder = SharedFolder(tmp_path, patience_s=10)
    threading.Timer(0.5, folder.leave, ("late", "hello")).start()
    began = time.monotonic()
    assert folder.find("late") == "hello"
    assert 0.3 < time.monotonic() - began < 5


def test_a_file_that_is_missing_or_other_there_is_told(errand: Errand) -> None:
    style = str(errand.files[0])
    for there in ("not to be read (No such file or directory)", "5 bytes, SHA-256 000000000000"):
        (said,) = problems(
            errand,
            lambda found, there=there: replace(found, files={**found.files, style: there}),  # type: ignore[misc]
        )
        assert said.startswith(f"{style} is {there} there, 5 bytes, SHA-256 ")


def test_what_cannot_be_read_is_seen_as_such(tmp_path: Path) -> None:
    assert examine(Errand(tmp_path, SharedFolder(tmp_path / "m", 0.1), (tmp_path / "no.png",))).files == {
        str(tmp_path / "no.png"): "not to be read (No such file or directory)"
    }


def test_a_large_file_is_not_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "DIGESTED_BYTES", 4)
    (tmp_path / "film.mp4").write_bytes(b"film!")
    errand = Errand(tmp_path, SharedFolder(tmp_path / "m", 0.1), (tmp_path / "film.mp4",))
    assert list(examine(errand).files.values()) == ["5 bytes"]


def test_missing_weights_a_full_disk_and_gpus_that_torch_does_not_see_are_told(errand: Errand) -> None:
    found = problems(
        errand,
        lambda found: replace(
            found,
            weights="weights: packaged, but the package that ships them is not installed",
            free_bytes=LEAST_FREE_BYTES - 1,
            gpus=2,
            cuda_devices=1,
        ),
    )
    assert [what.partition(",")[0] for what in found] == [
        "weights: weights: packaged",
        "256 MiB free where results are written",
        "Ray gives away 2 GPUs there",
    ]


def test_a_cpu_machine_that_is_said_to_have_gpus_is_told(
    errand: Errand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_COUNT_CUDA", "print(1)")
    assert examine(replace(errand, gpus=2)).cuda_devices == 1
    monkeypatch.setattr(inspection, "_COUNT_CUDA", "raise ImportError")
    assert examine(replace(errand, gpus=2)).cuda_devices == 0
    assert examine(errand).cuda_devices == 0


def test_half_a_gpu_is_one_that_torch_has_to_see(errand: Errand) -> None:
    assert problems(errand, lambda found: replace(found, gpus=0.5, cuda_devices=1)) == []
    assert len(problems(errand, lambda found: replace(found, gpus=0.5, cuda_devices=0))) == 1


def test_ray_that_hides_its_gpus_from_the_question_does_not_change_the_answer(
    errand: Errand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(
        inspection, "_COUNT_CUDA", "import os; print(int('CUDA_VISIBLE_DEVICES' not in os.environ))"
    )
    assert examine(replace(errand, gpus=1)).cuda_devices == 1


def test_a_machine_without_our_code_is_told_what_to_install(errand: Errand) -> None:
    with Preflight(errand) as flight:
        (problem,) = flight.problems("n2", ModuleNotFoundError("No module named 'pipeline'\nat line 3"))
    assert problem.what == "cannot be asked: ModuleNotFoundError: No module named 'pipeline'"
    assert "install stylize there" in problem.remedy


def test_a_machine_that_does_not_answer_in_time_is_not_told_to_install_anything(errand: Errand) -> None:
    with Preflight(errand) as flight:
        (problem,) = flight.problems("n2", TimeoutError("no answer in 180 s"))
    assert problem.what == "cannot be asked: TimeoutError: no answer in 180 s"
    assert "install" not in problem.remedy and "run again" in problem.remedy


def test_the_refusal_has_a_line_for_each_trouble_and_counts_machines() -> None:
    error = refusal(
        [[Problem("n2", "a", "mend a"), Problem("n2", "b", "mend b")], [Problem("n3", "c", "mend c")]]
    )
    head, *lines = str(error).splitlines()
    assert head.startswith("2 machines of the cluster cannot do this job")
    assert lines == ["  n2: a → mend a", "  n2: b → mend b", "  n3: c → mend c"]


def test_all_machines_are_asked_and_all_troubles_told_at_once(
    errand: Errand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_COUNT_CUDA", "print(1)")
    machines = {"a": Node(8, 1, "a", "red"), "b": Node(8, 2, "b", "blue"), "c": Node(8, 2, "c", "green")}

    def ask(function: Callable[[Errand], NodeReport], errands: Mapping[str, Errand]) -> dict[str, Any]:
        return {**{name: function(one) for name, one in errands.items()}, "c": TimeoutError("no answer")}

    with Preflight(errand) as flight, pytest.raises(ClusterError) as refused:
        flight.check(machines, ask)
    head, *lines = str(refused.value).splitlines()
    assert head.startswith("2 machines")
    assert [line.split()[0] for line in lines] == ["blue:", "green:"]
    assert "Ray gives away 2 GPUs there, and torch can use 1" in lines[0]


def test_a_machine_that_has_left_meanwhile_is_no_trouble(errand: Errand) -> None:
    with Preflight(errand) as flight:
        flight.check({"a": Node(8, 0, "a", "red")}, lambda function, errands: {})


def test_a_worker_on_a_machine_that_joins_later_looks_for_itself(errand: Errand) -> None:
    with Preflight(errand) as flight:
        visit = pickle.loads(pickle.dumps(flight.visit))
        visit.check()
        errand.files[0].write_bytes(b"another painting")
        with pytest.raises(UnfitError, match=r"cannot do this job: .*style.png is 16 bytes"):
            visit.check()


def test_a_worker_that_was_given_a_gpu_and_comes_up_without_one_is_unfit(errand: Errand) -> None:
    """Its machine may have joined later, with a driver that does not work."""
    with Preflight(errand) as flight:
        for device, gpus in (("cuda", 1.0), ("cuda", 0.5), ("mps", 1.0), ("cpu", 0.0)):
            flight.visit.check_device(device, gpus)
        for gpus in (1.0, 0.5):
            with pytest.raises(UnfitError, match=r"cannot do this job: .*torch can use none"):
                flight.visit.check_device("cpu", gpus)


def test_a_job_has_its_inputs_styles_and_masks_looked_at(job: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "one.mp4").touch()
    made = errand_of(job([f"{tmp_path}/clips/*.mp4", f"{tmp_path}/one.mp4"]))
    assert made.files[:2] == (tmp_path / "clips", tmp_path / "one.mp4")
    assert made.files[2].name == "style.png"
    assert made.meeting == SharedFolder(tmp_path / "out/.stylize/preflight")


def test_what_comes_with_the_work_is_not_looked_for(job: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "one.mp4").touch()
    made = errand_of(job(tmp_path / "one.mp4"), is_carried=lambda path: path.suffix == ".png")
    assert made.files == (tmp_path / "one.mp4",)


def test_why_a_machine_cannot_write_is_told_in_its_words(errand: Errand, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    there = replace(errand, meeting=SharedFolder(tmp_path / "file/meet", patience_s=0))
    (said,) = problems(errand, lambda _: examine(there))
    assert said.startswith("the output folder is not shared: cannot write in ")
    assert "Not a directory" in said


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_told(errand: Errand) -> None:
    with Preflight(errand) as flight:
        (errand.output / "meet").chmod(0o500)
        found = examine(flight.errand)
        assert found.met
        assert found.answer is None
        (errand.output / "meet").chmod(0o700)
