"""An archive of photographs: one at a time against batches, as pictures per second.

64 photographs of 4000 × 3000 px, crops of scikit-image's with grain, are written as JPEGs into a temporary folder, and
then read, painted and written in two ways. One at a time: each step waits for the one before, and a picture is painted
with all threads. In batches: the next ones are read and the last ones written while one is painted, and small pictures
are painted side by side with one thread each, see `pipeline.style.side_by_side`. Rounds of both alternate, so that a
busy machine hits both; the ratio is that of the sums. At last a few pictures are painted alone as in a batch, which
shows what a lone picture pays for its one thread, and that its pixels are the same.

    .venv/bin/python scripts/bench_batch.py [--pictures 64] [--size 128] [--iterations 30] [--batch 8]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from pictures import PAINTING, picture
from PIL import Image
from torch import Tensor

from pipeline.execute.tensors import as_frame, as_tensor
from pipeline.frames import Frame
from pipeline.media.geometry import fit, output_size
from pipeline.media.stills import read_still, write_still
from pipeline.style import Settings, Style, Stylization, Stylizer
from pipeline.weights import load_weights

WIDTH, HEIGHT = 4000, 3000
NAMES = ("motorcycle_left.png", "coffee.png", "rocket.jpg", "chelsea.png", "astronaut.png", "retina.jpg")
BATCHES_A_ROUND = 2
GRAIN = 4.0
"""Standard deviation of the noise, of 255: without any an enlarged picture is half the size of a camera's."""


@dataclass
class Spent:
    """Seconds of one way, and of them what its own thread waited for reading, painted and waited for writing."""

    whole: list[float] = field(default_factory=list)
    read: float = 0.0
    paint: float = 0.0
    write: float = 0.0

    def shares(self) -> str:
        whole = sum(self.whole)
        return " | ".join(f"{100 * part / whole:.1f} %" for part in (self.read, self.paint, self.write))


@dataclass(frozen=True)
class Archive:
    """Photographs, where their paintings go, and what paints them."""

    stylizer: Stylizer
    paths: Sequence[Path]
    size_px: int
    target: Path

    def read(self, path: Path) -> Tensor:
        rgb = read_still(path)
        return as_tensor(fit(rgb, output_size(rgb.shape[1], rgb.shape[0], self.size_px, even=False)))

    def write(self, image: Tensor, way: str, path: Path) -> None:
        write_still(as_frame(image), self.target / way / f"{path.stem}.png")

    def painting(self, way: str, path: Path) -> Frame:
        return read_still(self.target / way / f"{path.stem}.png")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    settings = Settings(iterations=args.iterations, tolerance=0.0)
    stylizer = Stylizer(load_weights("packaged"), [Style(picture(PAINTING, args.size))], settings)
    with tempfile.TemporaryDirectory() as folder:
        paths = photographs(Path(folder), args.pictures)
        for way in ("single", "batch", "alone"):
            (Path(folder) / way).mkdir()
        compare(Archive(stylizer, paths, args.size, Path(folder)), args.batch)


