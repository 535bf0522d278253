"""A film with input and output behind a URL: the same bytes as on a disk, whatever is killed in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config, load_config
from pipeline.durable import line_of
from pipeline.errors import MediaError, ResumeError, StorageError
from pipeline.execute.events import Event, FrameFinished, Todo
from pipeline.look import look
from pipeline.records import frame_digest
from pipeline.run import run
from pipeline.storage import lease
from pipeline.verify import verify
from tests.media.clips import write_clip
from tests.storage.buckets import Bucket
from tests.storage.crews import Crew, Hand, Killed, crew, narrow_hand

__all__ = ["crew"]

Film = Callable[..., Config]
VIDEO = {"cuts": "none", "segment_frames": 4, "blend_frames": 2}
FRAMES = 11


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return write_clip(tmp_path / "in" / "clip.mp4", frames=FRAMES, sound_s=0.4)


@pytest.fixture
def film(bucket: Bucket, clip: Path, job: Callable[..., Config]) -> Film:
    """The job with everything behind a URL."""
    bucket.put("in/clip.mp4", clip)
    return lambda **sections: job(
        f"{bucket.url}/in/", output=f"{bucket.url}/out", **{"video": VIDEO, **sections}
    )


@pytest.fixture
def undisturbed(clip: Path, crew: type[Crew], job: Callable[..., Config], tmp_path: Path) -> dict[str, bytes]:
    """The results of the same job on a disk."""
    output = tmp_path / "on-disk"
    run(job(clip.parent, output=str(output), video=VIDEO))
    Hand.painted.clear()
    return {"clip.mp4": (output / "clip.mp4").read_bytes()}


def stop_after(frames: int) -> Callable[[Event], None]:
    left = [frames]

    def after(event: Event) -> None:
        left[0] -= isinstance(event, FrameFinished)
        if not left[0]:
            raise KeyboardInterrupt

    return after


def test_a_film_behind_a_url_becomes_what_it_becomes_on_a_disk(
    film: Film, bucket: Bucket, undisturbed: dict[str, bytes]
) -> None:
    summary = run(film())
    assert (summary.status, summary.frames["total"], summary.frames["reused"]) == ("done", FRAMES, 0)
    assert bucket.results("out") == undisturbed
    assert len(Hand.painted) == len(set(bucket.frames("out"))) > FRAMES


def test_a_finished_one_is_a_no_op(film: Film, bucket: Bucket, undisturbed: dict[str, bytes]) -> None:
    run(film())
    before, Hand.painted[:] = bucket.names(), []
    summary = run(film())
    assert (summary.status, Hand.painted, bucket.names()) == ("done", [], before)
    assert summary.frames == {"total": FRAMES, "stylized": 0, "reused": FRAMES}
    assert look(film()).reused == FRAMES
    assert [verdict.failure for verdict in verify(film())] == [None]


def test_a_run_that_was_killed_goes_on_from_an_empty_scratch(
    film: Film,
    bucket: Bucket,
    undisturbed: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(Crew, "after", stop_after(6))
    with pytest.raises(KeyboardInterrupt):
        run(film())
    monkeypatch.setattr(Crew, "after", None)
    (tmp_path / "other-machine").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other-machine"))
    summary = run(film())
    assert summary.status == "done"
    assert bucket.results("out") == undisturbed
    assert len(Hand.painted) == len(bucket.frames("out")), "something was painted twice"


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_painted_twice(
    film: Film, bucket: Bucket, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[str] = []

    def before(worker: Any, todo: Todo) -> None:
        if len(Hand.painted) >= 3 + 2 * len(killed) and len(killed) < 2:
            killed.append(worker._name)
            raise Killed

    monkeypatch.setattr(Crew, "before", staticmethod(before))
    assert run(film()).status == "done"
    assert len(killed) == 2
    assert bucket.results("out") == undisturbed
    assert len(Hand.painted) == len(bucket.frames("out"))


def test_real_workers_find_what_they_start_from_in_every_stage(
    film: Film, bucket: Bucket, clip: Path, crew: type[Crew], job: Callable[..., Config], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Crew, "hand", narrow_hand)
    video = {
        **VIDEO,
        "frames": [0, 7],
        "segment_frames": 4,
        "passes": 1,
        "long_term": [2],
        "temporal_weight": 0.5,
    }
    sections = {"video": video, "transfer": {"network": "raw", "size": 32, "scales": 1, "style_weight": 1.0}}
    run(job(clip.parent, output=str(tmp_path / "on-disk"), **sections))
    assert run(film(**sections)).status == "done"
    assert bucket.results("out") == {"clip.mp4": (tmp_path / "on-disk" / "clip.mp4").read_bytes()}


def test_a_frame_that_is_there_already_wins(
    film: Film, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if another machine, whose last bits differ, had been faster by a moment."""
    theirs: dict[str, bytes] = {}
    paint = Hand.stylize_frame

    def stylize_frame(self: Hand, index: int, job: Any = None) -> Any:
        found = paint(self, index, job)
        if index == 1 and not theirs:  # ours is finished, and not put yet
            assert self._job is not None
            place = f"out/.stylize/segments/{self._job.folder.parent.name}/{self._job.folder.name}"
            theirs[f"{place}/00000001.png"] = bucket.read(f"{place}/00000000.png")
            data = theirs[f"{place}/00000001.png"]
            record = replace(found, worker="rival-1", bytes=len(data), digest=frame_digest(data), loss=90.0)
            bucket.put(f"{place}/records-rival-1-0.jsonl", line_of(asdict(record)))
            bucket.put(f"{place}/00000001.png", theirs[f"{place}/00000001.png"])
        return found

    monkeypatch.setattr(Hand, "stylize_frame", stylize_frame)
    sections = {"video": {"cuts": "none", "segment_frames": None}}
    assert run(film(**sections)).status == "done"
    ((name, data),) = theirs.items()
    assert bucket.read(name) == data, "a late writer took a frame's place"
    found = {
        entry["frame"]: entry
        for entry in map(json.loads, bucket.read("out/.stylize/records.jsonl").splitlines())
    }
    assert (found[1]["worker"], found[1]["loss"]) == ("rival-1", 90.0)
    third = bucket.read(name.replace("00000001", "00000002"))
    bucket.remove(name.replace("00000001", "00000002"))
    bucket.remove("out/clip.mp4")
    assert run(film(**sections)).status == "done"
    assert bucket.read(name.replace("00000001", "00000002")) == third, (
        "it was not made from the frame that counts"
    )


