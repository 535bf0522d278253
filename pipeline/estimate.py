"""What a plan will cost: work, disk, and time by trying a few iterations on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pipeline.archive.summary import Pictures
from pipeline.config import Config, Transfer
from pipeline.costs import FrameCost, averaged, segment_cost, warm_cost
from pipeline.plan import Plan
from pipeline.resume import Stock

BYTES_PER_PIXEL = 2.6
"""Of a finished frame: painted frames of bikes.mp4 at 320 px take 2.4 to 2.6 bytes per pixel as PNG."""

TRIAL_PX = 160
TRIAL_ITERATIONS = 4


@dataclass(frozen=True)
class Estimate:
    """What is still to be done. The work is an upper bound: a frame that stands still stops earlier."""

    megapixel_iterations: float
    disk_bytes: int
    seconds: float | None  # on one worker with all of this machine; None where it was not tried


def estimate(
    plan: Plan, stock: Stock, pictures: Pictures, transfer: Transfer, seconds_per_unit: float | None
) -> Estimate:
    """The work that is left, and what it takes at `seconds_per_unit` seconds per megapixel-iteration."""
    work, pixels = 0.0, 0
    for source in plan.sources:
        area = source.size[0] * source.size[1]
        missing = stock.missing(source)
        for segment in source.segments:
            frames = missing.get(segment.key, ())
            pixels += len(frames) * area
            if segment.kind == "skip" or not frames:
                continue
            direction = source.direction(segment)
            own = direction.transfer if direction else transfer
            cost = FrameCost(cold_work(source.size, own), warm_cost(area / 1e6, own))
            work += segment_cost(source, segment, frames, cost)
    for (size, look), pages in pictures.work.items():
        work += pages * cold_work(size, pictures.looks[look].transfer)
    seconds = None if seconds_per_unit is None else work * seconds_per_unit
    return Estimate(work, int(pixels * BYTES_PER_PIXEL) + pictures.bytes, seconds)


def cold_work(size: tuple[int, int], transfer: Transfer) -> float:
    """The megapixel-iterations of a cold frame of `size`, (width, height) in px, over all scales."""
    from pipeline.execute.worker import style_settings
    from pipeline.style.scales import schedule

    longest = max(size)
    area = size[0] * size[1] / 1e6
    *coarser, _ = schedule(longest, transfer.scales)
    coarse = style_settings(transfer).coarse
    coarse_work = sum((coarse + averaged(transfer)) * (px / longest) ** 2 for px in coarser)
    return area * (transfer.iterations + averaged(transfer) + coarse_work)


def try_out(config: Config) -> float:
    """Seconds per megapixel-iteration on this machine, by a few iterations of the job's own network and style."""
    from pipeline.execute.tensors import as_tensor
    from pipeline.execute.worker import best_device, read_style, style_settings
    from pipeline.style import Style, Stylizer
    from pipeline.style.scales import resize
    from pipeline.weights import load_weights

    trial = config.transfer.model_copy(
        update={"iterations": TRIAL_ITERATIONS, "scales": 1, "preserve_color": "none", "tolerance": 0.0}
    )
    style = as_tensor(read_style(config.style[0].image))
    stylizer = Stylizer(load_weights(config.weights), [Style(style)], style_settings(trial), best_device())
    content = resize(style, (TRIAL_PX, TRIAL_PX))
    stylizer.stylize(content)  # the first run pays for the style's targets and for warming up
    began = time.perf_counter()
    result = stylizer.stylize(content)
    return (time.perf_counter() - began) / result.megapixel_iterations
