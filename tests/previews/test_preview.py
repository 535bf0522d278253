"""A look at a job in between: partial videos of what is finished."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import Config
from pipeline.disk.packs import pack_frames
from pipeline.errors import MediaError
from pipeline.execute.events import Event, FrameFinished, PictureFinished
from pipeline.ledger import Watcher
from pipeline.previews.preview import DIMMED, dimmed, lines, preview
from pipeline.run import run
from pipeline.workspace import frame_path
from tests.conftest import Job, tree
from tests.farms import TextureFarm, painted
from tests.media.clips import picture, write_clip

PTS = [0, 40, 100, 110, 300, 320, 360, 420, 430, 500, 520, 600]
SETTINGS: dict[str, Any] = {
    "transfer": {"size": 96, "iterations": 4, "warm_iterations": 2},
    "video": {"cuts": [4, 8], "segment_frames": None},
}


@pytest.fixture(autouse=True)
def farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray; and nothing waits for the disk."""
    monkeypatch.setattr("pipeline.execute.scheduler.Farm", TextureFarm)
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen frames of 96 × 72, at a variable rate, with sound."""
    return write_clip(
        tmp_path_factory.mktemp("clip") / "clip.mp4", frames=12, size=(96, 72), sound_s=0.5,
        time_base=Fraction(1, 1000), pts=PTS,
    )  # fmt: skip


class Interrupter(Watcher):
    """Asks for a stop once so many frames and photographs are finished."""

    def __init__(self, frames: int) -> None:
        self._left = frames

    def happened(self, event: Event) -> None:
        self._left -= isinstance(event, FrameFinished | PictureFinished)

    def asked(self) -> bool:
        return self._left <= 0


def interrupted(config: Config, frames: int) -> None:
    watcher = Interrupter(frames)
    assert run(config, watcher, watcher.asked).status == "interrupted"


def read(video: Path) -> tuple[list[Fraction], list[npt.NDArray[np.int16]]]:
    """Times in s and pixels of the frames of a video."""
    with av.open(str(video)) as container:
        frames = list(container.decode(video=0))
    times = [Fraction(frame.pts) * frame.time_base for frame in frames]
    return times, [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in frames]


def sound(video: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(video)) as container:
        return [
            (p.pts * p.time_base, bytes(p)) for p in container.demux(audio=0) if p.pts is not None and p.size
        ]


def painted_frames(video: Path) -> list[int]:
    """Which frames of a video are the paintings of their index; the others have to be the source's, in dark gray."""
    found = []
    for index, frame in enumerate(read(video)[1]):
        if np.abs(frame - painted(index, 96, 72)).mean() < 20:
            found.append(index)
        else:
            assert np.abs(frame - dimmed(picture(index, 96, 72))).mean() < 8, index
    return found


@pytest.mark.parametrize("packed", [False, True])
def test_an_interrupted_job_is_shown_whole_with_its_times_and_its_sound(
    packed: bool, job: Job, clip: Path, tmp_path: Path
) -> None:
    config = job(clip, **SETTINGS)
    interrupted(config, 7)  # two segments in turn: 0 4 1 5 2 6 3
    if packed:
        for folder in (tmp_path / "out/.stylize/segments").glob("*/*"):
            assert pack_frames(folder) > 0
    before = tree(tmp_path / "out")
    seen, (shown,) = preview(config)
    target = tmp_path / "out/.stylize/preview/clip.mp4"
    assert (shown.painted, shown.frames, shown.output) == (7, 12, target)
    assert list(lines(seen, [shown], "stylize run")) == [f"clip.mp4: 7 of 12 frames painted → {target}"]
    times, _ = read(target)
    assert times == [Fraction(pts, 1000) for pts in PTS]
    assert painted_frames(target) == [0, 1, 2, 3, 4, 5, 6]
    assert sound(target) == sound(clip)
    target.unlink()
    target.parent.rmdir()
    assert tree(tmp_path / "out") == before


def test_a_part_of_a_video_is_shown_from_its_own_beginning(job: Job, clip: Path) -> None:
    config = job(clip, **{**SETTINGS, "video": {"frames": [3, 9], "cuts": []}})
    interrupted(config, 2)
    _seen, (shown,) = preview(config)
    assert shown.output is not None
    times, frames = read(shown.output)
    assert times == [Fraction(pts - PTS[3], 1000) for pts in PTS[3:9]]
    assert np.abs(frames[1] - painted(4, 96, 72)).mean() < 20
    assert np.abs(frames[2] - dimmed(picture(5, 96, 72))).mean() < 8


class Looker(Watcher):
    """Looks at a running job once, from within it."""

    def __init__(self, config: Config) -> None:
        self._config, self.shown = config, list[Any]()
        self._count = 0

    def happened(self, event: Event) -> None:
        self._count += isinstance(event, FrameFinished)
        if self._count == 5 and not self.shown:
            self.shown = preview(self._config)[1]


def test_a_running_job_is_shown_and_not_disturbed(job: Job, clip: Path, tmp_path: Path) -> None:
    config = job(clip, **SETTINGS)
    looker = Looker(config)
    assert run(config, looker).status == "done"
    assert looker.shown[0].painted == 5
    assert not (tmp_path / "out/.stylize/preview/clip.mp4").exists()  # its output has taken its place


