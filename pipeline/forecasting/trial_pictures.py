"""A trial of photographs before a run: how long it takes to read, paint and write one, see `trial`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

import torch

from pipeline.archive.findings import Planned, max_pixels, wish_of
from pipeline.config import Config
from pipeline.errors import MediaError
from pipeline.execute.job import WorkerSettings
from pipeline.execute.pool import available_cores
from pipeline.execute.tensors import as_floats, as_tensor
from pipeline.execute.worker import load_style, style_settings
from pipeline.forecasting.pace import Pace
from pipeline.forecasting.trial import HURRIED, Watch, device_of, speed_px, style_paths
from pipeline.media.geometry import output_size
from pipeline.media.photos import encode_photo, read_photo
from pipeline.storage.hand import at_hand
from pipeline.style import Stylizer
from pipeline.weights import load_weights

BATCH = 8
"""Photographs that are tried side by side, where as many are."""


def try_pictures(
    config: Config, settings: WorkerSettings, samples: Sequence[Planned], watch: Watch = lambda _: None
) -> Pace | None:
    """How fast photographs are painted, by the middle one of `samples` in size; None where none of them can be read."""
    watch("what an iteration takes, of photographs")
    torch.set_num_threads(settings.threads or available_cores())
    with at_hand(style_paths(settings)):
        stylizer = Stylizer(
            load_weights(settings.weights),
            [load_style(files) for files in settings.styles],
            style_settings(settings.transfer.model_copy(update=HURRIED)),
            device_of(settings),
            memory_gib=settings.memory_gib,
            memory_share=settings.gpu_share,
        )
    by_size = sorted(samples, key=lambda sample: sample.size[0] * sample.size[1])
    middle = len(by_size) // 2
    for sample in (*by_size[middle:], *by_size[:middle]):
        with suppress(MediaError), at_hand([sample.picture.path]):
            return _time_picture(config, sample, stylizer)
    return None


def _time_picture(config: Config, sample: Planned, stylizer: Stylizer) -> Pace:
    """The pace of as many copies of a photograph's first page as are painted side by side."""
    longest_px = speed_px(sample.size, stylizer.device)
    began = time.perf_counter()
    photo = read_photo(
        sample.picture.path, lambda w, h: output_size(w, h, longest_px, even=False), max_pixels(config)
    )
    content = as_tensor(photo.pages[0].rgb)
    encode_photo([as_floats(as_tensor(page.rgb)) for page in photo.pages], photo, wish_of(config))
    files_s = (time.perf_counter() - began) / len(photo.pages)
    at_once = stylizer.at_once((content.shape[-2], content.shape[-1]), BATCH)
    contents, ends = content.repeat(at_once, 1, 1, 1), list[float]()
    stylizer.stylize_batch(contents)  # the first time pays for the style's targets, and for warming up
    began = time.perf_counter()
    stylizer.stylize_batch(contents, callback=lambda _: ends.append(time.perf_counter()))
    painting_s = time.perf_counter() - began
    evaluation_s = (ends[-1] - ends[0]) / max(1, len(ends) - at_once)  # all of them begin at once
    beside_s = max(0.0, painting_s - len(ends) * evaluation_s) / at_once
    return Pace(evaluation_s / (content.shape[-2] * content.shape[-1] / 1e6), files_s + beside_s)
