"""Pictures in, paintings out: the whole of Gatys et al. on tensors.

Owns the network, what it has seen of the styles, and the way over sizes and batches. What is minimized at one size is
said in `builder`, from where in `starts`. Knows nothing of files, videos or YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DivergenceError
from . import color, scales
from .builder import Builder, layers_of
from .checks import check_masks, check_pictures
from .devices import budget_bytes, precision
from .evaluate import Evaluator
from .guidance import Guidance
from .normalize import normalization_means
from .optimize import Evaluate, Minimum, State, minimize
from .settings import Settings
from .side_by_side import Threads, is_small, one_by_one, side_by_side
from .starts import following, initial
from .styles import Mixture, Style, Styles
from .sums import one_thread
from .vgg import VGG19
from .weights import Weights
from .work import Callback, Work


@dataclass(frozen=True)
class Stylization:
    """A painting and how it came about.

    `image`: (1, 3, h, w), float32, sRGB, 0–1. `loss`: the objective at the result, at the final size, before it was
    clipped to 0–1 (which matters without `clamp`) and before it got its chroma back (with `luminance`).
    `trace`: the loss at each evaluation, coarse sizes first. `megapixel_iterations`: evaluations × pixels / 1e6.
    `tile_px`: the longest side of the tiles at the final size, None where the picture was evaluated in one piece.
    `guided`: what of `loss` is the guidance's; the rest is what a frame on its own has.
    """

    image: Tensor
    loss: float
    trace: tuple[float, ...]
    megapixel_iterations: float
    tile_px: int | None = None
    guided: float = 0.0


class Stylizer:
    """Holds one VGG19 and the styles, and stylizes pictures with them one after the other.

    `content_mask`, (1, 1, h, w) in 0–1, stretched to each picture, says where its content counts. `memory_gib`: how
    much the work may take of the device's memory; None: see `devices.budget_bytes`, which takes `memory_share`.
    """

    def __init__(
        self,
        weights: Weights,
        styles: Sequence[Style],
        settings: Settings,
        device: torch.device | str = "cpu",
        *,
        content_mask: Tensor | None = None,
        memory_gib: float | None = None,
        memory_share: float = 1.0,
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        self._network = VGG19(
            weights,
            layers_of(settings),
            pooling=settings.pooling,
            padding=settings.padding,
            means=normalization_means(weights) if settings.network == "normalized" else None,
            device=self.device,
            dtype=precision(settings.precision, self.device),
        )
        self._styles = Styles(self._network, styles, settings)
        self._content_mask = content_mask
        self._budget = budget_bytes(self.device, memory_share) if memory_gib is None else memory_gib * 2**30
        self._builder = Builder(self._network, self._styles, settings, self._budget)

    def beside(self, styles: Sequence[Style], settings: Settings) -> Stylizer | None:
        """A stylizer with other styles and settings on the same network; None where they need another network."""
        names = ("pooling", "padding", "network", "precision")
        if layers_of(settings) != layers_of(self.settings) or any(
            getattr(settings, name) != getattr(self.settings, name) for name in names
        ):
            return None
        other = copy(self)
        other.settings, other._styles = settings, Styles(self._network, styles, settings)
        other._builder = Builder(other._network, other._styles, settings, self._budget)
        return other

    def stylize(
        self,
        content: Tensor,
        start: Tensor | None = None,
        callback: Callback | None = None,
        *,
        guidance: Guidance | None = None,
        effort: float = 1.0,
        mixture: Mixture | None = None,
        threads: Threads = "all",
    ) -> Stylization:
        """Paint `content`, (1, 3, h, w), float32, sRGB, 0–1; the result has its size.

        `start`, of the same shape, makes it a warm start: `warm_iterations` at the final size, from there; `guidance`
        is then what else the neighbors of the frame say (of a single picture). `effort` multiplies all iterations.
        `mixture`: of which styles, and how strongly, where that is not what the stylizer was made with.
        `threads` "each" gives the bits of `stylize_batch`, which for small pictures has one thread for each.
        Raises `DivergenceError` where no setting keeps the loss finite.
        """
        work = Work([self._content_mask], callback, guidance, effort, mixture)
        with one_thread() if threads == "each" and self._shares(content) else nullcontext():
            (result,) = self._paint(content, start, work)
        if isinstance(result, DivergenceError):
            raise result
        return result

    def stylize_batch(
        self,
        contents: Tensor,
        starts: Tensor | None = None,
        callback: Callback | None = None,
        *,
        content_masks: Sequence[Tensor | None] | None = None,
        mixture: Mixture | None = None,
    ) -> list[Stylization | DivergenceError]:
        """Paint `contents`, (batch, 3, h, w), each as if it were alone; see `stylize`, for `mixture`, too.

        A picture whose loss cannot be kept finite is an error in its place, and the others go on. `content_masks`:
        for each picture its own, or None for the stylizer's. `callback` may be called from other threads, but from one
        at a time.

        On a CPU small pictures are painted side by side with one thread each, see `side_by_side`, and larger ones one
        after the other with all threads; a picture's bits are those it has alone with `threads` "each". Elsewhere
        they are evaluated together, and equal but for the rounding of the kernels that the device's library takes for
        the batch's size.
        """
        masks = self._masks(content_masks, len(contents))
        if self.device.type != "cpu":
            return self._paint(contents, starts, Work(masks, callback, mixture=mixture))
        check_pictures(contents, contents if starts is None else starts)

        def paint(index: int, watch: Callback | None) -> Stylization | DivergenceError:
            one = slice(index, index + 1)
            start = None if starts is None else starts[one]
            (result,) = self._paint(contents[one], start, Work(masks[one], watch, mixture=mixture))
            return result

        if self._shares(contents):
            at_once = self.at_once(scales.shape_of(contents), len(contents))
            return side_by_side(paint, len(contents), at_once, callback)
        return one_by_one(paint, len(contents), callback)

    def at_once(self, shape: scales.Shape, most: int) -> int:
        """How many of `most` pictures, (height, width), `stylize_batch` paints at the same time."""
        if self.device.type == "cpu" and not is_small(shape):
            return 1
        return self._builder.fitting(
            shape, min(most, torch.get_num_threads()) if self.device.type == "cpu" else most
        )

    def _masks(self, given: Sequence[Tensor | None] | None, count: int) -> list[Tensor | None]:
        """The content masks of `count` pictures."""
        given = [None] * count if given is None else given
        check_masks(given, count)
        return [self._content_mask if mask is None else mask for mask in given]

    def _shares(self, contents: Tensor) -> bool:
        """Whether each of `contents` has one thread, so that others have the rest."""
        return self.device.type == "cpu" and is_small(scales.shape_of(contents))

    def judge(self, content: Tensor) -> Evaluate:
        """The objective of `content`, (1, 3, h, w), as what `stylize` minimizes at the final size without guidance.

        Takes pictures, (1, 3, h, w), on the network's device; with `luminance`, gray ones.
        """
        check_pictures(content, content)
        content = _on(content, self.device)
        if self.settings.preserve_color == "luminance":
            content = color.luminance(content)
        tile_px = self._builder.tile(scales.shape_of(content), 1)
        return self._builder.colored(
            self._builder.evaluator(content, 1.0, tile_px, Work([self._content_mask], None))
        )

    def _paint(
        self, contents: Tensor, starts: Tensor | None, work: Work
    ) -> list[Stylization | DivergenceError]:
        check_pictures(contents, contents if starts is None else starts)
        given = _on(contents, self.device)
        is_gray = self.settings.preserve_color == "luminance"
        contents = color.luminance(given) if is_gray else given
        work.is_cold = starts is None
        if starts is None:
            rounds = self._rounds(max(contents.shape[-2:]))
            work.rounds = self._planned(contents, rounds, work)
            minima = self._cold(contents, rounds, work)
        else:
            work.rounds = self._planned(
                contents, [(max(contents.shape[-2:]), self.settings.warm_iterations)], work
            )
            starts = _on(starts, self.device)
            starts = color.luminance(starts) if is_gray else starts
            minima = self._minimize(contents, starts, self.settings.warm_iterations, 1.0, work)
        return [self._result(minimum, given[i : i + 1], work, i) for i, minimum in enumerate(minima)]

    def _result(
        self, minimum: Minimum | DivergenceError, given: Tensor, work: Work, index: int
    ) -> Stylization | DivergenceError:
        if isinstance(minimum, DivergenceError):
            return minimum
        guided = self._guided(minimum.image, work)
        image = minimum.image.clamp(0, 1)
        if self.settings.preserve_color == "luminance":
            image = color.with_chroma_of(image, given)
        trace, megapixels = tuple(work.traces[index]), work.megapixels[index]
        return Stylization(image.cpu(), minimum.loss, trace, megapixels, work.tile_px, guided)

    def _guided(self, image: Tensor, work: Work) -> float:
        """What of the loss at `image` is the guidance's; one more evaluation where it asks for something fresh."""
        losses, _ = Evaluator(self._network, work.asked, work.tile_px)(image, [0])
        if work.asked.style:
            work.megapixels[0] += image.shape[-2] * image.shape[-1] / 1e6
        return float(losses)

    def _rounds(self, longest_px: int) -> list[tuple[int, int]]:
        """The longest sides in px that a cold picture is worked on at, growing, with the iterations at each."""
        *coarser, last_px = scales.schedule(longest_px, self.settings.scales)
        return [*((px, self.settings.coarse) for px in coarser), (last_px, self.settings.iterations)]

    def _planned(
        self, contents: Tensor, rounds: Sequence[tuple[int, int]], work: Work
    ) -> list[tuple[int, float]]:
        """What `Work.rounds` is, of rounds of a longest side in px and iterations."""
        of_average = 1 if self.settings.averaging else 0
        shapes = [scales.shape_at(contents, longest_px) for longest_px, _ in rounds]
        counts = [work.evaluations(iterations) + of_average for _, iterations in rounds]
        return [(count, h * w / 1e6) for (h, w), count in zip(shapes, counts, strict=True)]

    def _cold(
        self, contents: Tensor, rounds: Sequence[tuple[int, int]], work: Work
    ) -> list[Minimum | DivergenceError]:
        minima: list[Minimum | DivergenceError] = []
        for longest_px, iterations in rounds:
            scaled = scales.resize(contents, scales.shape_at(contents, longest_px))
            if minima:
                starts, states = following(scaled, minima, self.settings, self._styles, work.mixture)
            else:
                starts = initial(scaled, self.settings, self._styles, work.mixture)
                states = [None] * len(scaled)
            minima = []  # and with them what the optimizers kept of the size before
            minima = self._minimize(scaled, starts, iterations, longest_px / rounds[-1][0], work, states)
        return minima

    def _minimize(
        self,
        contents: Tensor,
        starts: Tensor,
        iterations: int,
        factor: float,
        work: Work,
        states: Sequence[State | None] | None = None,
    ) -> list[Minimum | DivergenceError]:
        """Minimize at the size of `contents`, which is `factor` of the final one."""
        work.open_round()
        shape = scales.shape_of(contents)
        at_once = self._builder.fitting(shape, len(contents))
        planned = self._builder.tile(shape, at_once)
        evaluator = self._builder.evaluator(contents, factor, planned, work)
        minima = minimize(
            self._builder.colored(evaluator),
            starts,
            self.settings.method if work.is_cold else self.settings.warm_method,
            iterations=work.evaluations(iterations),
            enough=work.guidance.enough if work.guidance else None,
            states=states,
            at_once=at_once,
            watch=work,
        )
        if evaluator.tile_px is not None and evaluator.tile_px != planned:  # memory ran out
            self._builder.remember(shape, evaluator.tile_px)
        is_whole = evaluator.tile_px is None or evaluator.tile_px >= max(shape)
        work.tile_px = None if is_whole else evaluator.tile_px
        return minima


def _on(images: Tensor, device: torch.device) -> Tensor:
    """`images` on the device. Neither pinned nor overlapped: a picture is uploaded once for hundreds of iterations."""
    return images.detach().to(device, torch.float32)
