"""A layer packed by its data path, with the sums that placing and costing need."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xbarch.datapaths.base import Block, DataPath, Geometry, Stream, Work
from xbarch.mapping import lawful
from xbarch.sensing.base import Sensing
from xbarch.workload.graph import Layer, Workload, unroll

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Packed:
    """One copy of `layer` on crossbars. sensing: the unit as it is set for the layer. occupancy: ps each crossbar is
    busy for a window, [crossbars] or [windows, crossbars]."""

    layer: Layer
    blocks: Sequence[Block]
    work: Work
    sensing: Sensing
    occupancy: Ints

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
        return np.bincount([b.crossbar for b in self.blocks], [b.kept for b in self.blocks],
                           self.crossbars).astype(np.int64)

    @cached_property
    def cuts(self) -> list[int]:
        """Crossbar indices between which no output is shared: borders of column blocks."""
        first = np.full(self.layer.filters, self.crossbars, np.int64)
        last = np.full(self.layer.filters, -1, np.int64)
        for block in self.blocks:
            first[block.targets] = np.minimum(first[block.targets], block.crossbar)
            last[block.targets] = np.maximum(last[block.targets], block.crossbar)
        inside = np.zeros(self.crossbars + 1, np.int64)
        np.add.at(inside, first[last >= 0] + 1, 1)
        np.add.at(inside, last[last >= 0] + 1, -1)
        crossed = np.cumsum(inside)
        return [i for i in range(self.crossbars + 1) if i in (0, self.crossbars) or crossed[i] == 0]

    @cached_property
    def _memo(self) -> dict[tuple[str, int, int], Any]:
        return {}

    def _union(self, what: Literal["inputs", "targets"], start: int, stop: int) -> NDArray[np.bool_]:
        """Which inputs or outputs the blocks of crossbars [start, stop) name; remembered, as copies repeat it."""
        key = (what, start, stop)
        if key not in self._memo:
            size = self.layer.rows * self.layer.groups if what == "inputs" else self.layer.filters
            used = np.zeros(size, bool)
            for block in self._sorted[self._first[start]:self._first[stop]]:
                used[getattr(block, what)] = True
            self._memo[key] = used
        found: NDArray[np.bool_] = self._memo[key]
        return found

    @cached_property
    def _sorted(self) -> list[Block]:
        return sorted(self.blocks, key=lambda b: b.crossbar)

    @cached_property
    def _first(self) -> Ints:
        """Index of each crossbar's first block in `_sorted`, and the end."""
        return np.searchsorted([b.crossbar for b in self._sorted], np.arange(self.crossbars + 1))

    def drivers(self, start: int, stop: int) -> int:
        """Number of distinct inputs that drive crossbars [start, stop)."""
        return int(self._union("inputs", start, stop).sum())

    def targets(self, start: int, stop: int) -> int:
        """Number of distinct outputs crossbars [start, stop) add to."""
        return int(self._union("targets", start, stop).sum())

    def partial_sums(self, start: int, stop: int, slot: int, per_ima: int) -> int:
        """Sums the IMAs deliver for crossbars [start, stop), the first of which is crossbar `slot` of its tile.

        Crossbars of one IMA that add to the same output share its output register entry.
        """
        return sum(self.targets(a, b) for a, b in _imas(start, stop, slot, per_ima))

    def registered(self, start: int, stop: int, slot: int, per_ima: int) -> int:
        """Inputs written into input registers for crossbars [start, stop): once in each IMA they drive."""
        return sum(self.drivers(a, b) for a, b in _imas(start, stop, slot, per_ima))


def _imas(start: int, stop: int, slot: int, per_ima: int) -> Iterable[tuple[int, int]]:
    """Crossbars [start, stop), the first of which is crossbar `slot` of its tile, cut at the borders of IMAs."""
    return pairwise([start, *range(start + per_ima - slot % per_ima, stop, per_ima), stop])


def occupied(sensing: Sensing, work: Work) -> Ints:
    """Time every crossbar is busy for a window (ps), [crossbars] or [windows, crossbars]: reads as long as its sensing
    unit takes, one after another, groups of one crossbar too, and what the unit does behind them."""
    starts = np.searchsorted(work.crossbar, np.arange(int(work.crossbar.max()) + 1))
    taken, rest = work.reads * lawful.each(sensing, work), lawful.rest(sensing, work)
    busy: Ints = np.add.reduceat(taken if rest is None else taken + rest, starts, axis=-1)
    return busy if work.interval is None else np.maximum(busy, work.interval)


def pack(layer: Layer, path: DataPath, geometry: Geometry, sensing: Sensing,
         stream: Stream | None = None) -> Packed:
    """Pack `layer` and derive each crossbar's time a window from the emitted work; stream: the layer's inputs.

    Raises:
        InputError: the data path fails, or its packing breaks the contract.
    """
    blocks = lawful.blocks(path, layer, geometry)
    work = lawful.work(path, blocks, layer, geometry, stream)
    unit = lawful.adjusted(sensing, layer.weight_bits, layer.input_bits)
    return Packed(layer, blocks, work, unit, occupied(unit, work))


class Kept:
    """The networks packed last, for runs that differ in nothing a packing depends on: the network's content, data path
    and options, geometry, sensing unit. The same objects are given again; nothing in them changes but what they
    remember. most: how many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._found: OrderedDict[tuple[Any, ...], tuple[Workload, dict[str, Packed]]] = OrderedDict()

    def packed(self, network: Workload, path: DataPath, geometry: Geometry, sensing: Sensing) -> dict[str, Packed]:
        """Every compute layer packed. A network is the object that was loaded, whose content never changes.

        Raises:
            InputError: as `pack`.
        """
        key = (id(network), type(path), repr(path.options), geometry, type(sensing), sensing.array,
               repr(sensing.options))
        if key not in self._found:
            while len(self._found) >= self.most:  # before there is another, for the sake of memory
                self._found.popitem(last=False)
            self._found[key] = network, {layer.name: pack(layer, path, geometry, sensing, stream(network, layer))
                                         for layer in network.compute_layers}  # it is held, so its id is its own
        self._found.move_to_end(key)
        return self._found[key][1]


kept = Kept(1)


def stream(network: Workload, layer: Layer) -> Stream | None:
    """The stored inputs of a layer."""
    if layer.name not in network.activations:
        return None
    images = int(network.manifest["images"]) if "images" in network.manifest else len(network.activations[layer.name])

    def make() -> NDArray[Any]:
        stored = network.activations[layer.name].reshape(-1, *layer.in_shape)
        return np.concatenate([unroll(image, layer) for image in stored])

    return Stream(images, layer.input_bits, make)


def least_crossbars(network: Workload, geometry: Geometry) -> int:
    """Crossbars that one copy of each layer needs on any data path: a cell for every kept weight."""
    return sum(ceil(la.kept_weights / (geometry.rows * geometry.columns)) for la in network.compute_layers)


def dense_crossbars(network: Workload, geometry: Geometry) -> int:
    """Crossbars of one dense copy: sum over layers of groups * ceil(R / rows) * ceil(F * S / columns).

    S cells a weight, single sign copy (ISAAC, ISCA 2016). The reference every crossbar budget is a multiple of.
    """
    count = 0
    for layer in network.compute_layers:
        cells = layer.filters // layer.groups * geometry.slices(layer.weight_bits)
        count += layer.groups * ceil(layer.rows / geometry.rows) * ceil(cells / geometry.columns)
    return count
