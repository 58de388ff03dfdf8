"""Meng et al.: whole column segments are removed by multi-group lasso, and the rest are packed to the left and read
sub-group by sub-group. An output DeMUX behind the ADCs routes each column's sum to its filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xbarch.datapaths import dense
from xbarch.datapaths.pruning import Pruning
from xbarch.datapaths.records import Added, Block, Contents, Geometry, Ints, Stream, Work
from xbarch.datapaths.tools import cells, indices
from xbarch.datapaths.tools.reads import standard_work
from xbarch.specs.model import Options
from xbarch.workload.graph import Layer, Workload

_INDEX_BITS = 10  # names a filter among up to 1024


class MengOptions(Options):
    """Options of `meng`."""

    group_ch: Literal[16, 8, 4] = Field(16, description="input channels of a sub-group; a group that is pruned "
                                        "together is these x kernel height x kernel width of one filter")
    unroll: Literal["im2col", "kernel_pos"] = Field(
        "im2col", description="im2col: rows in the order channel, kernel position, so that sub-groups stay whole; "
        "kernel_pos: every kernel position on crossbars of its own, with the channels down the rows (NeuroSim)")
    side_by_side: bool = Field(
        False, description="stacks that leave bit lines free share their crossbars with further stacks on the right, "
        "which are read after them: fewer crossbars, more reads of each (this project's reading)")
    diagonal: bool = Field(
        False, description="sub-groups stacked on one crossbar that fit beside one another are shifted right until "
        "they share no bit line, and are read together: fewer reads, no more conversions (this project's reading)")


@dataclass(frozen=True)
class Piece:
    """The kept segments of a sub-group, or the part of them that one crossbar holds. inputs: what drives its rows."""

    inputs: Ints
    filters: Ints

    @property
    def width(self) -> int:
        """Weights per row, the dummy included."""
        return len(self.filters) + 1


@dataclass(frozen=True)
class Page:
    """Pieces stacked down the rows of one crossbar. slot: each piece's first column, in weights. group: pieces
    with the same number are read together. width: columns taken, in weights."""

    pieces: tuple[Piece, ...]
    slot: tuple[int, ...]
    group: tuple[int, ...]

    @property
    def width(self) -> int:
        return max(s + p.width for s, p in zip(self.slot, self.pieces, strict=True))

    @property
    def reads(self) -> int:
        return self.group[-1] + 1


class Routed(Block):
    """A block whose bit lines have an order of their own, so its sums pass through the DeMUX."""


class Meng(Pruning[MengOptions]):
    """Sub-groups are stacked down the rows and cut at a crossbar's last row; the sums of the parts are added digitally.

    A stored weight is w + 2**(bits-1) - 1; a dummy weight 0, stored in the block's first digit columns, delivers
    the sum that undoes the offset. Sub-groups are read one after another.
    """

    name: ClassVar[str] = "meng"
    title: ClassVar[str] = "Meng et al."
    reads_every_phase: ClassVar[bool] = True
    summary: ClassVar[str] = "column segments removed by group lasso, packed left, output DeMUX (Meng et al. 2021)"
    provenance: ClassVar[str] = (
        "Meng et al., IEEE TCAS-II 2021, and the authors' code GroupLasso_Quant (groups, offset, dummy column, one "
        "sub-group read at a time, compaction, DeMUX). This project's reading: sub-groups stacked and cut at the last "
        "row, dummy weight as digit columns, side_by_side, DeMUX as an index table, layers without removed "
        "segments on the base machine's dense packing")
    Options: ClassVar[type[Options]] = MengOptions

    def cells_per_weight(self, bits: int, geometry: Geometry) -> int:
        return geometry.slices(bits)

    def accepts(self, workload: Workload, geometry: Geometry) -> str:
        for layer in workload.compute_layers:
            if layer.weight_bits < 2:
                return f"layer {layer.name} has {layer.weight_bits}-bit weights, odd-symmetric levels need 2 bits"
            if geometry.columns // geometry.slices(layer.weight_bits) < 2:
                return (f"layer {layer.name} needs {2 * geometry.slices(layer.weight_bits)} bit lines for a weight and "
                        f"the dummy, the crossbar has {geometry.columns}")
        return ""

    def levels(self, bits: int) -> tuple[int, int]:
        """Odd-symmetric: as many negative as positive levels (15 at 4 bits)."""
        top = (1 << bits - 1) - 1
        return -top, top

    def prunes(self, layer: Layer) -> bool:
        """All convolutions except those of 1 x 1, as in the authors' code."""
        return layer.op == "conv" and layer.kernel != (1, 1)

    def group(self, layer: Layer, geometry: Geometry) -> tuple[int, int]:
        """`group_ch` channels of one filter, whole kernels."""
        return 1, int(self.options.group_ch) * layer.kernel[0] * layer.kernel[1]

    def pack(self, layer: Layer, geometry: Geometry) -> list[Block]:
        slots = geometry.columns // geometry.slices(layer.weight_bits)
        stacks = self.stacks(layer, slots - 1)
        if stacks is None:
            return dense.blocks(layer, geometry)
        room = slots if self.options.diagonal else 0
        pages = [_page(pieces, room) for stack in stacks for pieces in _cut(stack, geometry.rows)]
        shelves = _shelve(pages, slots) if self.options.side_by_side else [[page] for page in pages]
        return [block for number, shelf in enumerate(shelves) for block in self._blocks(layer, geometry, number, shelf)]

    def work(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry, stream: Stream | None = None) -> Work:
        """Every sub-group is read once per phase; each of its sums looks up its filter once per window."""
        work = standard_work(blocks, geometry.phases(layer.input_bits), geometry)
        steered = np.zeros(int(work.crossbar.max(initial=-1)) + 1, np.int64)
        for block in blocks:
            steered[block.crossbar] += block.outputs if isinstance(block, Routed) else 0
        return replace(work, extra={"demux": steered})

    def components(self, geometry: Geometry) -> list[Added]:
        """The table from columns to filters of an IMA, large enough for 4-bit weights and 3 x 3 kernels."""
        height = self.options.group_ch * (9 if self.options.unroll == "im2col" else 1)
        reads = -(-(geometry.rows - 1) // height) + 1
        entries = reads * (geometry.columns // geometry.slices(4) - 1)
        bits = entries * _INDEX_BITS * geometry.crossbars_per_ima
        return [indices.table("demux", "demux", bits, _INDEX_BITS, "this project's reading, ")]

    def index_bits(self, blocks: Sequence[Block], layer: Layer, geometry: Geometry) -> int:
        """Bits of the tables from columns to filters."""
        return index_bits(blocks, layer.filters)

    def stacks(self, layer: Layer, most: int) -> list[list[Piece]] | None:
        """Sub-groups in the order in which they are stacked, at most `most` filters each; widest first, so that stacks
        side by side waste little. None where no segment was removed."""
        if layer.mask is None or layer.kernel == (1, 1):
            return None
        found, complete = [], True
        for positions in self._positions(layer):
            stack = []
            for inputs, filters, alive in self._subgroups(layer, positions):
                complete &= bool(alive.all())
                kept = filters[alive]
                stack += [Piece(inputs, kept[i:i + most]) for i in range(0, len(kept), most)]
            found.append(sorted(stack, key=lambda p: -len(p.filters)))
        if complete:
            return None
        if not any(found):  # nothing left: one dummy keeps the layer's outputs defined
            return [[Piece(np.arange(1), np.arange(0))]]
        return found

    def _positions(self, layer: Layer) -> list[Ints]:
        """Kernel positions that are unrolled together."""
        every = np.arange(layer.kernel[0] * layer.kernel[1])
        return [every] if self.options.unroll == "im2col" else [every[i:i + 1] for i in every]

    def _subgroups(self, layer: Layer, positions: Ints) -> Iterator[tuple[Ints, Ints, NDArray[np.bool_]]]:
        """(rows of the input vector, filters, which of the filters keep a weight in these rows) of every sub-group."""
        area = layer.kernel[0] * layer.kernel[1]
        channels, per_group = layer.rows // area, layer.filters // layer.groups
        kept = layer.kept.reshape(channels, area, layer.filters)
        for group in range(layer.groups):
            filters = np.arange(group * per_group, (group + 1) * per_group, dtype=np.int64)
            for first in range(0, channels, self.options.group_ch):
                own = np.arange(first, min(first + self.options.group_ch, channels))
                rows = (own[:, None] * area + positions).ravel()
                alive = kept[own[0]:own[-1] + 1][:, positions][:, :, filters].reshape(-1, per_group).any(axis=0)
                yield rows + group * layer.rows, filters, np.asarray(alive, np.bool_)

    def _blocks(self, layer: Layer, geometry: Geometry, crossbar: int, shelf: list[Page]) -> Iterator[Block]:
        """The blocks of one crossbar: pages from left to right, their pieces from top to bottom."""
        slices = geometry.slices(layer.weight_bits)
        col0, read = 0, 0
        for page in shelf:
            row0 = 0
            for piece, slot, group in zip(page.pieces, page.slot, page.group, strict=True):
                local = piece.inputs % layer.rows
                yield Routed(
                    crossbar=crossbar, row0=row0, col0=col0 + slot * slices, inputs=piece.inputs,
                    columns=piece.width * slices, kept=int(layer.kept[local][:, piece.filters].sum()) * slices,
                    targets=piece.filters, group=read + group,
                    contents=partial(self._contents, layer, geometry, local, piece.filters))
                row0 += len(piece.inputs)
            col0, read = col0 + page.width * slices, read + page.reads

    def _contents(self, layer: Layer, geometry: Geometry, rows: Ints, filters: Ints) -> Contents:
        """The dummy, then the kept segments; every filter's digits minus the dummy's."""
        slices, n = geometry.slices(layer.weight_bits), len(filters)
        weights = layer.matrix[rows][:, filters]
        low, high = self.levels(layer.weight_bits)
        cells.check(weights, low, high, layer.name, self.name)
        stored = np.pad(weights.astype(np.int64), ((0, 0), (1, 0))) + high
        value = cells.weights_of(slices, geometry.cell_bits, n)
        return Contents(
            cells.digits(stored, slices, geometry.cell_bits),
            column=np.concatenate((np.arange(slices, slices * (n + 1)), np.tile(np.arange(slices), n))),
            output=np.tile(np.repeat(filters, slices), 2), coefficient=np.concatenate((value, -value)),
        )


def index_bits(blocks: Sequence[Block], filters: int) -> int:
    """Bits of the tables from columns to filters: one index per stored column segment."""
    return sum(b.outputs for b in blocks if isinstance(b, Routed)) * max(1, (filters - 1).bit_length())


def _cut(stack: list[Piece], rows: int) -> Iterator[list[Piece]]:
    """Lay pieces end to end down the rows; at the crossbar's last row, cut the piece and start a new page."""
    page: list[Piece] = []
    free = rows
    for piece in stack:
        inputs = piece.inputs
        while len(inputs):
            page.append(Piece(inputs[:free], piece.filters))
            inputs, free = inputs[free:], free - len(page[-1].inputs)
            if not free:
                yield page
                page, free = [], rows
    if page:
        yield page


def _page(pieces: list[Piece], room: int) -> Page:
    """Shift every piece to the right of the one above it, to be read with it, while that fits into `room` weights;
    otherwise it starts at the left again, in a read of its own."""
    slot, group = [0], [0]
    for above, piece in pairwise(pieces):
        beside = slot[-1] + above.width
        fits = beside + piece.width <= room
        slot.append(beside if fits else 0)
        group.append(group[-1] + (not fits))
    return Page(tuple(pieces), tuple(slot), tuple(group))


def _shelve(pages: Sequence[Page], slots: int) -> list[list[Page]]:
    """Pages on as few crossbars as first-fit decreasing finds, then dealt out so that the busiest crossbar has few
    reads: each page, widest first, goes to the crossbar with the fewest reads that has room."""
    order = sorted(pages, key=lambda p: (-p.width, -p.reads))
    first = _first_fit(order, slots)
    return _deal(order, slots, len(first)) or first


def _deal(order: Sequence[Page], slots: int, count: int) -> list[list[Page]] | None:
    """Pages over `count` crossbars with balanced reads, or None where a page finds no room that way."""
    shelves: list[list[Page]] = [[] for _ in range(count)]
    room, reads = [slots] * count, [0] * count
    for page in order:
        fits = [i for i in range(count) if room[i] >= page.width]
        if not fits:
            return None
        at = min(fits, key=lambda i: (reads[i], room[i], i))
        shelves[at].append(page)
        room[at] -= page.width
        reads[at] += page.reads
    return shelves


def _first_fit(order: Sequence[Page], slots: int) -> list[list[Page]]:
    """First-fit decreasing: each page on the first crossbar with room."""
    shelves: list[list[Page]] = []
    room: list[int] = []
    for page in order:
        at = next((i for i, r in enumerate(room) if r >= page.width), len(room))
        if at == len(room):
            shelves.append([])
            room.append(slots)
        shelves[at].append(page)
        room[at] -= page.width
    return shelves
