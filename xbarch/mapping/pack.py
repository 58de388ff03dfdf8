"""A layer packed by its data path, with the totals that placement and costing need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from math import ceil, prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, DataPath, Geometry, Stream, Work
from xbarch.mapping.layout import Layout, Lists, starts
from xbarch.mapping.place import Part
from xbarch.parts.sensing.base import Sensing, Setting
from xbarch.plugins import checked
from xbarch.workload.graph import Layer, Workload, unroll

Ints = NDArray[np.int64]
_KEPT = 20_000  # blocks of a layer that stay in memory once it is packed; more are made again where asked for


@dataclass(frozen=True, eq=False, kw_only=True)
class Packed:
    """One copy of `layer` on crossbars.

    layout: where its blocks lie, as tables.
    work: the cost of a window on each activation group.
    sensing: the sensing unit, set for the layer's precisions.
    occupancy: ps for which each crossbar is busy per window, [crossbars] or [windows, crossbars].
    make: rebuilds the blocks for callers that need more than `layout`.
    """

    layer: Layer
    layout: Layout
    work: Work
    sensing: Sensing
    occupancy: Ints
    make: Callable[[], Sequence[Block]] = field(repr=False)
    stream: Stream | None = None
    """The layer's inputs, where the workload stores them."""
    windows: int = 0
    """Output pixels of the stored inputs."""

    @cached_property
    def blocks(self) -> Sequence[Block]:
        return self.make()

    @property
    def crossbars(self) -> int:
        return int(self.occupancy.shape[-1])

    @cached_property
    def mean_occupancy(self) -> Fraction:
        """Mean over windows of the slowest crossbar's time (ps)."""
        slowest = self.occupancy.max(axis=-1)
        return Fraction(int(slowest.sum()), slowest.size)

    @cached_property
    def kept(self) -> Ints:
        """Cells of unmasked weights on each crossbar."""
        return np.bincount(self.layout.crossbar, self.layout.kept, self.crossbars).astype(np.int64)

    @property
    def cuts(self) -> list[int]:
        """Crossbar indices between which no output is shared: borders of column blocks."""
        return self.layout.borders

    @cached_property
    def actions(self) -> dict[str, Ints]:
        """How often each entry of `work` performs the actions that the sensing unit counts."""
        return checked.actions(self.sensing, self.work, self.windows)

    @cached_property
    def entries(self) -> list[int]:
        """[crossbars + 1]: each crossbar's first entry of `work`, and the end."""
        return starts(self.work.crossbar, self.crossbars)

    def by_crossbar(self, part: Part, *factors: Ints) -> Ints:
        """The product of counts of entries of `work`, each [..., entries], summed for each crossbar of a part,
        [..., crossbars]."""
        first, end = self.entries[part.start], self.entries[part.stop]
        found: Ints = np.add.reduceat(prod(factor[..., first:end] for factor in factors), np.array(
            self.entries[part.start:part.stop]) - first, axis=-1)
        return found

    def stacked(self, counts: Ints, part: Part, stack: int) -> Ints:
        """Of counts of a part's crossbars, [..., crossbars]: where `stack` of them lie above one another (in places of
        their tile that follow one another) and have the same outputs, the largest, at the first."""
        if stack == 1:
            return counts
        level = (np.arange(part.crossbars) + part.slot) // stack
        adds = [tuple(np.unique(self.layout.targets.which[first:last]).tolist())
                for first, last in pairwise(self.layout.first[part.start:part.stop + 1])]
        starts = [0, *(n for n in range(1, part.crossbars) if level[n] != level[n - 1] or adds[n] != adds[n - 1])]
        found = np.zeros_like(counts)
        found[..., starts] = np.maximum.reduceat(counts, starts, axis=-1)
        return found

    @staticmethod
    def imas(start: int, stop: int, slot: int, per_ima: int) -> Iterable[tuple[int, int]]:
        """Crossbars [start, stop), the first of which is crossbar `slot` of its tile, cut at the borders of IMAs."""
        return pairwise([start, *range(start + per_ima - slot % per_ima, stop, per_ima), stop])

    @cached_property
    def _memo(self) -> dict[tuple[Any, ...], int]:
        return {}

    def _distinct(self, what: Literal["inputs", "targets"], start: int, stop: int) -> int:
        """How many distinct inputs or outputs the blocks of crossbars [start, stop) have. Remembered, since copies
        repeat the question and crossbars of one row or column block have the same."""
        key = (what, start, stop)
        if key not in self._memo:
            lists: Lists = getattr(self.layout, what)
            first = self.layout.first
            chosen = np.unique(lists.which[first[start]:first[stop]]).tolist()
            same = (what, tuple(chosen))
            if same not in self._memo:
                self._memo[same] = lists.distinct(chosen)
            self._memo[key] = self._memo[same]
        return self._memo[key]

    def drivers(self, start: int, stop: int) -> int:
        """Number of distinct inputs that drive crossbars [start, stop)."""
        return self._distinct("inputs", start, stop)

    def inputs(self, start: int, stop: int) -> Ints:
        """The distinct inputs that drive crossbars [start, stop), in order."""
        first, lists = self.layout.first, self.layout.inputs
        chosen = np.unique(lists.which[first[start]:first[stop]]).tolist()
        return np.unique(np.concatenate([lists.values[lists.starts[n]:lists.starts[n + 1]] for n in chosen]))

    def targets(self, start: int, stop: int) -> int:
        """Number of distinct outputs to which crossbars [start, stop) add."""
        return self._distinct("targets", start, stop)

    def partial_sums(self, start: int, stop: int, slot: int, per_ima: int) -> int:
        """Sums that the IMAs deliver for crossbars [start, stop), the first of which is crossbar `slot` of its tile.

        Crossbars of one IMA that add to the same output share its output register entry.
        """
        return sum(self.targets(a, b) for a, b in self.imas(start, stop, slot, per_ima))


