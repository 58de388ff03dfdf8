"""Huai et al.: each block of filters loses input channels, in numbers that fill whole crossbars, so that what is left
packs densely without an index, a routing network or any other hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Block, Contents, Geometry, Ints, Projection
from xbarch.datapaths.tools import cells
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

_SHARED = "shared_rows: every filter block keeps the same channels: channel pruning, coarser than the method"


class HuaiOptions(Options):
    """Options of `huai`."""

    sign: dense.Sign = Field("offset", description="how signed weights are stored, as for dense: offset, differential, "
                             "twos (the paper's abstract does not say)")
    fill: Literal["rows", "kernels"] = Field(
        "rows", description="rows: kept kernels lie end to end down the word lines and are cut at a crossbar's last "
        "row, as the base machine does with a whole layer; kernels: only whole kernels lie on a crossbar, and the "
        "remaining rows are unused")
    shared_rows: bool = Field(
        False, description="the machine drives a whole row of crossbars with one input vector, so every filter block "
        "keeps the same channels (channel pruning)")
    importance: Literal["l2", "l1"] = Field(
        "l2", description="what a projection keeps most of: squares (the Euclidean projection) or absolute values")


class Huai(Pruning[HuaiOptions]):
    """A kernel group is the weights of one input channel for the filters of one column block of crossbars.

    Every filter block q keeps n_q channels: as many whole kernels as some number of crossbars holds, or all of them.
    The rest of its kernel groups are removed. No column is moved, so sums need no routing, and the kept channels of a
    block are addresses for input register loads that the machine makes anyway: nothing is stored, nothing is added.
    With fill "rows" a layer that keeps everything costs the same as on `dense`.

    A mask that is not aligned (trained for another crossbar) still packs exactly, but its last crossbars are partly
    empty; `aligned` tells. A linear layer has kernels of 1 x 1; groups of a convolution have blocks of their own.
    """

    name: ClassVar[str] = "huai"
    title: ClassVar[str] = "Huai et al."
    reads_every_phase: ClassVar[bool] = True
    summary: ClassVar[str] = "kernel groups removed in whole crossbars, nothing added (Huai et al. 2023)"
    provenance: ClassVar[str] = (
        "Huai et al., DATE 2023, abstract (crossbar-aligned pruning without hardware overhead), and the abstract of "
        "its extension CRIMP, ACM TECS 2023 (kernel-group and crossbar pruning). This project's reading: kernel group, "
        "alignment of kept counts, fill, greedy projection, shared_rows, sign")
    Options: ClassVar[type[Options]] = HuaiOptions

    def cells_per_weight(self, bits: int, geometry: Geometry) -> int:
        return dense.per_weight(bits, geometry, self.options.sign)

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        for layer in workload.compute_layers:
            height, width = layer.kernel
            if height * width > geometry.rows:
                return (f"a {height} x {width} kernel of layer {layer.name} needs {height * width} word lines, "
                        f"the crossbar has {geometry.rows}")
        return dense.Dense({"sign": self.options.sign}).accepts(workload, geometry)

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Blocks of one copy, filter block by filter block, so that crossbars that share outputs are neighbours.
        A layer with nothing left keeps one kernel group of zeros, so that it still has a crossbar."""
        grid = self._grid(layer, geometry)
        counts = _counts(layer, grid)
        alive = self._alive(counts, layer, grid)
        each = dense.per_weight(layer.weight_bits, geometry, self.options.sign)
        tall = grid.bounds[1] * grid.area if self.options.fill == "kernels" else geometry.rows
        result: list[Block] = []
        for q, count in enumerate(counts):
            targets = grid.starts[q] + np.arange(grid.sizes[q])
            rows = (np.flatnonzero(alive[q])[:, None] * grid.area + np.arange(grid.area)).ravel()
            used = len(targets) * each + dense.reference(geometry, self.options.sign)
            width = dense.span(used, geometry, self.options.sign)
            for start in range(0, len(rows), tall):
                here = rows[start:start + tall]
                result.append(Block(
                    crossbar=len(result), row0=0, col0=0, inputs=here + grid.groups[q] * layer.rows, columns=width,
                    kept=int(count[here].sum()) * each, targets=targets, idle=width - used,
                    cap=dense.largest(len(here), geometry, self.options.sign),
                    contents=partial(self._contents, layer, geometry, here, targets, width)))
        return result

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """A kernel group: one input channel for the filters of one column block."""
        filters = layer.filters // layer.groups
        if not self.options.shared_rows:
            filters = min(filters, dense.per_crossbar(layer.weight_bits, geometry, self.options.sign))
        return filters, layer.kernel[0] * layer.kernel[1]

    def project(self, weights: NDArray[np.float64], layer: Layer, geometry: Geometry, density: float) -> Projection:
        """Greedy aligned cut. Each filter block sorts its channels by importance and cuts them into runs, each of which
        fills one more crossbar. The layer's runs of largest importance per weight are kept, as many as come nearest to
        `density`.

        With squares as importance it is the Euclidean projection on all aligned sets that keep no more weights than it
        does: importance never rises from one run of a block to the next, so a prefix of their order solves that
        knapsack. Runs of zeros are removed whatever the density. `side`: density reached, crossbars, channels kept per
        filter block.

        Args:
            weights: (F, C / groups, kh, kw). density: 0, or `least(layer, geometry)` to 1.

        Raises:
            InputError: a density, shape or value not allowed, or a crossbar too small for a kernel or a weight.
        """
        ranking = self._rank(weights, layer, geometry)
        least = self.least(layer, geometry)
        if density != 0 and not least <= density <= 1:
            raise InputError(f"must be 0, or {_up(least):g} (one crossbar of {geometry.rows} x {geometry.columns} "
                             f"cells) to 1 for layer {layer.name}, not {density:g}", field="density")
        grid = ranking.grid
        keep = min(_nearest(ranking.size, density * weights.size), int(np.count_nonzero(ranking.score)))
        count = np.bincount(ranking.block[:keep], minlength=len(grid.sizes))
        kept = np.zeros_like(ranking.order, bool)
        np.put_along_axis(kept, ranking.order, np.arange(ranking.order.shape[1]) < grid.bounds[count][:, None], axis=1)
        mask = np.broadcast_to(np.repeat(kept, grid.sizes, axis=0)[:, :, None, None], weights.shape).copy()
        together = len(self._grid(layer, geometry).sizes) // len(grid.sizes)  # filter blocks with the same channels
        side: dict[str, Any] = {
            "density": float(mask.mean()), "crossbars": int(count.sum()) * together,
            "channels": np.repeat(kept.sum(axis=1), together).tolist(),
        }
        if self.options.shared_rows:
            side["warning"] = _SHARED
        return Projection(np.where(mask, weights, 0.0), mask, side)

    def share(self, weights: Sequence[NDArray[np.float64]], layers: Sequence[Layer], geometry: Geometry,
              density: float) -> list[float]:
        """Density of each layer when the greedy cut is made over the whole network: the best runs of all layers, as
        many as come nearest to `density` of all weights. `project` at these densities keeps exactly those runs.

        Every layer first gets its own best runs, enough to fill one crossbar for each of its filter blocks, so that no
        layer is removed however small its weights are.

        Args:
            weights: one array (F, C / groups, kh, kw) per layer. density: of all layers together.

        Raises:
            InputError: a density below that minimum or above 1; see also `project`.
        """
        rankings = [self._rank(w, la, geometry) for w, la in zip(weights, layers, strict=True)]
        if not rankings:
            return []
        first = [int(r.grid.bounds[1] * r.grid.area * la.filters) for r, la in zip(rankings, layers, strict=True)]
        total = sum(la.rows * la.filters for la in layers)
        least = sum(first) / total
        if not least <= density <= 1:
            raise InputError(f"must be {_up(least):g} (one crossbar of {geometry.rows} x {geometry.columns} cells for "
                             f"each filter block of every layer) to 1, not {density:g}", field="density")
        scores = [np.where(np.cumsum(r.size) <= f, np.inf, r.score) for r, f in zip(rankings, first, strict=True)]
        sizes, owner = (np.concatenate(list(parts)) for parts in (
            (r.size for r in rankings), (np.full(len(r.size), i) for i, r in enumerate(rankings))))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        chosen = order[:_nearest(sizes[order], density * total)]
        kept = np.bincount(owner[chosen], sizes[chosen], len(layers))
        return [int(k) / (la.rows * la.filters) for k, la in zip(kept, layers, strict=True)]

    def least(self, layer: Layer, geometry: Geometry) -> float:
        """Smallest density above 0 that an aligned layer can have: one crossbar of its narrowest filter block (with
        `shared_rows`, one crossbar of every block)."""
        grid = self._grid(layer, geometry, self.options.shared_rows)
        return int(grid.sizes.min() * grid.bounds[1] * grid.area) / (layer.rows * layer.filters)

    def check(self, layer: Layer, geometry: Geometry) -> str:
        return self.aligned(layer, geometry)

    def aligned(self, layer: Layer, geometry: Geometry) -> str:
        """Empty when every filter block keeps all channels or a number that fills whole crossbars of this geometry
        (with `shared_rows`, the same channels in all blocks); else the reason why not. Weights masked inside a kernel
        group that is kept count as kept."""
        reason = self.accepts(Workload(name=layer.name, layers=(layer,)), geometry)
        if reason:
            return reason
        grid = self._grid(layer, geometry)
        alive = _channels(_counts(layer, grid), grid)
        numbers = alive.sum(axis=1)
        wrong = np.flatnonzero(~np.isin(numbers, grid.bounds))
        if len(wrong):
            return (f"filter block {wrong[0]} of layer {layer.name} keeps {numbers[wrong[0]]} channels; whole "
                    f"crossbars of {geometry.rows} x {geometry.columns} cells hold {_hold(grid.bounds)}")
        blocks = alive.reshape(layer.groups, -1, alive.shape[1])
        if self.options.shared_rows and (blocks != blocks[:, :1]).any():
            return f"filter blocks of layer {layer.name} must all keep the same channels (option shared_rows)"
        return ""

    def _grid(self, layer: Layer, geometry: Geometry, shared: bool = False) -> Grid:
        """The layer's filter blocks; `shared`: blocks that keep the same channels are taken as one.

        Raises:
            InputError: the crossbar is too small for a kernel or a weight.
        """
        reason = self.accepts(Workload(name=layer.name, layers=(layer,)), geometry)
        if reason:
            raise InputError(reason)
        area, per_group = layer.kernel[0] * layer.kernel[1], layer.filters // layer.groups
        channels = layer.rows // area
        wide = dense.per_crossbar(layer.weight_bits, geometry, self.options.sign)
        starts = (np.arange(layer.groups)[:, None] * per_group
                  + np.arange(0, per_group, per_group if shared else wide)).ravel()
        if self.options.fill == "rows":
            bounds = np.arange(-(-layer.rows // geometry.rows) + 1) * geometry.rows // area
        else:
            bounds = np.arange(-(-channels // (geometry.rows // area)) + 1) * (geometry.rows // area)
        return Grid(area, starts, np.diff(starts, append=layer.filters), starts // per_group,
                    np.minimum(bounds, channels))

    def _alive(self, counts: Ints, layer: Layer, grid: Grid) -> NDArray[np.bool_]:
        """Channels that each filter block stores, [blocks, channels]: those with an unmasked weight."""
        alive = _channels(counts, grid)
        if not alive.any():
            alive[0, 0] = True
        if self.options.shared_rows:
            together = alive.reshape(layer.groups, -1, alive.shape[1])
            together |= together.any(axis=1, keepdims=True)
        return alive

    def _rank(self, weights: NDArray[np.float64], layer: Layer, geometry: Geometry) -> Ranking:
        """Runs of every filter block, best first.

        Raises:
            InputError: a shape or value not allowed, or a crossbar too small for a kernel or a weight.
        """
        grid = self._grid(layer, geometry, self.options.shared_rows)
        expected = (layer.filters, layer.rows // grid.area, *layer.kernel)
        if np.shape(weights) != expected:
            raise InputError(f"weights of layer {layer.name} must have the shape {expected}, not {np.shape(weights)}")
        exact = np.asarray(weights, np.float64)
        value = (np.abs(exact) if self.options.importance == "l1" else exact ** 2).sum(axis=(2, 3))
        value = np.add.reduceat(value, grid.starts, axis=0)
        if not np.isfinite(value).all():
            raise InputError(f"weights of layer {layer.name} must be finite numbers")
        order = np.argsort(-value, axis=1, kind="stable")
        sums = np.add.reduceat(np.take_along_axis(value, order, axis=1), grid.bounds[:-1], axis=1)
        size = grid.sizes[:, None] * np.diff(grid.bounds) * grid.area
        score = np.minimum.accumulate(sums / size, axis=1)  # never rises within a block, not even by rounding
        best = np.argsort(-score, axis=None, kind="stable")
        return Ranking(grid, order, best // size.shape[1], size.ravel()[best], score.ravel()[best])

    def _contents(self, layer: Layer, geometry: Geometry, rows: Ints, targets: Ints, width: int) -> Contents:
        """Cells and decode list of these rows of a filter block."""
        weights = layer.matrix[:, targets[0]:targets[-1] + 1][rows]
        low, high = self.levels(layer.weight_bits)
        cells.check(weights, low, high, layer.name, self.name)
        return dense.encoded(weights, targets, layer.weight_bits, geometry, self.options.sign, width)


@dataclass(frozen=True)
class Grid:
    """Filter blocks of a layer. area: rows of a kernel. starts, sizes, groups: first filter, number of filters and
    group of each block. bounds: channels that 0, 1, 2, ... crossbars of a block hold; the last entry is all
    channels."""

    area: int
    starts: Ints
    sizes: Ints
    groups: Ints
    bounds: Ints


@dataclass(frozen=True)
class Ranking:
    """Importance of a layer's weights. order: each filter block's channels, best first, [blocks, channels]. block,
    size, score: of the runs of all blocks, best first, the block of each, its number of weights, its importance per
    weight."""

    grid: Grid
    order: Ints
    block: Ints
    size: Ints
    score: NDArray[np.float64]


def _counts(layer: Layer, grid: Grid) -> Ints:
    """Unmasked weights of every row in each filter block, [blocks, rows]."""
    if layer.mask is None:
        return np.broadcast_to(grid.sizes[:, None], (len(grid.sizes), layer.rows))
    counts: Ints = np.add.reduceat(layer.kept.T, grid.starts, axis=0, dtype=np.int64)
    return counts


def _channels(counts: Ints, grid: Grid) -> NDArray[np.bool_]:
    """Channels with an unmasked weight in each filter block, [blocks, channels]."""
    return np.asarray(counts.reshape(len(counts), -1, grid.area).max(axis=2) > 0)


def _hold(bounds: Ints) -> str:
    """The numbers of channels that fill whole crossbars, in words."""
    some = ", ".join(str(b) for b in bounds[:4]) + (", ..." if len(bounds) > 5 else "")
    return f"{some} or all {bounds[-1]}" if len(bounds) > 4 else some


def _nearest(sizes: Ints, target: float) -> int:
    """How many of the first runs come nearest to `target` weights together; at least one, unless the target is 0."""
    return int(np.argmin(np.abs(np.cumsum(sizes) - target))) + 1 if target else 0


def _up(density: float) -> float:
    """The density rounded up to four decimals."""
    return min(1.0, ceil(density * 10**4) / 10**4)
