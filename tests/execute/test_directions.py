"""Shots with looks of their own, and styles that change over time, as a worker paints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models.optical_flow import raft_small

from pipeline.config import Keyframe, StyleImage, Transfer
from pipeline.direction import Direction, direct
from pipeline.execute import worker as worker_module
from pipeline.execute.job import SegmentJob, WorkerSettings, style_files
from pipeline.execute.palette import KEPT
from pipeline.execute.worker import Worker
from pipeline.frames import decode_frame
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.workspace import FrameRecord, frame_path
from tests.execute.narrow import narrow_weights
from tests.motion import films
from tests.photos import full_photo
from tests.plans import config, surveyed

RED, BLUE = "red", "blue"
QUICK = Transfer(
    size=48, iterations=60, warm_iterations=20, scales=1, network="raw", tolerance=0, variables="pixels",
    content_layers={"conv1_1": 1.0}, style_layers={"conv1_2": 1.0}, style_weight=100.0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = narrow_weights()
    monkeypatch.setattr(worker_module, "load_weights", lambda _: weights)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A standing film of 12 frames, and two styles."""
    frame = Image.fromarray(full_photo("coffee")).resize((48, 36))
    (tmp_path / "film").mkdir()
    for index in range(12):
        frame.save(tmp_path / f"film/{index:02}.png")
    for name, color in ((RED, (230, 60, 40)), (BLUE, (40, 60, 230))):
        noise = np.random.default_rng(0).integers(-20, 20, (36, 48, 3))
        Image.fromarray((np.array(color) + noise).astype(np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def style(folder: Path, name: str, weight: float = 1.0) -> StyleImage:
    return StyleImage(image=folder / f"{name}.png", weight=weight)


class Painter:
    """A worker, and the film that it paints."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        paths = tuple(sorted((folder / "film").iterdir()))
        self.source = Source("sequence", folder / "film", "film.mp4", paths)
        self.probe = probe(self.source, rate=Fraction(1))
        fields = {"weights": "packaged", "styles": style_files([style(folder, RED)]), "transfer": QUICK, "threads": 1,
                  "warm_start": "flow", **settings}  # fmt: skip
        self.worker = Worker(WorkerSettings(**fields))
        self.worker.set_up()

    def paint(
        self, direction: Direction | None, frames: Sequence[int] = range(12), **job: Any
    ) -> tuple[list[np.ndarray], list[FrameRecord]]:
        """The paintings of some frames, each the first of its segment where there is but one, and their records."""
        out = self.folder / f"out{len(list(self.folder.iterdir()))}"
        first, stop = frames[0], frames[-1] + 1
        segment = SegmentJob(
            "film", self.source, self.probe, first, stop, (48, 36), out, direction=direction, **job
        )
        records = [self.worker.stylize_frame(index, segment if index == first else None) for index in frames]
        return [decode_frame(frame_path(out, index)).astype(float) for index in frames], records


def fade(folder: Path, **second: Any) -> Direction:
    """From red at the first frame to blue at the last."""
    one, two = ((style(folder, name),) for name in (RED, BLUE))
    keyframes = (Keyframe(at=0, style=one), Keyframe(at=11, **(second or {"style": two})))
    return direct(one, QUICK, keyframes)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def redness(frame: np.ndarray) -> float:
    return float(frame[..., 0].mean() - frame[..., 2].mean())


def test_without_a_direction_and_with_the_same_told_a_frame_is_the_same(folder: Path) -> None:
    painter = Painter(folder)
    (plain,), _ = painter.paint(None, [0])
    (told,), _ = painter.paint(Direction((style(folder, RED),), QUICK), [0])
    assert np.array_equal(plain, told)


def test_a_shot_is_painted_in_its_own_style_and_strength(folder: Path) -> None:
    painter = Painter(folder)
    (red,), _ = painter.paint(None, [0])
    (blue,), _ = painter.paint(Direction((style(folder, BLUE),), QUICK), [0])
    weak = QUICK.model_copy(update={"style_weight": 0.0})
    (faint,), _ = painter.paint(Direction((style(folder, RED),), weak), [0])
    assert redness(red) > redness(blue) + 20
    assert distance(faint, np.asarray(Image.open(folder / "film/00.png"), float)) < distance(red, faint) / 4


def test_a_shots_own_settings_are_heeded(folder: Path) -> None:
    settings = QUICK.model_copy(update={"iterations": 3, "pooling": "average"})
    _, (record,) = Painter(folder).paint(Direction((style(folder, RED),), settings), [0])
    assert record.iterations == 3


def test_a_frame_is_the_same_whoever_paints_it_and_in_whatever_order(folder: Path) -> None:
    painter, other = Painter(folder), Painter(folder)
    before = [painter.paint(fade(folder), [index])[0][0] for index in (0, 4, 9)]
    after = [other.paint(fade(folder).between(Fraction(i), Fraction(i)), [i])[0][0] for i in (9, 4, 0)]
    assert all(np.array_equal(one, two) for one, two in zip(before, after[::-1], strict=True))


def test_a_chain_of_frames_follows_a_slow_change_of_style(folder: Path) -> None:
    painter = Painter(folder)
    (first, *_, last), records = painter.paint(fade(folder))
    cold = [painter.paint(Direction((style(folder, name),), QUICK), [0])[0][0] for name in (RED, BLUE)]
    assert [record.start for record in records] == ["cold", *["warm"] * 11]
    assert distance(first, cold[0]) == 0
    assert redness(first) - redness(last) == pytest.approx(redness(cold[0]) - redness(cold[1]), rel=0.15)
    (end,) = painter.paint(Direction((style(folder, BLUE),), QUICK), [0])[1]
    assert records[-1].loss < 1.03 * end.loss


def test_a_chain_follows_a_style_weight_that_falls_and_with_it_the_loss(folder: Path) -> None:
    keyframes = (Keyframe(at=0, style_weight=100.0), Keyframe(at=11, style_weight=1.0))
    painter, styles = Painter(folder), (style(folder, RED),)
    (*_, last), records = painter.paint(direct(styles, QUICK, keyframes))
    ends = [Direction(styles, QUICK.model_copy(update={"style_weight": w})) for w in (100.0, 1.0)]
    (strong, weak), (_, end) = zip(
        *[(f[0], r[0]) for f, r in (painter.paint(e, [0]) for e in ends)], strict=True
    )
    assert all(record.iterations > 1 for record in records)
    assert distance(last, weak) < distance(strong, weak) / 2
    assert records[-1].loss < 1.05 * end.loss


def test_a_standing_film_under_a_timeline_that_stands_is_left_as_it_is(folder: Path) -> None:
    constant = fade(folder, style=(style(folder, RED),))
    assert constant.shares is not None
    _, records = Painter(folder).paint(constant, range(6))
    assert records[-1].iterations == 1


def test_skipped_frames_are_the_sources_own_and_cost_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = Painter(folder)
    monkeypatch.setattr(worker_module.Stylizer, "stylize", None)
    frames, records = painter.paint(None, range(3, 6), kind="skip")
    for index, frame in enumerate(frames, start=3):
        assert np.array_equal(frame, np.asarray(Image.open(folder / f"film/{index:02}.png")))
    assert {(r.start, r.iterations, r.trace, r.megapixel_iterations) for r in records} == {
        ("skipped", 0, (), 0.0)
    }


def test_a_worker_keeps_a_bounded_number_of_stylizers_on_as_few_networks_as_it_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter, made = Painter(folder), []
    monkeypatch.setattr(worker_module, "load_weights", lambda _: made.append(1) or narrow_weights())
    palette = painter.worker._palette
    assert palette is not None
    directions = [
        Direction((style(folder, RED),), QUICK.model_copy(update={"tv_weight": float(i)})) for i in range(7)
    ]
    found = [palette.stylizer(direction) for direction in directions]
    assert len({id(one._network) for one in found}) == 1
    assert made == []
    assert len(palette._others) == KEPT
    assert palette.stylizer(directions[-1]) is found[-1]
    other = palette.stylizer(replace(directions[0], transfer=QUICK.model_copy(update={"pooling": "average"})))
    assert made == [1]
    assert other._network is not found[0]._network


def test_shots_that_differ_in_shares_and_strength_share_a_stylizer(folder: Path) -> None:
    palette = Painter(folder).worker._palette
    assert palette is not None
    both = [(style(folder, RED), style(folder, BLUE, weight)) for weight in (1.0, 3.0)]
    weights = [QUICK, QUICK.model_copy(update={"style_weight": 3.0})]
    found = [palette.stylizer(Direction(*pair)) for pair in zip(both, weights, strict=True)]
    assert found[0] is found[1]
    none = QUICK.model_copy(update={"style_weight": 0.0})
    assert palette.stylizer(Direction(both[0], none)) is not found[0]


def test_a_painting_is_carried_along_by_raft_where_it_is_asked_for(folder: Path) -> None:
    torch.manual_seed(0)
    torch.save(raft_small().state_dict(), folder / "raft.pth")
    painter = Painter(folder, flow="raft", flow_weights=folder / "raft.pth")
    _, by_raft = painter.paint(None, range(2))
    _, by_dis = Painter(folder).paint(None, range(2))
    assert by_dis[0].loss == by_raft[0].loss
    assert by_dis[1].trace[0] != by_raft[1].trace[0]  # random weights: nothing stays where it was


def test_every_cut_that_is_found_starts_cold_and_so_do_no_other_frames(folder: Path) -> None:
    frames = [*films.clip("bunny", 0, 8), *films.clip("phone", 0, 7), *films.clip("bikes", 31, 39)]
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"film/{index:02}.png")
    job = config(
        input=(str(folder / "film"),), output=folder / "out", style=(style(folder, RED),), transfer=QUICK,
        folders="sequence",
    )  # fmt: skip
    (plan,) = surveyed(job).sources
    assert [segment.first for segment in plan.segments] == [0, 8, 15]
    painter, starts = Painter(folder, temporal_weight=25.0), {}
    for segment in plan.segments:
        for record in painter.paint(None, range(segment.first, segment.stop))[1]:
            starts[record.frame] = record.start
    assert [index for index, start in starts.items() if start == "cold"] == [0, 8, 15]
    (alone,), _ = painter.paint(None, [8])
    shot, _ = painter.paint(None, range(8, 15))
    assert np.array_equal(alone, shot[0])  # of the shot before nothing is left