def occupied(sensing: Sensing, work: Work, windows: int = 0) -> Ints:
    """Time (ps) for which every crossbar is busy per window, [crossbars] or [windows, crossbars]: its reads, of all its
    groups, one after another, each as long as the sensing unit takes, and what the sensing unit does after them.
    windows: output pixels of the stored inputs."""
    starts = np.searchsorted(work.crossbar, np.arange(int(work.crossbar.max()) + 1))
    taken, rest = work.reads * checked.each(sensing, work), checked.rest(sensing, work, windows)
    busy: Ints = np.add.reduceat(taken if rest is None else taken + rest, starts, axis=-1)
    return busy if work.interval is None else np.maximum(busy, work.interval)


def pack(layer: Layer, path: DataPath, geometry: Geometry, sensing: Sensing,
         stream: Stream | None = None) -> Packed:
    """Pack `layer` and derive each crossbar's time per window from the emitted work; stream: the layer's inputs.

    Raises:
        InputError: the data path fails, or its packing breaks the contract.
    """
    blocks = checked.blocks(path, layer, geometry)
    work = checked.work(path, blocks, layer, geometry, stream)
    again = partial(checked.blocks, path, layer, geometry)
    setting = Setting(layer=layer, geometry=geometry, blocks=again if len(blocks) > _KEPT else lambda: blocks,
                      stream=stream)
    return sensed(setting, Layout.of(blocks), work, sensing)


def alike(layer: Layer, path: DataPath, streamed: bool) -> tuple[object, ...] | None:
    """What the packing of a layer follows from, where that is its shape alone: layers of which it is equal are packed
    alike. None where it may depend on more."""
    if not path.by_shape or layer.mask is not None or streamed:
        return None
    return (layer.op, layer.in_shape, layer.out_shape, layer.kernel, layer.stride, layer.padding, layer.padding_end,
            layer.dilation, layer.groups, layer.weight_bits, layer.input_bits, layer.signed_in)


def distinct(network: Workload, path: DataPath) -> Workload:
    """The network without the compute layers that are packed as an earlier one is."""
    seen: set[tuple[object, ...]] = set()
    left = []
    for layer in network.layers:
        shape = alike(layer, path, layer.name in network.activations) if layer.compute else None
        if shape is None or shape not in seen:
            left.append(layer)
        if shape is not None:
            seen.add(shape)
    return replace(network, layers=tuple(left))


def sensed(given: Setting, layout: Layout, work: Work, sensing: Sensing) -> Packed:
    """A packing with its sensing unit, set for it.

    Raises:
        InputError: the sensing unit breaks its contract.
    """
    unit = checked.adjusted(sensing, given)
    return Packed(layer=given.layer, layout=layout, work=work, sensing=unit, make=given.blocks, stream=given.stream,
                  windows=given.windows, occupancy=occupied(unit, work, given.windows))


def stream(network: Workload, layer: Layer, geometry: Geometry) -> Stream | None:
    """The stored inputs of a layer, as their digits drive word lines."""
    if layer.name not in network.activations:
        return None
    images = int(network.manifest["images"]) if "images" in network.manifest else len(network.activations[layer.name])

    def make() -> NDArray[Any]:
        stored = network.activations[layer.name].reshape(-1, *layer.in_shape)
        return geometry.digits(np.concatenate([unroll(image, layer) for image in stored]), layer)

    return Stream(images, layer.input_bits, make)


def least_crossbars(network: Workload, geometry: Geometry) -> int:
    """Crossbars that one copy of each layer needs on any data path: a cell for every kept weight."""
    return sum(ceil(la.kept_weights / (geometry.rows * geometry.columns)) for la in network.compute_layers)


def dense_crossbars(network: Workload, geometry: Geometry) -> int:
    """Crossbars of one dense copy: sum over layers of groups * ceil(R / rows) * ceil(F * S / columns).

    S cells per weight, with a single array for both signs (ISAAC, ISCA 2016). Crossbar budgets are multiples of this.
    """
    count = 0
    for layer in network.compute_layers:
        cells = layer.filters // layer.groups * geometry.slices(layer.weight_bits)
        count += layer.groups * ceil(layer.rows / geometry.rows) * ceil(cells / geometry.columns)
    return count
