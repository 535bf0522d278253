"""Pictures in, paintings out: the whole of Gatys et al. on tensors.

Owns the network and what it has seen of the styles; knows nothing of files, videos or YAML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ConfigError, DivergenceError
from . import color, scales
from .devices import budget_bytes, precision
from .evaluate import Evaluator, features_of
from .guidance import FRESH_WEIGHT, Guidance
from .memory import shrinking, tile_for
from .normalize import normalization_means
from .objective import Objective, Region, StyleTerm, content_terms, style_terms
from .optimize import Evaluate, Minimum, State, minimize
from .settings import Settings
from .side_by_side import Threads, is_small, one_by_one, side_by_side
from .styles import Mixture, Style, Styles, mask_at
from .sums import one_thread
from .vgg import VGG19
from .weights import IMAGENET_MEAN, Weights
from .work import NOTHING, Callback, Work


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
            _layers(settings),
            pooling=settings.pooling,
            padding=settings.padding,
            means=normalization_means(weights) if settings.network == "normalized" else None,
            device=self.device,
            dtype=precision(settings.precision, self.device),
        )
        self._styles = Styles(self._network, styles, settings)
        self._content_mask = content_mask
        self._budget = budget_bytes(self.device, memory_share) if memory_gib is None else memory_gib * 2**30
        self._largest_px: dict[scales.Shape, int] = {}

    def beside(self, styles: Sequence[Style], settings: Settings) -> Stylizer | None:
        """A stylizer with other styles and settings on the same network; None where they need another network."""
        names = ("pooling", "padding", "network", "precision")
        if _layers(settings) != _layers(self.settings) or any(
            getattr(settings, name) != getattr(self.settings, name) for name in names
        ):
            return None
        other = copy(self)
        other.settings, other._styles = settings, Styles(self._network, styles, settings)
        other._largest_px = {}
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
        _check(contents, contents if starts is None else starts)

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
        return self._fitting(shape, min(most, torch.get_num_threads()) if self.device.type == "cpu" else most)

    def _masks(self, given: Sequence[Tensor | None] | None, count: int) -> list[Tensor | None]:
        """The content masks of `count` pictures."""
        given = [None] * count if given is None else given
        if len(given) != count:
            raise ConfigError(
                f"content_masks must be one for each of {count} pictures, or None, got {len(given)}"
            )
        for mask in given:
            if mask is not None and (
                mask.ndim != 4 or mask.shape[:2] != (1, 1) or not mask.is_floating_point()
            ):
                raise ConfigError(
                    "a content mask must be (1, 1, height, width), floats in 0–1, "
                    f"got {mask.dtype} of shape {tuple(mask.shape)}"
                )
        return [self._content_mask if mask is None else mask for mask in given]

    def _shares(self, contents: Tensor) -> bool:
        """Whether each of `contents` has one thread, so that others have the rest."""
        return self.device.type == "cpu" and is_small(scales.shape_of(contents))

    def _fitting(self, shape: scales.Shape, at_once: int) -> int:
        """How many of at most `at_once` pictures fit at the same time: rather fewer than tiles with their margins."""
        while at_once > 1 and self._tile(shape, at_once) != self._tile(shape, 1):
            at_once = -(-at_once // 2)
        return at_once

    def judge(self, content: Tensor) -> Evaluate:
        """The objective of `content`, (1, 3, h, w), as what `stylize` minimizes at the final size without guidance.

        Takes pictures, (1, 3, h, w), on the network's device; with `luminance`, gray ones.
        """
        _check(content, content)
        content = _on(content, self.device)
        if self.settings.preserve_color == "luminance":
            content = color.luminance(content)
        tile_px = self._tile(scales.shape_of(content), 1)
        return self._colored(self._evaluator(content, 1.0, tile_px, Work([self._content_mask], None)))

    def _paint(
        self, contents: Tensor, starts: Tensor | None, work: Work
    ) -> list[Stylization | DivergenceError]:
        _check(contents, contents if starts is None else starts)
        given = _on(contents, self.device)
        is_gray = self.settings.preserve_color == "luminance"
        contents = color.luminance(given) if is_gray else given
        work.is_cold = starts is None
        if starts is None:
            rounds = self._rounds(max(contents.shape[-2:]))
            work.most = self._most([iterations for _, iterations in rounds], work)
            minima = self._cold(contents, rounds, work)
        else:
            work.most = self._most([self.settings.warm_iterations], work)
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

    def _most(self, rounds: Sequence[int], work: Work) -> int:
        """Evaluations of a picture at most, in rounds of so many iterations; see `Iterate.most`."""
        of_average = 1 if self.settings.averaging else 0
        return sum(work.evaluations(iterations) + of_average for iterations in rounds)

    def _cold(
        self, contents: Tensor, rounds: Sequence[tuple[int, int]], work: Work
    ) -> list[Minimum | DivergenceError]:
        minima: list[Minimum | DivergenceError] = []
        for longest_px, iterations in rounds:
            scaled = scales.resize(contents, scales.shape_at(contents, longest_px))
            starts, states = self._starts(scaled, minima, work)
            minima = []  # and with them what the optimizers kept of the size before
            minima = self._minimize(scaled, starts, iterations, longest_px / rounds[-1][0], work, states)
        return minima

    def _starts(
        self, contents: Tensor, minima: Sequence[Minimum | DivergenceError], work: Work
    ) -> tuple[Tensor, list[State | None]]:
        """What to start from at the size of `contents`, and the optimizers' states, after the size before it."""
        shape = scales.shape_of(contents)
        if not minima:
            return self._initial(contents, work), [None] * len(contents)
        starts, states = [], list[State | None]()
        for minimum, content in zip(minima, torch.split(contents, 1), strict=True):
            if isinstance(minimum, DivergenceError):  # it may yet do at this size
                starts.append(self._initial(content, work))
                states.append(None)
            else:
                starts.append(scales.resize(minimum.image.clamp(0, 1), shape))
                states.append(minimum.state.resized(shape))
        return torch.cat(starts), states

    def _initial(self, contents: Tensor, work: Work) -> Tensor:
        shape = scales.shape_of(contents)
        if self.settings.init == "content":
            return contents
        if self.settings.init == "style":
            start = scales.resize(self._styles.heaviest(work.mixture).to(self.device), shape)
        elif self.settings.init == "mean":
            start = torch.tensor(IMAGENET_MEAN, device=self.device)[None, :, None, None].expand(1, 3, *shape)
        else:
            generator = torch.Generator().manual_seed(self.settings.seed)
            start = torch.rand((1, 3, *shape), generator=generator).to(self.device)
        start = color.luminance(start) if self.settings.preserve_color == "luminance" else start
        return start.expand_as(contents).contiguous()

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
        shape = scales.shape_of(contents)
        at_once = self._fitting(shape, len(contents))
        planned = self._tile(shape, at_once)
        evaluator = self._evaluator(contents, factor, planned, work)
        minima = minimize(
            self._colored(evaluator),
            starts,
            self.settings.method if work.is_cold else self.settings.warm_method,
            iterations=work.evaluations(iterations),
            enough=work.guidance.enough if work.guidance else None,
            states=states,
            at_once=at_once,
            watch=work,
        )
        if evaluator.tile_px is not None and evaluator.tile_px != planned:  # memory ran out
            self._largest_px[shape] = evaluator.tile_px
        is_whole = evaluator.tile_px is None or evaluator.tile_px >= max(shape)
        work.tile_px = None if is_whole else evaluator.tile_px
        return minima

    def _evaluator(self, contents: Tensor, factor: float, tile_px: int | None, work: Work) -> Evaluator:
        """The objective at the size of `contents`, in tiles of `tile_px` or, where memory runs out, of less."""
        largest_px = max(*contents.shape[-2:], self._styles.longest_px(contents, factor))
        objective, tile_px = shrinking(
            lambda tile_px: self._objective(contents, factor, tile_px, work),
            (largest_px, largest_px),
            tile_px,
        )
        return Evaluator(self._network, objective, tile_px)

    def _colored(self, evaluator: Evaluator) -> Evaluate:
        return in_gray(evaluator) if self.settings.preserve_color == "luminance" else evaluator

    def _objective(self, contents: Tensor, factor: float, tile_px: int | None, work: Work) -> Objective:
        settings, mask = self.settings, self._mask(contents, work)
        layers = _used(settings.content_layers, settings.content_weight)
        targets = features_of(self._network, contents, layers, tile_px)
        weight = settings.style_weight if work.mixture is None else work.mixture.style_weight
        regions = self._styles.regions(contents, factor, tile_px, work.mixture) if weight else []
        work.asked = self._asked(regions, weight, work.guidance) if work.guidance else NOTHING
        return Objective(
            content_terms(targets, settings.content_layers, settings.content_weight, mask),
            (*self._style_terms(regions, weight), *work.asked.style),
            settings.tv_weight,
            work.asked.pixels,
        )

    def _mask(self, contents: Tensor, work: Work) -> Tensor | None:
        """Where the content counts, (1 or batch, 1, h, w) at the size of `contents`; None: everywhere."""
        shape = scales.shape_of(contents)
        if all(mask is None for mask in work.masks):
            return None
        everywhere = torch.ones((1, 1, 1, 1))
        masks = [everywhere if mask is None else mask for mask in work.masks]
        return torch.cat([mask_at(mask.to(self.device, torch.float32), shape) for mask in masks])

    def _asked(self, regions: Sequence[Region], weight: float, guidance: Guidance) -> Objective:
        """What the guidance adds: its anchors and, where something is fresh, each region's part in that once more."""
        is_gray = (
            self.settings.preserve_color == "luminance"
        )  # then the pictures are gray, and so are anchors
        held = tuple(
            replace(term, target=color.luminance(term.target)) if is_gray else term
            for term in guidance.terms(self.device)
        )
        if guidance.fresh is None:
            return Objective((), (), pixels=held)
        fresh = guidance.fresh.to(self.device, torch.float32)
        parts = [fresh if region.mask is None else fresh * region.mask for region in regions]
        again = [Region(part, of.targets) for part, of in zip(parts, regions, strict=True)]
        return Objective((), self._style_terms(again, weight * FRESH_WEIGHT), pixels=held)

    def _style_terms(self, regions: Sequence[Region], weight: float) -> tuple[StyleTerm, ...]:
        return style_terms(regions, self.settings.style_layers, weight, self.settings.loss)

    def _tile(self, shape: scales.Shape, batch: int) -> int | None:
        """The tile to begin with: as set, or what is likely to fit, and none with which memory ran out before."""
        tile_px = self.settings.tile
        if tile_px == "auto":
            tile_px = tile_for(
                shape,
                self._budget,
                layers=self._network.layers,
                content_layers=_used(self.settings.content_layers, self.settings.content_weight),
                optimizer=self.settings.optimizer,
                batch=batch,
                regions=self._styles.masked,
            )
        known = [int(px) for px in (tile_px, self._largest_px.get(shape)) if px is not None]
        return min(known, default=None)


