"""How many requests a frame and a picture cost, as docs/storage.md says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import s3fs
from PIL import Image

from pipeline.config import Config
from pipeline.run import run
from tests.media.clips import picture, write_clip
from tests.storage.buckets import Bucket
from tests.storage.crews import Crew, crew

__all__ = ["crew"]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts what is asked of the server, by operation."""
    counted: Counter[str] = Counter()
    call = s3fs.S3FileSystem._call_s3

    async def counting(self: Any, method: str, *args: Any, **options: Any) -> Any:
        counted[method] += 1
        return await call(self, method, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counting)
    yield counted


@pytest.fixture
def small_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows does not grow with the job."""
    monkeypatch.setattr("pipeline.report.films.STRIP", 4)
    monkeypatch.setattr("pipeline.report.album.SAMPLE", 2)


def more(few: Counter[str], many: Counter[str], count: int) -> dict[str, int]:
    """What each of `count` more of something cost."""
    found = {name: round((many[name] - few[name]) / count) for name in many}
    return {name: cost for name, cost in found.items() if cost}


@pytest.mark.usefixtures("small_page")
def test_a_frame_costs_what_is_said(
    bucket: Bucket, job: Callable[..., Config], crew: type[Crew], requests: Counter[str], tmp_path: Path
) -> None:
    costs = []
    for frames in (4, 14):
        bucket.put(f"{frames}/in/clip.mp4", write_clip(tmp_path / "clip.mp4", frames=frames))
        video = {"cuts": "none", "segment_frames": None}
        requests.clear()
        run(job(f"{bucket.url}/{frames}/in", output=f"{bucket.url}/{frames}/out", video=video))
        costs.append(Counter(requests))
    assert more(*costs, 10) == {"put_object": 2, "head_object": 1, "get_object": 1}


@pytest.mark.usefixtures("small_page")
def test_a_picture_costs_what_is_said(
    bucket: Bucket, job: Callable[..., Config], crew: type[Crew], requests: Counter[str], tmp_path: Path
) -> None:
    costs = []
    for count in (2, 12):
        for index in range(count):
            Image.fromarray(picture(index)).save(tmp_path / "a.jpg")
            bucket.put(f"{count}/in/{index}.jpg", tmp_path / "a.jpg")
        requests.clear()
        run(job(f"{bucket.url}/{count}/in", output=f"{bucket.url}/{count}/out", folders="archive"))
        costs.append(Counter(requests))
    assert more(*costs, 10) == {"put_object": 2, "head_object": 3, "get_object": 2}


@pytest.mark.parametrize(
    "most, name, cost",
    [
        ("pipeline.report.films.STRIP", "clip.mp4", {"get_object": 1}),
        ("pipeline.report.album.SAMPLE", "album", {"get_object": 4, "head_object": 7}),
    ],
)
def test_what_a_page_shows_costs_what_is_said(
    most: str,
    name: str,
    cost: dict[str, int],
    bucket: Bucket,
    job: Callable[..., Config],
    crew: type[Crew],
    requests: Counter[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = []
    for shown in (2, 12):
        if name == "album":
            for index in range(12):
                Image.fromarray(picture(index)).save(tmp_path / "a.jpg")
                bucket.put(f"{shown}/in/album/{index}.jpg", tmp_path / "a.jpg")
        else:
            bucket.put(f"{shown}/in/{name}", write_clip(tmp_path / name, frames=12))
        monkeypatch.setattr(most, shown)
        requests.clear()
        run(job(f"{bucket.url}/{shown}/in/{name}", output=f"{bucket.url}/{shown}/out", folders="archive"))
        costs.append(Counter(requests))
    assert more(*costs, 10) == cost