def test_a_finished_source_is_shown_by_its_output(job: Job, clip: Path, tmp_path: Path) -> None:
    config = job(clip, **SETTINGS, disk={"keep": "none"})
    run(config)
    before = tree(tmp_path / "out")
    seen, (shown,) = preview(config)
    assert list(lines(seen, [shown], "stylize run")) == [
        f"clip.mp4: 12 of 12 frames painted → {tmp_path / 'out/clip.mp4'}"
    ]
    assert tree(tmp_path / "out") == before


def test_drafts_are_shown_where_no_later_stage_has_made_the_frame(
    job: Job, clip: Path, tmp_path: Path
) -> None:
    config = job(clip, **{**SETTINGS, "video": {"cuts": [], "segment_frames": 6, "blend_frames": 4}})
    interrupted(config, 11)
    _seen, (shown,) = preview(config)
    assert shown.output is not None
    assert len(painted_frames(shown.output)) == shown.painted == 11


def test_a_frame_that_is_damaged_is_shown_as_missing(job: Job, clip: Path, tmp_path: Path) -> None:
    config = job(clip, **SETTINGS)
    interrupted(config, 7)
    (folder,) = (tmp_path / "out/.stylize/segments").glob("*/00000000-*")
    path = frame_path(folder, 2)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    _seen, (shown,) = preview(config)
    assert shown.output is not None
    assert painted_frames(shown.output) == [0, 1, 3, 4, 5, 6]


def test_another_container_is_shown_as_an_mp4(job: Job, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    clip = write_clip(tmp_path / "in/clip.mkv", frames=6, size=(96, 72))
    config = job(clip, **{**SETTINGS, "video": {"cuts": []}})
    interrupted(config, 2)
    _seen, (shown,) = preview(config)
    assert shown.output == tmp_path / "out/.stylize/preview/clip.mkv.mp4"
    assert len(read(shown.output)[0]) == 6


def test_stills_are_listed(job: Job, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        iio.imwrite(tmp_path / f"in/{name}.png", picture(ord(name), 96, 72))
    config = job(tmp_path / "in", **SETTINGS, folders="archive")
    interrupted(config, 2)
    before = tree(tmp_path / "out")
    seen, previews = preview(config)
    assert [(one.source, one.painted, one.frames) for one in previews] == [
        ("a.png", 1, 1), ("b.png", 1, 1), ("c.png", 0, 1),
    ]  # fmt: skip
    assert list(lines(seen, previews, "stylize run")) == ["2 of 3 pictures painted"]
    assert tree(tmp_path / "out") == before
    (tmp_path / "out/b.png").unlink()
    assert list(lines(*preview(config), "stylize run")) == ["1 of 3 pictures painted"]
    assert not (tmp_path / "out/.stylize/preview").exists()


def test_a_preview_that_cannot_be_written_leaves_the_one_before_and_says_why(
    job: Job, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = job(clip, **SETTINGS)
    interrupted(config, 3)
    seen, (shown,) = preview(config)
    assert shown.output is not None
    assert shown.output.exists()
    before = tree(tmp_path / "out")

    def failing(frames: Any, target: Path, *_: Any) -> None:
        target.write_bytes(b"half a video")
        raise MediaError("the codec is not there")

    monkeypatch.setattr("pipeline.previews.preview.encode_video", failing)
    seen, (shown,) = preview(config)
    assert list(lines(seen, [shown], "stylize run")) == [
        "clip.mp4: 3 of 12 frames painted, but not to be shown: the codec is not there"
    ]
    assert tree(tmp_path / "out") == before


def test_where_nothing_is_finished_the_command_says_what_to_do(
    write_job: Any, clip: Path, tmp_path: Path
) -> None:
    path = write_job(clip, **SETTINGS)
    before = tree(tmp_path)
    result = CliRunner().invoke(app, ["preview", str(path), "--finished"])
    assert result.exit_code == 0
    assert "clip.mp4: 0 of 12 frames painted\n" in result.stdout
    assert f"nothing is finished yet; start the job (stylize run {path})" in result.stdout
    assert tree(tmp_path) == before


def test_the_command_prints_one_object(write_job: Any, job: Job, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_text("no video")
    config = job([str(clip), str(tmp_path / "bad.mp4")], **SETTINGS)
    interrupted(config, 3)
    result = CliRunner().invoke(app, ["preview", str(tmp_path / "job.yaml"), "--json"])
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["frames"] == {"total": 12, "painted": 3}
    assert found["previews"] == [
        {
            "source": "clip.mp4", "kind": "video", "painted": 3, "frames": 12, "error": None,
            "output": str(tmp_path / "out/.stylize/preview/clip.mp4"),
        }
    ]  # fmt: skip
    assert [failure["source"] for failure in found["failures"]] == ["bad.mp4"]


def test_a_dimmed_frame_is_gray_and_dark() -> None:
    frame = picture(3, 8, 6)
    gray = dimmed(frame)
    assert (gray[..., 0] == gray[..., 1]).all()
    assert gray.max() <= 255 * DIMMED + 1
    assert dimmed(np.full((1, 1, 3), 255, np.uint8)).tolist() == [[[102, 102, 102]]]
