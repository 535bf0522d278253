"""Files of the run folder that are cut off, garbage or gone: what they said is found again, or made again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from pipeline.config import Config
from pipeline.workspace import Workspace
from tests.conftest import Job
from tests.farms import TextureFarm
from tests.faults.conftest import CLIP, finish, left_by
from tests.media.clips import picture

KINDS: dict[str, dict[str, Any]] = {
    "film": CLIP,
    "packed": {
        **CLIP,
        "transfer": {**CLIP["transfer"], "size": 96},
        "disk": {"pack": "always", "keep": "all"},
    },
    "dropped": {**CLIP, "disk": {"keep": "none"}},
    "photographs": {"transfer": CLIP["transfer"]},
}


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def done(job: Job, clip: Path, tmp_path: Path) -> Any:
    """Does a job of a kind and keeps a copy of what it left, which `restore` brings back."""

    def work(kind: str) -> Config:
        source = clip
        if kind == "photographs":
            source = tmp_path / "in"
            source.mkdir()
            for name in "abc":
                iio.imwrite(source / f"{name}.png", picture(ord(name)))
        config = job(source, **KINDS[kind])
        finish(config)
        shutil.copytree(config.output, tmp_path / "kept")
        return config

    return work


def restore(config: Config) -> None:
    shutil.rmtree(config.output)
    shutil.copytree(config.output.with_name("kept"), config.output)


JOURNALS = [
    ("film", "records.jsonl"),
    ("film", "outputs.jsonl"),
    ("film", "segments/**/records-*.jsonl"),
    ("packed", "segments/**/packs.jsonl"),
    ("dropped", "segments/**/dropped.jsonl"),
    ("dropped", "outputs.jsonl"),
    ("photographs", "records.jsonl"),
]


def cut_everywhere(config: Config, pattern: str, stride: int) -> int:
    """Cut a journal off at bytes of its last line, one after the other, and run the job; how often that was done."""
    expected, cuts = {n: d for n, d in left_by(config.output).items() if "/" not in n}, 0
    name = next(Workspace(config.output).root.glob(pattern)).relative_to(config.output)
    whole = (config.output / name).read_bytes()
    begin = whole.rfind(b"\n", 0, len(whole) - 1) + 1
    for length in sorted({*range(begin, len(whole), stride), begin + 1, len(whole) - 1}):
        restore(config)
        (config.output / name).write_bytes(whole[:length])
        finish(config)
        assert {n: d for n, d in left_by(config.output).items() if "/" not in n} == expected, length
        cuts += 1
    return cuts


@pytest.mark.parametrize(("kind", "pattern"), JOURNALS)
def test_a_journal_cut_off_in_its_last_line_costs_at_most_what_that_says(
    kind: str, pattern: str, done: Any
) -> None:
    assert cut_everywhere(done(kind), pattern, stride=67) >= 5


@pytest.mark.chaos
@pytest.mark.parametrize(("kind", "pattern"), JOURNALS)
def test_a_journal_cut_off_at_every_byte_of_its_last_line_costs_at_most_what_that_says(
    kind: str, pattern: str, done: Any
) -> None:
    assert cut_everywhere(done(kind), pattern, stride=1) >= 100


SMALL = [
    ("film", "plan.json"),
    ("film", "probes.json"),
    ("film", "records.jsonl"),
    ("film", "lock"),
    ("photographs", "looks.json"),
    ("photographs", "pictures.sqlite"),
    ("photographs", "probes.json"),
]


def damages(whole: bytes) -> Iterator[bytes | None]:
    """A file that is torn, emptied, turned into something else, or gone (None)."""
    yield from (
        whole[: len(whole) // 2],
        whole[:-1],
        b"",
        b"\0" * 4096,
        b"[1, 2]",
        b'{"a": ',
        b"\xff\xfe" * 99,
        None,
    )


@pytest.mark.parametrize(("kind", "name"), SMALL)
def test_a_small_file_that_is_torn_garbage_or_gone_costs_no_frame(kind: str, name: str, done: Any) -> None:
    config = done(kind)
    expected = left_by(config.output)
    whole = (config.output / ".stylize" / name).read_bytes()
    for damage in damages(whole):
        restore(config)
        path = config.output / ".stylize" / name
        path.unlink()
        if damage is not None:
            path.write_bytes(damage)
        summary = finish(config)
        assert summary.frames["stylized"] == 0, damage
        assert left_by(config.output) == expected


@pytest.mark.parametrize("kind", ["film", "photographs"])
@pytest.mark.parametrize("change", ["altered", "deleted", "emptied"])
def test_a_result_that_is_altered_or_deleted_is_written_again_the_same(
    kind: str, change: str, done: Any
) -> None:
    config = done(kind)
    name = "clip.mp4" if kind == "film" else "b.png"
    expected, result = left_by(config.output), config.output / name
    if change == "deleted":
        result.unlink()
    else:
        data = bytearray(result.read_bytes())
        data[len(data) // 2] ^= 0xFF
        result.write_bytes(data if change == "altered" else b"")
    finish(config)
    assert left_by(config.output) == expected
