"""What a frame of a segment starts from and is held to; without any painting, by records and files alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from pipeline.config import Transfer
from pipeline.execute.chain import ENOUGH, Chain
from pipeline.execute.job import SegmentJob, Stretch, StyleFiles, WorkerSettings
from pipeline.frames import Frame, encode_frame
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.motion.warm import unit
from pipeline.workspace import FrameRecord, commit_frame
from tests.motion.pictures import window
from tests.plans import record

COUNT, SIZE = 6, (96, 80)


def painted(seed: int) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)


@pytest.fixture
def film(tmp_path: Path) -> Source:
    """Six frames of a photograph that stands still."""
    files = tuple(tmp_path / f"film/{index}.png" for index in range(COUNT))
    files[0].parent.mkdir()
    for path in files:
        iio.imwrite(path, window(200, 100))
    return Source("sequence", files[0].parent, "film.mp4", files)


def chain_of(film: Source, folder: Path, kind: Any = "paint", **changes: Any) -> Chain:
    job = {"first": 0, "stop": COUNT, "kind": kind, **{k: v for k, v in changes.items() if k in FIELDS}}
    settings = {
        "weights": "packaged", "styles": (StyleFiles(Path("style.png")),), "transfer": Transfer(), "threads": 1,
        "warm_start": "flow", "temporal_weight": 10.0, **{k: v for k, v in changes.items() if k not in FIELDS},
    }  # fmt: skip
    found = probe(film, rate=Fraction(25))
    return Chain(
        SegmentJob(name="s", source=film, probe=found, size=SIZE, folder=folder, **job),
        WorkerSettings(**settings),
    )


FIELDS = ("first", "stop", "step", "effort", "drafts")


def commit(folder: Path, frames: dict[int, Frame], **changes: Any) -> None:
    for index, frame in frames.items():
        data = encode_frame(frame)
        commit_frame(folder, record(index, bytes=len(data), **changes), data)


def test_a_segment_begins_cold_with_its_own_effort(film: Source, tmp_path: Path) -> None:
    begun = chain_of(film, tmp_path / "s", effort=0.5).begin(0)
    assert (begun.start, begun.guidance, begun.copy, begun.effort) == (None, None, None, 0.5)


def test_a_frame_is_held_to_the_committed_painting_before_it(film: Source, tmp_path: Path) -> None:
    commit(tmp_path / "s", {0: painted(0)}, loss=2.0, temporal_loss=0.5)
    begun = chain_of(film, tmp_path / "s").begin(1)
    assert begun.start is not None and begun.guidance is not None
    assert np.array_equal(begun.start, unit(painted(0)))
    (anchor,) = begun.guidance.anchors
    assert anchor.weight == 10 * 1.5  # relative to the loss without what holds the frame
    assert np.allclose(anchor.image[0].permute(1, 2, 0), unit(painted(0)))
    assert begun.guidance.enough == ENOUGH * 1.5


def test_what_is_enough_does_not_grow_along_a_film_that_stands_still(film: Source, tmp_path: Path) -> None:
    commit(tmp_path / "s", {0: painted(0)}, loss=2.0, settled=1.9)
    chain = chain_of(film, tmp_path / "s")
    begun = chain.begin(1)
    assert begun.guidance is not None and begun.guidance.enough == ENOUGH * 1.9
    assert chain.settled(begun, 1.915, evaluations=1) == pytest.approx(1.9)  # left as it was
    assert chain.settled(begun, 1.7, evaluations=12) == 1.7  # painted on


def test_without_a_temporal_weight_nothing_holds_a_frame(film: Source, tmp_path: Path) -> None:
    commit(tmp_path / "s", {0: painted(0)})
    begun = chain_of(film, tmp_path / "s", temporal_weight=0.0).begin(1)
    assert begun.guidance is not None and not begun.guidance.anchors


def test_long_term_paintings_are_looked_for_as_far_back_as_the_segment_goes(
    film: Source, tmp_path: Path
) -> None:
    commit(tmp_path / "s", {index: painted(index) for index in range(5)})
    chain = chain_of(film, tmp_path / "s", long_term=(2, 4))
    assert [held(chain, index) for index in (1, 3, 4)] == [1, 2, 3]


def held(chain: Chain, index: int) -> int:
    guidance = chain.begin(index).guidance
    assert guidance is not None
    return len(guidance.anchors)


@pytest.fixture
def drafts(tmp_path: Path) -> Sequence[Stretch]:
    """Frame 1 of the segment before, and frames 2 to 5 of the segment that is to be blended into it."""
    commit(tmp_path / "before", {1: painted(1)})
    commit(tmp_path / "after", {index: painted(10 + index) for index in range(2, 6)})
    return Stretch(1, 2, tmp_path / "before"), Stretch(2, 6, tmp_path / "after")


def test_a_blend_begins_near_the_one_neighbor_and_ends_at_its_own_draft(
    film: Source, tmp_path: Path, drafts: Sequence[Stretch]
) -> None:
    chain = chain_of(film, tmp_path / "s", "blend", first=2, drafts=drafts)
    first = chain.begin(2)
    assert first.start is not None
    to_neighbor = np.abs(first.start - unit(painted(1))).mean()
    to_draft = np.abs(first.start - unit(painted(12))).mean()
    assert to_neighbor < to_draft / 2
    last = chain.begin(5)
    assert last.copy is not None and np.array_equal(last.copy, painted(15))


def test_a_pass_is_held_to_both_neighbors(film: Source, tmp_path: Path) -> None:
    commit(tmp_path / "before", {index: painted(index) for index in range(6)})
    everything = (Stretch(0, 6, tmp_path / "before"),)
    chain = chain_of(film, tmp_path / "s", "pass", step=-1, effort=0.5, drafts=everything)
    begun = chain.begin(3)
    assert begun.effort == 0.5
    assert begun.start is not None and begun.guidance is not None
    assert np.allclose(begun.start, (unit(painted(3)) + unit(painted(4))) / 2, atol=1e-3)  # backward: from 4
    assert len(begun.guidance.anchors) == 2
    assert held(chain, 5) == held(chain, 0) == 1


def test_the_warping_error_is_to_the_frame_that_is_shown_before(
    film: Source, tmp_path: Path, drafts: Sequence[Stretch]
) -> None:
    chain = chain_of(film, tmp_path / "s", "blend", first=2, drafts=drafts)
    assert chain.warping_error(2, painted(1)) == pytest.approx(0, abs=1e-9)
    assert chain_of(film, tmp_path / "s").warping_error(0, painted(1)) is None


def test_a_record_knows_its_loss_without_what_holds_it() -> None:
    of: FrameRecord = record(1, loss=2.0, temporal_loss=0.25)
    assert of.base_loss == 1.75


def test_a_frame_of_a_pass_does_not_see_what_comes_after_it_in_that_pass(
    film: Source, tmp_path: Path
) -> None:
    commit(tmp_path / "before", {index: painted(index) for index in range(6)})
    everything = (Stretch(0, 6, tmp_path / "before"),)

    def anchors() -> list[np.ndarray]:
        chain = chain_of(film, tmp_path / "s", "pass", drafts=everything)
        guidance = chain.begin(3).guidance
        assert guidance is not None
        return [anchor.image.numpy() for anchor in guidance.anchors]

    commit(tmp_path / "s", {index: painted(20 + index) for index in range(3)})
    undisturbed = anchors()
    commit(tmp_path / "s", {index: painted(20 + index) for index in (4, 5)})  # as where frame 3 was lost
    assert all(np.array_equal(a, b) for a, b in zip(undisturbed, anchors(), strict=True))


def test_a_pass_has_a_warping_error_where_the_frame_before_is_of_the_same_pass(
    film: Source, tmp_path: Path
) -> None:
    commit(tmp_path / "before", {index: painted(index) for index in range(6)})
    commit(tmp_path / "s", {2: painted(2)})
    drafts = (Stretch(0, 6, tmp_path / "before"),)
    forward = chain_of(film, tmp_path / "s", "pass", first=2, drafts=drafts)
    backward = chain_of(film, tmp_path / "s", "pass", first=2, step=-1, drafts=drafts)
    assert forward.warping_error(3, painted(2)) == 0
    assert forward.warping_error(2, painted(2)) is None
    assert backward.warping_error(3, painted(2)) is None
