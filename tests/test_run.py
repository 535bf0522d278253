"""Whole jobs on real Ray, real weights and small pictures."""

from __future__ import annotations

import json
import os
import shutil
import signal
from fractions import Fraction
from pathlib import Path

import av
import imageio.v3 as iio
import numpy as np
import pytest

from pipeline.execute.events import Event, Pulse, WorkerLost
from pipeline.ledger import Summary, Watcher
from pipeline.media.probe import Probe, probe
from pipeline.run import run
from pipeline.workspace import Workspace
from tests.conftest import Job, committed, tree
from tests.media.clips import picture, source_of, write_clip
from tests.media.conftest import real_clip

pytestmark = pytest.mark.usefixtures("ray_session")


def probe_file(path: Path) -> Probe:
    return probe(source_of(path), rate=Fraction(25))


def only(summary: Summary) -> Path:
    """The one output of a run."""
    (output,) = summary.outputs
    return output.output


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [
            (p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.pts is not None and p.size
        ]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=9, sound_s=0.4)


def test_a_real_clip_keeps_its_timestamps_and_its_sample_aspect(job: Job) -> None:
    source = real_clip("carphone_pristine.mp4")
    summary = run(job(source, video={"frames": [0, 12]}, transfer={"size": 96}))
    assert summary.status == "done"
    assert summary.frames == {"total": 12, "stylized": 12, "reused": 0}
    before, after = probe_file(source), probe_file(only(summary))
    assert [p * after.time_base for p in after.pts] == [p * before.time_base for p in before.pts[:12]]
    assert after.sample_aspect == before.sample_aspect == Fraction(128, 117)
    assert (after.width_px, after.height_px) == (96, 78)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("variable.mp4", {"time_base": Fraction(1, 1000), "pts": [0, 40, 100, 110, 300]}),
        ("b-frames.mp4", {"frames": 7, "options": {"bf": "3", "g": "4"}}),
        ("ntsc.mp4", {"frames": 5, "rate": Fraction(24000, 1001)}),
        ("odd.mkv", {"frames": 3, "size": (51, 37), "codec": "ffv1", "pix_fmt": "yuv444p"}),
        ("single.mp4", {"frames": 1}),
        ("sound.mp4", {"frames": 5, "sound_s": 0.3}),
    ],
)
def test_a_result_is_true_to_its_source(name: str, options: dict, job: Job, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = write_clip(tmp_path / "in" / name, **options)
    summary = run(job(source, transfer={"size": None, "iterations": 1, "warm_iterations": 1}))
    assert not summary.failures
    before, after = probe_file(source), probe_file(only(summary))
    tolerance = Fraction(1, 1000) if name.endswith("mkv") else 0
    pairs = zip(after.pts, before.pts, strict=True)
    assert all(abs(a * after.time_base - b * before.time_base) <= tolerance for a, b in pairs)
    if before.audio_streams:
        assert packets(only(summary), "audio") == packets(source, "audio")


def test_a_rotated_clip_comes_out_upright(job: Job, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    upright = picture(3, 64, 48)
    source = write_clip(tmp_path / "in/turned.mp4", frames=2, rotate_ccw_deg=90, rgb=[upright, upright])
    summary = run(job(source, transfer={"size": None, "iterations": 1, "style_weight": 0.0}))
    output = only(summary)
    after = probe_file(output)
    assert (after.width_px, after.height_px, after.rotation_deg) == (48, 64, 0)
    with av.open(str(output)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.abs(frame.astype(int) - np.rot90(upright)).mean() < 12


@pytest.mark.parametrize(
    "video",
    [
        {"cuts": [3, 5]},
        {"cuts": "none", "segment_frames": 4, "blend_frames": 3, "passes": 2, "long_term": [2]},
    ],
    ids=["shots", "segments of one shot"],
)
def test_any_number_of_workers_and_a_killed_one_give_the_same_bytes(
    video: dict, job: Job, clip: Path, tmp_path: Path
) -> None:
    transfer = {"warm_iterations": 40, "tolerance": 0, "warm_tolerance": 0}
    settings = {"video": video, "transfer": transfer}
    run(job(clip, **settings, execution={"workers": 1}))
    alone = committed(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    run(job(clip, **settings, execution={"workers": 2}))
    pair = committed(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    killer = KillWorkerOnce()
    summary = run(job(clip, **settings, execution={"workers": 2}), killer)
    assert killer.lost, "no worker died, so this shows nothing"
    assert len(alone) >= 9
    assert alone == pair == committed(tmp_path / "out")
    assert summary.frames["stylized"] == 9


class KillWorkerOnce(Watcher):
    """Kills a worker with SIGKILL, once, while it optimizes a frame that has others of its segment before it."""

    def __init__(self) -> None:
        self._has_killed = self.lost = False

    def happened(self, event: Event) -> None:
        match event:
            case Pulse(workers) if not self._has_killed:
                for worker in workers:
                    if worker.progress and worker.progress.frame % 4 and 0 < worker.progress.iteration < 30:
                        self._has_killed = True
                        os.kill(int(worker.name.rpartition("-")[2]), signal.SIGKILL)
                        return
            case WorkerLost():
                self.lost = True


def test_a_finished_job_is_left_as_it_is(job: Job, clip: Path, tmp_path: Path) -> None:
    first = run(job(clip))
    before = tree(tmp_path / "out")
    again = run(job(clip))
    assert again.status == "done"
    assert again.frames == {"total": 9, "stylized": 0, "reused": 9}
    assert [o.output for o in again.outputs] == [o.output for o in first.outputs]
    assert tree(tmp_path / "out") == before


def test_a_deleted_output_is_written_again_from_the_finished_frames(
    job: Job, clip: Path, tmp_path: Path
) -> None:
    output = only(run(job(clip)))
    output.unlink()
    again = run(job(clip))
    assert again.frames["stylized"] == 0
    assert probe_file(output).frames == 9


def test_trying_a_part_keeps_the_whole(job: Job, clip: Path, tmp_path: Path) -> None:
    run(job(clip))
    run(job(clip, video={"frames": [0, 2]}))
    again = run(job(clip))
    assert again.frames == {"total": 9, "stylized": 0, "reused": 9}
    assert probe_file(tmp_path / "out/clip.mp4").frames == 9


def test_another_rate_writes_a_sequence_anew_from_the_same_frames(job: Job, tmp_path: Path) -> None:
    (tmp_path / "in/walk").mkdir(parents=True)
    for index in range(3):
        iio.imwrite(tmp_path / f"in/walk/{index}.png", picture(index))
    run(job(tmp_path / "in/walk", folders="sequence"))
    again = run(job(tmp_path / "in/walk", folders="sequence", rate=30))
    assert again.frames["stylized"] == 0
    assert probe_file(tmp_path / "out/walk.mp4").rate == 30


def test_a_file_that_no_run_made_is_never_written_over(job: Job, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/clip.mp4").write_text("somebody's own")
    summary = run(job(clip))
    assert summary.status == "incomplete"
    assert summary.frames["stylized"] == 0
    assert "is there already" in summary.failures[0].error
    assert (tmp_path / "out/clip.mp4").read_text() == "somebody's own"


def test_a_changed_setting_recomputes_and_says_why(job: Job, clip: Path, tmp_path: Path) -> None:
    run(job(clip))
    before = committed(tmp_path / "out")
    (old,) = (tmp_path / "out/.stylize/segments").glob("*/*")
    again = run(job(clip, transfer={"style_weight": 10.0}))
    assert again.frames == {"total": 9, "stylized": 9, "reused": 0}
    assert again.recomputed == {"clip.mp4": ("transfer.style_weight: 1000.0 → 10.0",)}
    shutil.rmtree(old)  # where the frames of before are, under the same names
    old_bytes, new_bytes = (
        {Path(name).name: data for name, data in found.items()}
        for found in (before, committed(tmp_path / "out"))
    )
    assert new_bytes.keys() == old_bytes.keys()
    assert all(new_bytes[name] != old_bytes[name] for name in new_bytes)


def test_a_changed_mask_recomputes_and_says_why(job: Job, style_image: Path, tmp_path: Path) -> None:
    for name, size in (("photo", (64, 48)), ("mask", (20, 9))):
        iio.imwrite(tmp_path / f"{name}.png", picture(1, *size))
    style = [{"image": str(style_image), "mask": str(tmp_path / "mask.png")}]
    first = run(job(tmp_path / "photo.png", style=style))
    assert first.frames["stylized"] == 1
    (record,) = (json.loads(line) for line in Workspace(tmp_path / "out").records.open())
    assert record["tile"] is None
    assert run(job(tmp_path / "photo.png", style=style)).frames["reused"] == 1
    iio.imwrite(tmp_path / "mask.png", picture(2, 20, 9))
    again = run(job(tmp_path / "photo.png", style=style))
    assert again.frames == {"total": 1, "stylized": 1, "reused": 0}
    assert [reason.split(":")[0] for reason in again.recomputed["photo.png"]] == ["style.0.mask"]


def test_a_lost_frame_in_the_middle_is_made_again_alone_and_alike(
    job: Job, clip: Path, tmp_path: Path
) -> None:
    run(job(clip))
    before = committed(tmp_path / "out")
    victim = next((tmp_path / "out/.stylize/segments").rglob("00000004.png"))
    victim.write_bytes(victim.read_bytes()[:-20])
    again = run(job(clip))
    assert again.frames == {"total": 9, "stylized": 1, "reused": 8}
    assert committed(tmp_path / "out") == before


def test_bad_sources_are_reported_and_the_others_finish(job: Job, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(clip, folder / "good.mp4")
    (folder / "truncated.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (folder / "words.mp4").write_text("this is no video")
    summary = run(job(folder))
    assert summary.status == "incomplete"
    assert [output.source for output in summary.outputs] == ["good.mp4"]
    assert sorted(failure.source for failure in summary.failures) == ["truncated.mp4", "words.mp4"]


def test_photos_come_out_each_on_its_own_in_their_format(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    iio.imwrite(folder / "a.jpg", picture(1, 64, 48))
    iio.imwrite(folder / "sub/b.png", picture(2, 33, 47))
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    summary = run(job(folder, transfer={"size": 40}))
    assert [output.source for output in summary.outputs] == ["a.jpg", "sub/b.png"]
    assert iio.imread(tmp_path / "out/a.jpg").shape == (30, 40, 3)
    assert iio.imread(tmp_path / "out/sub/b.png").shape == (40, 28, 3)
    assert summary.status == "incomplete"
    assert summary.frames == {"total": 2, "stylized": 2, "reused": 0}
    assert [failure.source for failure in summary.failures] == ["broken.jpg"]


def test_a_numbered_sequence_becomes_a_video_at_its_rate(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "walk"
    folder.mkdir(parents=True)
    for index in range(4):
        iio.imwrite(folder / f"frame_{index:03d}.png", picture(index))
    summary = run(job(folder, rate="24000/1001"))
    result = probe_file(tmp_path / "out/walk.mp4")
    assert summary.frames["total"] == result.frames == 4
    assert [p * result.time_base for p in result.pts] == [Fraction(1001 * i, 24000) for i in range(4)]
    starts = [json.loads(line)["start"] for line in Workspace(tmp_path / "out").records.open()]
    assert starts == ["cold", "warm", "warm", "warm"]


def test_the_journal_tells_of_every_frame_as_the_contract_says(job: Job, clip: Path, tmp_path: Path) -> None:
    summary = run(job(clip, video={"cuts": [4]}))
    lines = [json.loads(line) for line in Workspace(tmp_path / "out").records.open()]
    records = {record["frame"]: record for record in lines}
    assert sorted(records) == list(range(9))
    assert [records[i]["start"] for i in range(9)] == ["cold", *["warm"] * 3, "cold", *["warm"] * 4]
    for record in lines:
        assert len(record["trace"]) == record["iterations"]
        assert min(record["trace"]) == record["loss"]
        assert (record["warp_error"] is None) == (record["start"] == "cold")
        assert record["iterations"] in ((6,) if record["start"] == "cold" else (1, 3))  # 1: left as it was
        assert 0 <= record["temporal_loss"] < record["loss"]
        assert 0 < record["brightness"] < 1
    assert sum(record["iterations"] for record in lines) == summary.iterations
    evaluations = summary.megapixel_iterations / (48 * 36 / 1e6)
    fresh = evaluations - summary.iterations  # one more for each frame in which something was uncovered
    assert 0 <= round(fresh, 3) <= 7
    assert round(fresh, 3) == pytest.approx(round(fresh), abs=1e-3)
