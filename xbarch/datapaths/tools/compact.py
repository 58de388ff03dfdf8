"""Packs masks by crossbar-sized blocks: empty rows and columns of a block are left out, and what is left moves
together. Shared by the methods that remove rows and columns of blocks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import ceil, floor, log10
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from typing_extensions import TypeVar

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Bools, Contents, Geometry, Ints, Reals, Stream, Work
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.cuts import by_layer
from xbarch.datapaths.tools.packing import Piece, Placed, alone, shelved
from xbarch.datapaths.tools.reads import operation_units, standard_work
from xbarch.errors import InputError
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

Cuts = list[list[Piece]]  # pieces of every group of the convolution


class CompactOptions(Options):
    """Options of every data path that leaves out rows and columns of blocks."""

    sign: dense.Sign = Field("offset", description="how signed weights are stored, as for `dense`")


class ListOptions(CompactOptions):
    """Options of the data paths that also keep lists of rows and filters."""

    gathers: int = Field(1, ge=1, le=64, description="address generators per IMA, each at one input per clock")


CompactT = TypeVar("CompactT", bound=CompactOptions, default=CompactOptions)


class Compact(Pruning[CompactT]):
    """Base of these methods: packs any mask in the best of several ways, the dense packing among them.

    `lists`: which orders must be stored and looked up: those of inputs and outputs, of outputs alone, or none. Channels
    and filters that are empty in the whole layer are not buffered; consecutive ones among the rest need no list.
    """

    lists: ClassVar[Literal["both", "outputs", "none"]] = "both"
    Options: ClassVar[type[Options]] = ListOptions

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        return dense.Dense({"sign": self.options.sign}).accepts(workload, geometry)

    # -- packing ----------------------------------------------------------------------------------------

    @abstractmethod
    def ways(self, mask: Bools, layer: Layer, geometry: Geometry) -> list[Iterable[Piece]]:
        """The ways in which one group's mask [rows, filters] may be cut into pieces of at most a crossbar, in order of
        preference."""

    def stacks(self) -> bool:
        """Whether pieces may share a crossbar and be read one after another."""
        return False

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        """Among the ways that take no more crossbars, conversions and reads than the dense packing, the one with the
        fewest crossbars and then the fewest conversions. The dense packing where no way is better (without lists, where
        none is as good). A layer with nothing left keeps one row of one filter."""
        whole = dense.blocks(layer, geometry, self.options.sign)
        if layer.mask is None or layer.kept.all():
            return whole
        limit = self._cost(alone(_dense(layer, geometry, self.options.sign)), layer, geometry)
        best, chosen = limit[:2], list[Placed]()
        for placed in self._placings(layer, geometry):
            here = self._cost(placed, layer, geometry)
            if any(a > b for a, b in zip(here, limit, strict=True)):
                continue
            if here[:2] < best or (here[:2] == best and not chosen and self.lists == "none"):
                best, chosen = here[:2], placed
        shared = np.bincount([p.crossbar for p in chosen], minlength=1) > 1
        return [self._block(layer, geometry, p, bool(shared[p.crossbar])) for p in chosen] or whole

    def _placings(self, layer: Layer, geometry: Geometry) -> Iterator[list[Placed]]:
        """Every way to place the layer; all groups of the convolution are cut in the same way."""
        filters, cut = layer.filters // layer.groups, list[Cuts]()
        for g in range(layer.groups):
            mask = layer.kept[:, g * filters:(g + 1) * filters]
            found = self.ways(mask, layer, geometry)
            cut = cut or [[] for _ in found]
            for way, pieces in zip(cut, found, strict=True):
                way.append([Piece(p.rows + g * layer.rows, p.filters + g * filters) for p in pieces])
        for way in cut:
            if not any(way):
                way[0].append(Piece(np.arange(1), np.arange(1)))
            yield alone([p for pieces in way for p in pieces])
            if self.stacks():
                yield self._stacked(way, layer, geometry)

    def _stacked(self, way: Cuts, layer: Layer, geometry: Geometry) -> list[Placed]:
        """Pieces of one group of the convolution share crossbars; different groups do not, as on `dense`."""
        sign = self.options.sign
        placed: list[Placed] = []
        for pieces in way:
            first = placed[-1].crossbar + 1 if placed else 0
            here = shelved(pieces, dense.per_weight(layer.weight_bits, geometry, sign),
                           dense.reference(geometry, sign), geometry.rows, dense.across(geometry, sign))
            placed += sorted((replace(p, crossbar=p.crossbar + first) for p in here), key=lambda p: p.crossbar)
        return placed

    def _cost(self, placed: Sequence[Placed], layer: Layer, geometry: Geometry) -> tuple[int, int, int]:
        """Crossbars, and conversions and reads per phase."""
        shared = np.bincount([p.crossbar for p in placed]) > 1
        conversions = reads = 0
        for p in placed:
            width = geometry.converted(self._width(p.piece, layer, geometry, bool(shared[p.crossbar])))
            for _, columns, count in operation_units(len(p.piece.rows), width, geometry):
                conversions, reads = conversions + columns * count, reads + count
        return placed[-1].crossbar + 1, conversions, reads

    def _width(self, piece: Piece, layer: Layer, geometry: Geometry, shared: bool) -> int:
        """Bit lines of a piece: its own where further pieces share its crossbar."""
        sign, count = self.options.sign, len(piece.filters)
        used = count * dense.per_weight(layer.weight_bits, geometry, sign) + dense.reference(geometry, sign)
        return used if shared else dense.span(used, geometry, sign)

    def _block(self, layer: Layer, geometry: Geometry, placed: Placed, shared: bool) -> Block:
        """shared: its crossbar holds further pieces."""
        rows, filters = placed.piece.rows, placed.piece.filters
        width = self._width(placed.piece, layer, geometry, shared)
        kept = int(layer.kept[rows % layer.rows][:, filters].sum())
        return Block(
            crossbar=placed.crossbar, row0=placed.row0, col0=placed.col0, inputs=rows, columns=width,
            kept=kept * dense.per_weight(layer.weight_bits, geometry, self.options.sign), targets=filters,
            contents=partial(self._contents, layer, rows % layer.rows, filters, geometry, width),
            group=placed.read, cap=dense.largest(len(rows), geometry, self.options.sign),
            idle=width - self._width(placed.piece, layer, geometry, True))

    def _contents(self, layer: Layer, rows: Ints, filters: Ints, geometry: Geometry, width: int) -> Contents:
        """Cells and decode list of these rows and filters of the layer's matrix."""
        weights = layer.matrix[rows][:, filters]
        cells.check(weights, *self.levels(layer.weight_bits), layer.name, self.name)
        return dense.encoded(weights, filters, layer.weight_bits, geometry, self.options.sign, width)

    # -- costs ------------------------------------------------------------------------------------------

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Every read is made once per phase. Once per window, lists are fetched, inputs gathered and sums scattered."""
        work = standard_work(blocks, geometry.phases(layer.input_bits), geometry)
        if self.lists == "none":
            return work
        near = self._listed(blocks, layer)
        extra = indices.counted(near, layer, "buffer")
        if self.lists == "outputs":
            return replace(work, extra={action: extra[action] for action in ("index", "scatter")})
        delay = indices.delay(near, layer, geometry, "buffer", self._gathers())
        return replace(work, extra=extra, latency=delay.latency, interval=delay.interval)

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the lists of one copy."""
        return 0 if self.lists == "none" else sum(indices.index_bits(b, layer) for b in self._listed(blocks, layer))

    def _listed(self, blocks: Sequence[Block], layer: Layer) -> list[Block]:
        """The blocks with rows and filters numbered as the lists count them."""
        near = ranked(blocks, layer)
        return near if self.lists == "both" else [replace(b, inputs=np.arange(b.rows)) for b in near]

    def components(self, geometry: Geometry) -> list[Added]:
        """The hardware that looks up the lists, which lie in the tile's buffer; sized for 8-bit weights."""
        if self.lists == "none":
            return []
        weights = max(1, dense.per_crossbar(8, geometry, self.options.sign))
        added = indices.components(geometry, "buffer", self._gathers(), weights, 1)
        return [a for a in added if self.lists == "both" or a.action != "gather"]

    def _gathers(self) -> int:
        """Address generators of an IMA."""
        return self.options.gathers if isinstance(self.options, ListOptions) else 1

    # -- training ---------------------------------------------------------------------------------------

    @abstractmethod
    def least(self, layer: Layer, geometry: Geometry) -> float:
        """Smallest density that `project` can reach."""

    def share(self, weights: Sequence[Reals], layers: Sequence[Layer], geometry: Geometry,
              density: float) -> list[float]:
        """The same density for all layers, but none below the least that it can reach.

        Raises:
            InputError: a density above 1, or below that of the network with every layer at its least.
        """
        if not layers:
            return []
        size = np.array([layer.rows * layer.filters for layer in layers], np.float64)
        least = np.array([self.least(layer, geometry) for layer in layers])
        bottom = float(size @ least / size.sum())
        if not bottom <= density <= 1:
            raise InputError(f"must be {_up(bottom):g} (every layer at its least) to 1, not {density:g}",
                             field="density")
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if size @ np.maximum(least, middle) <= density * size.sum() else (low, middle)
        return [float(d) for d in np.maximum(least, low)] if density < 1 else [1.0] * len(layers)

    def _energies(self, weights: Reals, layer: Layer, geometry: Geometry, density: float) -> list[Reals]:
        """Squared weights of every group, [rows, filters of the group].

        Raises:
            InputError: a density out of reach, weights of another shape than the layer's or not finite, or a crossbar
                that is too narrow.
        """
        reason = self.accepts(Workload(name=layer.name, layers=(layer,)), geometry)
        if reason:
            raise InputError(reason, field="crossbar")
        least = self.least(layer, geometry)
        if not least <= density <= 1:
            raise InputError(f"must be {_up(least):g} to 1 for layer {layer.name}, not {density:g}", field="density")
        shape = (layer.filters, layer.rows // (layer.kernel[0] * layer.kernel[1]), *layer.kernel)
        if weights.shape != shape:
            raise InputError(f"must have the shape {shape} for layer {layer.name}, not {weights.shape}",
                             field="weights")
        if not np.isfinite(weights).all():
            raise InputError(f"layer {layer.name} has a weight that is not finite", field="weights")
        energy = np.square(weights.reshape(layer.groups, -1, layer.rows))
        return [np.ascontiguousarray(part.T) for part in energy]

    def _per(self, layer: Layer, geometry: Geometry) -> int:
        """Filters that fill a crossbar."""
        return dense.per_crossbar(layer.weight_bits, geometry, self.options.sign)


def _dense(layer: Layer, geometry: Geometry, sign: dense.Sign) -> list[Piece]:
    """The dense packing as pieces."""
    filters = layer.filters // layer.groups
    whole = by_layer(np.ones((layer.rows, filters), bool), geometry.rows,
                     dense.per_crossbar(layer.weight_bits, geometry, sign))
    return list(whole) * layer.groups


def ranked(blocks: Sequence[Block], layer: Layer) -> list[Block]:
    """The blocks with rows and filters numbered without the layer's empty channels and filters, unless a block's are
    consecutive already."""
    kept, area = layer.kept, layer.kernel[0] * layer.kernel[1]
    alive = kept.reshape(layer.rows, layer.groups, -1).any(axis=2).T.reshape(-1, area).any(axis=1)  # channels
    row, filter_ = np.cumsum(np.repeat(alive, area)) - 1, np.cumsum(kept.any(axis=0)) - 1

    def named(numbers: Ints, rank: Ints) -> Ints:
        return numbers if numbers[-1] - numbers[0] + 1 == len(numbers) else rank[numbers]

    return [replace(b, inputs=named(b.inputs, row), targets=named(b.targets, filter_)) for b in blocks]


def _up(density: float) -> float:
    """The density rounded up to two significant digits."""
    if density <= 0:
        return 0.0
    digit = 10.0 ** (floor(log10(density)) - 1)
    return min(1.0, ceil(density / digit - 1e-9) * digit)
