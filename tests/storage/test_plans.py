"""A plan of what is behind a URL: its films and photographs are tried like any others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from pipeline.config import load_config
from pipeline.forecasting.forecast import forecast
from pipeline.look import look
from tests.media.clips import picture, write_clip
from tests.storage.buckets import Bucket

Job = Callable[..., Path]


def test_the_time_of_films_and_photographs_in_a_bucket_is_told(
    memory: Bucket, write_job: Job, tmp_path: Path
) -> None:
    memory.put("in/clip.mp4", write_clip(tmp_path / "clip.mp4", frames=6))
    Image.fromarray(picture(1)).save(tmp_path / "picture.png")
    memory.put("in/picture.png", tmp_path / "picture.png")
    config = load_config(write_job(f"{memory.url}/in", output=f"{memory.url}/out"))
    seen = look(config)
    assert (seen.plan.frames, seen.pictures.left) == (6, 1)
    found = forecast(config, seen, trial=True)
    assert found.trouble is None
    assert found.seconds is not None