def test_a_changed_film_is_painted_anew(film: Film, bucket: Bucket, crew: type[Crew], tmp_path: Path) -> None:
    run(film())
    Hand.painted.clear()
    bucket.put("in/clip.mp4", write_clip(tmp_path / "clip.mp4", frames=FRAMES + 2))
    summary = run(film())
    assert (summary.status, summary.frames["total"], summary.frames["reused"]) == ("done", FRAMES + 2, 0)
    assert summary.recomputed["clip.mp4"]


def test_a_film_that_changes_while_it_is_painted_is_a_failure(
    film: Film, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = write_clip(tmp_path / "clip.mp4", frames=FRAMES + 2)

    def before(worker: Any, todo: Todo) -> None:
        if not Hand.painted:
            bucket.put("in/clip.mp4", other)

    monkeypatch.setattr(Crew, "before", staticmethod(before))
    with pytest.raises(
        MediaError, match=r"s3://.*/in/clip.mp4 has changed since the job was planned; run again"
    ):
        run(film())


def test_a_deleted_result_is_encoded_again_out_of_the_frames_that_are_there(
    film: Film, bucket: Bucket, undisturbed: dict[str, bytes]
) -> None:
    run(film())
    bucket.remove("out/clip.mp4")
    Hand.painted.clear()
    assert run(film()).status == "done"
    assert (bucket.results("out"), Hand.painted) == (undisturbed, [])


def test_a_deleted_frame_is_missed_only_where_the_result_is_too(
    film: Film, bucket: Bucket, undisturbed: dict[str, bytes]
) -> None:
    run(film())
    last = sorted(bucket.frames("out"), key=lambda name: name.rpartition("/")[2])[-1]
    bucket.remove(f"out/{last}")
    bucket.remove("out/clip.mp4")
    Hand.painted.clear()
    assert run(film()).status == "done"
    assert bucket.results("out") == undisturbed
    assert Hand.painted == [("clip.mp4", FRAMES - 1)]


def alter(bucket: Bucket, name: str) -> None:
    """Change one bit of an object."""
    data = bytearray(bucket.read(name))
    data[len(data) // 2] ^= 1
    bucket.put(name, bytes(data))


def test_a_damaged_frame_is_found_as_the_result_is_encoded_and_it_alone_is_made_again(
    film: Film, bucket: Bucket, undisturbed: dict[str, bytes]
) -> None:
    run(film())
    before = bucket.frames("out")
    last = sorted(before, key=lambda name: name.rpartition("/")[2])[-1]
    alter(bucket, f"out/{last}")
    bucket.remove("out/clip.mp4")
    Hand.painted.clear()
    assert run(film()).status == "done"
    assert (bucket.results("out"), bucket.frames("out")) == (undisturbed, before)
    assert Hand.painted == [("clip.mp4", FRAMES - 1)]


def test_a_damaged_frame_that_another_starts_from_is_made_again_first(
    film: Film, bucket: Bucket, crew: type[Crew]
) -> None:
    sections = {"video": {"cuts": "none", "segment_frames": None}}
    run(film(**sections))
    before, result = bucket.frames("out"), bucket.read("out/clip.mp4")
    *_, damaged, last = sorted(before)
    alter(bucket, f"out/{damaged}")
    bucket.remove(f"out/{last}")
    bucket.remove("out/clip.mp4")
    Hand.painted.clear()
    assert run(film(**sections)).status == "done"
    assert (bucket.read("out/clip.mp4"), bucket.frames("out")) == (result, before)
    assert Hand.painted == [("clip.mp4", FRAMES - 2), ("clip.mp4", FRAMES - 1)]


def test_a_frame_that_stays_damaged_is_told_by_its_url(
    film: Film, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(event: Event) -> None:
        if isinstance(event, FrameFinished) and event.record.frame == FRAMES - 1:
            name = max(bucket.frames("out"), key=lambda one: one.rpartition("/")[2])
            alter(bucket, f"out/{name}")

    monkeypatch.setattr(Crew, "after", staticmethod(damage))
    (failure,) = run(film()).failures
    assert f"{bucket.url}/out/.stylize/segments/" in failure.error
    assert "/scratch/" not in failure.error


def test_a_result_that_is_not_ours_stays(film: Film, bucket: Bucket, crew: type[Crew]) -> None:
    bucket.put("out/clip.mp4", b"a stranger's")
    summary = run(film())
    assert summary.status == "incomplete"
    assert "no run here made it" in summary.failures[0].error
    assert bucket.read("out/clip.mp4") == b"a stranger's"


def test_nothing_of_a_worker_grows_with_the_film(
    film: Film, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    most: list[int] = []

    def before(worker: Any, todo: Todo) -> None:
        most.append(len(list(worker._root.rglob("*.png"))))

    monkeypatch.setattr(Crew, "before", staticmethod(before))
    run(film(video={"cuts": "none", "segment_frames": None}))
    assert len(most) >= FRAMES
    assert max(most) <= 4  # the style, and the frames around the one in work


def test_drafts_and_frames_are_thrown_away_there_too(film: Film, bucket: Bucket, crew: type[Crew]) -> None:
    run(film(disk={"keep": "none"}))
    assert bucket.frames("out") == {}
    Hand.painted.clear()
    assert (run(film(disk={"keep": "none"})).status, Hand.painted) == ("done", [])


def test_one_run_at_a_time(
    film: Film, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def after(event: Event) -> None:
        if not told:
            with pytest.raises(ResumeError) as error:
                run(film())
            told.append(str(error.value))

    monkeypatch.setattr(Crew, "after", after)
    run(film())
    assert f"another run is working in {bucket.url}/out" in told[0]
    assert ".stylize/lock" not in "".join(bucket.names("out"))


def test_the_lock_of_a_run_that_died_is_taken_over(
    film: Film, bucket: Bucket, crew: type[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put(
        "out/.stylize/lock", b'{"token":"dead","process":1,"host":"elsewhere","boot":"other","since":"x"}'
    )
    with pytest.raises(ResumeError, match="counts as dead"):
        run(film())
    monkeypatch.setattr(lease, "STALE_S", -1.0)
    assert run(film()).status == "done"
    assert not [name for name in bucket.names("out/.stylize") if "lock" in name]


def test_a_bucket_that_is_not_there_is_said_to_be_so(
    film: Film, bucket: Bucket, crew: type[Crew], job: Callable[..., Config], clip: Path
) -> None:
    with pytest.raises(StorageError, match="there is no such bucket"):
        run(job(clip.parent, output="s3://no-such-bucket-at-all/out"))
    with pytest.raises(StorageError, match="there is no such bucket"):
        run(job("s3://no-such-bucket-at-all/in", output=f"{bucket.url}/out"))


def test_styles_and_masks_travel_and_are_gone_afterward(
    film: Film, bucket: Bucket, crew: type[Crew], style_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    set_up = Hand.set_up

    def look_at(self: Hand) -> Any:
        seen.extend(style.image for style in self._settings.styles)
        return set_up(self)

    monkeypatch.setattr(Hand, "set_up", look_at)
    run(film())
    assert seen and all(path != style_image and path.suffix == ".png" for path in seen)
    assert [name for name in bucket.names("out/.stylize") if "luggage" in name] == []


def test_a_film_in_memory(
    memory: Bucket, clip: Path, crew: type[Crew], write_job: Callable[..., Path]
) -> None:
    memory.put("in/a/clip.mp4", clip)
    path = write_job(f"{memory.url}/in/**/*.mp4", output=f"{memory.url}/out", video=VIDEO)
    assert run(load_config(path)).status == "done"
    assert list(memory.results("out")) == ["a/clip.mp4"]
    assert run(load_config(path)).frames["stylized"] == 0