def photographs(folder: Path, count: int) -> list[Path]:
    """Crops of scikit-image's photographs, each somewhere else, as a camera would write them."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("scikit-image is not installed; ./scripts/setup installs what benchmarks need")
    data, random = Path(spec.submodule_search_locations[0], "data"), np.random.default_rng(0)
    sources = [Image.open(data / name).convert("RGB") for name in NAMES]
    paths = []
    for index, source in zip(range(count), itertools.cycle(sources), strict=False):
        width = min(source.width, source.height * 4 // 3) * random.uniform(0.6, 1.0)
        left, top = random.uniform(0, source.width - width), random.uniform(0, source.height - width * 3 / 4)
        box = (left, top, left + width, top + width * 3 / 4)
        large = np.asarray(source.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=box))
        noise = np.empty(large.shape, np.int16)
        cv2.randn(noise, 0, GRAIN)
        path = folder / f"{index:03}.jpg"
        Image.fromarray(np.clip(large + noise, 0, 255).astype(np.uint8)).save(path, quality=92)
        paths.append(path)
    return paths


def one_at_a_time(archive: Archive, paths: Sequence[Path], spent: Spent) -> None:
    for path in paths:
        began = time.perf_counter()
        content = archive.read(path)
        has_read = time.perf_counter()
        image = archive.stylizer.stylize(content).image
        has_painted = time.perf_counter()
        archive.write(image, "single", path)
        spent.read += has_read - began
        spent.paint += has_painted - has_read
        spent.write += time.perf_counter() - has_painted


def in_batches(archive: Archive, paths: Sequence[Path], spent: Spent, size: int) -> None:
    with ThreadPoolExecutor(1) as ahead, ThreadPoolExecutor(1) as behind:
        reading = [ahead.submit(archive.read, path) for path in paths]
        writing: list[Future[None]] = []
        for first in range(0, len(paths), size):
            began = time.perf_counter()
            contents = torch.cat([future.result() for future in reading[first : first + size]])
            has_read = time.perf_counter()
            results = archive.stylizer.stylize_batch(contents)
            for path, result in zip(paths[first : first + size], results, strict=True):
                assert isinstance(result, Stylization), result
                writing.append(behind.submit(archive.write, result.image, "batch", path))
            spent.read += has_read - began
            spent.paint += time.perf_counter() - has_read
        began = time.perf_counter()
        for future in writing:
            future.result()
        spent.write += time.perf_counter() - began


def compare(archive: Archive, size: int) -> None:
    single, batch = Spent(), Spent()
    ways: list[tuple[Spent, Callable[[Sequence[Path]], None]]] = [
        (single, lambda paths: one_at_a_time(archive, paths, single)),
        (batch, lambda paths: in_batches(archive, paths, batch, size)),
    ]
    warm_up(archive)
    count = size * BATCHES_A_ROUND
    for number, first in enumerate(range(0, len(archive.paths), count)):
        for spent, way in ways if number % 2 == 0 else reversed(ways):
            began = time.perf_counter()
            way(archive.paths[first : first + count])
            spent.whole.append(time.perf_counter() - began)
        print(f"round {number}: {single.whole[-1] / batch.whole[-1]:.2f}", flush=True)
    show(archive, single, batch)
    show_alone(archive, archive.paths[:size])


def warm_up(archive: Archive) -> None:
    """The style's moments for either number of threads."""
    content = archive.read(archive.paths[0])
    archive.stylizer.stylize(content, effort=0.0)
    archive.stylizer.stylize(content, effort=0.0, threads="each")


def show(archive: Archive, single: Spent, batch: Spent) -> None:
    count, threads = len(archive.paths), torch.get_num_threads()
    ratios = [a / b for a, b in zip(single.whole, batch.whole, strict=True)]
    print(f"\n{count} photographs at {archive.size_px} px, {threads} threads\n")
    print("| | pictures a minute | reading | painting | writing |\n|---|---|---|---|---|")
    for name, spent in (("one at a time", single), ("in batches", batch)):
        print(f"| {name} | {60 * count / sum(spent.whole):.1f} | {spent.shares()} |")
    spread = f"rounds {min(ratios):.2f}–{max(ratios):.2f}, their median {median(ratios):.2f}"
    print(f"\nin batches / one at a time: {sum(single.whole) / sum(batch.whole):.2f} ({spread})")
    print(
        f"largest difference, all threads against one: {difference(archive, archive.paths, 'single')} of 255"
    )


def show_alone(archive: Archive, paths: Sequence[Path]) -> None:
    """A lone picture has one thread too, so that its pixels are those that it has in a batch."""
    ratios = []
    for path in paths:
        content, times = archive.read(path), []
        for threads in ("all", "each"):
            began = time.perf_counter()
            image = archive.stylizer.stylize(content, threads=threads).image
            times.append(time.perf_counter() - began)
        archive.write(image, "alone", path)
        ratios.append(times[1] / times[0])
    print(f"a lone picture with the threads of a batch takes {median(ratios):.2f} times as long")
    print(f"largest difference, alone against in a batch: {difference(archive, paths, 'alone')} of 255")


def difference(archive: Archive, paths: Sequence[Path], way: str) -> int:
    """The largest difference of a channel of a pixel to the same in batches, in steps of 8 bits."""
    pairs = [(archive.painting(way, path), archive.painting("batch", path)) for path in paths]
    return max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairs)


if __name__ == "__main__":
    main()