def in_gray(evaluate: Evaluate) -> Evaluate:
    """`evaluate` for pictures that are to stay gray: a step moves all three channels alike, as the luma does."""

    def evaluated(images: Tensor, which: Sequence[int]) -> tuple[Tensor, Tensor]:
        losses, gradients = evaluate(images, which)
        return losses, gradients.mean(1, keepdim=True).expand_as(gradients).contiguous()

    return evaluated


def _used(layers: Mapping[str, float], whole: float) -> list[str]:
    """The layers that count, where the term that they make up has the weight `whole`."""
    return [layer for layer, weight in layers.items() if weight > 0 and whole > 0]


def _layers(settings: Settings) -> list[str]:
    """The layers whose features any loss looks at."""
    return [
        *_used(settings.content_layers, settings.content_weight),
        *_used(settings.style_layers, settings.style_weight),
    ]


def _check(contents: Tensor, starts: Tensor) -> None:
    if contents.ndim != 4 or contents.shape[1] != 3 or not contents.is_floating_point():
        shape = tuple(contents.shape)
        raise ConfigError(
            f"pictures must be floats, (batch, 3, h, w) in 0–1, got {contents.dtype} of shape {shape}"
        )
    if starts.shape != contents.shape:
        raise ConfigError(f"starts must have the contents' shape, {contents.shape}, got {starts.shape}")


def _on(images: Tensor, device: torch.device) -> Tensor:
    """`images` on the device. Neither pinned nor overlapped: a picture is uploaded once for hundreds of iterations."""
    return images.detach().to(device, torch.float32)
